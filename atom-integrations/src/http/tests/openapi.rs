//! Operations of small OpenAPI documents.

use std::sync::Arc;

use atom_core::{ErrorCode, Function, Result};
use serde_json::{Value, json};

use super::{HttpConfig, RecordedRequest, TestResponse, TestServer, context, function, open, server};

const PETSTORE_TWO: &str = include_str!("petstore-2.0.json");
const PETSTORE_THREE: &str = include_str!("petstore-3.1.yaml");

/// A server that serves both documents and answers every operation with what it was asked.
async fn petstore() -> TestServer {
    server(|request| match request.target.as_str() {
        "/v2/swagger.json" => {
            let host = request.header("host").unwrap_or_default();
            TestResponse::body("application/json", PETSTORE_TWO.replace("HOST", host))
        }
        "/v3/openapi.yaml" => TestResponse::body("application/yaml", PETSTORE_THREE),
        "/v2/swagger-old.json" => TestResponse::redirect(301, "/v2/swagger.json"),
        "/broken" => TestResponse::body("text/plain", "a: ["),
        _ => TestResponse::json(&json!({ "method": request.method, "target": request.target })),
    })
    .await
}

struct Caller {
    server: TestServer,
    openapi: Arc<dyn Function>,
}

impl Caller {
    async fn new() -> Self {
        Self {
            server: petstore().await,
            openapi: function(open(), "openapi"),
        }
    }

    async fn call(&self, document: &str, operation: &str, parameters: Value) -> Result<Value> {
        let arguments = json!({
            "document": { "endpoint": { "uri": self.server.uri(document) } },
            "operationId": operation,
            "parameters": parameters,
        });
        self.openapi.call(arguments, context()).await
    }

    /// The request that an operation leads to.
    async fn request(&self, document: &str, operation: &str, parameters: Value) -> RecordedRequest {
        self.call(document, operation, parameters).await.unwrap();
        self.server.requests().pop().unwrap()
    }
}

const TWO: &str = "/v2/swagger.json";
const THREE: &str = "/v3/openapi.yaml";

#[tokio::test]
async fn parameters_go_where_the_document_says() {
    let caller = Caller::new().await;
    for (document, operation, parameters, method, target) in [
        (
            TWO,
            "findPetsByStatus",
            json!({ "status": ["available", "so ld"] }),
            "GET",
            "/v2/pet/findByStatus?status=available&status=so%20ld",
        ),
        (
            TWO,
            "findPetsByStatus",
            json!({ "status": "available" }),
            "GET",
            "/v2/pet/findByStatus?status=available",
        ),
        (
            TWO,
            "findPetsByTags",
            json!({ "tags": ["a", "b,c"] }),
            "GET",
            "/v2/pet/findByTags?tags=a%7Cb%2Cc",
        ),
        (TWO, "getPetById", json!({ "petId": 7 }), "GET", "/v2/pet/7"),
        (
            TWO,
            "getPetById",
            json!({ "petId": "a/b ?é" }),
            "GET",
            "/v2/pet/a%2Fb%20%3F%C3%A9",
        ),
        (THREE, "listPets", json!({}), "GET", "/api/v3/pets"),
        (
            THREE,
            "listPets",
            json!({ "limit": 5, "tags": ["a", "b"], "filter": { "kind": "dog" }, "sort": null }),
            "GET",
            "/api/v3/pets?limit=5&tags=a,b&filter%5Bkind%5D=dog",
        ),
        (
            THREE,
            "listPets",
            json!({ "where": { "age": [1, 2] } }),
            "GET",
            "/api/v3/pets?where=%7B%22age%22%3A%5B1%2C2%5D%7D",
        ),
        (
            THREE,
            "getPet",
            json!({ "petId": ["x", "y"] }),
            "GET",
            "/api/v3/pets/x,y",
        ),
    ] {
        let request = caller.request(document, operation, parameters).await;
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            (method, target)
        );
        assert_eq!(request.header("accept"), Some("application/json, */*;q=0.8"));
    }
}

#[tokio::test]
async fn headers_and_cookies_are_sent() {
    let caller = Caller::new().await;
    let request = caller
        .request(
            THREE,
            "getPet",
            json!({ "petId": 1, "X-Trace": ["a", "b"], "session": "s 1", "theme": "dark" }),
        )
        .await;
    assert_eq!(request.header("x-trace"), Some("a,b"));
    assert_eq!(request.header("cookie"), Some("session=s%201; theme=dark"));
    let request = caller
        .request(TWO, "deletePet", json!({ "petId": 1, "api_key": "k" }))
        .await;
    assert_eq!(request.header("api_key"), Some("k"));
    assert_eq!(request.header("idempotency-key"), Some("key-1"));
}

#[tokio::test]
async fn bodies_are_written_as_the_operation_accepts_them() {
    let caller = Caller::new().await;
    for (document, operation, parameters, content_type, body) in [
        (
            TWO,
            "addPet",
            json!({ "pet": { "name": "Rex" } }),
            "application/json",
            r#"{"name":"Rex"}"#,
        ),
        (
            TWO,
            "updatePetWithForm",
            json!({ "petId": 1, "name": "Rex", "tags": ["a", "b"] }),
            "application/x-www-form-urlencoded",
            "name=Rex&tags=a%2Cb",
        ),
        (
            TWO,
            "uploadFile",
            json!({ "petId": 1, "file": "bytes" }),
            "multipart/form-data",
            "name=\"file\"; filename=\"file\"",
        ),
        (
            THREE,
            "createPet",
            json!({ "body": { "name": "Rex" } }),
            "application/json",
            r#"{"name":"Rex"}"#,
        ),
        (
            THREE,
            "noteOnPet",
            json!({ "petId": 1, "body": "good dog" }),
            "text/plain",
            "good dog",
        ),
        (
            THREE,
            "tagPet",
            json!({ "petId": 1, "body": { "tag": "a b" } }),
            "application/x-www-form-urlencoded",
            "tag=a%20b",
        ),
    ] {
        let request = caller.request(document, operation, parameters).await;
        assert!(
            request.header("content-type").unwrap().starts_with(content_type),
            "{request:?}"
        );
        assert!(request.text().contains(body), "{request:?}");
    }
    let request = caller.request(THREE, "tagPet", json!({ "petId": 1 })).await;
    assert_eq!((request.header("content-type"), request.body.len()), (None, 0));
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused_before_the_operation_is_called() {
    let caller = Caller::new().await;
    for (document, operation, parameters, said) in [
        (TWO, "getPetById", json!({}), "missing: petId"),
        (TWO, "getPetById", json!({ "petId": null }), "missing: petId"),
        (
            TWO,
            "getPetById",
            json!({ "petId": 1, "petid": 2 }),
            "no parameter 'petid'; it has petId",
        ),
        (TWO, "getPetById", json!({ "petId": "" }), "must not be empty"),
        (TWO, "getPetById", json!({ "petId": ".." }), "segment"),
        (TWO, "addPet", json!({}), "missing: pet"),
        (THREE, "createPet", json!({}), "missing: body"),
        (
            THREE,
            "listPets",
            json!({ "limit": { "a": { "b": 1 } } }),
            "'limit' must be",
        ),
        (
            THREE,
            "listPets",
            json!({ "Authorization": "Bearer x" }),
            "no parameter 'Authorization'",
        ),
        (
            THREE,
            "getPet",
            json!({ "petId": 1, "X-Trace": "a\r\nb" }),
            "x-trace",
        ),
    ] {
        let error = caller.call(document, operation, parameters).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
        assert!(error.message().contains(said), "{error}");
        assert_eq!(error.operation(), Some("openapi"));
    }
    assert_eq!(
        caller.server.requests().len(),
        2,
        "only the documents are asked for"
    );
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_an_error() {
    let caller = Caller::new().await;
    for (document, operation, code) in [
        (TWO, "nothing", ErrorCode::NotFound),
        ("/broken", "x", ErrorCode::InvalidData),
        ("/not-a-document", "x", ErrorCode::InvalidData),
        (THREE, "outside", ErrorCode::Unsupported),
        (THREE, "circular", ErrorCode::InvalidData),
        (THREE, "unfilled", ErrorCode::InvalidData),
    ] {
        let error = caller.call(document, operation, json!({})).await.unwrap_err();
        assert_eq!(error.code(), code, "{operation}: {error}");
    }
    let arguments = json!({ "document": { "endpoint": "file:///etc/passwd" }, "operationId": "x" });
    let error = caller.openapi.call(arguments, context()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_document_is_asked_for_once_and_apart_for_each_credential() {
    let caller = Caller::new().await;
    let call = |token: Option<&str>| {
        let authentication = token.map(|token| json!({ "bearer": { "token": token } }));
        json!({
            "document": { "endpoint": { "uri": caller.server.uri("/v2/swagger-old.json"), "authentication": authentication } },
            "operationId": "getPetById",
            "parameters": { "petId": 1 },
            "authentication": { "basic": { "username": "ada", "password": "pw" } },
            "output": "response",
        })
    };
    for token in [None, None, Some("a"), Some("a"), Some("b")] {
        let response = caller.openapi.call(call(token), context()).await.unwrap();
        assert_eq!(response["statusCode"], 200);
        assert_eq!(response["request"]["headers"]["authorization"], "***");
    }
    let requests = caller.server.requests();
    let documents = requests
        .iter()
        .filter(|request| request.target == "/v2/swagger.json")
        .count();
    assert_eq!(documents, 3);
    let operation = requests
        .iter()
        .find(|request| request.target == "/v2/pet/1")
        .unwrap();
    assert_eq!(operation.header("authorization"), Some("Basic YWRhOnB3"));
}

#[tokio::test]
async fn document_and_operation_of_a_named_host_go_to_its_base_url() {
    let server = petstore().await;
    let hosts = [("petstore.test".to_owned(), server.uri(""))].into();
    let openapi = function(
        HttpConfig {
            hosts,
            ..HttpConfig::default()
        },
        "openapi",
    );
    let arguments = json!({
        "document": { "endpoint": "https://petstore.test/v2/swagger.json" },
        "operationId": "getPetById",
        "parameters": { "petId": 1 },
    });
    let answer = openapi.call(arguments, context()).await.unwrap();
    assert_eq!(answer, json!({ "method": "GET", "target": "/v2/pet/1" }));
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("host") == Some("petstore.test"))
    );
}
