//! The operations and their types as statically typed languages see them, read from the schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::schema::{camel, items, members, pascal, reference_name, required, split, text};

/// The operations by group, and every type they name.
pub(super) struct Model {
    pub(super) groups: Vec<(String, Vec<Operation>)>,
    pub(super) types: BTreeMap<String, Definition>,
    pub(super) codes: Vec<Named>,
}

/// One operation, below its group.
pub(super) struct Operation {
    pub(super) wire: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) is_stream: bool,
    pub(super) request: String,
    pub(super) response: String,
}

/// A type with a name.
pub(super) struct Definition {
    pub(super) description: String,
    pub(super) shape: Shape,
}

/// What a type with a name is made of.
pub(super) enum Shape {
    /// A text whose content must not be shown.
    Secret,
    /// Another type by a telling name.
    Alias(Type),
    /// One of several words.
    Enumeration(Vec<Named>),
    /// An object; an open one takes any further member.
    Structure { fields: Vec<Field>, is_open: bool },
    /// One of several objects that a member tells apart.
    Variants {
        tag: String,
        common: Vec<Field>,
        variants: Vec<(Named, String, Vec<Field>)>,
    },
}

/// A word of the wire and what it means.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) wire: String,
    pub(super) description: String,
}

/// A member of an object.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) wire: String,
    pub(super) description: String,
    pub(super) kind: Type,
    pub(super) is_nullable: bool,
    pub(super) is_required: bool,
    pub(super) default: Value,
}

/// The type of a value.
#[derive(Clone)]
pub(super) enum Type {
    Text,
    Integer,
    Number,
    Boolean,
    Any,
    List(Box<Self>),
    Dictionary(Box<Self>),
    Named(String),
}

impl Model {
    /// `operations` is the list of the operations' schema files, `errors` is `schema/errors.json`.
    pub(super) fn read(operations: &Value, errors: &Value) -> Self {
        let mut model = Self {
            groups: Vec::new(),
            types: BTreeMap::new(),
            codes: items(&errors["codes"])
                .iter()
                .map(|code| named(&code["code"], code))
                .collect(),
        };
        model.add_all(&errors["report"]);
        for operation in items(operations) {
            model.add_all(&operation["request"]);
            model.add_all(&operation["response"]);
            let (group, name) = split(operation);
            let operation = Operation {
                wire: text(&operation["name"]).to_owned(),
                name: camel(name),
                description: format!(
                    "{} Needs the permission `{}`.",
                    text(&operation["summary"]),
                    text(&operation["permission"])
                ),
                is_stream: operation["kind"] == "stream",
                request: type_name(text(&operation["request"]["title"])),
                response: type_name(text(&operation["response"]["title"])),
            };
            match model.groups.last_mut() {
                Some((last, operations)) if last == group => operations.push(operation),
                _ => model.groups.push((group.to_owned(), vec![operation])),
            }
        }
        model
    }

    /// Whether a value of this type can be made from nothing.
    pub(super) fn has_required(&self, name: &str) -> bool {
        self.fields(name).iter().any(|field| !field.may_be_absent())
    }

    /// The members of a plain object; none for any other type.
    pub(super) fn fields(&self, name: &str) -> &[Field] {
        match self.types.get(name).map(|definition| &definition.shape) {
            Some(Shape::Structure { fields, .. }) => fields,
            _ => &[],
        }
    }

    fn add_all(&mut self, schema: &Value) {
        for (name, definition) in members(&schema["$defs"]) {
            self.add(name, definition);
        }
        self.add(text(&schema["title"]), schema);
    }

    fn add(&mut self, name: &str, schema: &Value) {
        let definition = Definition {
            description: text(&schema["description"]).to_owned(),
            shape: shape(name, schema),
        };
        self.types.entry(type_name(name)).or_insert(definition);
    }
}

impl Field {
    /// Whether the member has a value when none is given.
    fn may_be_absent(&self) -> bool {
        self.is_optional() || !self.default.is_null()
    }

    /// Whether the member may have no value at all. Any JSON value has no default that a program could need.
    pub(super) fn is_optional(&self) -> bool {
        let has_default = !self.default.is_null() && !matches!(self.kind, Type::Any);
        self.is_nullable || !(self.is_required || has_default)
    }

    /// The variant without members that the default names.
    pub(super) fn default_variant<'model>(&self, model: &'model Model) -> Option<(&'model str, &'model str)> {
        let Type::Named(name) = &self.kind else {
            return None;
        };
        let (name, definition) = model.types.get_key_value(name)?;
        let Shape::Variants { tag, variants, .. } = &definition.shape else {
            return None;
        };
        let (_, variant, _) = variants
            .iter()
            .find(|(word, _, fields)| self.default[tag] == word.wire.as_str() && fields.is_empty())?;
        Some((name, variant))
    }
}

fn shape(name: &str, schema: &Value) -> Shape {
    if name == "Secret" {
        return Shape::Secret;
    }
    let alternatives = items(&schema["oneOf"]);
    if alternatives
        .iter()
        .any(|variant| variant["properties"].is_object())
    {
        let tag = alternatives.first().map_or("", tag_of).to_owned();
        let variants = alternatives.iter().map(|variant| {
            let wire = &variant["properties"][&tag]["const"];
            let title = variant["title"].as_str();
            let name = title.map_or_else(|| pascal(text(wire)), str::to_owned);
            let mut fields = fields(variant);
            fields.retain(|field| field.wire != tag);
            (named(wire, variant), name, fields)
        });
        return Shape::Variants {
            variants: variants.collect(),
            common: fields(schema),
            tag,
        };
    }
    if !alternatives.is_empty() {
        let words = alternatives.iter().map(|word| named(&word["const"], word));
        return Shape::Enumeration(words.collect());
    }
    if schema["type"] == "object" && !schema["additionalProperties"].is_object() {
        return Shape::Structure {
            fields: fields(schema),
            is_open: schema["additionalProperties"] == true,
        };
    }
    Shape::Alias(kind(schema).0)
}

/// The member that tells the variants apart has a fixed value in each of them.
fn tag_of(variant: &Value) -> &str {
    members(&variant["properties"])
        .find(|(_, schema)| schema["const"].is_string())
        .map_or("", |(name, _)| name)
}

fn fields(schema: &Value) -> Vec<Field> {
    let required = required(schema);
    let field = |(name, member): (&String, &Value)| {
        let (kind, is_nullable) = kind(member);
        Field {
            wire: name.clone(),
            description: text(&member["description"]).to_owned(),
            is_nullable,
            is_required: required.contains(name.as_str()),
            default: member["default"].clone(),
            kind,
        }
    };
    members(&schema["properties"]).map(field).collect()
}

/// The type of a value, and whether it may be `null`.
fn kind(schema: &Value) -> (Type, bool) {
    if let Some(reference) = schema["$ref"].as_str() {
        return (Type::Named(type_name(reference_name(reference))), false);
    }
    for key in ["anyOf", "oneOf"] {
        let alternatives = items(&schema[key]);
        let is_null = |schema: &&Value| schema["type"] == "null";
        let values: Vec<_> = alternatives.iter().filter(|schema| !is_null(schema)).collect();
        if let [value] = values.as_slice() {
            let has_null = alternatives.iter().any(|schema| is_null(&schema));
            return (kind(value).0, has_null);
        }
    }
    let words = match &schema["type"] {
        Value::Array(words) => words.iter().map(text).collect(),
        word => vec![text(word)],
    };
    let values: Vec<_> = words.iter().copied().filter(|word| *word != "null").collect();
    let kind = match values.as_slice() {
        ["string"] => Type::Text,
        ["integer"] => Type::Integer,
        ["number"] => Type::Number,
        ["boolean"] => Type::Boolean,
        ["array"] => Type::List(Box::new(kind(&schema["items"]).0)),
        ["object"] => Type::Dictionary(Box::new(kind(&schema["additionalProperties"]).0)),
        _ => Type::Any,
    };
    (kind, values.len() < words.len())
}

fn named(wire: &Value, described: &Value) -> Named {
    Named {
        wire: text(wire).to_owned(),
        description: text(&described["description"]).to_owned(),
    }
}

/// The languages have an `Error` of their own.
fn type_name(name: &str) -> String {
    match name {
        "Error" => "ErrorReport".to_owned(),
        other => other.to_owned(),
    }
}

/// The words of a description as lines of at most `width` characters, each behind `prefix`.
pub(super) fn comment(description: &str, prefix: &str, width: usize) -> String {
    let mut lines = vec![prefix.trim_end().to_owned()];
    for word in description.split_whitespace() {
        let word = word.replace("*/", "* /");
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width || line == prefix.trim_end() => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(format!("{prefix}{word}")),
        }
    }
    lines.join("\n") + "\n"
}
