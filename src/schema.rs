//! The engine's interface as JSON Schema files, from which the types of the host languages are generated.
//!
//! ```
//! let files = atom_engine::schema::files()?;
//! assert!(files.contains_key("runs.start.json"));
//! # Ok::<(), atom_engine::Error>(())
//! ```

use std::collections::BTreeMap;

use atom_core::{Error, ErrorCode, ErrorReport, FunctionInfo, Principal, Result};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::bridge::Message;
use crate::{Engine, EngineConfig};

/// The text of every schema file by name: one for each operation (`runs.start.json`), and
///
/// * `operations.json`: what operations there are, without their schemas;
/// * `errors.json`: the codes, and the object that an error is on the wire;
/// * `messages.json`: what the bridge tells a host;
/// * `config.json`, `principal.json` and `function.json`: what a host tells the bridge.
///
/// # Errors
/// `internal` when a schema has no JSON form.
pub fn files() -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut add = |name: String, content: &Value| -> Result<()> {
        let mut text = serde_json::to_string_pretty(content)
            .map_err(|error| Error::internal("a schema cannot be written as JSON").with_source(error))?;
        text.push('\n');
        files.insert(name, text);
        Ok(())
    };
    let mut index = Vec::new();
    for operation in Engine::operations() {
        let mut content = json!({
            "name": operation.name,
            "summary": operation.summary,
            "kind": operation.kind,
            "permission": operation.permission,
            "is_read_only": operation.is_read_only,
        });
        index.push(content.clone());
        content["request"] = operation.request_schema.clone();
        content["response"] = operation.response_schema.clone();
        add(format!("{}.json", operation.name), &content)?;
    }
    add("operations.json".to_owned(), &json!({ "operations": index }))?;
    add("errors.json".to_owned(), &errors())?;
    add("messages.json".to_owned(), &written::<Message>())?;
    add("config.json".to_owned(), &read::<EngineConfig>())?;
    add("principal.json".to_owned(), &read::<Principal>())?;
    add("function.json".to_owned(), &read::<FunctionInfo>())?;
    Ok(files)
}

fn errors() -> Value {
    let described = written::<ErrorCode>();
    let variants = described["oneOf"].as_array().cloned().unwrap_or_default();
    let description = |code: ErrorCode| {
        variants
            .iter()
            .find(|variant| variant["const"] == code.as_str())
            .map_or(Value::Null, |variant| variant["description"].clone())
    };
    let codes: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "code": code, "description": description(*code), "retry": code.default_retry() }))
        .collect();
    json!({ "codes": codes, "report": written::<ErrorReport>() })
}

fn read<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

fn written<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}
