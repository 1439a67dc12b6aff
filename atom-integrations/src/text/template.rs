//! Renders a template within limits of steps and size.

use std::io::{self, Write};

use atom_core::{Error, ErrorCode, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use super::budget::Budget;
use super::{filters, syntax};

/// The longest template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 1024 * 1024;
/// The longest text that is made, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// How many bytes filters and macros may take in and make; a byte may take a dozen in memory for a while.
const MAX_HANDLED_BYTES: usize = 32 * 1024 * 1024;
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
    let failed = |error| Error::internal("templates cannot be set up").with_source(error);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .map_err(failed)?;
    syntax::check(template, &syntax)?;
    let budget = Budget::new(MAX_HANDLED_BYTES);
    let environment = environment(syntax, &budget);
    let mut output = Bounded(Vec::new());
    environment
        .template_from_str(template)
        .and_then(|compiled| {
            compiled
                .render_captured_to(Value::from(Serde(data)), &mut output)
                .map(drop)
        })
        .map_err(|error| budget.exhausted().unwrap_or_else(|| template_error(error)))?;
    String::from_utf8(output.0)
        .map_err(|error| Error::internal("a template made broken UTF-8").with_source(error))
}

fn environment(syntax: SyntaxConfig, budget: &Budget) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_syntax(syntax);
    for name in ["debug", "dict", "namespace"] {
        environment.remove_global(name);
    }
    budget.count(&mut environment);
    let localtime = budget.clone();
    environment.add_filter("localtime", move |value: &Value, zone: &str, format: &str| {
        // A directive of two letters can become a long name.
        localtime.charge(format.len().saturating_mul(32))?;
        filters::localtime(value, zone, format)
    });
    environment.add_filter("minutes", filters::minutes);
    let markdown = budget.clone();
    environment.add_filter("markdown", move |value: &str| {
        markdown.charge(value.len().saturating_mul(2))?;
        Ok::<_, minijinja::Error>(filters::markdown(value))
    });
    environment
}

/// What an error of the template engine means to a user.
pub(super) fn template_error(error: minijinja::Error) -> Error {
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
        let long = "x".repeat(1000);
        let data = json!({ "text": long, "words": vec!["a"; 1000] });
        for template in [
            "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}".to_owned(),
            format!("{{% for a in range(10000) %}}{long}{{% endfor %}}"),
            "{% for a in range(10000) %}{{ text }}{% endfor %}".to_owned(),
            "{{ words | join(words | join(text)) | length }}".to_owned(),
            "{% set text = text | replace('x', 'xx') %}".repeat(30),
            "{% set text = [text, text] | join %}".repeat(30),
            "{% for a in range(99999) %}{% set x = text | upper %}{% endfor %}".to_owned(),
            "{% for a in range(9999) %}{% set x = range(99999) | list %}{% endfor %}".to_owned(),
            "{% for a in range(99999) %}{% set x = words | string %}{% endfor %}".to_owned(),
            "{% macro f() %}{{ text }}{% endmacro %}{% for a in range(99999) %}{{ f() | length }}{% endfor %}"
                .to_owned(),
            "a".repeat(MAX_TEMPLATE_BYTES + 1),
        ] {
            let error = render(&template, &data).unwrap_err();
            assert_eq!(error.code(), ErrorCode::LimitExceeded, "{error}: {template:.200}");
        }
    }

    #[test]
    fn nothing_can_grow_uncounted() {
        for template in [
            "{% set ns = namespace(a='x') %}{% for i in range(28) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
            "{% set a = a ~ a %}",
            "{% set a = a + a %}",
            "{% set a = a * 9 %}",
            "{% set a = 9 * a %}",
            "{{ 'a' * 9000000 }}",
            "{{ (a | int('x')) * 9 }}",
            "{{ a | indent(4000000000, true) }}",
            "{{ [] | slice(4000000000) }}",
            "{{ '%9999999d' | format(1) }}",
            "{% set a = [a, a] %}",
            "{% set a = (a, a) %}",
            "{% set a = { 'a': a } %}",
            "{% set a = dict(a=a) %}",
            "{% set a = a | zip(a) %}",
            "{% set a = a | batch(1) %}",
            "{% set a = a[:] %}",
            "{% for b in [a, [a]] %}{% endfor %}",
            "{% set a %}text{% endset %}",
            "{% filter upper %}text{% endfilter %}",
            "{% macro f() %}text{% endmacro %}{% set a = f() %}",
            "{% macro f() %}text{% endmacro %}{{ [f(), f()] | join }}",
            "{% macro f() %}text{% endmacro %}{{ f(f()) }}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% macro f() %}{% endmacro %}{% macro g(f) %}{{ f(f) }}{% endmacro %}{{ g(g) }}",
            "{% macro f() %}{% endmacro %}{% macro f() %}{{ f() }}{% endmacro %}",
            "{% macro f() %}{% for i in range(99999) %}text{% endfor %}{% endmacro %}{{ f() }}",
            "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}text{% endcall %}",
            "{% for i in a recursive %}{{ loop(a) }}{% endfor %}",
        ] {
            let error = render(template, &json!({ "a": "x" })).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}: {template}");
            assert_eq!(
                error.context().get("line").map(String::as_str),
                Some("1"),
                "{error}: {template}"
            );
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused() {
        for template in [
            format!("{{{{ 1{} }}}}", "+1".repeat(400_000)),
            format!("{{{{ 1{} }}}}", "|abs".repeat(200_000)),
            format!("{{{{ a{} }}}}", ".a".repeat(400_000)),
            format!("{{{{ {}1 }}}}", "-".repeat(400_000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(200_000)),
            format!("{{{{ {}1 }}}}", "(".repeat(400_000)),
            "{% if 1 %}".repeat(100_000),
            format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(80_000)),
        ] {
            let error = render(&template, &json!({ "a": 1 })).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
        }
    }

    #[test]
    fn what_reports_need_is_there() {
        let data = json!({
            "first": "Ada", "last": "Lovelace", "numbers": [3, 1, 2], "none": null,
            "rows": [{ "name": "b", "cost": 2.5 }, { "name": "a", "cost": 1 }],
        });
        for (template, expected) in [
            (
                "{% set name = [first, last] | join(' ') %}{{ name }}",
                "Ada Lovelace",
            ),
            (
                "{% for n in numbers %}{{ loop.index + 1 }}{{ loop.cycle('a', 'b') }}{% endfor %}",
                "2a3b4a",
            ),
            (
                "{% set total = rows | sum(attribute='cost') %}{{ total * 2 }}",
                "",
            ),
            ("{{ rows | sum(attribute='cost') * 2 }}", "7.0"),
            (
                "{{ rows | sort(attribute='name') | map(attribute='name') | join(', ') }}",
                "a, b",
            ),
            (
                "{{ numbers | length * 60 - 1 }} {{ last[:4] | upper }}",
                "179 LOVE",
            ),
            (
                "{% set n = 0 %}{% for i in numbers %}{% set n = n + 1 %}{% endfor %}{{ 'ab' | replace('a', 'c') }}",
                "cb",
            ),
            (
                "{{ missing | default('x') }}{{ none | default('y', true) }}{{ rows | first | string | length }}",
                "xy26",
            ),
            (
                "{% if first in ['Ada', 'Grace'] %}{{ numbers | max }}{% endif %}",
                "3",
            ),
            (
                "{% for key, value in rows[0] | items %}{{ key }}={{ value }};{% endfor %}",
                "name=b;cost=2.5;",
            ),
        ] {
            match render(template, &data) {
                Ok(text) => assert_eq!(text, expected, "{template}"),
                Err(error) => assert!(expected.is_empty(), "{error}: {template}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_template_makes_it_fail(template in "(\\PC|[{}%#| a-c\n]){0,60}") {
            let _ = render(&template, &json!({ "a": 1 }));
        }
    }
}
