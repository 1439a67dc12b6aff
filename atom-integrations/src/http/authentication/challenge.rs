//! Reads `WWW-Authenticate` (RFC 9110, section 11.6.1).

use std::collections::HashMap;

/// How long a header may be that is read.
const MAXIMUM_BYTES: usize = 16 * 1024;

/// One challenge: its scheme and parameters, with names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    pub(super) parameters: HashMap<String, String>,
}

/// The challenges of one header; what is malformed ends the list.
pub(super) fn read(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header.get(..MAXIMUM_BYTES).unwrap_or(header);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            return challenges;
        }
        let value = after.trim_start_matches([' ', '\t']);
        match (value.strip_prefix('='), challenges.last_mut()) {
            // A parameter, unless the `=` pads the one text that some schemes have in the place of parameters.
            (Some(value), Some(challenge)) if !value.starts_with(['=', ',']) && !value.is_empty() => {
                let Some((value, after)) = self::value(value.trim_start_matches([' ', '\t'])) else {
                    return challenges;
                };
                challenge.parameters.insert(name.to_ascii_lowercase(), value);
                rest = after;
            }
            (Some(value), _) => rest = value.trim_start_matches('='),
            (None, _) => {
                challenges.push(Challenge {
                    scheme: name.to_ascii_lowercase(),
                    parameters: HashMap::new(),
                });
                rest = after;
            }
        }
    }
}

fn token(text: &str) -> (&str, &str) {
    let is_end = |letter: char| !(letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(letter));
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// A token or a text in quotes.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, after) = token(text);
        return Some((value.to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(letters.next()?.1),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        Challenge {
            scheme: scheme.to_owned(),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn challenges_are_told_apart() {
        assert_eq!(
            read(
                r#"Negotiate, NTLM dGVzdA==, Digest realm="a, \"b\"", nonce=abc , qop="auth,auth-int",Basic realm=x"#
            ),
            [
                challenge("negotiate", &[]),
                challenge("ntlm", &[]),
                challenge(
                    "digest",
                    &[("realm", "a, \"b\""), ("nonce", "abc"), ("qop", "auth,auth-int")]
                ),
                challenge("basic", &[("realm", "x")]),
            ]
        );
        assert_eq!(read(r#"Digest realm="open"#), [challenge("digest", &[])]);
        assert_eq!(read(" , "), []);
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(header in r#"[ -~]{0,200}"#) {
            for challenge in read(&header) {
                prop_assert!(!challenge.scheme.is_empty());
            }
        }
    }
}
