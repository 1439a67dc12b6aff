//! JSON values in which some strings are expressions.

use atom_core::{Error, ErrorCode};
use serde_json::{Map, Value};

use super::{Expression, Variables};

/// A JSON value in which some strings are expressions, compiled once.
///
/// In the strict mode of Open Workflow a string that is wholly `${ ... }` is an expression, and any other string stands
/// for itself. In the loose mode every string that can be read as an expression is one, and stands for itself where it
/// cannot be computed. Keys are never expressions.
#[derive(Clone, Debug)]
pub struct Template {
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    Expression(Expression),
    /// An expression, and the text that it is if it cannot be computed.
    Loose(Expression, String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Template {
    /// Compiles every expression in `value`.
    ///
    /// # Errors
    /// As [`Expression::compile`]; the context's `path` says where in `value` the expression stands, as a
    /// JSON pointer.
    pub fn compile(value: &Value) -> Result<Self, Error> {
        Ok(Self {
            node: Node::compile(value, false, &mut String::new())?,
        })
    }

    /// As [`compile`](Self::compile), in the loose mode.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), for what stands in `${ }`.
    pub fn compile_loose(value: &Value) -> Result<Self, Error> {
        Ok(Self {
            node: Node::compile(value, true, &mut String::new())?,
        })
    }

    /// The value with every expression replaced by its first output.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], for the first expression that fails.
    pub fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, Error> {
        self.node.evaluate(input, variables)
    }

    /// What stands in `${ }`, each with the JSON pointer of its place.
    pub(crate) fn expressions(&self) -> Vec<(String, &Expression)> {
        let mut found = Vec::new();
        self.node.collect(&mut String::new(), &mut found);
        found
    }

    /// Whether the value holds no expression, so that it evaluates to itself.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        matches!(self.node, Node::Literal(_))
    }
}

impl Node {
    fn compile(value: &Value, is_loose: bool, path: &mut String) -> Result<Self, Error> {
        let node = match value {
            Value::String(text) => match embedded(text) {
                Some(source) => Self::Expression(
                    Expression::compile(source).map_err(|error| error.with_context("path", &path))?,
                ),
                None if is_loose && !text.trim().is_empty() => match Expression::compile(text) {
                    Ok(expression) => Self::Loose(expression, text.clone()),
                    Err(_) => Self::Literal(value.clone()),
                },
                None => Self::Literal(value.clone()),
            },
            Value::Array(items) => {
                let mut nodes = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    nodes.push(Self::compile_child(item, is_loose, path, &index.to_string())?);
                }
                Self::Array(nodes)
            }
            Value::Object(fields) => {
                let mut nodes = Vec::with_capacity(fields.len());
                for (key, item) in fields {
                    let token = key.replace('~', "~0").replace('/', "~1");
                    nodes.push((key.clone(), Self::compile_child(item, is_loose, path, &token)?));
                }
                Self::Object(nodes)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Literal(value.clone()),
        };
        // A part without expressions is kept as it is and copied in one go.
        Ok(if node.is_constant() {
            Self::Literal(value.clone())
        } else {
            node
        })
    }

    fn compile_child(value: &Value, is_loose: bool, path: &mut String, token: &str) -> Result<Self, Error> {
        let length = path.len();
        path.push('/');
        path.push_str(token);
        let node = Self::compile(value, is_loose, path);
        path.truncate(length);
        node
    }

    fn collect<'a>(&'a self, path: &mut String, found: &mut Vec<(String, &'a Expression)>) {
        let mut enter = |token: &str, node: &'a Self| {
            let length = path.len();
            path.push('/');
            path.push_str(token);
            node.collect(path, found);
            path.truncate(length);
        };
        match self {
            Self::Literal(_) | Self::Loose(..) => {}
            Self::Expression(expression) => found.push((path.clone(), expression)),
            Self::Array(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    enter(&index.to_string(), node);
                }
            }
            Self::Object(nodes) => {
                for (key, node) in nodes {
                    enter(&key.replace('~', "~0").replace('/', "~1"), node);
                }
            }
        }
    }

    fn is_constant(&self) -> bool {
        let is_literal = |node: &Self| matches!(node, Self::Literal(_));
        match self {
            Self::Literal(_) => true,
            Self::Expression(_) | Self::Loose(..) => false,
            Self::Array(nodes) => nodes.iter().all(is_literal),
            Self::Object(nodes) => nodes.iter().all(|(_, node)| is_literal(node)),
        }
    }

    fn evaluate(&self, input: &Value, variables: &Variables) -> Result<Value, Error> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Expression(expression) => expression.evaluate(input, variables)?,
            Self::Loose(expression, text) => match expression.evaluate(input, variables) {
                Ok(value) => value,
                Err(error) if error.code() == ErrorCode::InvalidExpression => Value::String(text.clone()),
                // A limit says nothing about what was meant.
                Err(error) => return Err(error),
            },
            Self::Array(nodes) => Value::Array(
                nodes
                    .iter()
                    .map(|node| node.evaluate(input, variables))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Object(nodes) => Value::Object(
                nodes
                    .iter()
                    .map(|(key, node)| Ok((key.clone(), node.evaluate(input, variables)?)))
                    .collect::<Result<Map<_, _>, Error>>()?,
            ),
        })
    }
}

/// Compiles an expression where the schema asks for one, so that `${ }` may be left out: `.a == 1` and
/// `${ .a == 1 }` mean the same.
///
/// # Errors
/// As [`Expression::compile`].
pub fn compile_bare(source: &str) -> Result<Expression, Error> {
    Expression::compile(embedded(source).unwrap_or(source))
}

/// Whether `text` is wholly `${ ... }`.
#[must_use]
pub fn is_expression(text: &str) -> bool {
    embedded(text).is_some()
}

/// The program inside `${ ... }`.
fn embedded(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("${")?.strip_suffix('}')?;
    (!inner.is_empty()).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_whole_strings_are_expressions() {
        let document = json!({
            "literal": ["a ${ .x }", 1, null, {"b": "${"}],
            "${ .x }": "${ .x + 1 }",
            "deep": [{"z": "${ $item.name }", "a": " ${ .missing } "}],
        });
        let template = Template::compile(&document).unwrap();
        assert!(!template.is_literal());
        let variables = Variables::new().set("item", json!({"name": "n"}));
        let result = template.evaluate(&json!({"x": 1}), &variables).unwrap();
        let expected = json!({
            "literal": ["a ${ .x }", 1, null, {"b": "${"}],
            "${ .x }": 2,
            "deep": [{"z": "n", "a": null}],
        });
        assert_eq!(result.to_string(), expected.to_string());
    }

    #[test]
    fn in_the_loose_mode_every_string_is_tried() {
        let document = json!({ "sum": ".a + 1", "text": "Hello, world", "wrong": ".a.b", "strict": "${ .a }", "none": " ", "list": [".a"], "part": "Hello ${ .a }!" });
        let template = Template::compile_loose(&document).unwrap();
        assert_eq!(
            template.evaluate(&json!({ "a": 1 }), &Variables::new()).unwrap(),
            json!({ "sum": 2, "text": "Hello, world", "wrong": ".a.b", "strict": 1, "none": " ", "list": [1], "part": "Hello ${ .a }!" })
        );
        assert!(Template::compile_loose(&json!("${ .a + }")).is_err());
        let meant = Template::compile_loose(&json!("${ .a.b }")).unwrap();
        assert!(meant.evaluate(&json!({ "a": 1 }), &Variables::new()).is_err());
        let endless = Template::compile_loose(&json!("[range(1e12)]")).unwrap();
        assert!(endless.evaluate(&json!(null), &Variables::new()).is_err());
    }

    #[test]
    fn a_malformed_expression_is_found_by_its_path() {
        let error = Template::compile(&json!({"a/b": [1, {"c": "${ .x + }"}]})).unwrap_err();
        assert_eq!(error.code(), atom_core::ErrorCode::InvalidExpression);
        assert_eq!(error.context()["path"], "/a~1b/1/c");
        assert_eq!(error.context()["line"], "1");
    }
}
