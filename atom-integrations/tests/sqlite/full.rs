//! A disk that is full, not only a database.

use std::path::Path;
use std::process::Command;

use atom_core::testkit::fixtures::scope;
use atom_core::{CloudEvent, ErrorCode, EventLog};
use atom_integrations::storage::SqliteStore;
use serde_json::json;

use super::open;

/// A file system of 4 MiB that goes away with this.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments = ["-t", "tmpfs", "-o", "size=4m", "none"];
        let status = Command::new("mount")
            .args(arguments)
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(status.success(), "mounting needs to be root");
        Self(directory)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn event(number: u64) -> CloudEvent {
    let mut event = CloudEvent::new(number.to_string(), "/full", "x");
    event.data = Some(json!("x".repeat(20_000)));
    event
}

async fn fill(store: &SqliteStore, from: u64) -> u64 {
    for number in from.. {
        if let Err(error) = store.append(&scope(), &event(number)).await {
            assert_eq!(error.code(), ErrorCode::StorageFull, "{error:?}");
            return number;
        }
    }
    unreachable!("the disk is finite")
}

async fn holds(store: &SqliteStore, count: u64) {
    let ids: Vec<_> = store
        .read(&scope(), 0, usize::MAX)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.event.id)
        .collect();
    assert_eq!(
        ids,
        (0..count).map(|number| number.to_string()).collect::<Vec<_>>()
    );
}

#[tokio::test]
#[ignore = "mounts a file system, for which it must be root"]
async fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_space() {
    let disk = SmallDisk::mount();
    let directory = disk.0.path().join("data");
    let ballast = |name: &str, size| {
        let path = disk.0.path().join(name);
        std::fs::write(&path, vec![0; size]).unwrap();
        path
    };
    let free = |path: &Path| std::fs::remove_file(path).unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|name| ballast(name, 700 * 1024));
    let store = open(&directory).await;
    let mut count = fill(&store, 0).await;
    assert!(count > 10, "{count}");
    for _ in 0..3 {
        assert_eq!(fill(&store, count).await, count, "it is still full");
    }
    holds(&store, count).await;
    free(&first);
    store.append(&scope(), &event(count)).await.unwrap();
    count = fill(&store, count + 1).await;
    holds(&store, count).await;
    drop(store);

    // A full disk may keep the store from opening, but not from coming back.
    if let Err(error) = SqliteStore::open(&directory).await {
        assert_eq!(error.code(), ErrorCode::StorageFull, "{error:?}");
    }
    free(&second);
    free(&third);
    let store = open(&directory).await;
    holds(&store, count).await;
    store.append(&scope(), &event(count)).await.unwrap();
    store.close().await.unwrap();
    holds(&open(&directory).await, count + 1).await;
}
