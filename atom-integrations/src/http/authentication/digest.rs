//! Digest authentication (RFC 7616), `qop` `auth` or none.

use atom_core::{Error, ErrorCode, RandomSource, Result};
use md5::Md5;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256, Sha512_256};
use url::Url;
use zeroize::Zeroizing;

use super::challenge::{self, Challenge};
use super::header;
use crate::http::encoding::percent;
use crate::system::SystemRandom;

/// A name and a password.
#[derive(Clone)]
pub(in crate::http) struct Credentials {
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
}

/// What a service wants to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Demand {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    is_session: bool,
    /// Whether the request counts its answers, as all but the oldest services want.
    has_qop: bool,
    hides_username: bool,
    /// The algorithm as the service writes it; absent when it does not name one.
    algorithm_name: Option<String>,
}

/// From the weakest to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha512_256,
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
            Self::Sha512_256 => hex(&Sha512_256::digest(text)),
        }
    }
}

/// The strongest challenge of a 401 that can be answered.
///
/// # Errors
/// `unsupported` when there are challenges but none can be answered, `unauthenticated` when there are none.
pub(in crate::http) fn demand(headers: &HeaderMap) -> Result<Demand> {
    let challenges = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(challenge::read)
        .filter(|challenge| challenge.scheme == "digest");
    let challenges: Vec<_> = challenges.collect();
    let best = challenges
        .iter()
        .filter_map(Demand::read)
        .max_by_key(|demand| demand.algorithm);
    best.ok_or_else(|| {
        if challenges.is_empty() {
            let message = "the service refused the request without a challenge for digest authentication";
            Error::new(ErrorCode::Unauthenticated, message)
        } else {
            let message = "the service wants an algorithm or protection of digest authentication that is not \
                 supported; MD5, SHA-256, SHA-512-256 and 'auth' are";
            Error::new(ErrorCode::Unsupported, message)
        }
    })
}

impl Demand {
    fn read(challenge: &Challenge) -> Option<Self> {
        let get = |name: &str| challenge.parameters.get(name);
        let algorithm_name = get("algorithm").cloned();
        let (algorithm, is_session) = match algorithm_name
            .as_deref()
            .unwrap_or("MD5")
            .to_ascii_lowercase()
            .as_str()
        {
            "md5" => (Algorithm::Md5, false),
            "md5-sess" => (Algorithm::Md5, true),
            "sha-256" => (Algorithm::Sha256, false),
            "sha-256-sess" => (Algorithm::Sha256, true),
            "sha-512-256" => (Algorithm::Sha512_256, false),
            "sha-512-256-sess" => (Algorithm::Sha512_256, true),
            _ => return None,
        };
        let has_qop = match get("qop") {
            None => false,
            Some(options) => {
                let mut options = options.split(',');
                options
                    .any(|option| option.trim().eq_ignore_ascii_case("auth"))
                    .then_some(true)?
            }
        };
        Some(Self {
            realm: get("realm")?.clone(),
            nonce: get("nonce")?.clone(),
            opaque: get("opaque").cloned(),
            algorithm,
            is_session,
            has_qop,
            hides_username: get("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            algorithm_name,
        })
    }

    /// The `Authorization` header of a request; `count` is the number of requests with this nonce, this one included.
    ///
    /// # Errors
    /// `invalid_request` when the user name cannot stand in a header.
    pub(in crate::http) fn answer(
        &self,
        credentials: &Credentials,
        method: &Method,
        uri: &Url,
        count: u32,
    ) -> Result<HeaderValue> {
        let bytes = SystemRandom.random_bytes();
        let client_nonce: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        header(&self.answer_with(credentials, method, uri, count, &client_nonce))
    }

    fn answer_with(
        &self,
        credentials: &Credentials,
        method: &Method,
        uri: &Url,
        count: u32,
        client_nonce: &str,
    ) -> Zeroizing<String> {
        let hash = |text: &str| self.algorithm.hash(text);
        let target = match uri.query() {
            Some(query) => format!("{}?{query}", uri.path()),
            None => uri.path().to_owned(),
        };
        let (username, realm, nonce) = (&credentials.username, &self.realm, &self.nonce);
        let secret = Zeroizing::new(format!("{username}:{realm}:{}", *credentials.password));
        let mut user = Zeroizing::new(hash(&secret));
        if self.is_session {
            user = Zeroizing::new(hash(&format!("{}:{nonce}:{client_nonce}", *user)));
        }
        let request = hash(&format!("{method}:{target}"));
        let response = if self.has_qop {
            hash(&format!(
                "{}:{nonce}:{count:08x}:{client_nonce}:auth:{request}",
                *user
            ))
        } else {
            hash(&format!("{}:{nonce}:{request}", *user))
        };
        let shown = if self.hides_username {
            format!(
                "username=\"{}\", userhash=true",
                hash(&format!("{username}:{realm}"))
            )
        } else if username.is_ascii() {
            format!("username={}", quoted(username))
        } else {
            format!("username*=UTF-8''{}", percent(username))
        };
        let mut text = format!(
            "Digest {shown}, realm={}, nonce={}, uri=\"{target}\", response=\"{response}\"",
            quoted(realm),
            quoted(nonce)
        );
        if let Some(name) = &self.algorithm_name {
            text.push_str(&format!(", algorithm={name}"));
        }
        if let Some(opaque) = &self.opaque {
            text.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        if self.has_qop {
            text.push_str(&format!(", qop=auth, nc={count:08x}"));
        }
        if self.has_qop || self.is_session {
            text.push_str(&format!(", cnonce=\"{client_nonce}\""));
        }
        Zeroizing::new(text)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn mufasa() -> Credentials {
        Credentials {
            username: "Mufasa".to_owned(),
            password: Zeroizing::new("Circle of Life".to_owned()),
        }
    }

    /// The examples of RFC 7616, section 3.9.1.
    #[test]
    fn the_examples_of_the_standard() {
        let uri = Url::parse("http://www.example.org/dir/index.html").unwrap();
        let sha = r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;
        let md5 = &sha.replace("SHA-256", "MD5");
        let client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (offered, response) in [
            (
                vec![md5.as_str(), sha],
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
            (vec![md5], "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let demand = demand(&headers(&offered)).unwrap();
            let text = demand.answer_with(&mufasa(), &Method::GET, &uri, 1, client_nonce);
            assert!(text.contains(&format!("response=\"{response}\"")), "{}", *text);
            assert!(text.contains(r#"username="Mufasa""#) && text.contains("nc=00000001"));
            assert!(text.contains(r#"uri="/dir/index.html""#));
        }
    }

    /// The example of RFC 7616, section 3.9.2, where both name and hash of it are of interest.
    #[test]
    fn a_hidden_name_is_hashed() {
        let challenge = r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true"#;
        let credentials = Credentials {
            username: "J\u{e4}s\u{f8}n Doe".to_owned(),
            password: Zeroizing::new("Secret, or not?".to_owned()),
        };
        let uri = Url::parse("http://api.example.org/doe.json").unwrap();
        let demand = demand(&headers(&[challenge])).unwrap();
        let text = demand.answer_with(
            &credentials,
            &Method::GET,
            &uri,
            1,
            "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
        );
        assert!(text.contains("userhash=true") && !text.contains("J\u{e4}s"));
        let plain = super::demand(&headers(&[&challenge.replace(", userhash=true", "")])).unwrap();
        let text = plain.answer_with(&credentials, &Method::GET, &uri, 1, "n");
        assert!(
            text.contains("username*=UTF-8''J%C3%A4s%C3%B8n%20Doe"),
            "{}",
            *text
        );
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for (values, code) in [
            (vec![], ErrorCode::Unauthenticated),
            (vec!["Basic realm=x"], ErrorCode::Unauthenticated),
            (
                vec![r#"Digest realm="x", nonce="n", algorithm=SHA3"#],
                ErrorCode::Unsupported,
            ),
            (
                vec![r#"Digest realm="x", nonce="n", qop="auth-int""#],
                ErrorCode::Unsupported,
            ),
            (vec![r#"Digest realm="x""#], ErrorCode::Unsupported),
        ] {
            assert_eq!(demand(&headers(&values)).unwrap_err().code(), code, "{values:?}");
        }
    }
}
