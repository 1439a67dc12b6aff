//! Where documents come from, and those that cannot be used.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::{Bench, TestResponse, TestServer, port, publishing, two, web, with};

#[tokio::test]
async fn a_document_on_the_web_is_fetched_once_with_its_credential() {
    let service = web(|| TestResponse::status(204)).await;
    let document = two(port(&service));
    let docs = TestServer::start(move |request| match request.header("authorization") {
        Some("Bearer d") => TestResponse::json(&document),
        _ => TestResponse::status(401),
    })
    .await
    .unwrap();
    let bench = Bench::new(1);
    let endpoint = json!({ "uri": docs.uri("/a.json"), "authentication": { "bearer": { "token": "d" } } });
    let call = with(
        publishing("", "addPet", json!({ "n": 1 })),
        "/document/endpoint",
        endpoint,
    );
    let function = bench.function();
    for _ in 0..2 {
        function.call(call.clone(), bench.context()).await.unwrap();
    }
    assert_eq!((docs.requests().len(), service.requests().len()), (1, 2));
    assert_eq!(service.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_refused() {
    let bench = Bench::new(1);
    let odd = |change: &dyn Fn(&mut Value)| {
        let mut document = two(1);
        change(&mut document);
        document
    };
    let avro = odd(&|document| {
        document["components"]["messages"]["Pet"]["schemaFormat"] =
            json!("application/vnd.apache.avro;version=1.9.0");
    });
    let no_schema = odd(&|document| {
        document["components"]["messages"]["Pet"]["payload"] = json!({ "type": "objekt" });
    });
    let outside = odd(&|document| {
        document["channels"]["pets/{room}"]["publish"]["message"] = json!({ "$ref": "other.json#/Pet" });
    });
    let foreign = odd(&|document| {
        document["components"]["messages"]["Pet"]["payload"] =
            json!({ "$ref": "https://evil.test/schema.json" });
    });
    let endless = odd(&|document| {
        document["components"]["messages"]["Pet"]["payload"] =
            json!({ "allOf": [{ "$ref": "#/components/messages/Pet/payload" }] });
    });
    let chained = odd(&|document| {
        for index in 0..3_000 {
            document["components"]["schemas"][index.to_string()] =
                json!({ "allOf": [{ "$ref": format!("#/components/schemas/{}", index + 1) }] });
        }
        document["components"]["schemas"]["3000"] = json!({});
        document["components"]["messages"]["Pet"]["payload"] = json!({ "$ref": "#/components/schemas/0" });
    });
    let circle = odd(&|document| {
        document["components"]["messages"]["Pet"] = json!({ "$ref": "#/components/messages/Pet" });
    });
    let nowhere = odd(&|document| {
        document["servers"]["web"] = json!({ "protocol": "http" });
    });
    let credentials = odd(&|document| {
        document["servers"]["web"]["url"] = json!("ada:pw@127.0.0.1");
    });
    let parameter = odd(&|document| {
        document["channels"]["pets/{room}"]["parameters"] = json!({});
    });
    for (document, code) in [
        (json!({ "openapi": "3.1.0" }), ErrorCode::InvalidData),
        (json!({ "asyncapi": "1.0.0" }), ErrorCode::Unsupported),
        (avro, ErrorCode::Unsupported),
        (no_schema, ErrorCode::InvalidData),
        (outside, ErrorCode::Unsupported),
        (foreign, ErrorCode::Unsupported),
        (endless, ErrorCode::InvalidData),
        (chained, ErrorCode::InvalidData),
        (circle, ErrorCode::InvalidData),
        (nowhere, ErrorCode::InvalidData),
        (credentials, ErrorCode::InvalidRequest),
        (parameter, ErrorCode::InvalidRequest),
    ] {
        bench.write("odd.json", &document);
        let error = bench
            .failure(publishing("odd.json", "addPet", json!({ "n": 1 })))
            .await;
        assert_eq!(error.code(), code, "{error}");
    }
    let error = bench
        .failure(publishing("/etc/hostname", "addPet", json!({ "n": 1 })))
        .await;
    assert_eq!(error.code(), ErrorCode::PermissionDenied);
    let error = bench
        .failure(publishing("gone.json", "addPet", json!({ "n": 1 })))
        .await;
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_schema_that_nests_deep_is_checked_all_the_same() {
    let service = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(1);
    let mut document = two(port(&service));
    document["components"]["schemas"]["User"] =
        json!({ "properties": { "next": { "$ref": "#/components/schemas/User" } }, "type": "object" });
    bench.write("deep.json", &document);
    let mut payload = json!({});
    for _ in 0..90 {
        payload = json!({ "next": payload });
    }
    let call = publishing("deep.json", "addPet", json!({ "n": 1, "user": payload }));
    bench.call(call).await.unwrap();
}
