//! Where a request may go, and where it goes instead.

use std::collections::HashMap;
use std::net::IpAddr;

use atom_core::{Error, ErrorCode, Result};
use reqwest::header::HeaderValue;
use url::{Host, Url};

use super::address;
use super::config::{HttpConfig, PrivateAddresses};

/// Reads an absolute `http` or `https` URI without credentials.
///
/// # Errors
/// `invalid_request`; the URI itself is not repeated, for its query may hold a secret.
pub(crate) fn parse_uri(text: &str) -> Result<Url> {
    let uri = Url::parse(text).map_err(|error| {
        Error::invalid_request(format!(
            "the URI is not valid: {error}; give an absolute http or https URI"
        ))
    })?;
    check_uri(&uri)?;
    Ok(uri)
}

/// Checks scheme and credentials of a URI.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check_uri(uri: &Url) -> Result<()> {
    if !matches!(uri.scheme(), "http" | "https") {
        let message = format!(
            "URIs of the scheme '{}' cannot be called; use http or https",
            uri.scheme()
        );
        return Err(Error::invalid_request(message));
    }
    if !uri.username().is_empty() || uri.password().is_some() {
        let message = "the URI holds a user name or password; remove them and use 'authentication'";
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

/// A URI that passed the policy, and the address to send the request to.
#[derive(Debug)]
pub(super) struct Target {
    /// Where the request is sent.
    pub(super) address: Url,
    /// The `Host` header, where it is not that of `address`.
    pub(super) host: Option<HeaderValue>,
}

/// The operator's rules about where requests may go.
#[derive(Debug)]
pub(super) struct TargetPolicy {
    private_addresses: PrivateAddresses,
    hosts: HashMap<(String, Option<u16>), Url>,
}

impl TargetPolicy {
    /// # Errors
    /// `invalid_request` for a malformed entry of `hosts`.
    pub(super) fn new(config: &HttpConfig) -> Result<Self> {
        let hosts: Result<_> = config
            .hosts
            .iter()
            .map(|(host, base)| Ok((parse_host(host)?, parse_base(host, base)?)))
            .collect();
        Ok(Self {
            private_addresses: config.private_addresses,
            hosts: hosts?,
        })
    }

    /// Decides where a request to a checked URI goes. Names are judged when they are resolved.
    ///
    /// # Errors
    /// `permission_denied` for a private IP address.
    pub(super) fn target(&self, uri: &Url) -> Result<Target> {
        if let Some(base) = self.base(uri) {
            return redirected(uri, base);
        }
        let ip = match uri.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        match ip {
            Some(ip) if self.private_addresses == PrivateAddresses::Deny && !address::is_public(ip) => {
                Err(address::refusal(uri.host_str().unwrap_or_default()))
            }
            _ => Ok(Target {
                address: uri.clone(),
                host: None,
            }),
        }
    }

    fn base(&self, uri: &Url) -> Option<&Url> {
        let host = uri.host_str()?.to_owned();
        let port = uri.port_or_known_default();
        let with_port = (host, port);
        self.hosts
            .get(&with_port)
            .or_else(|| self.hosts.get(&(with_port.0, None)))
    }
}

fn redirected(uri: &Url, base: &Url) -> Result<Target> {
    let mut address = base.clone();
    address.set_path(&format!("{}{}", base.path().trim_end_matches('/'), uri.path()));
    address.set_query(uri.query());
    let authority = match (uri.host_str(), uri.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let host = HeaderValue::from_str(&authority)
        .map_err(|_| Error::invalid_request("the host of the URI cannot be written as a header"))?;
    Ok(Target {
        address,
        host: Some(host),
    })
}

fn parse_host(text: &str) -> Result<(String, Option<u16>)> {
    let malformed = || {
        Error::invalid_request(format!(
            "http.hosts: '{text}' is not a host; write it like 'api.example.com' or 'api.example.com:8443'"
        ))
    };
    let uri = Url::parse(&format!("http://{text}/")).map_err(|_| malformed())?;
    let is_bare =
        uri.path() == "/" && uri.query().is_none() && uri.fragment().is_none() && !text.contains('@');
    let host = uri
        .host_str()
        .filter(|_| is_bare)
        .ok_or_else(malformed)?
        .to_owned();
    // The URL parser drops a port that is the scheme's default, so the port is read from the text.
    let port = match text.rsplit_once(':') {
        Some((_, port)) if !text.ends_with(']') => Some(port.parse().map_err(|_| malformed())?),
        _ => None,
    };
    Ok((host, port))
}

fn parse_base(host: &str, text: &str) -> Result<Url> {
    let base = parse_uri(text).map_err(|error| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("http.hosts.{host}: {}", error.message()),
        )
    })?;
    if base.query().is_some() || base.fragment().is_some() {
        return Err(Error::invalid_request(format!(
            "http.hosts.{host}: a base URL has neither query nor fragment"
        )));
    }
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(hosts: &[(&str, &str)]) -> Result<TargetPolicy> {
        let hosts = hosts
            .iter()
            .map(|(host, base)| ((*host).to_owned(), (*base).to_owned()))
            .collect();
        TargetPolicy::new(&HttpConfig {
            hosts,
            ..HttpConfig::default()
        })
    }

    #[test]
    fn only_plain_http_uris_are_read() {
        for text in ["https://x.test/a?b=c", "HTTP://X.test"] {
            assert!(parse_uri(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "/a",
            "x.test/a",
            "ftp://x.test",
            "file:///etc/passwd",
            "http://",
            "http://ada:pw@x.test",
            "http://ada@x.test",
        ] {
            let error = parse_uri(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{text}");
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        let policy = policy(&[]).unwrap();
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "169.254.169.254",
            "10.0.0.1",
            "[fd00::1]",
        ] {
            let error = policy
                .target(&parse_uri(&format!("http://{host}:8080/x")).unwrap())
                .unwrap_err();
            assert_eq!(error.code(), ErrorCode::PermissionDenied, "{host}");
            assert!(error.message().contains("http.private_addresses"), "{error}");
        }
        assert!(policy.target(&parse_uri("http://1.1.1.1/").unwrap()).is_ok());
    }

    #[test]
    fn a_named_host_goes_to_its_base_url() {
        let policy = policy(&[
            ("Api.Test", "http://127.0.0.1:1234/gateway/"),
            ("api.test:8443", "http://10.0.0.1"),
            ("[2001:db8::1]", "http://127.0.0.1:1"),
        ])
        .unwrap();
        for (uri, address, host) in [
            (
                "https://api.test/a%20b?c=d",
                "http://127.0.0.1:1234/gateway/a%20b?c=d",
                "api.test",
            ),
            ("https://API.test:8443/a", "http://10.0.0.1/a", "api.test:8443"),
            (
                "http://api.test:81/",
                "http://127.0.0.1:1234/gateway/",
                "api.test:81",
            ),
            ("http://[2001:db8::1]/", "http://127.0.0.1:1/", "[2001:db8::1]"),
        ] {
            let target = policy.target(&parse_uri(uri).unwrap()).unwrap();
            assert_eq!(target.address.as_str(), address);
            assert_eq!(target.host.unwrap(), host);
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for (host, base) in [
            ("", "http://x.test"),
            ("a/b", "http://x.test"),
            ("a@b", "http://x.test"),
            ("a:b", "http://x.test"),
            ("a.test", "x.test"),
            ("a.test", "ftp://x.test"),
            ("a.test", "http://ada:pw@x.test"),
            ("a.test", "http://x.test?y"),
        ] {
            assert_eq!(
                policy(&[(host, base)]).unwrap_err().code(),
                ErrorCode::InvalidRequest,
                "{host} {base}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_passes_as_a_uri_with_credentials_or_a_private_address(text in any::<String>(), host in any::<u32>()) {
            let policy = policy(&[]).unwrap();
            for text in [text.clone(), format!("http://{text}"), format!("https://{host}/{text}"), format!("http://{host:#x}@{text}")] {
                let Ok(uri) = parse_uri(&text) else { continue };
                prop_assert!(uri.username().is_empty() && uri.password().is_none());
                if let (Ok(_), Some(Host::Ipv4(ip))) = (policy.target(&uri), uri.host()) {
                    prop_assert!(address::is_public(ip.into()));
                }
            }
        }

        #[test]
        fn a_named_host_keeps_path_and_query(path in ".*", query in ".*") {
            let policy = policy(&[("api.test", "http://127.0.0.1:1/base")]).unwrap();
            let mut uri = parse_uri("https://api.test").unwrap();
            uri.set_path(&path);
            uri.set_query(Some(&query));
            let target = policy.target(&uri).unwrap();
            prop_assert_eq!(target.address.authority(), "127.0.0.1:1");
            prop_assert_eq!(target.address.path(), format!("/base{}", uri.path()));
            prop_assert_eq!(target.address.query(), uri.query());
        }
    }
}
