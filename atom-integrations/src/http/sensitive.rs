//! Which headers and query parameters hold secrets, and how they are shown.

use url::Url;

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// Whether the value of a header or query parameter of this name is likely a secret.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<_> = name
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .collect();
    let is_secret_word = |word: &str| {
        matches!(
            word,
            "authorization"
                | "authentication"
                | "apikey"
                | "cookie"
                | "cookie2"
                | "credential"
                | "credentials"
                | "jwt"
                | "passwd"
                | "password"
                | "secret"
                | "sig"
                | "signature"
                | "token"
        )
    };
    words.iter().any(|word| is_secret_word(word))
        || words.windows(2).any(|pair| {
            matches!(
                pair,
                ["api" | "access" | "auth" | "private" | "subscription", "key"]
            )
        })
        || matches!(
            name.as_str(),
            "key" | "code" | "accesstoken" | "authtoken" | "x-amz-credential"
        )
}

/// The URI with the secrets of its query masked.
pub(super) fn masked(uri: &Url) -> String {
    let Some(query) = uri.query() else {
        return uri.as_str().to_owned();
    };
    let pairs: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_sensitive(&decoded(name)) => format!("{name}={MASK}"),
            _ => pair.to_owned(),
        })
        .collect();
    let mut uri = uri.clone();
    uri.set_query(Some(&pairs.join("&")));
    uri.into()
}

/// A text with a secret masked wherever it stands.
pub(crate) fn concealed(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    text.replace(secret, MASK)
}

/// Masks a secret wherever it stands in the texts of a value and the names of its members.
#[cfg(any(feature = "asyncapi", feature = "grpc"))]
pub(crate) fn conceal(value: &mut serde_json::Value, secret: &str) {
    use serde_json::{Map, Value};

    match value {
        Value::String(text) => *text = concealed(text, secret),
        Value::Array(items) => items.iter_mut().for_each(|item| conceal(item, secret)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| conceal(field, secret));
            if !secret.is_empty() && fields.keys().any(|name| name.contains(secret)) {
                let mut shown = Map::new();
                for (name, field) in std::mem::take(fields) {
                    let masked = concealed(&name, secret);
                    // A name that is taken by now gets a number: no member may replace another.
                    let mut name = masked.clone();
                    let mut number = shown.len();
                    while shown.contains_key(&name) {
                        name = format!("{masked}_{number}");
                        number += 1;
                    }
                    shown.insert(name, field);
                }
                *fields = shown;
            }
        }
        _ => {}
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "set-cookie",
            "X-Api-Key",
            "api_key",
            "apikey",
            "X-Auth-Token",
            "private-token",
            "x-amz-security-token",
            "client_secret",
            "access_token",
            "X-Amz-Signature",
            "sig",
            "key",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in [
            "content-type",
            "x-ratelimit-remaining-tokens",
            "idempotency-key",
            "etag",
            "keyword",
            "status",
        ] {
            assert!(!is_sensitive(name), "{name}");
        }
    }

    #[test]
    #[cfg(any(feature = "asyncapi", feature = "grpc"))]
    fn a_secret_is_masked_in_texts_and_in_the_names_of_members() {
        let mut value = serde_json::json!({
            "s3cret": 1,
            "***": 2,
            "of": [{ "a s3cret": "s3cret!", "b": { "s3cret s3cret": true } }],
        });
        conceal(&mut value, "s3cret");
        let expected = serde_json::json!({
            "***": 1,
            "***_1": 2,
            "of": [{ "a ***": "***!", "b": { "*** ***": true } }],
        });
        assert_eq!(value, expected);
        conceal(&mut value, "");
        assert_eq!(value, expected);
    }

    #[test]
    fn a_shown_uri_keeps_all_but_the_secrets() {
        let uri = Url::parse("https://x.test/a?api%5Fkey=s3cret&page=2&flag").unwrap();
        assert_eq!(masked(&uri), "https://x.test/a?api%5Fkey=***&page=2&flag");
        let plain = Url::parse("https://x.test/a").unwrap();
        assert_eq!(masked(&plain), "https://x.test/a");
    }
}
