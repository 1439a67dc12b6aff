//! Servers whose addresses have variables.

use atom_core::ErrorCode;
use serde_json::{Value, json};

use super::{Bench, TestResponse, port, publishing, three, two, web, with};

/// Documents of both versions whose server is at `{host}:{port}/{stage}/v1`.
fn documents(bench: &Bench, port: u16) -> [&'static str; 2] {
    let variables = json!({
        "host": { "default": "127.0.0.1" },
        "port": { "default": port.to_string() },
        "stage": { "default": "a/b%20c" },
        "zone": { "default": "eu", "enum": ["eu", "us/east"] },
    });
    let mut older = two(port);
    older["servers"]["web"] = json!({ "protocol": "http", "url": "https://{host}:{port}/{zone}/{stage}/v1", "variables": variables });
    bench.write("variables2.json", &older);
    let mut newer = three(port);
    newer["servers"]["web"] = json!({
        "protocol": "http", "host": "{host}:{port}", "pathname": "/{zone}/{stage}/v1", "variables": variables,
    });
    bench.write("variables3.json", &newer);
    ["variables2.json", "variables3.json"]
}

fn call(document: &str, variables: Value) -> Value {
    with(
        publishing(document, "addPet", json!({ "n": 1 })),
        "/server",
        json!({ "name": "web", "variables": variables }),
    )
}

#[tokio::test]
async fn variables_are_filled_where_they_stand() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(1);
    for document in documents(&bench, port(&server)) {
        for (variables, path) in [
            // What the author wrote is an address, with all that one may hold.
            (json!({}), "/eu/a/b%20c/v1/pets"),
            (json!({ "zone": "us/east", "stage": 7 }), "/us/east/7/v1/pets"),
            (json!({ "stage": "é:b..c;d" }), "/eu/%C3%A9:b..c;d/v1/pets"),
            (
                json!({ "host": "127.0.0.1", "port": port(&server), "stage": "" }),
                "/eu//v1/pets",
            ),
        ] {
            bench.call(call(document, variables)).await.unwrap();
            let target = server.requests().pop().unwrap().target;
            assert!(target.starts_with(path), "{document}: {target}");
        }
    }
}

#[tokio::test]
async fn a_value_cannot_choose_another_host_or_path() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(1);
    for document in documents(&bench, port(&server)) {
        for (variable, values) in [
            (
                "host",
                [
                    "",
                    "evil.test/",
                    "evil.test?",
                    "evil.test#",
                    "evil.test\\",
                    "ada@evil.test",
                    "evil.test:80",
                    "evil%2etest",
                    "evil\t.test",
                    "[::1]",
                    "évil.test",
                    "x//evil.test",
                ]
                .as_slice(),
            ),
            ("port", &["80/x", "80@evil.test", "", " 80"]),
            (
                "stage",
                &[
                    ".",
                    "..",
                    "../admin",
                    "a/b",
                    "a\\b",
                    "a?b",
                    "a#b",
                    "a%2fb",
                    "%2e%2e",
                    ".\t.",
                    "a ",
                    "://evil.test",
                    "ada@evil.test",
                ],
            ),
        ] {
            for value in values {
                let error = bench.failure(call(document, json!({ (variable): value }))).await;
                assert_eq!(error.code(), ErrorCode::InvalidRequest, "{value}: {error}");
                let said = format!("the server variable '{variable}'");
                assert!(error.message().starts_with(&said), "{value}: {error}");
                assert!(!error.message().contains("evil"), "{error}");
            }
        }
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_path_does_not_become_the_host() {
    let server = web(|| TestResponse::status(204)).await;
    let bench = Bench::new(1);
    let mut document = three(port(&server));
    // Whatever follows a colon in the path is no address of its own.
    document["servers"]["web"]["pathname"] = json!("/{stage}//evil.test");
    bench.write("path.json", &document);
    bench
        .call(call("path.json", json!({ "stage": "a:" })))
        .await
        .unwrap();
    assert!(server.requests()[0].target.starts_with("/a://evil.test/"));

    document["servers"]["web"]["host"] = json!("");
    bench.write("path.json", &document);
    let error = bench
        .failure(call("path.json", json!({ "stage": "evil.test" })))
        .await;
    assert_eq!(error.code(), ErrorCode::InvalidData, "{error}");
}
