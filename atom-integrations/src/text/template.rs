//! Renders a template within limits of steps and size.

use std::io::{self, Write};

use atom_core::{Error, ErrorCode, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use super::filters;

/// The longest template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 1024 * 1024;
/// The longest text that is made, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// How many steps a template may take; a loop of one value takes about five a round.
const MAX_STEPS: u64 = 2_000_000;

/// Fills a template with data.
///
/// # Errors
/// `invalid_request` with the line for a mistake in the template or a value it misses, `limit_exceeded` for too
/// many steps or too long a text.
pub(super) fn render(template: &str, data: &impl Serialize) -> Result<String> {
    if template.len() > MAX_TEMPLATE_BYTES {
        return Err(Error::new(
            ErrorCode::LimitExceeded,
            "the template is longer than 1 MiB",
        ));
    }
    let environment =
        environment().map_err(|error| Error::internal("templates cannot be set up").with_source(error))?;
    let mut output = Bounded(Vec::new());
    environment
        .template_from_str(template)
        .and_then(|compiled| {
            compiled
                .render_captured_to(Value::from(Serde(data)), &mut output)
                .map(drop)
        })
        .map_err(template_error)?;
    String::from_utf8(output.0)
        .map_err(|error| Error::internal("a template made broken UTF-8").with_source(error))
}

fn environment() -> std::result::Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    // These two take a width, and would fill the memory with spaces in a single step.
    environment.remove_filter("format");
    environment.remove_filter("indent");
    environment.add_filter("localtime", |value: &Value, zone: &str, format: &str| {
        filters::localtime(value, zone, format)
    });
    environment.add_filter("minutes", filters::minutes);
    environment.add_filter("markdown", |value: &str| filters::markdown(value));
    Ok(environment)
}

fn template_error(error: minijinja::Error) -> Error {
    let mut message = error.kind().to_string();
    if let Some(detail) = error.detail() {
        message = format!("{message}: {detail}");
    }
    let limit = match error.kind() {
        ErrorKind::OutOfFuel => Some("the template takes too many steps; render fewer items"),
        ErrorKind::WriteFailure => Some("the text is longer than 8 MiB; render fewer items"),
        _ => None,
    };
    let report = match limit {
        Some(limit) => Error::new(ErrorCode::LimitExceeded, limit),
        None => Error::invalid_request(format!("the template cannot be rendered: {message}")),
    };
    match error.line() {
        Some(line) => report.with_context("line", line),
        None => report,
    }
}

/// Collects what is written up to the limit.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn block_tags_leave_no_lines_and_nothing_is_escaped() {
        let template = "# {{ title }}\n{% for item in items %}\n- {{ item.name }}{% if item.note %} ({{ item.note }}){% endif +%}\n{% else %}\nNothing.\n{% endfor %}\nEnd\n";
        let data =
            json!({ "title": "A & <b>", "items": [{ "name": "one", "note": "x" }, { "name": "two" }] });
        assert_eq!(
            render(template, &data).unwrap(),
            "# A & <b>\n- one (x)\n- two\nEnd\n"
        );
        assert_eq!(
            render(template, &json!({ "title": "T", "items": [] })).unwrap(),
            "# T\nNothing.\nEnd\n"
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let cases = [
            ("a\n{% if %}", "2"),
            ("a\n\n{{ missing }}", "3"),
            ("{{ 1 | unknown }}", "1"),
            ("a\n{% include 'other' %}", "2"),
            ("{{ 'soon' | localtime('UTC', '%H') }}", "1"),
        ];
        for (template, line) in cases {
            let error = render(template, &json!({})).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{template}");
            assert_eq!(
                error.context().get("line").map(String::as_str),
                Some(line),
                "{template}: {error}"
            );
        }
    }

    #[test]
    fn steps_and_size_are_limited() {
        let cases = [
            "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
            "{{ 'a' * 9000000 }}",
            "{% for a in range(10000) %}{{ 'a' * 1000 }}{% endfor %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        ];
        for template in &cases[..3] {
            assert_eq!(
                render(template, &json!({})).unwrap_err().code(),
                ErrorCode::LimitExceeded,
                "{template}"
            );
        }
        assert!(render(cases[3], &json!({})).is_err());
        assert!(render("{{ 'a' | indent(4000000000, true) }}", &json!({})).is_err());
        assert_eq!(
            render(&"a".repeat(MAX_TEMPLATE_BYTES + 1), &json!({}))
                .unwrap_err()
                .code(),
            ErrorCode::LimitExceeded
        );
    }

    proptest::proptest! {
        #[test]
        fn no_template_makes_it_fail(template in "(\\PC|[{}%#| a-c\n]){0,60}") {
            let _ = render(&template, &json!({ "a": 1 }));
        }
    }
}
