//! Paths in the input of a run, made absolute: people name files from where they are, workflows from where the
//! workflow lies.

use std::io;
use std::path;

use serde_json::Value;

use super::error::CommandError;

/// Makes every string that the schema says has the `format` `path` absolute, starting at the current directory.
/// Follows `properties`, `additionalProperties` and `items`.
pub(super) fn make_absolute(input: &mut Value, schema: &Value) -> Result<(), CommandError> {
    make_all_absolute(input, schema)
        .map_err(|error| CommandError::Usage(format!("a path in the input cannot be made absolute: {error}")))
}

fn make_all_absolute(input: &mut Value, schema: &Value) -> io::Result<()> {
    match input {
        Value::String(text) if schema["format"] == "path" && !text.is_empty() => {
            *text = absolute(text)?;
        }
        Value::Array(items) => {
            for item in items {
                make_all_absolute(item, &schema["items"])?;
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let named = schema["properties"].get(name);
                make_all_absolute(member, named.unwrap_or(&schema["additionalProperties"]))?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn absolute(text: &str) -> io::Result<String> {
    path::absolute(text)?.into_os_string().into_string().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the current directory's name is not UTF-8",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_schema_calls_a_path_is_touched() {
        let path = json!({ "type": "string", "format": "path" });
        let schema = json!({
            "properties": {
                "file": path,
                "files": { "items": path },
                "nested": { "properties": { "file": path } },
                "named": { "additionalProperties": path },
                "name": { "type": "string" },
            },
            "additionalProperties": false,
        });
        let here = |name: &str| {
            std::env::current_dir()
                .unwrap()
                .join(name)
                .to_str()
                .unwrap()
                .to_owned()
        };
        let mut input = json!({
            "file": "a.txt",
            "files": ["b.txt", "/c.txt", 3, ""],
            "nested": { "file": "d/e.txt", "other": "x" },
            "named": { "f": "f" },
            "name": "g",
            "unknown": "h",
        });
        make_absolute(&mut input, &schema).unwrap();
        let expected = json!({
            "file": here("a.txt"),
            "files": [here("b.txt"), "/c.txt", 3, ""],
            "nested": { "file": here("d/e.txt"), "other": "x" },
            "named": { "f": here("f") },
            "name": "g",
            "unknown": "h",
        });
        assert_eq!(input, expected);
        make_absolute(&mut input, &Value::Null).unwrap();
        make_absolute(&mut input, &json!(true)).unwrap();
        assert_eq!(input, expected);
    }
}
