//! Answers for the services that the kit's scenarios call.

use atom_integrations::http::testing::{RecordedRequest, TestResponse, TestServer};
use serde_json::{Value, json};

pub(crate) async fn start() -> TestServer {
    TestServer::start(answer).await.expect("a loopback port is free")
}

fn answer(request: &RecordedRequest) -> TestResponse {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let host = request.header("host").unwrap_or_default();
    match (host, path) {
        ("petstore.swagger.io", "/v2/swagger.json") => TestResponse::json(&petstore()),
        ("petstore.swagger.io", "/v2/pet/findByStatus") if query == "status=available" => {
            TestResponse::json(&json!([pet(1), pet(2)]))
        }
        ("httpbin.org", "/basic-auth/serverless-workflow/conformance-test")
            if request.header("authorization")
                == Some("Basic c2VydmVybGVzcy13b3JrZmxvdzpjb25mb3JtYW5jZS10ZXN0") =>
        {
            TestResponse::json(&json!({ "authenticated": true }))
        }
        ("petstore.swagger.io", path) => match path.strip_prefix("/v2/pet/").map(str::parse) {
            Some(Ok(id)) => TestResponse::json(&pet(id)),
            _ => TestResponse::status(404),
        },
        ("httpbin.org", _) => TestResponse::status(401),
        _ => TestResponse::status(502),
    }
}

fn pet(id: u64) -> Value {
    json!({ "id": id, "name": format!("pet {id}"), "status": "available" })
}

fn petstore() -> Value {
    json!({
        "swagger": "2.0",
        "host": "petstore.swagger.io",
        "basePath": "/v2",
        "schemes": ["https"],
        "paths": {
            "/pet/findByStatus": { "get": {
                "operationId": "findPetsByStatus",
                "parameters": [{
                    "name": "status", "in": "query", "required": true, "type": "array",
                    "items": { "type": "string" }, "collectionFormat": "multi",
                }],
                "responses": { "200": { "description": "pets" } },
            } },
            "/pet/{petId}": { "get": {
                "operationId": "getPetById",
                "parameters": [{ "name": "petId", "in": "path", "required": true, "type": "integer" }],
                "responses": { "200": { "description": "a pet" } },
            } },
        },
    })
}
