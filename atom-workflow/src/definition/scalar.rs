//! What a plain YAML scalar means: the core schema of YAML 1.2.2, section 10.3.2.

use serde_json::Number;

use super::yaml::Kind;

/// The value of a plain scalar, or why JSON has none for it.
pub(super) fn resolve(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Boolean(true),
        "false" | "False" | "FALSE" => Kind::Boolean(false),
        ".nan" | ".NaN" | ".NAN" => return Err(no_number(text)),
        _ => match number(text)? {
            Some(number) => Kind::Number(number),
            None => Kind::Text(text.to_owned()),
        },
    })
}

fn number(text: &str) -> Result<Option<Number>, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Err(no_number(text));
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return match u64::from_str_radix(digits, radix) {
                Ok(number) => Ok(Some(number.into())),
                Err(_) => Err(too_large(text)),
            };
        }
    }
    if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) {
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        let number = unsigned
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| unsigned.parse::<u64>().map(Number::from));
        return number.map(Some).map_err(|_| too_large(text));
    }
    if !is_float(digits) {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().and_then(Number::from_f64);
    number.map(Some).ok_or_else(|| too_large(text))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        ),
        None => (text, None),
    };
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            is_digits(whole) && is_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && is_digits(mantissa),
    };
    is_mantissa && exponent.is_none_or(|exponent| !exponent.is_empty() && is_digits(exponent))
}

fn no_number(text: &str) -> String {
    format!("'{text}' is a number that JSON cannot hold; put it in quotes if it is meant as text")
}

fn too_large(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    format!("the number {shown} does not fit in 64 bits; put it in quotes to keep every digit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn value(text: &str) -> Result<Value, String> {
        Ok(match resolve(text)? {
            Kind::Null => Value::Null,
            Kind::Boolean(value) => value.into(),
            Kind::Number(value) => value.into(),
            Kind::Text(value) => value.into(),
            Kind::List(_) | Kind::Object(_) => unreachable!(),
        })
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("True", json!(true)),
            ("1.0.3", json!("1.0.3")),
            ("1.0", json!(1.0)),
            ("007", json!(7)),
            ("0o17", json!(15)),
            ("0x1f", json!(31)),
            ("0x", json!("0x")),
            ("+12", json!(12)),
            ("-3", json!(-3)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            (".", json!(".")),
            ("1e", json!("1e")),
            ("--1", json!("--1")),
            ("12:30", json!("12:30")),
            ("1_000", json!("1_000")),
            ("2026-01-01", json!("2026-01-01")),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in [
            ".inf",
            "-.INF",
            ".nan",
            "1e999",
            "18446744073709551616",
            "0xfffffffffffffffff",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn json_numbers_keep_their_value(number in any::<i64>(), float in any::<f64>()) {
            prop_assert_eq!(value(&number.to_string()), Ok(json!(number)));
            if float.is_finite() {
                let text = serde_json::to_string(&float).unwrap();
                prop_assert_eq!(value(&text).unwrap().as_f64(), Some(float));
            }
        }
    }
}
