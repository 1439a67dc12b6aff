//! A server of every kind of thing, made with the protocol's own library.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::http::testing::{RecordedRequest, read_request};

type Answer<T> = Result<T, rmcp::ErrorData>;

#[derive(Clone)]
pub(super) struct Everything;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Answer<ListToolsResult> {
        let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
        Ok(match request.and_then(|request| request.cursor).as_deref() {
            None => read(json!({ "tools": [tool("echo"), tool("fail")], "nextCursor": "second" })),
            Some("second") => read(json!({ "tools": [tool("hang")], "nextCursor": "third" })),
            Some("endless") => read(json!({ "tools": [tool("echo")], "nextCursor": "endless" })),
            _ => read(json!({ "tools": [] })),
        })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Answer<CallToolResponse> {
        let result: CallToolResult = match request.name.as_ref() {
            "echo" => {
                let meta = serde_json::to_value(&context.meta).unwrap();
                let client = context.peer.peer_info().unwrap().client_info.name.clone();
                let said = json!({ "arguments": request.arguments, "key": meta["atom/idempotencyKey"], "client": client });
                read(json!({ "content": [{ "type": "text", "text": "done" }], "structuredContent": said }))
            }
            "fail" => read(json!({
                "content": [{ "type": "text", "text": "out of" }, { "type": "text", "text": "paper" }], "isError": true
            })),
            "hang" => std::future::pending().await,
            _ => return Err(rmcp::ErrorData::invalid_params("unknown tool", None)),
        };
        Ok(result.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Answer<ListPromptsResult> {
        Ok(read(json!({ "prompts": [{ "name": "greet" }] })))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Answer<GetPromptResponse> {
        let text = format!("{}!", request.name);
        let prompt: GetPromptResult = read(json!({
            "messages": [{ "role": "user", "content": { "type": "text", "text": text } }]
        }));
        Ok(prompt.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Answer<ListResourcesResult> {
        Ok(read(
            json!({ "resources": [{ "uri": "file:///a", "name": "a" }] }),
        ))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Answer<ListResourceTemplatesResult> {
        Ok(read(
            json!({ "resourceTemplates": [{ "uriTemplate": "file:///{path}", "name": "files" }] }),
        ))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Answer<ReadResourceResponse> {
        let contents = json!({ "contents": [{ "uri": request.uri, "text": "hello" }] });
        Ok(read::<ReadResourceResult>(contents).into())
    }
}

/// The arguments that make this program a server on its standard streams.
pub(super) const ARGUMENTS: [&str; 6] = [
    "--exact",
    "mcp::tests::server::serve_standard_streams",
    "--ignored",
    "--nocapture",
    "--quiet",
    "--test-threads=2",
];

/// No test: a server to be started by one. What the test harness writes first is a greeting.
#[tokio::test]
#[ignore = "a server for other tests"]
async fn serve_standard_streams() {
    let service = Everything.serve(rmcp::transport::stdio()).await.unwrap();
    service.waiting().await.unwrap();
}

/// The server over streamable HTTP, until it is dropped.
pub(super) struct HttpServer {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = StreamableHttpService::new(
            || Ok(Everything),
            Arc::new(LocalSessionManager::default()),
            StreamableHttpServerConfig::default(),
        );
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, service.clone()));
            }
        });
        Self { address, task }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, service: StreamableHttpService<Everything, LocalSessionManager>) {
    let Ok(Some(request)) = read_request(&mut stream).await else {
        return;
    };
    let response = service.handle(converted(request)).await;
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", response.status());
    for (name, value) in response.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut body = response.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if stream.write_all(&data).await.is_err() {
            return;
        }
    }
    // A client that has gone has its answer.
    let _ = stream.shutdown().await;
}

fn converted(request: RecordedRequest) -> http::Request<Full<std::io::Cursor<Vec<u8>>>> {
    let mut builder = http::Request::builder()
        .method(request.method.as_str())
        .uri(&request.target);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(std::io::Cursor::new(request.body)))
        .unwrap()
}
