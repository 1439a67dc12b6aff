//! Writes the typed part of the Kotlin library from the schemas of the operations.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::model::{Definition, Field, Model, Named, Operation, Shape, Type, comment};
use super::schema::{camel, pascal};

const FOLDER: &str = "atom-ffi/kotlin/src/generated/kotlin/dev/atom/engine";

const NOTICE: &str =
    "// Generated from schema/ by `cargo xtask codegen`; do not edit.\n\npackage dev.atom.engine\n";

/// The hard keywords, which need backticks as names.
const KEYWORDS: [&str; 28] = [
    "as",
    "break",
    "class",
    "continue",
    "do",
    "else",
    "false",
    "for",
    "fun",
    "if",
    "in",
    "interface",
    "is",
    "null",
    "object",
    "package",
    "return",
    "super",
    "this",
    "throw",
    "true",
    "try",
    "typealias",
    "typeof",
    "val",
    "var",
    "when",
    "while",
];

/// The generated files of the Kotlin library by their path from the workspace root.
///
/// `operations` is the list of the operations' schema files in the order of `schema/operations.json`; `errors` is
/// `schema/errors.json`.
pub(super) fn generate(operations: &Value, errors: &Value) -> BTreeMap<String, String> {
    let model = Model::read(operations, errors);
    BTreeMap::from([
        (format!("{FOLDER}/Types.kt"), types(&model)),
        (format!("{FOLDER}/Operations.kt"), all_operations(&model)),
        (format!("{FOLDER}/Exceptions.kt"), exceptions(&model.codes)),
    ])
}

fn types(model: &Model) -> String {
    let mut file = format!(
        "@file:OptIn(ExperimentalSerializationApi::class)\n\n{NOTICE}\n\
         import kotlinx.serialization.ExperimentalSerializationApi\n\
         import kotlinx.serialization.KeepGeneratedSerializer\n\
         import kotlinx.serialization.SerialName\n\
         import kotlinx.serialization.Serializable\n\
         import kotlinx.serialization.json.JsonClassDiscriminator\n\
         import kotlinx.serialization.json.JsonElement\n"
    );
    for (name, definition) in &model.types {
        file.push('\n');
        file.push_str(&document(&definition.description, ""));
        file.push_str(&declaration(name, definition, model));
    }
    file
}

fn declaration(name: &str, definition: &Definition, model: &Model) -> String {
    match &definition.shape {
        Shape::Secret => format!(
            "@Serializable\n@JvmInline\nvalue class {name}(val text: String) {{\n    \
             /** Shows nothing of the text. */\n    override fun toString(): String = \"{name}(***)\"\n}}\n"
        ),
        Shape::Alias(kind) => format!("typealias {name} = {}\n", type_text(kind)),
        Shape::Enumeration(words) => enumeration(name, words),
        Shape::Structure {
            fields,
            is_open: true,
        } => open_structure(name, fields, model),
        Shape::Structure {
            fields,
            is_open: false,
        } => {
            format!("@Serializable\n{}\n", class(name, fields, &[], "", "", model))
        }
        Shape::Variants {
            tag,
            common,
            variants,
        } => sealed(name, tag, common, variants, model),
    }
}

fn enumeration(name: &str, words: &[Named]) -> String {
    let mut text = format!("@Serializable\nenum class {name} {{\n");
    for word in words {
        text.push_str(&document(&word.description, "    "));
        let constant = word.wire.replace(['.', '-'], "_").to_ascii_uppercase();
        let _ = writeln!(text, "    @SerialName(\"{}\")\n    {constant},\n", word.wire);
    }
    format!("{}\n}}\n", text.trim_end())
}

/// An object that takes further members: they are a map beside the known ones.
fn open_structure(name: &str, fields: &[Field], model: &Model) -> String {
    let mut fields = fields.to_vec();
    let known: Vec<_> = fields.iter().map(|field| format!("\"{}\"", field.wire)).collect();
    fields.push(Field {
        wire: "extensions".to_owned(),
        description: "Every other member.".to_owned(),
        kind: Type::Dictionary(Box::new(Type::Any)),
        is_nullable: false,
        is_required: false,
        default: Value::Object(serde_json::Map::new()),
    });
    format!(
        "@KeepGeneratedSerializer\n@Serializable(with = {name}Serializer::class)\n{}\n\n\
         internal object {name}Serializer : OpenSerializer<{name}>(\n    {name}.generatedSerializer(),\n    \
         setOf({}),\n)\n",
        class(name, &fields, &[], "", "", model),
        known.join(", "),
    )
}

fn sealed(
    name: &str,
    tag: &str,
    common: &[Field],
    variants: &[(Named, String, Vec<Field>)],
    model: &Model,
) -> String {
    let mut text = format!("@Serializable\n@JsonClassDiscriminator(\"{tag}\")\nsealed interface {name} {{\n");
    for field in common {
        text.push_str(&document(&field.description, "    "));
        let _ = writeln!(
            text,
            "    val {}: {}\n",
            identifier(&field.wire),
            field_type(field)
        );
    }
    for (word, variant, fields) in variants {
        text.push_str(&document(&word.description, "    "));
        let _ = writeln!(
            text,
            "    @Serializable\n    @SerialName(\"{}\")\n    {}\n",
            word.wire,
            class(variant, fields, common, &format!(" : {name}"), "    ", model)
        );
    }
    format!("{}\n}}\n", text.trim_end())
}

/// A class with these members; the inherited ones come first.
fn class(
    name: &str,
    fields: &[Field],
    inherited: &[Field],
    parent: &str,
    indent: &str,
    model: &Model,
) -> String {
    if fields.is_empty() && inherited.is_empty() {
        return format!("data object {name}{parent}");
    }
    let mut text = format!("data class {name}(\n");
    let inner = format!("{indent}    ");
    for (field, prefix) in inherited
        .iter()
        .map(|field| (field, "override "))
        .chain(fields.iter().map(|field| (field, "")))
    {
        if prefix.is_empty() {
            text.push_str(&document(&field.description, &inner));
        }
        let identifier = identifier(&field.wire);
        if identifier != field.wire {
            let _ = writeln!(text, "{inner}@SerialName(\"{}\")", field.wire);
        }
        let kind = field_type(field);
        let default = default(field, model)
            .map(|default| format!(" = {default}"))
            .unwrap_or_default();
        let _ = writeln!(text, "{inner}{prefix}val {identifier}: {kind}{default},");
    }
    format!("{text}{indent}){parent}")
}

fn field_type(field: &Field) -> String {
    let mark = if field.is_optional() { "?" } else { "" };
    format!("{}{mark}", type_text(&field.kind))
}

fn default(field: &Field, model: &Model) -> Option<String> {
    if field.is_optional() {
        return Some("null".to_owned());
    }
    match &field.default {
        _ if matches!(field.kind, Type::Any) => None,
        default @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => Some(default.to_string()),
        Value::Array(_) => Some("emptyList()".to_owned()),
        Value::Object(_) if matches!(field.kind, Type::Dictionary(_)) => Some("emptyMap()".to_owned()),
        Value::Object(_) => field
            .default_variant(model)
            .map(|(name, variant)| format!("{name}.{variant}")),
        Value::Null => None,
    }
}

fn type_text(kind: &Type) -> String {
    match kind {
        Type::Text => "String".to_owned(),
        Type::Integer => "Long".to_owned(),
        Type::Number => "Double".to_owned(),
        Type::Boolean => "Boolean".to_owned(),
        Type::Any => "JsonElement".to_owned(),
        Type::List(item) => format!("List<{}>", type_text(item)),
        Type::Dictionary(value) => format!("Map<String, {}>", type_text(value)),
        Type::Named(name) => name.clone(),
    }
}

fn all_operations(model: &Model) -> String {
    let mut file = format!("{NOTICE}\nimport kotlinx.coroutines.flow.Flow\n");
    for (group, operations) in &model.groups {
        let _ = write!(
            file,
            "\n/** The `{group}` operations. */\n\
             class {}Operations internal constructor(private val caller: Caller) {{\n",
            pascal(group)
        );
        let methods: Vec<_> = operations
            .iter()
            .map(|operation| method(operation, model))
            .collect();
        let _ = writeln!(file, "{}}}", methods.join("\n"));
    }
    file.push_str("\n/** Every operation, by its group. */\nopen class Operations internal constructor(caller: Caller) {\n");
    for (group, _) in &model.groups {
        let _ = writeln!(
            file,
            "    /** The `{group}` operations. */\n    val {}: {}Operations = {1}Operations(caller)\n",
            identifier(group),
            pascal(group)
        );
    }
    format!("{}\n}}\n", file.trim_end())
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
        (String::new(), request.as_str())
    } else if model.has_required(request) {
        (format!("request: {request}"), "request")
    } else {
        (format!("request: {request} = {request}()"), "request")
    };
    let (keyword, result, function) = if operation.is_stream {
        ("fun", format!("Flow<{response}>"), "stream")
    } else {
        ("suspend fun", response.clone(), "call")
    };
    format!(
        "{}    {keyword} {}({parameter}): {result} =\n        caller.{function}(\"{wire}\", {argument})\n",
        document(&operation.description, "    "),
        identifier(name),
    )
}

fn exceptions(codes: &[Named]) -> String {
    let mut file = NOTICE.to_owned();
    let constant = |code: &Named| code.wire.to_ascii_uppercase();
    for code in codes {
        let _ = write!(
            file,
            "\n{}class {}Exception(report: ErrorReport) : AtomException(report) {{\n    \
             /** An error of this kind with nothing but a message, for functions of the application to throw. */\n    \
             constructor(message: String) : this(ErrorReport(code = ErrorCode.{}, message = message))\n}}\n",
            document(&code.description, ""),
            pascal(&code.wire),
            constant(code),
        );
    }
    file.push_str("\ninternal fun exceptionOf(report: ErrorReport): AtomException = when (report.code) {\n");
    for code in codes {
        let _ = writeln!(
            file,
            "    ErrorCode.{} -> {}Exception(report)",
            constant(code),
            pascal(&code.wire)
        );
    }
    file.push_str("}\n");
    file
}

fn document(description: &str, indent: &str) -> String {
    if description.is_empty() {
        return String::new();
    }
    let body = comment(description, &format!("{indent} * "), 116);
    let line = body.trim_start().trim_start_matches("* ").trim_end();
    if line.contains('\n') {
        format!("{indent}/**\n{body}{indent} */\n")
    } else {
        format!("{indent}/** {line} */\n")
    }
}

fn identifier(name: &str) -> String {
    let name = camel(name);
    if KEYWORDS.contains(&name.as_str()) {
        format!("`{name}`")
    } else {
        name
    }
}
