//! Sends requests: one pooled client, made on first use, that keeps the operator's rules on every hop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, HOST, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Response, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::OnceCell;
use url::Url;

use super::address::PublicResolver;
use super::answer::Answer;
use super::config::{HttpConfig, PrivateAddresses};
use super::failure;
use super::request::Request;
use super::target::{self, Target, TargetPolicy};

/// How many redirects are followed.
const MAXIMUM_REDIRECTS: usize = 10;

/// Sends requests by the operator's rules.
#[derive(Debug)]
pub(super) struct Client {
    config: HttpConfig,
    policy: TargetPolicy,
    connections: OnceCell<Connections>,
}

/// The connection pools. Reading the system's certificates takes a while, so they are made on first use.
#[derive(Debug)]
struct Connections {
    /// For the hosts that callers name.
    called: reqwest::Client,
    /// For the base URLs that the operator names, which may be private.
    named: reqwest::Client,
    /// Why `https` does not work.
    tls_failure: Option<Error>,
}

impl Client {
    /// # Errors
    /// `invalid_request` for a malformed configuration.
    pub(super) fn new(config: HttpConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            policy: TargetPolicy::new(&config)?,
            config,
            connections: OnceCell::new(),
        })
    }

    /// Sends a request and reads the whole answer, within the deadline and until the caller cancels.
    ///
    /// # Errors
    /// The error that the status stands for, with it as `status` in the context; `unavailable` when no answer
    /// came; `timeout`, `cancelled`, `permission_denied` or `limit_exceeded` by deadline, caller, policy and
    /// size; `invalid_request` for a request that HTTP cannot carry.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the service may have acted on the request already.
    pub(super) async fn send(&self, mut request: Request, context: &FunctionContext) -> Result<Answer> {
        request.set_idempotency_key(&context.idempotency_key)?;
        let (method, uri) = (request.method.clone(), request.uri.clone());
        let patience = match context.deadline {
            // A deadline that has passed is no time at all.
            Some(deadline) => {
                Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default()
            }
            None => self.config.timeout(),
        };
        let answer = tokio::select! {
            biased;
            () = context.cancellation.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the call was cancelled")),
            answer = within(patience, self.exchange(request)) => answer,
        };
        answer.map_err(|error| failure::located(error, &method, &uri))
    }

    async fn exchange(&self, mut request: Request) -> Result<Answer> {
        for _ in 0..=MAXIMUM_REDIRECTS {
            let target = self.policy.target(&request.uri)?;
            let response = self.hop(&request, target).await?;
            match next_location(&request, &response)? {
                Some(location) => request = request.redirected(response.status(), location),
                None => return self.read(request, response).await,
            }
        }
        let message = format!("the service redirected more than {MAXIMUM_REDIRECTS} times");
        Err(Error::new(ErrorCode::LimitExceeded, message))
    }

    async fn hop(&self, request: &Request, target: Target) -> Result<Response> {
        let connections = self.connections().await?;
        if let (Some(failure), "https") = (&connections.tls_failure, target.address.scheme()) {
            return Err(failure.clone());
        }
        let client = if target.host.is_some() {
            &connections.named
        } else {
            &connections.called
        };
        let mut outgoing = client
            .request(request.method.clone(), target.address)
            .headers(request.headers.clone());
        if let Some(host) = target.host {
            outgoing = outgoing.header(HOST, host);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.body(body.clone());
        }
        outgoing.send().await.map_err(failure::of_transport)
    }

    async fn read(&self, request: Request, mut response: Response) -> Result<Answer> {
        let status = response.status();
        let is_answer = status.is_success() || (status.is_redirection() && request.follows_redirects);
        if !is_answer {
            return Err(failure::of_status(status, response.headers(), Timestamp::now()));
        }
        let limit = self.config.maximum_response_bytes;
        let too_long = || {
            let message = format!(
                "the answer is longer than {limit} bytes; raise the setting http.maximum_response_bytes"
            );
            Error::new(ErrorCode::LimitExceeded, message).with_context("status", status.as_u16())
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure::of_transport)? {
            let length = u64::try_from(body.len().saturating_add(chunk.len())).unwrap_or(u64::MAX);
            if length > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(Answer {
            method: request.method,
            uri: request.uri,
            request_headers: request.headers,
            status,
            headers,
            body,
        })
    }

    async fn connections(&self) -> Result<&Connections> {
        let connect = || async {
            let config = self.config.clone();
            // The system's certificates are read from disk.
            tokio::task::spawn_blocking(move || Connections::new(&config))
                .await
                .map_err(|error| Error::internal("the HTTP client could not be made").with_source(error))?
        };
        self.connections.get_or_try_init(connect).await
    }
}

impl Connections {
    fn new(config: &HttpConfig) -> Result<Self> {
        let (tls, tls_failure) = match system_tls() {
            Ok(tls) => (tls, None),
            Err(error) => {
                let message = "the system's certificates cannot be read, so no https service can be called; \
                     install the certificates of the operating system";
                (
                    distrusting_tls()?,
                    Some(Error::new(ErrorCode::Unavailable, message).with_source(error)),
                )
            }
        };
        let called = match config.private_addresses {
            PrivateAddresses::Deny => builder(config).dns_resolver(PublicResolver),
            PrivateAddresses::Allow => builder(config),
        };
        let called = called.tls_backend_preconfigured(with_protocols(&tls, &["h2", "http/1.1"]));
        // HTTP/2 takes the host from the URL, where the gateway stands.
        let named = builder(config)
            .http1_only()
            .tls_backend_preconfigured(with_protocols(&tls, &["http/1.1"]));
        Ok(Self {
            called: build(called)?,
            named: build(named)?,
            tls_failure,
        })
    }
}

fn builder(config: &HttpConfig) -> reqwest::ClientBuilder {
    let headers = [
        (ACCEPT, HeaderValue::from_static("*/*")),
        (
            USER_AGENT,
            HeaderValue::from_static(concat!("atom/", env!("CARGO_PKG_VERSION"))),
        ),
    ];
    reqwest::Client::builder()
        .default_headers(headers.into_iter().collect())
        .connect_timeout(config.connect_timeout())
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder
        .build()
        .map_err(|error| Error::internal("the HTTP client could not be made").with_source(error))
}

/// TLS with the system's own certificates. The provider is named here, so none is installed for the process.
fn system_tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_platform_verifier()?.with_no_client_auth())
}

/// TLS that trusts nobody, for machines without certificates.
pub(crate) fn distrusting_tls() -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up").with_source(error))?;
    Ok(config
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn with_protocols(tls: &ClientConfig, protocols: &[&str]) -> ClientConfig {
    let mut tls = tls.clone();
    tls.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    tls
}

async fn within<T>(patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Error::new(ErrorCode::Timeout, "the answer did not come before the deadline");
    if patience.is_zero() {
        return Err(late());
    }
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Where a followed redirect leads.
fn next_location(request: &Request, response: &Response) -> Result<Option<Url>> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response
        .headers()
        .get(LOCATION)
        .filter(|_| is_redirect && request.follows_redirects)
    else {
        return Ok(None);
    };
    let malformed = || {
        Error::new(
            ErrorCode::Upstream,
            "the service redirected to something that is not a URI",
        )
        .with_context("status", response.status().as_u16())
    };
    let location = location.to_str().map_err(|_| malformed())?;
    let location = request.uri.join(location).map_err(|_| malformed())?;
    target::check_uri(&location).map_err(|error| {
        Error::new(
            ErrorCode::PermissionDenied,
            format!("a redirect was not followed: {}", error.message()),
        )
    })?;
    Ok(Some(location))
}
