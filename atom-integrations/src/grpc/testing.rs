//! A loopback gRPC server for tests: it answers as a closure says, checks that requests keep the protocol, and
//! remembers what it was asked.
//!
//! ```
//! use atom_integrations::grpc::testing::{TestReply, TestService};
//! use serde_json::json;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let proto = r#"
//!     syntax = "proto3";
//!     service Greeter { rpc Hello(Name) returns (Name); }
//!     message Name { string name = 1; }
//! "#;
//! let service = TestService::start(proto, |call| TestReply::message(call.message.clone())).await?;
//! assert!(service.calls().is_empty() && service.port() > 0);
//! # Ok::<(), std::io::Error>(()) }).unwrap();
//! ```

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use h2::SendStream;
use h2::server::{self, SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use prost_reflect::bytes::Bytes;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::frame;

/// The longest request that is read, in bytes.
const MAXIMUM_LENGTH: u64 = 1024 * 1024;

/// A call that came.
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// The service and method, e.g. `helloworld.Greeter/SayHello`.
    pub method: String,
    /// What the client calls the host.
    pub authority: String,
    /// The metadata by lower-case name.
    pub metadata: BTreeMap<String, String>,
    /// The request message as JSON.
    pub message: Value,
}

/// What the server answers.
#[derive(Clone, Debug, Default)]
pub struct TestReply {
    messages: Vec<Value>,
    raw: Vec<u8>,
    http_status: Option<u16>,
    trailers: Vec<(&'static str, String)>,
    is_stalling: bool,
    is_broken: bool,
}

impl TestReply {
    /// One message, and all is well.
    #[must_use]
    pub fn message(message: Value) -> Self {
        Self::messages([message])
    }

    /// A stream of messages, and all is well.
    #[must_use]
    pub fn messages(messages: impl IntoIterator<Item = Value>) -> Self {
        Self {
            messages: messages.into_iter().collect(),
            ..Self::status(0, "")
        }
    }

    /// A status and nothing else.
    #[must_use]
    pub fn status(status: u32, message: &str) -> Self {
        Self {
            trailers: vec![
                ("grpc-status", status.to_string()),
                ("grpc-message", message.to_owned()),
            ],
            ..Self::default()
        }
    }

    /// These bytes in the place of messages, and all is well.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            raw: bytes.into(),
            ..Self::status(0, "")
        }
    }

    /// A status of HTTP and nothing else.
    #[must_use]
    pub fn http_status(status: u16) -> Self {
        Self {
            http_status: Some(status),
            ..Self::default()
        }
    }

    /// No answer at all.
    #[must_use]
    pub fn stalling() -> Self {
        Self {
            is_stalling: true,
            ..Self::default()
        }
    }

    /// The same, but the stream breaks where the status should come.
    #[must_use]
    pub fn and_break(mut self) -> Self {
        self.is_broken = true;
        self
    }
}

type Handler = dyn Fn(&RecordedCall) -> TestReply + Send + Sync;

/// A server on the loopback interface, until it is dropped.
#[derive(Debug)]
pub struct TestService {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<RecordedCall>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TestService {
    /// Starts a server for the services of a `.proto` text.
    ///
    /// # Errors
    /// When no port can be opened, or the text cannot be compiled.
    pub async fn start(
        proto: &str,
        handler: impl Fn(&RecordedCall) -> TestReply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let pool = compile(proto).map_err(io::Error::other)?;
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (log, handler): (_, Arc<Handler>) = (Arc::clone(&calls), Arc::new(handler));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (pool, log, handler) = (pool.clone(), Arc::clone(&log), Arc::clone(&handler));
                connections.spawn(async move {
                    // A client that breaks the protocol is told by the broken connection.
                    let _ = serve(stream, &pool, &log, &*handler).await;
                });
            }
        });
        Ok(Self { address, calls, task })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == "test.proto" {
            File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

fn compile(proto: &str) -> Result<DescriptorPool, protox::Error> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Source(proto.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("test.proto")?;
    Ok(compiler.descriptor_pool())
}

async fn serve(
    stream: TcpStream,
    pool: &DescriptorPool,
    log: &Mutex<Vec<RecordedCall>>,
    handler: &Handler,
) -> io::Result<()> {
    let mut connection = server::handshake(stream).await.map_err(io::Error::other)?;
    let mut stalled = Vec::new();
    while let Some(request) = connection.accept().await {
        let (request, respond) = request.map_err(io::Error::other)?;
        let method = find(pool, request.uri().path())?;
        let (parts, mut body) = request.into_parts();
        let mut bytes = frame::Reader::new(MAXIMUM_LENGTH);
        // The connection must be driven for the body to come.
        loop {
            tokio::select! {
                chunk = body.data() => match chunk {
                    Some(chunk) => {
                        let chunk = chunk.map_err(io::Error::other)?;
                        body.flow_control().release_capacity(chunk.len()).map_err(io::Error::other)?;
                        bytes.push(&chunk).map_err(io::Error::other)?;
                    }
                    None => break,
                },
                closed = poll_fn(|context| connection.poll_closed(context)) => return closed.map_err(io::Error::other),
            }
        }
        let call = record(&Request::from_parts(parts, ()), &method, bytes)?;
        let reply = handler(&call);
        log.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if reply.is_stalling {
            stalled.push(respond);
        } else {
            answer(respond, &method, reply)?;
        }
    }
    Ok(())
}

fn find(pool: &DescriptorPool, path: &str) -> io::Result<MethodDescriptor> {
    let (service, method) = path.trim_start_matches('/').rsplit_once('/').unwrap_or_default();
    pool.get_service_by_name(service)
        .and_then(|service| service.methods().find(|each| each.name() == method))
        .ok_or_else(|| io::Error::other(format!("no method at {path}")))
}

/// Notes a call that keeps the protocol.
fn record(request: &Request<()>, method: &MethodDescriptor, body: frame::Reader) -> io::Result<RecordedCall> {
    let metadata: BTreeMap<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let says = |name: &str, value: &str| metadata.get(name).is_some_and(|found| found == value);
    let keeps_the_protocol = request.method() == http::Method::POST
        && says("content-type", "application/grpc")
        && says("te", "trailers")
        && metadata.contains_key("grpc-timeout");
    if !keeps_the_protocol {
        return Err(io::Error::other(format!("not a call of gRPC: {request:?}")));
    }
    let messages = body.finish().map_err(io::Error::other)?;
    let [message] = <[Bytes; 1]>::try_from(messages).map_err(|_| io::Error::other("not one message"))?;
    let message = DynamicMessage::decode(method.input(), message).map_err(io::Error::other)?;
    Ok(RecordedCall {
        method: format!("{}/{}", method.parent_service().full_name(), method.name()),
        authority: request
            .uri()
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default(),
        metadata,
        message: serde_json::to_value(&message).map_err(io::Error::other)?,
    })
}

fn answer(mut respond: SendResponse<Bytes>, method: &MethodDescriptor, reply: TestReply) -> io::Result<()> {
    let response = Response::builder().status(reply.http_status.unwrap_or(200));
    if reply.http_status.is_some() {
        let response = response.body(()).map_err(io::Error::other)?;
        respond.send_response(response, true).map_err(io::Error::other)?;
        return Ok(());
    }
    let response = response.header("content-type", "application/grpc");
    let mut trailers = HeaderMap::new();
    for (name, value) in &reply.trailers {
        let value = HeaderValue::from_str(value).map_err(io::Error::other)?;
        trailers.insert(HeaderName::from_static(name), value);
    }
    let mut body = reply.raw;
    for message in reply.messages {
        let message = DynamicMessage::deserialize(method.output(), message).map_err(io::Error::other)?;
        body.extend(frame::write(&message.encode_to_vec()).map_err(io::Error::other)?);
    }
    if body.is_empty() && !reply.is_broken {
        // Headers that are trailers at once, as servers answer errors.
        let mut response = response.body(()).map_err(io::Error::other)?;
        response.headers_mut().extend(trailers);
        respond.send_response(response, true).map_err(io::Error::other)?;
        return Ok(());
    }
    let response = response.body(()).map_err(io::Error::other)?;
    let mut stream: SendStream<Bytes> = respond.send_response(response, false).map_err(io::Error::other)?;
    stream
        .send_data(Bytes::from(body), false)
        .map_err(io::Error::other)?;
    if reply.is_broken {
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
        return Ok(());
    }
    stream.send_trailers(trailers).map_err(io::Error::other)
}
