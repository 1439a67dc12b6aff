//! What templates can do with times, durations and the text of others.

use jiff::civil::Date;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

/// `{{ value | localtime("Europe/Berlin", "%H:%M") }}`: a moment in a time zone of the IANA database, written as
/// strftime does. The value is a timestamp (`2026-03-09T08:00:00Z`), a day (`2026-03-09`, to which the zone does
/// not matter), or the start or end of an event, which is one of the two.
pub(super) fn localtime(value: &Value, zone: &str, format: &str) -> Result<String, Error> {
    let inner = ["at", "date"]
        .into_iter()
        .find_map(|key| value.get_attr(key).ok().filter(|inner| !inner.is_undefined()));
    let value = inner.as_ref().unwrap_or(value);
    let text = value
        .as_str()
        .ok_or_else(|| invalid(format!("localtime needs a time, not {}", value.kind())))?;
    let formatted = if let Ok(moment) = text.parse::<Timestamp>() {
        let zone = TimeZone::get(zone).map_err(|error| invalid(error.to_string()))?;
        strtime::format(format, &Zoned::new(moment, zone))
    } else {
        let is_day = |text: &str| text.len() == "2026-03-09".len();
        let day: Date = text
            .parse()
            .ok()
            .filter(|_| is_day(text))
            .ok_or_else(|| invalid(format!("'{text}' is neither a timestamp nor a day")))?;
        strtime::format(format, day)
    };
    formatted.map_err(|error| invalid(error.to_string()))
}

/// `{{ 85 | minutes }}`: a duration in minutes as `1 h 25 min`.
pub(super) fn minutes(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (hours, minutes) = (value.unsigned_abs() / 60, value.unsigned_abs() % 60);
    match (hours, minutes) {
        (0, minutes) => format!("{sign}{minutes} min"),
        (hours, 0) => format!("{sign}{hours} h"),
        (hours, minutes) => format!("{sign}{hours} h {minutes} min"),
    }
}

/// `{{ subject | markdown }}`: the text of others on one line, so that Markdown shows it as it is: it can neither
/// start a heading or list nor hold a link, an image or HTML (CommonMark 0.31 section 2.4).
pub(super) fn markdown(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::with_capacity(line.len() + 8);
    for (at, c) in line.char_indices() {
        let is_special = matches!(c, '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~');
        let is_block = if at == 0 {
            matches!(c, '#' | '-' | '+' | '=')
        } else {
            // `1. ` and `1) ` begin a list.
            matches!(c, '.' | ')')
                && line[..at].bytes().all(|byte| byte.is_ascii_digit())
                && !line[at + 1..].starts_with(|next: char| next != ' ')
        };
        // Within a word an underscore is just that.
        let is_emphasis = c == '_'
            && !(is_inner(line[..at].chars().next_back()) && is_inner(line[at + 1..].chars().next()));
        if is_special || is_block || is_emphasis {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn is_inner(neighbour: Option<char>) -> bool {
    neighbour.is_some_and(char::is_alphanumeric)
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::value::Serde;
    use serde_json::json;

    #[test]
    fn times_are_shown_where_the_reader_is() {
        let cases = [
            (json!("2026-03-09T08:00:00Z"), "Europe/Berlin", "%H:%M", "09:00"),
            // Summer time begins on 29 March 2026 in Berlin, and on 8 March in New York.
            (
                json!("2026-03-29T08:00:00Z"),
                "Europe/Berlin",
                "%H:%M %Z",
                "10:00 CEST",
            ),
            (
                json!("2026-03-09T08:00:00+01:00"),
                "America/New_York",
                "%H:%M",
                "03:00",
            ),
            (
                json!({ "at": "2026-03-09T08:00:00Z", "zone": "UTC" }),
                "Europe/Berlin",
                "%A %H:%M",
                "Monday 09:00",
            ),
            (
                json!({ "date": "2026-03-09" }),
                "Europe/Berlin",
                "%A, %-d %B %Y",
                "Monday, 9 March 2026",
            ),
            (json!("2026-03-09"), "Nowhere/Land", "%d.%m.%Y", "09.03.2026"),
        ];
        for (value, zone, format, expected) in cases {
            assert_eq!(
                localtime(&Value::from(Serde(&value)), zone, format).unwrap(),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_wrong_time_zone_or_format_is_told() {
        for (value, zone, format) in [
            (json!("soon"), "UTC", "%H"),
            (json!(5), "UTC", "%H"),
            (json!(null), "UTC", "%H"),
            (json!("2026-03-09T08:00:00Z"), "Nowhere/Land", "%H"),
            (json!("2026-03-09T08:00:00Z"), "UTC", "%!"),
            (json!("2026-03-09"), "UTC", "%H:%M"),
            (json!("2026-03-09T08:00"), "UTC", "%H"),
        ] {
            assert!(
                localtime(&Value::from(Serde(&value)), zone, format).is_err(),
                "{value} {zone} {format}"
            );
        }
    }

    #[test]
    fn minutes_are_hours_when_there_are_enough() {
        for (value, expected) in [
            (0, "0 min"),
            (25, "25 min"),
            (60, "1 h"),
            (85, "1 h 25 min"),
            (-5, "-5 min"),
        ] {
            assert_eq!(minutes(value), expected);
        }
        assert!(minutes(i64::MIN).starts_with('-'));
    }

    #[test]
    fn the_text_of_others_stays_text() {
        let cases = [
            ("# Not a heading", "\\# Not a heading"),
            (
                "[x](https://example.org) <b>",
                "\\[x\\](https://example.org) \\<b\\>",
            ),
            ("snake_case _emphasis_ a*b", "snake_case \\_emphasis\\_ a\\*b"),
            ("two\nlines  here", "two lines here"),
            ("1. not a list", "1\\. not a list"),
            ("1.450 €", "1.450 €"),
            ("Größe 2.5 R&D", "Größe 2.5 R&D"),
        ];
        for (text, expected) in cases {
            assert_eq!(markdown(text), expected);
        }
    }
}
