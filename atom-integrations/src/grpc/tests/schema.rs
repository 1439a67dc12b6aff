//! Where `.proto` files come from.

use atom_core::ErrorCode;
use serde_json::json;

use super::{Bench, find, grpc, service, with};
use crate::grpc::testing::TestReply;
use crate::http::testing::{TestResponse, TestServer};

/// The service in three files: the imports start at the folder above the one that is named.
const FILES: [(&str, &str); 3] = [
    (
        "clinic/v1/pets.proto",
        r#"syntax = "proto3"; package clinic.v1; import "clinic/v1/pet.proto"; import "google/protobuf/empty.proto";
           service Pets { rpc Find(FindRequest) returns (Pet); rpc Watch(google.protobuf.Empty) returns (Pet); }"#,
    ),
    (
        "clinic/v1/pet.proto",
        r#"syntax = "proto3"; package clinic.v1; import public "clinic/common/request.proto";
           message Pet { string pet_name = 1; }"#,
    ),
    (
        "clinic/common/request.proto",
        r#"syntax = "proto3"; package clinic.v1; message FindRequest { string pet_name = 1; int32 most = 2; }"#,
    ),
];

#[tokio::test]
async fn imports_are_found_beside_the_file_and_above() {
    let service = service(|| TestReply::message(json!({ "petName": "Tom" }))).await;
    let bench = Bench::new();
    for (path, text) in FILES {
        bench.write(path, text);
    }
    let arguments = with(
        find(service.port()),
        "/proto/endpoint",
        json!("file://clinic/v1/pets.proto"),
    );
    assert_eq!(bench.call(arguments).await.unwrap(), json!({ "petName": "Tom" }));
}

#[tokio::test]
async fn a_file_on_the_web_is_fetched_once_with_its_credential() {
    let service = service(|| TestReply::message(json!({ "petName": "Tom" }))).await;
    let bench = Bench::new();
    let web = TestServer::start(|request| {
        let found = FILES
            .iter()
            .find(|(path, _)| request.target == format!("/protos/{path}"));
        match found {
            Some((_, text)) if request.header("authorization") == Some("Bearer t") => {
                TestResponse::body("text/plain", *text)
            }
            _ => TestResponse::status(404),
        }
    })
    .await
    .unwrap();
    let endpoint = json!({
        "uri": web.uri("/protos/clinic/v1/pets.proto"),
        "authentication": { "bearer": { "token": "t" } },
    });
    let arguments = with(find(service.port()), "/proto/endpoint", endpoint);
    let function = bench.function();
    for _ in 0..2 {
        let output = function.call(arguments.clone(), bench.context()).await.unwrap();
        assert_eq!(output, json!({ "petName": "Tom" }));
    }
    let found = web
        .requests()
        .iter()
        .filter(|request| {
            FILES
                .iter()
                .any(|(path, _)| request.target == format!("/protos/{path}"))
        })
        .count();
    assert_eq!(found, 3);
}

#[tokio::test]
async fn only_open_files_are_read() {
    let bench = Bench::new();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("pets.proto"), super::PROTO).unwrap();
    let secret = elsewhere.path().join("pets.proto");
    let error = bench
        .failure(with(find(1), "/proto/endpoint", json!(secret)))
        .await;
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
    let shut = grpc(bench.config.clone(), elsewhere.path());
    let error = shut.call(find(1), bench.context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PermissionDenied, "{error}");
    bench.write(
        "inner/leads_out.proto",
        r#"syntax = "proto3"; import "../../../../etc/hostname";"#,
    );
    let error = bench
        .failure(with(find(1), "/proto/endpoint", json!("inner/leads_out.proto")))
        .await;
    assert_ne!(error.code(), ErrorCode::Internal, "{error}");
    assert!(!error.to_string().contains("clinic"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_none_is_refused_with_its_reason() {
    let mut bench = Bench::new();
    bench.config.maximum_response_bytes = 2000;
    let nested = format!(
        "syntax = \"proto3\"; {} {}",
        "message A {".repeat(300),
        "}".repeat(300)
    );
    for (text, code, said) in [
        ("hello", ErrorCode::InvalidData, "cannot be used"),
        (
            "syntax = \"proto3\"; message A { Missing a = 1; }",
            ErrorCode::InvalidData,
            "Missing",
        ),
        (
            "syntax = \"proto3\"; import \"gone.proto\";",
            ErrorCode::NotFound,
            "gone.proto",
        ),
        (
            "syntax = \"proto3\"; import \"odd.proto\";",
            ErrorCode::InvalidData,
            "import",
        ),
        (&nested, ErrorCode::LimitExceeded, "maximum_response_bytes"),
    ] {
        bench.write("odd.proto", text);
        let error = bench
            .failure(with(find(1), "/proto/endpoint", json!("odd.proto")))
            .await;
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(said), "{error}");
    }
    bench.config.maximum_response_bytes = 1_000_000;
    bench.write("odd.proto", &nested);
    let error = bench
        .failure(with(find(1), "/proto/endpoint", json!("odd.proto")))
        .await;
    assert_eq!(error.code(), ErrorCode::InvalidData, "{error}");
}

#[tokio::test]
async fn options_that_nest_too_deep_are_refused() {
    let bench = Bench::new();
    for (depth, code) in [
        (40, ErrorCode::NotFound),
        (100, ErrorCode::LimitExceeded),
        (100_000, ErrorCode::LimitExceeded),
    ] {
        // The closing braces in comments and strings close nothing.
        let option = format!("{}{}", "a { # }\n s: '}' ".repeat(depth), "}".repeat(depth));
        let text = format!(
            "syntax = \"proto3\"; import \"google/protobuf/descriptor.proto\"; \
             message M {{ M a = 1; string s = 2; }} \
             extend google.protobuf.FileOptions {{ M m = 50000; }} option (m) = {{ {option} }};"
        );
        bench.write("deep.proto", &text);
        let call = with(find(1), "/proto/endpoint", json!("deep.proto"));
        let error = bench.failure(call).await;
        // One that can be read has no such service.
        assert_eq!(error.code(), code, "{depth}: {error}");
    }
}
