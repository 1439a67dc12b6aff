//! Writes the typed part of the Swift package from the schemas of the operations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value};

use super::model::{Definition, Field, Model, Named, Operation, Shape, Type, comment};
use super::schema::{camel, pascal};

const FOLDER: &str = "atom-ffi/swift/Sources/AtomEngine/Generated";

const NOTICE: &str = "// Generated from schema/ by `cargo xtask codegen`; do not edit.\n";

/// The words of Swift that need backticks as names.
const KEYWORDS: [&str; 27] = [
    "as",
    "break",
    "case",
    "catch",
    "class",
    "continue",
    "default",
    "defer",
    "do",
    "else",
    "enum",
    "extension",
    "false",
    "for",
    "func",
    "if",
    "import",
    "in",
    "init",
    "internal",
    "is",
    "nil",
    "operator",
    "return",
    "self",
    "switch",
    "true",
];

/// The generated files of the Swift package by their path from the workspace root.
///
/// `operations` is the list of the operations' schema files in the order of `schema/operations.json`; `errors` is
/// `schema/errors.json`.
pub(super) fn generate(operations: &Value, errors: &Value) -> BTreeMap<String, String> {
    let model = Model::read(operations, errors);
    BTreeMap::from([
        (format!("{FOLDER}/Types.swift"), types(&model)),
        (format!("{FOLDER}/Operations.swift"), all_operations(&model)),
    ])
}

fn types(model: &Model) -> String {
    let mut file = NOTICE.to_owned();
    for (name, definition) in &model.types {
        file.push('\n');
        file.push_str(&document(&definition.description, ""));
        file.push_str(&declaration(name, definition, model));
    }
    file
}

fn declaration(name: &str, definition: &Definition, model: &Model) -> String {
    match &definition.shape {
        Shape::Secret => secret(name),
        Shape::Alias(kind) => format!("public typealias {name} = {}\n", type_text(kind)),
        Shape::Enumeration(words) => enumeration(name, words),
        Shape::Structure { fields, is_open } => structure(name, fields, *is_open, model),
        Shape::Variants {
            tag,
            common,
            variants,
        } if common.is_empty() => variants_enumeration(name, tag, variants, ""),
        Shape::Variants {
            tag,
            common,
            variants,
        } => entry(
            name,
            common,
            &variants_enumeration("Change", tag, variants, "    "),
            model,
        ),
    }
}

/// Neither printing nor `dump` shows its text.
fn secret(name: &str) -> String {
    format!(
        "public struct {name}: Codable, Sendable, Equatable, CustomStringConvertible, CustomReflectable {{\n    \
         /// The text itself.\n    public let text: String\n\n    \
         public init(_ text: String) {{\n        self.text = text\n    }}\n\n    \
         public init(from decoder: any Decoder) throws {{\n        \
         text = try decoder.singleValueContainer().decode(String.self)\n    }}\n\n    \
         public func encode(to encoder: any Encoder) throws {{\n        \
         var container = encoder.singleValueContainer()\n        try container.encode(text)\n    }}\n\n    \
         /// Shows nothing of the text.\n    public var description: String {{ \"{name}(***)\" }}\n\n    \
         /// Shows nothing of the text.\n    public var customMirror: Mirror {{ Mirror(self, children: [:]) }}\n}}\n"
    )
}

fn enumeration(name: &str, words: &[Named]) -> String {
    let mut text = format!("public enum {name}: String, Codable, Sendable, CaseIterable {{\n");
    for word in words {
        text.push_str(&document(&word.description, "    "));
        let _ = writeln!(text, "    case {} = \"{}\"", identifier(&word.wire), word.wire);
    }
    text + "}\n"
}

fn structure(name: &str, fields: &[Field], is_open: bool, model: &Model) -> String {
    let mut all = fields.to_vec();
    if is_open {
        all.push(Field {
            wire: "extensions".to_owned(),
            description: "Every other member.".to_owned(),
            kind: Type::Dictionary(Box::new(Type::Any)),
            is_nullable: false,
            is_required: false,
            default: Value::Object(Map::new()),
        });
    }
    let mut text = format!("public struct {name}: Codable, Sendable, Equatable {{\n");
    text.push_str(&properties(&all));
    text.push_str(&initializer(&all, "", model));
    if !fields.is_empty() {
        text.push_str(&coding_keys(
            fields.iter().map(|field| field.wire.as_str()),
            None,
            "    ",
        ));
    }
    if is_open {
        text.push_str(&open_coding(fields));
    }
    text + "}\n"
}

/// An object whose variants share members: those beside the variant.
fn entry(name: &str, common: &[Field], change: &str, model: &Model) -> String {
    let mut text = format!("public struct {name}: Codable, Sendable, Equatable {{\n");
    text.push_str(&properties(common));
    text.push_str("    /// What happened.\n    public var change: Change\n");
    text.push_str(&initializer(common, "change: Change", model));
    text.push_str(&coding_keys(
        common.iter().map(|field| field.wire.as_str()),
        None,
        "    ",
    ));
    let _ = write!(
        text,
        "\n    public init(from decoder: any Decoder) throws {{\n        \
         let container = try decoder.container(keyedBy: CodingKeys.self)\n{}        \
         change = try Change(from: decoder)\n    }}\n\n    \
         public func encode(to encoder: any Encoder) throws {{\n        try change.encode(to: encoder)\n        \
         var container = encoder.container(keyedBy: CodingKeys.self)\n{}    }}\n",
        common
            .iter()
            .map(|field| format!("        {} = {}\n", identifier(&field.wire), decode(field)))
            .collect::<String>(),
        common
            .iter()
            .map(|field| format!("        {}\n", encode(field)))
            .collect::<String>(),
    );
    let _ = writeln!(text, "\n    /// What happened.\n{change}}}");
    text
}

fn properties(fields: &[Field]) -> String {
    fields
        .iter()
        .map(|field| {
            format!(
                "{}    public var {}: {}\n",
                document(&field.description, "    "),
                identifier(&field.wire),
                field_type(field)
            )
        })
        .collect()
}

fn initializer(fields: &[Field], last: &str, model: &Model) -> String {
    let mut parameters: Vec<_> = fields
        .iter()
        .map(|field| {
            let default = default(field, model)
                .map(|default| format!(" = {default}"))
                .unwrap_or_default();
            format!("{}: {}{default}", identifier(&field.wire), field_type(field))
        })
        .collect();
    let mut assigned: Vec<_> = fields.iter().map(|field| identifier(&field.wire)).collect();
    if !last.is_empty() {
        parameters.push(last.to_owned());
        assigned.push("change".to_owned());
    }
    if parameters.is_empty() {
        return "    public init() {}\n".to_owned();
    }
    let assigned: String = assigned
        .iter()
        .map(|name| format!("        self.{name} = {name}\n"))
        .collect();
    format!(
        "\n    public init(\n        {}\n    ) {{\n{assigned}    }}\n",
        parameters.join(",\n        ")
    )
}

fn coding_keys<'wire>(wires: impl Iterator<Item = &'wire str>, tag: Option<&str>, indent: &str) -> String {
    let mut text = format!("\n{indent}private enum CodingKeys: String, CodingKey {{\n");
    if let Some(tag) = tag {
        let _ = writeln!(text, "{indent}    case variantTag = \"{tag}\"");
    }
    for wire in wires {
        let _ = writeln!(text, "{indent}    case {} = \"{wire}\"", identifier(wire));
    }
    format!("{text}{indent}}}\n")
}

/// Members that the type does not know are kept beside the known ones.
fn open_coding(fields: &[Field]) -> String {
    let known: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.wire)).collect();
    format!(
        "\n    public init(from decoder: any Decoder) throws {{\n        \
         let container = try decoder.container(keyedBy: CodingKeys.self)\n{}        \
         extensions = try decodeExtensions(from: decoder, except: [{}])\n    }}\n\n    \
         public func encode(to encoder: any Encoder) throws {{\n        \
         try encodeExtensions(extensions, to: encoder)\n        \
         var container = encoder.container(keyedBy: CodingKeys.self)\n{}    }}\n",
        fields
            .iter()
            .map(|field| format!("        {} = {}\n", identifier(&field.wire), decode(field)))
            .collect::<String>(),
        known.join(", "),
        fields
            .iter()
            .map(|field| format!("        {}\n", encode(field)))
            .collect::<String>(),
    )
}

fn decode(field: &Field) -> String {
    let method = if field.is_optional() {
        "decodeIfPresent"
    } else {
        "decode"
    };
    format!(
        "try container.{method}({}.self, forKey: .{})",
        type_text(&field.kind),
        identifier(&field.wire)
    )
}

fn encode(field: &Field) -> String {
    let method = if field.is_optional() {
        "encodeIfPresent"
    } else {
        "encode"
    };
    let name = identifier(&field.wire);
    format!("try container.{method}({name}, forKey: .{name})")
}

fn variants_enumeration(
    name: &str,
    tag: &str,
    variants: &[(Named, String, Vec<Field>)],
    indent: &str,
) -> String {
    let (mut cases, mut decoding, mut encoding) = (String::new(), String::new(), String::new());
    let mut wires = BTreeSet::new();
    for (word, variant, fields) in variants {
        let case = identifier(variant);
        cases.push_str(&document(&word.description, &format!("{indent}    ")));
        wires.extend(fields.iter().map(|field| field.wire.as_str()));
        let each = |render: fn(&Field) -> String| fields.iter().map(render).collect::<Vec<_>>().join(", ");
        let (declared, decoded, bound) = if fields.is_empty() {
            Default::default()
        } else {
            (
                format!(
                    "({})",
                    each(|field| format!("{}: {}", identifier(&field.wire), field_type(field)))
                ),
                format!(
                    "({})",
                    each(|field| format!("{}: {}", identifier(&field.wire), decode(field)))
                ),
                format!("({})", each(|field| format!("let {}", identifier(&field.wire)))),
            )
        };
        let _ = writeln!(cases, "{indent}    case {case}{declared}");
        let _ = writeln!(
            decoding,
            "{indent}        case \"{}\":\n{indent}            self = .{case}{decoded}",
            word.wire
        );
        let _ = writeln!(
            encoding,
            "{indent}        case .{case}{bound}:\n{indent}            try container.encode(\"{}\", forKey: .variantTag)",
            word.wire
        );
        for field in fields {
            let _ = writeln!(encoding, "{indent}            {}", encode(field));
        }
    }
    let keys = coding_keys(wires.into_iter(), Some(tag), &format!("{indent}    "));
    format!(
        "{indent}public enum {name}: Codable, Sendable, Equatable {{\n{cases}{keys}\n\
         {indent}    public init(from decoder: any Decoder) throws {{\n\
         {indent}        let container = try decoder.container(keyedBy: CodingKeys.self)\n\
         {indent}        switch try container.decode(String.self, forKey: .variantTag) {{\n{decoding}\
         {indent}        case let other:\n\
         {indent}            throw DecodingError.dataCorruptedError(\n\
         {indent}                forKey: .variantTag, in: container, debugDescription: \"'\\(other)' is not known\")\n\
         {indent}        }}\n{indent}    }}\n\n\
         {indent}    public func encode(to encoder: any Encoder) throws {{\n\
         {indent}        var container = encoder.container(keyedBy: CodingKeys.self)\n\
         {indent}        switch self {{\n{encoding}{indent}        }}\n{indent}    }}\n{indent}}}\n"
    )
}

fn field_type(field: &Field) -> String {
    let mark = if field.is_optional() { "?" } else { "" };
    format!("{}{mark}", type_text(&field.kind))
}

fn default(field: &Field, model: &Model) -> Option<String> {
    if field.is_optional() {
        return Some("nil".to_owned());
    }
    match &field.default {
        _ if matches!(field.kind, Type::Any) => None,
        default @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(default.to_string()),
        Value::Array(_) => Some("[]".to_owned()),
        Value::Object(_) if matches!(field.kind, Type::Dictionary(_)) => Some("[:]".to_owned()),
        Value::Object(_) => field
            .default_variant(model)
            .map(|(_, variant)| format!(".{}", identifier(variant))),
        Value::Null => None,
    }
}

fn type_text(kind: &Type) -> String {
    match kind {
        Type::Text => "String".to_owned(),
        Type::Integer => "Int".to_owned(),
        Type::Number => "Double".to_owned(),
        Type::Boolean => "Bool".to_owned(),
        Type::Any => "JSONValue".to_owned(),
        Type::List(item) => format!("[{}]", type_text(item)),
        Type::Dictionary(value) => format!("[String: {}]", type_text(value)),
        Type::Named(name) => name.clone(),
    }
}

fn all_operations(model: &Model) -> String {
    let mut file = NOTICE.to_owned();
    for (group, operations) in &model.groups {
        let methods: Vec<_> = operations
            .iter()
            .map(|operation| method(operation, model))
            .collect();
        let _ = write!(
            file,
            "\n/// The `{group}` operations.\npublic struct {}Operations: Sendable {{\n    let caller: Caller\n\n{}}}\n",
            pascal(group),
            methods.join("\n")
        );
    }
    file.push_str("\n/// Every operation, by its group, on behalf of one principal.\npublic struct Operations: Sendable {\n");
    for (group, _) in &model.groups {
        let _ = writeln!(
            file,
            "    /// The `{group}` operations.\n    public let {}: {}Operations",
            identifier(group),
            pascal(group)
        );
    }
    file.push_str("\n    init(caller: Caller) {\n");
    for (group, _) in &model.groups {
        let _ = writeln!(
            file,
            "        {} = {}Operations(caller: caller)",
            identifier(group),
            pascal(group)
        );
    }
    file.push_str("    }\n}\n\nextension Engine {\n");
    for (group, _) in &model.groups {
        let _ = writeln!(
            file,
            "    /// The `{group}` operations.\n    public var {0}: {1}Operations {{ operations.{0} }}",
            identifier(group),
            pascal(group)
        );
    }
    file + "}\n"
}

fn method(operation: &Operation, model: &Model) -> String {
    let Operation {
        wire,
        name,
        request,
        response,
        ..
    } = operation;
    let (parameter, argument) = if model.fields(request).is_empty() {
        (String::new(), format!("{request}()"))
    } else if model.has_required(request) {
        (format!("_ request: {request}"), "request".to_owned())
    } else {
        (
            format!("_ request: {request} = {request}()"),
            "request".to_owned(),
        )
    };
    let (signature, body) = if operation.is_stream {
        (
            format!("-> ItemStream<{response}>"),
            format!("caller.stream(\"{wire}\", {argument})"),
        )
    } else {
        (
            format!("async throws -> {response}"),
            format!("try await caller.call(\"{wire}\", {argument})"),
        )
    };
    format!(
        "{}    public func {}({parameter}) {signature} {{\n        {body}\n    }}\n",
        document(&operation.description, "    "),
        identifier(name),
    )
}

fn document(description: &str, indent: &str) -> String {
    if description.is_empty() {
        return String::new();
    }
    comment(description, &format!("{indent}/// "), 116)
}

fn identifier(name: &str) -> String {
    let name = camel(name);
    if KEYWORDS.contains(&name.as_str()) {
        format!("`{name}`")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The package as it is committed. No compiler checks it here, so this looks for what a slip of the generator
    /// or the pen would leave behind.
    #[test]
    fn the_package_offers_every_operation_and_its_brackets_match() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut text = String::new();
        for folder in ["AtomEngine", "AtomEngine/Generated"] {
            let folder = root.join("atom-ffi/swift/Sources").join(folder);
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "swift") {
                    let file = std::fs::read_to_string(&path).unwrap();
                    for (open, close) in [('{', '}'), ('(', ')'), ('[', ']')] {
                        let count = |bracket| file.matches(bracket).count();
                        assert_eq!(count(open), count(close), "{open}{close} in {}", path.display());
                    }
                    text.push_str(&file);
                }
            }
        }
        let operations = std::fs::read_to_string(root.join("schema/operations.json")).unwrap();
        let operations: serde_json::Value = serde_json::from_str(&operations).unwrap();
        for operation in operations["operations"].as_array().unwrap() {
            let call = format!("(\"{}\", ", operation["name"].as_str().unwrap());
            assert!(text.contains(&call), "{call}");
        }
    }
}
