//! Compares what the hosts let programs set, which is written by hand in each language's own manner, with the
//! schema of the engine's configuration.

use std::path::Path;

use serde_json::Value;

use super::schema::{camel, members};

/// A language, and what its options look like.
struct Host {
    language: &'static str,
    path: &'static str,
    /// How the declaration of a part of the configuration begins and ends; none where it is a plain mapping.
    declaration: fn(part: &str) -> Option<(String, &'static str)>,
    /// What stands there for an option of this name.
    lines: fn(option: &str) -> Vec<String>,
}

const HOSTS: [Host; 4] = [
    Host {
        language: "Kotlin",
        path: "atom-ffi/kotlin/src/main/kotlin/dev/atom/engine/EngineConfig.kt",
        declaration: |part| Some((format!("data class {part}("), "\n)")),
        lines: |option| {
            let name = camel(option);
            if name == option {
                return vec![format!("\n    val {name}: ")];
            }
            vec![format!("\n    @SerialName(\"{option}\")\n    val {name}: ")]
        },
    },
    Host {
        language: "Swift",
        path: "atom-ffi/swift/Sources/AtomEngine/EngineConfig.swift",
        declaration: |part| Some((format!("public struct {}:", part.replace("Http", "HTTP")), "\n}")),
        // A property without a key of its own would be left out without a word.
        lines: |option| {
            let name = camel(option);
            let key = if name == option {
                format!("\n        case {name}\n")
            } else {
                format!("\n        case {name} = \"{option}\"\n")
            };
            vec![format!("\n    public var {name}: "), key]
        },
    },
    Host {
        language: "Node",
        path: "atom-node/ts/engine.ts",
        declaration: |part| {
            let part = match part {
                "EngineConfig" => "OpenOptions".to_owned(),
                other => other.replace("Config", "Options"),
            };
            Some((format!("export interface {part} {{"), "\n}"))
        },
        lines: |option| vec![format!("\n  {}?: ", camel(option))],
    },
    Host {
        language: "Python",
        path: "atom-py/python/atom_engine/engine.py",
        declaration: |part| {
            (part == "EngineConfig").then(|| ("    async def open(".to_owned(), "return cls("))
        },
        lines: |option| {
            vec![
                format!("\n        {option}: "),
                format!("\n            {option}: "),
                format!("\n            \"{option}\": {option},"),
            ]
        },
    },
];

/// What the hosts do not offer of the configuration; `config` is `schema/config.json`.
pub(super) fn missing(root: &Path, config: &Value) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for host in &HOSTS {
        let path = root.join(host.path);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        missing.extend(missing_in(host, &text, config));
    }
    Ok(missing)
}

fn missing_in(host: &Host, text: &str, config: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (part, schema) in parts(config) {
        let Some((begin, end)) = (host.declaration)(part) else {
            continue;
        };
        let rest = text.split_once(&begin).map_or("", |(_, rest)| rest);
        let declaration = rest.split_once(end).map_or(rest, |(declaration, _)| declaration);
        let options = members(&schema["properties"]).map(|(option, _)| option);
        let is_missing = |option: &&String| {
            let lines = (host.lines)(option);
            !lines.iter().all(|line| declaration.contains(line))
        };
        missing.extend(options.filter(is_missing).map(|option| {
            format!(
                "'{option}' of {part} is missing in {} ({})",
                host.language, host.path
            )
        }));
    }
    missing
}

/// The objects that the configuration is made of, by the names of their types.
fn parts(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let nested = members(&config["$defs"]).map(|(name, schema)| (name.as_str(), schema));
    let whole = config["title"].as_str().map(|name| (name, config));
    whole
        .into_iter()
        .chain(nested)
        .filter(|(_, schema)| schema["properties"].is_object())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A text that declares these options in the language's own manner.
    fn declared(host: &Host, parts: &[(&str, &[&str])]) -> String {
        let mut text = String::new();
        for (part, options) in parts {
            if let Some((begin, end)) = (host.declaration)(part) {
                let lines = options.iter().flat_map(|option| (host.lines)(option));
                text.push_str(&format!("{begin}{}{end}\n", lines.collect::<String>()));
            }
        }
        text
    }

    #[test]
    fn an_option_that_a_host_does_not_offer_is_named() {
        let config = json!({
            "title": "EngineConfig",
            "properties": { "user": {}, "data_dir": {} },
            "$defs": { "HttpConfig": { "properties": { "user_agent": {} } }, "Kind": { "oneOf": [] } }
        });
        for host in &HOSTS {
            let all = declared(
                host,
                &[
                    ("EngineConfig", &["user", "data_dir"]),
                    ("HttpConfig", &["user_agent"]),
                ],
            );
            assert_eq!(missing_in(host, &all, &config), Vec::<String>::new(), "{all}");

            let elsewhere = declared(
                host,
                &[("EngineConfig", &["user"]), ("HttpConfig", &["data_dir"])],
            );
            let missing = missing_in(host, &elsewhere, &config).join("; ");
            assert!(missing.contains("'data_dir' of EngineConfig"), "{missing}");
            let is_nested = (host.declaration)("HttpConfig").is_some();
            assert_eq!(
                missing.contains("'user_agent' of HttpConfig"),
                is_nested,
                "{missing}"
            );
            assert!(!missing.contains("'user'"), "{missing}");
        }
    }
}
