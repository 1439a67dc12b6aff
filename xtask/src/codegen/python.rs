//! Writes the typed part of the Python package from the schemas of the operations.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::schema::{add_type, groups, items, members, pascal, reference_name, required, split, text};

const FOLDER: &str = "atom-py/python/atom_engine";

const NOTICE: &str = "# Generated from schema/ by `cargo xtask codegen`; do not edit.\n\n";

/// Words that Python does not take as names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// The generated files of the Python package by their path from the workspace root.
///
/// `operations` is the list of the operations' schema files (`schema/runs.start.json`, …) in the order of
/// `schema/operations.json`; `errors` is `schema/errors.json`.
pub(super) fn generate(operations: &Value, errors: &Value) -> BTreeMap<String, String> {
    let types = Types::collect(items(operations));
    BTreeMap::from([
        (format!("{FOLDER}/errors.py"), errors_module(errors)),
        (format!("{FOLDER}/types.py"), types.module()),
        (
            format!("{FOLDER}/_operations.py"),
            operations_module(items(operations), &types),
        ),
    ])
}

fn errors_module(errors: &Value) -> String {
    let codes = items(&errors["codes"]);
    let class = |code: &Value| format!("{}Error", pascal(text(&code["code"])));
    let mut module = format!(
        "{NOTICE}\"\"\"The errors of the engine: one class for each code, all of them `AtomError`.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom ._error import CLASSES, AtomError\n\n__all__ = [\n    \"AtomError\",\n"
    );
    for code in codes {
        let _ = writeln!(module, "    \"{}\",", class(code));
    }
    module.push_str("]\n");
    for code in codes {
        let _ = write!(
            module,
            "\n\nclass {}(AtomError):\n{}\n\n    code = \"{}\"\n",
            class(code),
            docstring(text(&code["description"]), 4),
            text(&code["code"]),
        );
    }
    module.push_str("\n\nCLASSES.update(\n    {\n");
    for code in codes {
        let _ = writeln!(module, "        \"{}\": {},", text(&code["code"]), class(code));
    }
    module.push_str("    }\n)\n");
    module
}

/// The named types of all requests and responses.
struct Types {
    schemas: BTreeMap<String, Value>,
}

impl Types {
    fn collect(operations: &[Value]) -> Self {
        let mut types = Self {
            schemas: BTreeMap::new(),
        };
        for operation in operations {
            for side in ["request", "response"] {
                let schema = &operation[side];
                for (name, definition) in members(&schema["$defs"]) {
                    add_type(&mut types.schemas, name, definition);
                }
                if side == "response" {
                    add_type(&mut types.schemas, text(&schema["title"]), schema);
                }
            }
        }
        types
    }

    fn module(&self) -> String {
        let mut module = format!(
            "{NOTICE}\"\"\"What operations take and give, as they are in JSON.\"\"\"\n\n\
             from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n\
             from typing import TYPE_CHECKING, Any, Literal, TypedDict\n\n\
             if TYPE_CHECKING:\n    from typing_extensions import NotRequired, TypeAlias\n"
        );
        for (name, schema) in &self.schemas {
            module.push('\n');
            module.push_str(&Self::definition(name, schema));
        }
        module
    }

    fn definition(name: &str, schema: &Value) -> String {
        let variants = items(&schema["oneOf"]);
        if variants.iter().any(|variant| variant["properties"].is_object()) {
            let mut classes = String::new();
            let mut names = Vec::new();
            for variant in variants {
                let variant_name = match variant["title"].as_str() {
                    Some(title) => title.to_owned(),
                    None => format!("{name}{}", pascal(tag(variant))),
                };
                classes.push_str(&class(&variant_name, variant, schema));
                classes.push('\n');
                names.push(variant_name);
            }
            let alias = alias(name, &names.join(" | "), schema);
            return format!("{classes}{alias}");
        }
        if schema["properties"].is_object() {
            return class(name, schema, &Value::Null);
        }
        alias(name, &annotation(schema, ""), schema)
    }
}

fn alias(name: &str, target: &str, schema: &Value) -> String {
    let quoted = target.replace('"', "'");
    format!(
        "\n{name}: TypeAlias = \"{quoted}\"\n{}\n",
        docstring(text(&schema["description"]), 0)
    )
}

/// A class with the members of a schema and of the schema that it is a variant of.
fn class(name: &str, schema: &Value, base: &Value) -> String {
    let mut names = [base, schema]
        .into_iter()
        .flat_map(|owner| members(&owner["properties"]));
    if names.any(|(member, _)| KEYWORDS.contains(&member.as_str())) {
        return dictionary(name, schema, base);
    }
    let mut class = format!("\nclass {name}(TypedDict):\n");
    class.push_str(&docstring(text(&schema["description"]), 4));
    class.push('\n');
    for owner in [base, schema] {
        let required = required(owner);
        for (member, schema) in members(&owner["properties"]) {
            let mut annotation = annotation(schema, "");
            if !required.contains(member.as_str()) {
                annotation = format!("NotRequired[{annotation}]");
            }
            let _ = write!(class, "\n    {member}: {annotation}\n");
            let description = text(&schema["description"]);
            if !description.is_empty() {
                let _ = writeln!(class, "{}", docstring(description, 4));
            }
        }
    }
    class
}

/// The same for members that a class cannot have, because their names are words of the language.
fn dictionary(name: &str, schema: &Value, base: &Value) -> String {
    let mut dictionary = format!("\n{name} = TypedDict(\n    \"{name}\",\n    {{\n");
    for owner in [base, schema] {
        let required = required(owner);
        for (member, schema) in members(&owner["properties"]) {
            let mut annotation = annotation(schema, "").replace('"', "'");
            if !required.contains(member.as_str()) {
                annotation = format!("NotRequired[{annotation}]");
            }
            let description = one_line(text(&schema["description"]));
            if !description.is_empty() {
                let _ = writeln!(dictionary, "        # {description}");
            }
            let _ = writeln!(dictionary, "        \"{member}\": \"{annotation}\",");
        }
    }
    dictionary.push_str("    },\n)\n");
    let _ = writeln!(dictionary, "{}", docstring(text(&schema["description"]), 0));
    dictionary
}

fn operations_module(operations: &[Value], types: &Types) -> String {
    let groups = groups(operations);
    let mut module = format!(
        "{NOTICE}\"\"\"Every operation of the engine as a method.\"\"\"\n\n\
         from __future__ import annotations\n\nfrom collections.abc import Mapping, Sequence\n\
         from typing import TYPE_CHECKING, Any, Literal, cast\n\n\
         from . import types\n\nif TYPE_CHECKING:\n    from ._connection import Caller\n    from ._stream import Stream\n\n\n\
         def _given(values: dict[str, Any]) -> dict[str, Any]:\n    \
         return {{name: value for name, value in values.items() if value is not None}}\n"
    );
    module.push_str("\n\nKINDS: dict[str, Literal[\"call\", \"stream\"]] = {\n");
    for operation in operations {
        let _ = writeln!(module, "    {}: {},", operation["name"], operation["kind"]);
    }
    module.push_str("}\n\"\"\"Whether an operation has one answer or many.\"\"\"\n");
    for (group, members) in &groups {
        let _ = write!(
            module,
            "\n\nclass {}Operations:\n    \"\"\"The `{group}` operations.\"\"\"\n\n    \
             def __init__(self, caller: Caller) -> None:\n        self._caller = caller\n",
            pascal(group)
        );
        for operation in members {
            module.push_str(&method(operation, types));
        }
    }
    module.push_str(
        "\n\nclass Operations:\n    \"\"\"Every operation, by its group.\"\"\"\n\n    \
         def __init__(self, caller: Caller) -> None:\n",
    );
    for (group, _) in &groups {
        let _ = writeln!(
            module,
            "        self.{group} = {}Operations(caller)",
            pascal(group)
        );
    }
    module
}

fn method(operation: &Value, types: &Types) -> String {
    let (_, name) = split(operation);
    let request = &operation["request"];
    let is_stream = operation["kind"] == "stream";
    let required = required(request);
    let mut parameters = String::new();
    let mut documented = String::new();
    let (mut needed, mut given) = (Vec::new(), Vec::new());
    for (member, schema) in members(&request["properties"]) {
        let parameter = identifier(member);
        let annotation = widened(schema, types);
        let entry = format!("\"{member}\": {parameter}");
        if required.contains(member.as_str()) {
            let _ = writeln!(parameters, "        {parameter}: {annotation},");
            needed.push(entry);
        } else {
            let (annotation, default) = match &schema["default"] {
                Value::Bool(value) => (annotation, pascal(&value.to_string())),
                Value::Number(value) => (annotation, value.to_string()),
                _ if annotation == "Any" || annotation.ends_with("None") => (annotation, "None".to_owned()),
                _ => (format!("{annotation} | None"), "None".to_owned()),
            };
            let _ = writeln!(parameters, "        {parameter}: {annotation} = {default},");
            given.push(entry);
        }
        let _ = writeln!(
            documented,
            "            {parameter}: {}",
            one_line(text(&schema["description"]))
        );
    }
    if !parameters.is_empty() {
        parameters.insert_str(0, "        *,\n");
        documented.insert_str(0, "\n        Args:\n");
    }
    let given = format!("_given({{{}}})", given.join(", "));
    let arguments = match (needed.is_empty(), given.as_str()) {
        (true, "_given({})") => "{}".to_owned(),
        (true, _) => given,
        (false, "_given({})") => format!("{{{}}}", needed.join(", ")),
        (false, _) => format!("{{{}, **{given}}}", needed.join(", ")),
    };
    let operation_name = text(&operation["name"]);
    let response = format!("types.{}", text(&operation["response"]["title"]));
    let call = format!("\"{operation_name}\", {arguments}");
    let (prefix, result, body) = if is_stream {
        let body = format!("return self._caller.subscribe({call})");
        ("", format!("Stream[{response}]"), body)
    } else {
        let body = format!("return cast(\"{response}\", await self._caller.call({call}))");
        ("async ", response.clone(), body)
    };
    let parameters = if parameters.is_empty() {
        "self".to_owned()
    } else {
        format!("\n        self,\n{parameters}    ")
    };
    let is_long = !documented.is_empty() || operation["permission"].is_string();
    let documentation = if is_long {
        format!(
            "        \"\"\"{}\n{documented}\n        Needs the permission `{}`.\n        \"\"\"",
            one_line(text(&operation["summary"])),
            text(&operation["permission"])
        )
    } else {
        docstring(text(&operation["summary"]), 8)
    };
    format!("\n    {prefix}def {name}({parameters}) -> {result}:\n{documentation}\n        {body}\n")
}

/// The type of a parameter. A type that lets further members in takes any mapping too.
fn widened(schema: &Value, types: &Types) -> String {
    let annotation = annotation(schema, "types.");
    let is_open = schema["$ref"]
        .as_str()
        .and_then(|reference| types.schemas.get(reference_name(reference)))
        .is_some_and(|schema| schema["additionalProperties"] == true);
    if is_open {
        format!("{annotation} | Mapping[str, Any]")
    } else {
        annotation
    }
}

/// The type of a value; named types have this prefix.
fn annotation(schema: &Value, prefix: &str) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return format!("{prefix}{}", reference_name(reference));
    }
    if let Some(constant) = schema.get("const") {
        return format!("Literal[{constant}]");
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        return format!("Literal[{}]", values.join(", "));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(variants) = schema[key].as_array() {
            return union(variants.iter().map(|variant| annotation(variant, prefix)));
        }
    }
    match &schema["type"] {
        Value::Array(kinds) => union(kinds.iter().map(|kind| simple(text(kind), schema, prefix))),
        Value::String(kind) => simple(kind, schema, prefix),
        _ => "Any".to_owned(),
    }
}

fn simple(kind: &str, schema: &Value, prefix: &str) -> String {
    match kind {
        "string" => "str".to_owned(),
        "integer" => "int".to_owned(),
        "number" => "float".to_owned(),
        "boolean" => "bool".to_owned(),
        "null" => "None".to_owned(),
        "array" => format!("Sequence[{}]", annotation(&schema["items"], prefix)),
        "object" => format!(
            "Mapping[str, {}]",
            annotation(&schema["additionalProperties"], prefix)
        ),
        _ => "Any".to_owned(),
    }
}

/// Literals become one, and `Any` takes in everything.
fn union(variants: impl Iterator<Item = String>) -> String {
    let (mut literals, mut others) = (Vec::new(), Vec::new());
    for variant in variants {
        match variant
            .strip_prefix("Literal[")
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(literal) => literals.push(literal.to_owned()),
            None if others.contains(&variant) => {}
            None => others.push(variant),
        }
    }
    if others.iter().any(|other| other == "Any") {
        return "Any".to_owned();
    }
    if !literals.is_empty() {
        others.insert(0, format!("Literal[{}]", literals.join(", ")));
    }
    others.join(" | ")
}

fn docstring(content: &str, indentation: usize) -> String {
    format!("{:indentation$}\"\"\"{}\"\"\"", "", one_line(content))
}

fn one_line(content: &str) -> String {
    let line = content.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('\\', "\\\\")
        .replace("\"\"\"", "'''")
        .replace("\"", "'")
}

fn identifier(name: &str) -> String {
    if KEYWORDS.contains(&name) {
        format!("{name}_")
    } else {
        name.to_owned()
    }
}

fn tag(variant: &Value) -> &str {
    members(&variant["properties"])
        .find_map(|(_, schema)| schema["const"].as_str())
        .unwrap_or("variant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn annotations_say_what_json_is_meant() {
        for (schema, expected) in [
            (json!({ "type": "string" }), "str"),
            (json!({ "type": ["integer", "null"] }), "int | None"),
            (
                json!({ "type": "array", "items": { "$ref": "#/$defs/Run" } }),
                "Sequence[Run]",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "Mapping[str, str]",
            ),
            (
                json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
                "Literal[\"a\", \"b\"]",
            ),
            (
                json!({ "anyOf": [{ "$ref": "#/$defs/Run" }, { "type": "null" }] }),
                "Run | None",
            ),
            (json!({ "anyOf": [true, { "type": "null" }] }), "Any"),
            (json!(true), "Any"),
        ] {
            assert_eq!(annotation(&schema, ""), expected, "{schema}");
        }
    }

    #[test]
    fn a_member_named_like_a_word_of_the_language_stands_in_a_dictionary() {
        let schema = json!({
            "description": "A move.",
            "properties": { "from": { "type": "string" }, "how": { "const": "fast", "description": "How." } },
            "required": ["from"]
        });
        assert_eq!(
            class("Move", &schema, &Value::Null),
            "\nMove = TypedDict(\n    \"Move\",\n    {\n        \"from\": \"str\",\n        # How.\n        \
             \"how\": \"NotRequired[Literal['fast']]\",\n    },\n)\n\"\"\"A move.\"\"\"\n"
        );
    }

    #[test]
    fn an_operation_becomes_a_method_of_its_group() {
        let operations = json!([{
            "name": "notes.list", "summary": "Lists notes.", "kind": "stream", "permission": "notes.read",
            "request": {
                "properties": {
                    "from": { "type": "string", "description": "Where." },
                    "after": { "type": "integer", "default": 0 }
                },
                "required": ["from"]
            },
            "response": { "title": "Note", "properties": { "text": { "type": "string" } } }
        }]);
        let errors = json!({ "codes": [{ "code": "not_found", "description": "It is not there." }] });
        let files = generate(&operations, &errors);
        let operations = &files["atom-py/python/atom_engine/_operations.py"];
        for line in [
            "class NotesOperations:",
            "        from_: str,\n        after: int = 0,\n    ) -> Stream[types.Note]:",
            "subscribe(\"notes.list\", {\"from\": from_, **_given({\"after\": after})})",
            "        self.notes = NotesOperations(caller)",
        ] {
            assert!(operations.contains(line), "{line}\n{operations}");
        }
        let types = &files["atom-py/python/atom_engine/types.py"];
        assert!(types.contains("class Note(TypedDict):"), "{types}");
        assert!(types.contains("    text: NotRequired[str]"), "{types}");
        let errors = &files["atom-py/python/atom_engine/errors.py"];
        assert!(errors.contains("class NotFoundError(AtomError):"), "{errors}");
    }
}
