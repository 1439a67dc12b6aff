//! Documents that call services over HTTP.

use atom_integrations::http::testing::{RecordedRequest, TestResponse};
use serde_json::{Value, json};

use super::documents;
use super::stage::{Scene, Stage};

documents! {
    "authentication-bearer-uri-format.yaml" => bearer,
    "authentication-bearer.yaml" => bearer,
    "authentication-reusable.yaml" => bearer,
    "call-custom-function-inline.yaml" => custom_function,
    "call-http-endpoint-interpolation-shorthand.yaml" => interpolation,
    "call-http-endpoint-interpolation.yaml" => interpolation,
    "call-http-query-headers-expressions.yaml" => query_and_headers,
    "call-http-query-parameters.yaml" => query,
    "call-http-redirect.yaml" => redirect,
    "call-openapi-redirect.yaml" => openapi,
    "call-openapi.yaml" => openapi,
    "mock-service-extension.yaml" => mock_service,
    "star-wars-homeworld.yaml" => homeworld,
}

pub(super) const PETSTORE: &str = "petstore.swagger.io";
const STAR_WARS: &str = "swapi.dev";

/// The pet that a path ends in. Documents look for its number under the name that they have in the path.
pub(super) fn pet(request: &RecordedRequest) -> TestResponse {
    match request.target.strip_prefix("/v2/pet/").map(str::parse::<u64>) {
        Some(Ok(id)) => TestResponse::json(&json!({ "id": id, "petId": id, "name": format!("pet {id}") })),
        _ => TestResponse::status(404),
    }
}

async fn completes(scene: &Scene, input: Value) -> Value {
    let run = scene.run(input).await;
    run.output.unwrap_or_else(|| panic!("{:?}", run.error))
}

async fn bearer(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], pet).await;
    let pet = completes(&scene, json!({ "petId": 1, "token": "abc" })).await;
    assert_eq!(pet["id"], 1);
    assert_eq!(scene.headers("authorization"), [Some("Bearer abc".to_owned())]);
}

async fn custom_function(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], pet).await;
    assert_eq!(completes(&scene, json!({})).await["id"], 69);
}

async fn interpolation(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], pet).await;
    assert_eq!(completes(&scene, json!({ "petId": 5 })).await["id"], 5);
    assert_eq!(scene.asked(), ["GET petstore.swagger.io/v2/pet/5"]);
}

fn people(request: &RecordedRequest) -> TestResponse {
    TestResponse::json(&json!({ "asked": request.target }))
}

async fn query(stage: Stage) {
    let scene = stage.with_hosts(&[STAR_WARS], people).await;
    let found = completes(&scene, json!({ "searchQuery": "luke sky" })).await;
    assert_eq!(found["asked"], "/api/people/?search=luke%20sky");

    let refused = scene.run(json!({ "searchQuery": 1 })).await;
    assert_eq!(refused.error.expect("the input does not fit")["status"], 400);
    assert_eq!(scene.asked().len(), 1);
}

async fn query_and_headers(stage: Stage) {
    let scene = stage.with_hosts(&[STAR_WARS], people).await;
    let found = completes(&scene, json!({ "searchQuery": "luke" })).await;
    assert_eq!(found["asked"], "/api/people/?search=luke");
    assert_eq!(scene.headers("accept"), [Some("application/json".to_owned())]);
}

async fn redirect(stage: Stage) {
    let moved = |request: &RecordedRequest| match &*request.target {
        "/elsewhere" => TestResponse::json(&json!({ "name": "Luke" })),
        _ => TestResponse::redirect(302, "/elsewhere"),
    };
    let scene = stage.with_hosts(&[STAR_WARS], moved).await;
    let found = completes(&scene, json!({ "searchQuery": "luke" })).await;
    assert_eq!(found, json!({ "name": "Luke" }));
    assert_eq!(
        scene.asked(),
        ["GET swapi.dev/api/people/?search=luke", "GET swapi.dev/elsewhere"]
    );
}

async fn openapi(stage: Stage) {
    let scene = stage.with_hosts(&[PETSTORE], |request| {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match (path, query) {
            ("/v2/swagger.json", _) => TestResponse::json(&json!({
                "swagger": "2.0",
                "host": PETSTORE,
                "basePath": "/v2",
                "schemes": ["https"],
                "paths": { "/pet/findByStatus": { "get": {
                    "operationId": "findPetsByStatus",
                    "parameters": [{
                        "name": "status", "in": "query", "required": true, "type": "array",
                        "items": { "type": "string" }, "collectionFormat": "multi",
                    }],
                    "responses": { "200": { "description": "pets" } },
                } } },
            })),
            ("/v2/pet/findByStatus", "status=available") => TestResponse::json(&json!([{ "id": 1 }])),
            _ => TestResponse::status(404),
        }
    });
    let scene = scene.await;
    assert_eq!(completes(&scene, json!({})).await, json!([{ "id": 1 }]));
}

/// The extension is for another service. Its condition reads the endpoint as a text, which this one is not.
async fn mock_service(stage: Stage) {
    let scene = stage.with_hosts(&["fake.com"], people).await;
    assert_eq!(completes(&scene, json!({})).await, json!({ "asked": "/sample" }));
}

async fn homeworld(stage: Stage) {
    let galaxy = |request: &RecordedRequest| match &*request.target {
        "/api/people/1" => TestResponse::json(&json!({ "homeworld": "https://swapi.dev/api/planets/1/" })),
        "/api/planets/1/" => TestResponse::json(&json!({ "name": "Tatooine" })),
        _ => TestResponse::status(404),
    };
    let scene = stage.with_hosts(&[STAR_WARS], galaxy).await;
    assert_eq!(
        completes(&scene, json!({ "id": 1 })).await,
        json!({ "name": "Tatooine" })
    );
}
