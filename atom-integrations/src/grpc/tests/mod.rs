//! The function over a real loopback connection.

mod schema;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atom_core::{Error, ErrorCode, Function, FunctionContext, Principal, Result, Retry};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::function;
use super::testing::{TestReply, TestService};
use crate::http::testing::{AuthorityConfig, TestAuthority};
use crate::http::{HttpClient, HttpConfig, PrivateAddresses};
use crate::local::FileAccess;

const PROTO: &str = r#"
    syntax = "proto3";
    package clinic.v1;
    import "google/protobuf/timestamp.proto";
    service Pets {
        rpc Find(FindRequest) returns (Pet);
        rpc Watch(FindRequest) returns (stream Pet);
        rpc Add(stream Pet) returns (Pet);
        rpc Chat(stream Pet) returns (stream Pet);
    }
    message FindRequest { string pet_name = 1; int32 most = 2; }
    message Pet {
        string pet_name = 1;
        int64 number = 2;
        repeated string visits = 3;
        optional string owner = 4;
        Kind kind = 5;
        bytes photo = 6;
        google.protobuf.Timestamp born = 7;
        map<string, double> weights = 8;
    }
    enum Kind { KIND_UNKNOWN = 0; CAT = 1; }
"#;

/// A folder with the `.proto` file, and calls that may read it.
struct Bench {
    folder: TempDir,
    config: HttpConfig,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self {
            folder,
            config: HttpConfig {
                private_addresses: PrivateAddresses::Allow,
                ..HttpConfig::default()
            },
        };
        bench.write("pets.proto", PROTO);
        bench
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn context(&self) -> FunctionContext {
        let mut context = context();
        context.directory = Some(self.folder.path().to_owned());
        context
    }

    fn function(&self) -> Arc<dyn Function> {
        grpc(self.config.clone(), self.folder.path())
    }

    async fn call(&self, arguments: Value) -> Result<Value> {
        self.function().call(arguments, self.context()).await
    }

    async fn failure(&self, arguments: Value) -> Error {
        self.call(arguments).await.unwrap_err()
    }
}

fn grpc(config: HttpConfig, folder: &Path) -> Arc<dyn Function> {
    let client = HttpClient::new(config).unwrap();
    function(&client, FileAccess::below([folder]).unwrap())
}

fn context() -> FunctionContext {
    FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key-1")
}

fn find(port: u16) -> Value {
    json!({
        "proto": { "endpoint": "pets.proto" },
        "service": { "name": "clinic.v1.Pets", "host": "127.0.0.1", "port": port },
        "method": "Find",
        "arguments": { "petName": "Tom", "most": 3 },
    })
}

fn with(mut arguments: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    arguments.pointer_mut(parent).unwrap()[name] = value;
    arguments
}

async fn service(reply: impl Fn() -> TestReply + Send + Sync + 'static) -> TestService {
    TestService::start(PROTO, move |_| reply()).await.unwrap()
}

#[tokio::test]
async fn a_method_is_called_with_json_and_gives_json() {
    let pet = json!({
        "petName": "Tom", "number": "9007199254740993", "kind": "CAT", "photo": "AAH/",
        "born": "2026-01-02T03:04:05Z", "weights": { "2026": 4.5 },
    });
    let answer = pet.clone();
    let service = service(move || TestReply::message(answer.clone())).await;
    let bench = Bench::new();
    let output = bench.call(find(service.port())).await.unwrap();
    // A field with presence that was not sent is absent; the others are there with their default.
    let mut expected = pet;
    expected["visits"] = json!([]);
    assert_eq!(output, expected);
    let [call] = service.calls().try_into().unwrap();
    assert_eq!(call.method, "clinic.v1.Pets/Find");
    assert_eq!(call.message, json!({ "petName": "Tom", "most": 3 }));
    assert_eq!(call.authority, format!("127.0.0.1:{}", service.port()));
    assert_eq!(call.metadata["idempotency-key"], "key-1");
    assert_eq!(call.metadata["grpc-timeout"], "60000m");
    assert!(!call.metadata.contains_key("authorization"));
}

#[tokio::test]
async fn a_stream_of_answers_is_an_array() {
    let bench = Bench::new();
    for count in [0, 1, 3] {
        let service = service(move || {
            TestReply::messages((0..count).map(|number| json!({ "number": number.to_string() })))
        })
        .await;
        let arguments = with(find(service.port()), "/method", json!("Watch"));
        let output = bench.call(arguments).await.unwrap();
        let numbers: Vec<_> = output
            .as_array()
            .unwrap()
            .iter()
            .map(|pet| pet["number"].clone())
            .collect();
        let expected: Vec<_> = (0..count).map(|number| json!(number.to_string())).collect();
        assert_eq!(numbers, expected);
    }
}

#[tokio::test]
async fn a_method_that_takes_a_stream_is_refused() {
    let service = service(TestReply::default).await;
    let bench = Bench::new();
    for method in ["Add", "Chat"] {
        let error = bench
            .failure(with(find(service.port()), "/method", json!(method)))
            .await;
        assert_eq!(error.code(), ErrorCode::Unsupported, "{error}");
    }
    assert!(service.calls().is_empty());
}

#[tokio::test]
async fn credentials_become_metadata_and_are_not_told() {
    let bench = Bench::new();
    for (policy, expected) in [
        (
            json!({ "basic": { "username": "ada", "password": "s3cret" } }),
            "Basic YWRhOnMzY3JldA==",
        ),
        (json!({ "bearer": { "token": "s3cret" } }), "Bearer s3cret"),
    ] {
        let service = service(|| TestReply::status(16, "who are you?")).await;
        let arguments = with(find(service.port()), "/service/authentication", policy);
        let error = bench.failure(arguments).await;
        assert_eq!(error.code(), ErrorCode::Unauthenticated);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        assert_eq!(service.calls()[0].metadata["authorization"], expected);
    }
}

#[tokio::test]
async fn a_token_that_the_service_refuses_is_replaced_and_none_is_told() {
    let authority = TestAuthority::start(AuthorityConfig::default()).await.unwrap();
    let refused = std::sync::atomic::AtomicUsize::new(0);
    let service = TestService::start(PROTO, move |call| {
        // The second call of three, with the token of the first.
        match refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            1 => TestReply::status(16, "expired"),
            _ => TestReply::message(json!({ "petName": call.metadata["authorization"] })),
        }
    })
    .await
    .unwrap();
    let policy = json!({ "oauth2": {
        "authority": authority.issuer(),
        "grant": "client_credentials",
        "client": { "id": "client", "secret": "s3cret of c" },
    } });
    let bench = Bench::new();
    let function = bench.function();
    let arguments = with(find(service.port()), "/service/authentication", policy);
    for _ in 0..2 {
        let output = function.call(arguments.clone(), bench.context()).await.unwrap();
        assert_eq!(output["petName"], "Bearer ***");
    }
    let tokens: Vec<_> = service
        .calls()
        .iter()
        .map(|call| call.metadata["authorization"].clone())
        .collect();
    let [first, second] = authority.issued().try_into().unwrap();
    let expected = [&first, &first, &second].map(|token| format!("Bearer {token}"));
    assert_eq!(tokens, expected);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_is_sent() {
    let service = service(TestReply::default).await;
    let bench = Bench::new();
    let call = find(service.port());
    for (pointer, value, code, said) in [
        (
            "/arguments/most",
            json!("s3cret"),
            ErrorCode::InvalidRequest,
            "FindRequest",
        ),
        ("/arguments/pet", json!("Tom"), ErrorCode::InvalidRequest, "pet"),
        (
            "/arguments/most",
            json!(1_u64 << 40),
            ErrorCode::InvalidRequest,
            "FindRequest",
        ),
        ("/arguments", json!([]), ErrorCode::InvalidRequest, "arguments"),
        ("/method", json!("Fnd"), ErrorCode::NotFound, "Find, Watch"),
        (
            "/service/name",
            json!("Pets"),
            ErrorCode::NotFound,
            "clinic.v1.Pets",
        ),
        (
            "/service/host",
            json!("a b"),
            ErrorCode::InvalidRequest,
            "service.host",
        ),
        (
            "/service/host",
            json!("evil.test/x?"),
            ErrorCode::InvalidRequest,
            "service.host",
        ),
        (
            "/service/host",
            json!("ada@evil.test"),
            ErrorCode::InvalidRequest,
            "service.host",
        ),
        (
            "/service/port",
            json!(65536),
            ErrorCode::InvalidRequest,
            "arguments",
        ),
        (
            "/service/authentication",
            json!({ "kerberos": {} }),
            ErrorCode::Unsupported,
            "kerberos",
        ),
        (
            "/proto/endpoint",
            json!("ftp://x.test/a"),
            ErrorCode::InvalidRequest,
            "scheme",
        ),
        (
            "/proto/endpoint",
            json!("other.proto"),
            ErrorCode::NotFound,
            "no such file",
        ),
    ] {
        let error = bench.failure(with(call.clone(), pointer, value)).await;
        assert_eq!(error.code(), code, "{pointer}: {error}");
        assert!(error.to_string().contains(said), "{pointer}: {error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    assert!(service.calls().is_empty());
}

#[tokio::test]
async fn a_status_is_a_typed_error() {
    let bench = Bench::new();
    for (status, code, retry) in [
        (3, ErrorCode::InvalidRequest, Retry::No),
        (4, ErrorCode::Timeout, Retry::Maybe),
        (5, ErrorCode::NotFound, Retry::No),
        (7, ErrorCode::PermissionDenied, Retry::No),
        (8, ErrorCode::RateLimited, Retry::Maybe),
        (13, ErrorCode::Upstream, Retry::No),
        (14, ErrorCode::Unavailable, Retry::Maybe),
    ] {
        let service = service(move || TestReply::status(status, "so%20it%20is")).await;
        let error = bench.failure(find(service.port())).await;
        assert_eq!((error.code(), error.retry()), (code, retry), "{error}");
        assert!(error.message().contains("so it is"), "{error}");
        assert_eq!(error.context()["method"], "clinic.v1.Pets.Find");
    }
    for (status, code) in [
        (404, ErrorCode::NotFound),
        (503, ErrorCode::Unavailable),
        (204, ErrorCode::Upstream),
    ] {
        let service = service(move || TestReply::http_status(status)).await;
        assert_eq!(bench.failure(find(service.port())).await.code(), code, "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_is_refused() {
    let mut bench = Bench::new();
    bench.config.maximum_response_bytes = 4096;
    let two = || TestReply::messages([json!({}), json!({})]);
    let long = || TestReply::message(json!({ "petName": "m".repeat(5000) }));
    let alien = || TestReply::raw([0, 0, 0, 0, 2, 0x08, 0x80]);
    let compressed = || TestReply::raw([1, 0, 0, 0, 0]);
    let cut = || TestReply::raw([0, 0, 0, 0, 9, 1]);
    let broken = || TestReply::message(json!({})).and_break();
    let cases: [(fn() -> TestReply, ErrorCode); 7] = [
        (two, ErrorCode::Upstream),
        (|| TestReply::status(0, ""), ErrorCode::Upstream),
        (long, ErrorCode::LimitExceeded),
        (alien, ErrorCode::InvalidData),
        (compressed, ErrorCode::InvalidData),
        (cut, ErrorCode::Unavailable),
        (broken, ErrorCode::Unavailable),
    ];
    for (reply, code) in cases {
        let service = service(reply).await;
        let error = bench.failure(find(service.port())).await;
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_unfolds_into_too_much_is_refused() {
    // Two bytes on the wire for each element, which is an object of twenty fields.
    let fields: String = (1..=20)
        .map(|number| format!("repeated string field_{number} = {number}; "))
        .collect();
    let proto = format!(
        "syntax = \"proto3\"; service Pets {{ rpc Find(Wide) returns (Tall); rpc Watch(Wide) returns (stream Tall); }} \
         message Wide {{ {fields} }} message Tall {{ repeated Wide rows = 1; }}"
    );
    let answer = |rows: usize, count: usize| {
        let message = [0x0a, 0].repeat(rows);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), &message].concat().repeat(count)
    };
    let mut bench = Bench::new();
    bench.config.maximum_response_bytes = 4096;
    bench.write("tall.proto", &proto);
    for (method, rows, count, fits) in [
        ("Find", 10, 1, true),
        ("Find", 100, 1, false),
        ("Watch", 1, 10, true),
        ("Watch", 1, 100, false),
    ] {
        let reply = answer(rows, count);
        assert!(reply.len() < 1000);
        let service = TestService::start(&proto, move |_| TestReply::raw(reply.clone()))
            .await
            .unwrap();
        let call = with(find(service.port()), "/method", json!(method));
        let call = with(call, "/proto/endpoint", json!("tall.proto"));
        let call = with(call, "/service/name", json!("Pets"));
        let result = bench.call(with(call, "/arguments", json!({}))).await;
        match result {
            Ok(output) => assert!(fits && output.to_string().len() < 4096, "{method} {rows}"),
            Err(error) => {
                assert_eq!((fits, error.code()), (false, ErrorCode::LimitExceeded), "{error}");
                assert!(error.message().contains("http.maximum_response_bytes"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_of_another_kind_is_told_apart() {
    let bench = Bench::new();
    let plain =
        crate::http::testing::TestServer::start(|_| crate::http::testing::TestResponse::json(&json!({})))
            .await
            .unwrap();
    let port = plain.uri("").rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(bench.failure(find(port)).await.code(), ErrorCode::Unavailable);
    // Nobody listens on a port that was closed again.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = bench.failure(find(closed.port())).await;
    assert_eq!(
        (error.code(), error.retry()),
        (ErrorCode::Unavailable, Retry::Maybe)
    );
}

#[tokio::test]
async fn a_call_ends_by_deadline_and_by_its_caller() {
    let service = service(TestReply::stalling).await;
    let bench = Bench::new();
    let mut context = bench.context();
    context.deadline = Some(Timestamp::now() + Duration::from_millis(300));
    let error = bench
        .function()
        .call(find(service.port()), context)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    let context = bench.context();
    let cancellation = context.cancellation.clone();
    let function = bench.function();
    let call = function.call(find(service.port()), context);
    let cancelled = async {
        while service.calls().len() < 2 {
            tokio::task::yield_now().await;
        }
        cancellation.cancel();
    };
    let (result, ()) = tokio::join!(call, cancelled);
    assert_eq!(result.unwrap_err().code(), ErrorCode::Cancelled);
}

#[tokio::test]
async fn the_operators_rules_hold_for_addresses() {
    let service = service(|| TestReply::message(json!({}))).await;
    let mut bench = Bench::new();
    bench.config = HttpConfig::default();
    for host in ["127.0.0.1", "localhost", "127.1"] {
        let arguments = with(find(service.port()), "/service/host", json!(host));
        let error = bench.failure(arguments).await;
        assert_eq!(error.code(), ErrorCode::PermissionDenied, "{host}: {error}");
    }
    assert!(service.calls().is_empty());
    // A named host is reached where the operator says, without TLS, whatever its port.
    let base = format!("http://127.0.0.1:{}", service.port());
    bench.config.hosts = [
        ("pets.test".to_owned(), base.clone()),
        ("localhost:5011".to_owned(), base),
    ]
    .into();
    let named = with(find(443), "/service/host", json!("pets.test"));
    let ported = with(find(5011), "/service/host", json!("localhost"));
    for arguments in [named, ported] {
        bench.call(arguments).await.unwrap();
    }
    assert_eq!(service.calls().len(), 2);
}

#[test]
fn port_443_and_none_mean_tls() {
    for (port, expected) in [
        (None, "https://x.test/"),
        (Some(443), "https://x.test/"),
        (Some(50051), "http://x.test:50051/"),
        (Some(80), "http://x.test/"),
    ] {
        assert_eq!(super::base("x.test", port).unwrap().as_str(), expected);
    }
}
