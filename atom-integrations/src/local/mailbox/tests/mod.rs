//! Whole mailboxes, read through the connector.

mod framing;
mod hostile;
mod messages;
mod threads;

use std::path::{Path, PathBuf};

use atom_core::{Error, FunctionContext, FunctionRegistry, Principal};
use serde_json::Value;

use crate::local::FileAccess;

/// A folder with mailboxes, and the connector allowed to read in it.
struct Fixture {
    folder: tempfile::TempDir,
    functions: FunctionRegistry,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let functions = FunctionRegistry::default();
        let access = FileAccess::below([folder.path()]).unwrap();
        super::connector(access).unwrap().register(&functions).unwrap();
        Self { folder, functions }
    }

    /// A fixture with this text as `mail.mbox`.
    fn mbox(text: impl AsRef<[u8]>) -> Self {
        let fixture = Self::new();
        fixture.write("mail.mbox", text);
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn write(&self, name: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn context(&self) -> FunctionContext {
        let mut context = FunctionContext::direct(Principal::new("acme", "ada").unwrap(), "key");
        context.directory = Some(self.path());
        context
    }

    async fn try_call(&self, function: &str, arguments: Value) -> Result<Value, Error> {
        self.functions
            .get(&format!("mailbox.{function}"))
            .unwrap()
            .call(arguments, self.context())
            .await
    }

    async fn call(&self, function: &str, arguments: Value) -> Value {
        self.try_call(function, arguments).await.unwrap()
    }
}

/// The values of one field of every item.
fn each<'a>(items: &'a Value, pointer: &str) -> Vec<&'a Value> {
    items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.pointer(pointer).unwrap_or(&Value::Null))
        .collect()
}
