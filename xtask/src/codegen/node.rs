//! Writes the typed part of the Node package from the schemas of the operations.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::schema::{add_type, groups, items, members, pascal, reference_name, required, split, text};

const FOLDER: &str = "atom-node/generated";

const NOTICE: &str = "// Generated from schema/ by `cargo xtask codegen`; do not edit.\n\n";

/// The generated files of the Node package by their path from the workspace root.
///
/// `operations` is the list of the operations' schema files (`schema/runs.start.json`, …) in the order of
/// `schema/operations.json`; `errors` is `schema/errors.json`.
pub(crate) fn generate(operations: &Value, errors: &Value) -> BTreeMap<String, String> {
    BTreeMap::from([
        (format!("{FOLDER}/errors.ts"), errors_module(errors)),
        (format!("{FOLDER}/types.ts"), types_module(items(operations))),
        (
            format!("{FOLDER}/operations.ts"),
            operations_module(items(operations)),
        ),
    ])
}

fn errors_module(errors: &Value) -> String {
    let codes = items(&errors["codes"]);
    let class = |code: &Value| format!("{}Error", pascal(text(&code["code"])));
    let mut module = format!(
        "{NOTICE}import {{ AtomError }} from \"../ts/errors.js\";\nimport type {{ Retry }} from \"./types.js\";\n"
    );
    for entry in codes {
        let code = &entry["code"];
        let _ = write!(
            module,
            "\n{}export class {} extends AtomError {{\n  static override readonly code = {code};\n  \
             static override readonly retry: Retry = {};\n  declare readonly code: {code};\n}}\n",
            comment(text(&entry["description"]), 0),
            class(entry),
            entry["retry"],
        );
    }
    module.push_str("\n/** @internal The class of each code. */\nexport const CLASSES = {\n");
    for code in codes {
        let _ = writeln!(module, "  {}: {},", text(&code["code"]), class(code));
    }
    module.push_str("} as const;\n");
    module
}

fn types_module(operations: &[Value]) -> String {
    let mut types = BTreeMap::new();
    for operation in operations {
        for side in ["request", "response"] {
            let schema = &operation[side];
            for (name, definition) in members(&schema["$defs"]) {
                add_type(&mut types, type_name(name), definition);
            }
            add_type(&mut types, type_name(text(&schema["title"])), schema);
        }
    }
    let mut module = NOTICE.to_owned();
    module.push_str("// What operations take and give, as they are in JSON.\n");
    for (name, schema) in &types {
        let is_plain = schema["properties"].is_object() && schema["oneOf"].is_null();
        let shape = shape(schema, "", 0);
        let _ = write!(module, "\n{}export ", comment(text(&schema["description"]), 0));
        let _ = if is_plain {
            writeln!(module, "interface {name} {shape}")
        } else {
            writeln!(module, "type {name} = {shape};")
        };
    }
    module
}

fn operations_module(operations: &[Value]) -> String {
    let groups = groups(operations);
    let mut module = format!(
        "{NOTICE}import type {{ Caller, CallOptions }} from \"../ts/connection.js\";\n\
         import type {{ Stream }} from \"../ts/stream.js\";\nimport type * as types from \"./types.js\";\n"
    );
    for (group, members) in &groups {
        let _ = write!(
            module,
            "\n/** The `{group}` operations. */\nexport class {}Operations {{\n  readonly #caller: Caller;\n\n  \
             /** @internal */\n  constructor(caller: Caller) {{\n    this.#caller = caller;\n  }}\n",
            pascal(group)
        );
        for operation in members {
            module.push_str(&method(operation));
        }
        module.push_str("}\n");
    }
    module.push_str("\n/** The operations that answer with a stream. */\nexport const STREAMS: ReadonlySet<string> = new Set([\n");
    for operation in operations
        .iter()
        .filter(|operation| operation["kind"] == "stream")
    {
        let _ = writeln!(module, "  {},", operation["name"]);
    }
    module.push_str("]);\n\n/** Every operation, by its group. */\nexport class Operations {\n");
    for (group, _) in &groups {
        let _ = writeln!(
            module,
            "  /** The `{group}` operations. */\n  readonly {group}: {}Operations;",
            pascal(group)
        );
    }
    module.push_str("\n  /** @internal */\n  constructor(caller: Caller) {\n");
    for (group, _) in &groups {
        let _ = writeln!(
            module,
            "    this.{group} = new {}Operations(caller);",
            pascal(group)
        );
    }
    module.push_str("  }\n}\n");
    module
}

fn method(operation: &Value) -> String {
    let (_, name) = split(operation);
    let request = type_name(text(&operation["request"]["title"]));
    let response = type_name(text(&operation["response"]["title"]));
    let (kind, function) = if operation["kind"] == "stream" {
        ("Stream", "subscribe")
    } else {
        ("Promise", "call")
    };
    let default = if required(&operation["request"]).is_empty() {
        " = {}"
    } else {
        ""
    };
    let documentation = format!(
        "{}\n\nNeeds the permission `{}`.",
        text(&operation["summary"]),
        text(&operation["permission"])
    );
    format!(
        "\n{}  {name}(request: types.{request}{default}, options?: CallOptions): {kind}<types.{response}> {{\n    \
         return this.#caller.{function}({}, request, options) as {kind}<types.{response}>;\n  }}\n",
        comment(&documentation, 2),
        operation["name"],
    )
}

/// The TypeScript type of a value; named types have this prefix.
fn shape(schema: &Value, prefix: &str, indentation: usize) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return format!("{prefix}{}", type_name(reference));
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(values) = schema["enum"].as_array() {
        return union(values.iter().map(Value::to_string));
    }
    let object = schema["properties"]
        .is_object()
        .then(|| object(schema, prefix, indentation));
    for key in ["anyOf", "oneOf"] {
        if let Some(variants) = schema[key].as_array() {
            let variants = union(variants.iter().map(|variant| shape(variant, prefix, indentation)));
            return match object {
                Some(object) => format!("{object} & ({variants})"),
                None => variants,
            };
        }
    }
    if let Some(object) = object {
        return object;
    }
    match &schema["type"] {
        Value::Array(kinds) => union(
            kinds
                .iter()
                .map(|kind| simple(text(kind), schema, prefix, indentation)),
        ),
        Value::String(kind) => simple(kind, schema, prefix, indentation),
        _ => "unknown".to_owned(),
    }
}

fn simple(kind: &str, schema: &Value, prefix: &str, indentation: usize) -> String {
    match kind {
        "integer" => "number".to_owned(),
        "string" | "number" | "boolean" | "null" => kind.to_owned(),
        "array" => format!("Array<{}>", shape(&schema["items"], prefix, indentation)),
        "object" => format!(
            "Record<string, {}>",
            shape(&schema["additionalProperties"], prefix, indentation)
        ),
        _ => "unknown".to_owned(),
    }
}

fn object(schema: &Value, prefix: &str, indentation: usize) -> String {
    let required = required(schema);
    let inner = indentation + 2;
    let mut object = "{\n".to_owned();
    for (member, schema) in members(&schema["properties"]) {
        let optional = if required.contains(member.as_str()) {
            ""
        } else {
            "?"
        };
        let _ = writeln!(
            object,
            "{}{:inner$}{member}{optional}: {};",
            comment(text(&schema["description"]), inner),
            "",
            shape(schema, prefix, inner),
        );
    }
    if schema["additionalProperties"] == true {
        let _ = writeln!(object, "{:inner$}[name: string]: unknown;", "");
    }
    let _ = write!(object, "{:indentation$}}}", "");
    object
}

/// Each variant once; `unknown` takes in everything.
fn union(variants: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for variant in variants {
        if variant == "unknown" {
            return variant;
        }
        if !distinct.contains(&variant) {
            distinct.push(variant);
        }
    }
    distinct.join(" | ")
}

/// A documentation comment on lines of its own; nothing when there is nothing to say.
fn comment(content: &str, indentation: usize) -> String {
    let content = content.replace("*/", "*\\/");
    let lines: Vec<_> = content.lines().collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("{:indentation$}/** {line} */\n", ""),
        lines => {
            let mut comment = format!("{:indentation$}/**\n", "");
            for line in lines {
                let line = format!("{:indentation$} * {line}", "");
                let _ = writeln!(comment, "{}", line.trim_end());
            }
            let _ = writeln!(comment, "{:indentation$} */", "");
            comment
        }
    }
}

/// The last part of a reference. `Error` would hide JavaScript's own.
fn type_name(reference: &str) -> &str {
    match reference_name(reference) {
        "Error" => "ErrorReport",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_say_what_json_is_meant() {
        for (schema, expected) in [
            (json!({ "type": "string" }), "string"),
            (json!({ "type": ["integer", "null"] }), "number | null"),
            (
                json!({ "type": "array", "items": { "$ref": "#/$defs/Run" } }),
                "Array<Run>",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "Record<string, string>",
            ),
            (
                json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
                "\"a\" | \"b\"",
            ),
            (
                json!({ "anyOf": [{ "$ref": "#/$defs/Error" }, { "type": "null" }] }),
                "ErrorReport | null",
            ),
            (json!({ "anyOf": [true, { "type": "null" }] }), "unknown"),
            (json!(true), "unknown"),
            (
                json!({
                    "properties": { "at": { "type": "string" } },
                    "required": ["at"],
                    "oneOf": [{ "properties": { "type": { "const": "a" } } }, { "const": "b" }]
                }),
                "{\n  at: string;\n} & ({\n  type?: \"a\";\n} | \"b\")",
            ),
        ] {
            assert_eq!(shape(&schema, "", 0), expected, "{schema}");
        }
    }

    #[test]
    fn an_operation_becomes_a_method_of_its_group() {
        let operations = json!([{
            "name": "notes.list", "summary": "Lists notes.", "kind": "stream", "permission": "notes.read",
            "request": {
                "title": "ListNotesRequest",
                "properties": { "from": { "type": "string", "description": "Where */ to begin." } },
                "required": ["from"]
            },
            "response": { "title": "Note", "properties": { "text": { "type": "string" } } }
        }]);
        let errors = json!({ "codes": [{ "code": "not_found", "description": "It is not there." }] });
        let files = generate(&operations, &errors);
        let operations = &files["atom-node/generated/operations.ts"];
        for line in [
            "export class NotesOperations {",
            "  list(request: types.ListNotesRequest, options?: CallOptions): Stream<types.Note> {",
            "    return this.#caller.subscribe(\"notes.list\", request, options) as Stream<types.Note>;",
            "    this.notes = new NotesOperations(caller);",
        ] {
            assert!(operations.contains(line), "{line}\n{operations}");
        }
        let types = &files["atom-node/generated/types.ts"];
        assert!(
            types.contains("export interface Note {\n  text?: string;\n}"),
            "{types}"
        );
        assert!(
            types.contains("  /** Where *\\/ to begin. */\n  from: string;"),
            "{types}"
        );
        let errors = &files["atom-node/generated/errors.ts"];
        assert!(
            errors.contains("export class NotFoundError extends AtomError {"),
            "{errors}"
        );
        assert!(errors.contains("  not_found: NotFoundError,"), "{errors}");
    }
}
