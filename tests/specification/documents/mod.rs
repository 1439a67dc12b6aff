//! The example documents of the specification, each one run against stand-ins of what it calls.

#[cfg(all(unix, feature = "mcp"))]
mod agents;
mod authentication;
mod catalogs;
mod errors;
mod events;
mod flow;
mod http;
#[cfg(unix)]
mod processes;
#[cfg(all(feature = "asyncapi", feature = "grpc"))]
mod protocols;
mod schedules;
mod stage;

use std::time::Duration;

use futures::future::BoxFuture;

use stage::Stage;

/// How long a document may take that does not come to an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs one document and checks what comes of it.
type Play = fn(Stage) -> BoxFuture<'static, ()>;

/// Names documents and the functions that run them.
macro_rules! documents {
    ($($file:literal => $play:ident,)*) => {
        pub(super) const DOCUMENTS: &[(&str, super::Play)] = &[$(($file, |stage| Box::pin($play(stage)))),*];
    };
}
use documents;

const DOCUMENTS: &[&[(&str, Play)]] = &[
    #[cfg(all(unix, feature = "mcp"))]
    agents::DOCUMENTS,
    authentication::DOCUMENTS,
    catalogs::DOCUMENTS,
    errors::DOCUMENTS,
    events::DOCUMENTS,
    flow::DOCUMENTS,
    http::DOCUMENTS,
    #[cfg(unix)]
    processes::DOCUMENTS,
    #[cfg(all(feature = "asyncapi", feature = "grpc"))]
    protocols::DOCUMENTS,
    schedules::DOCUMENTS,
];

#[tokio::test]
async fn every_document_runs() {
    let Some(folder) = crate::folder("examples") else {
        return;
    };
    let files = std::fs::read_dir(&folder).expect("the examples can be read");
    let names = files.map(|file| file.expect("the examples can be read").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(".yaml"));
    names.sort();
    let (mut played, mut absent, mut failed) = (0, Vec::new(), Vec::new());
    for name in names {
        let Some((_, play)) = DOCUMENTS
            .iter()
            .copied()
            .flatten()
            .find(|(file, _)| *file == name)
        else {
            absent.push(name);
            continue;
        };
        let document = std::fs::read_to_string(folder.join(&name)).expect("an example is text");
        // On a task of its own, so that one document's panic does not hide the others.
        let playing = tokio::spawn(tokio::time::timeout(PATIENCE, play(Stage::new(document))));
        match playing.await {
            Ok(Ok(())) => played += 1,
            Ok(Err(_)) => failed.push(format!("{name}: it did not end")),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(
        absent.is_empty(),
        "documents that nobody runs: {}",
        absent.join(", ")
    );
    println!("{played} documents ran");
}
