//! Sends requests: one pooled client, made on first use, that keeps the operator's rules on every hop.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atom_core::{Error, ErrorCode, FunctionContext, Result};
use jiff::Timestamp;
use reqwest::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use reqwest::{ClientBuilder, Response, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::OnceCell;

use super::address::PublicResolver;
use super::answer::Answer;
use super::authentication::memory::{Demands, Tokens};
use super::authentication::refresh::Grants;
use super::config::{HttpConfig, PrivateAddresses};
use super::failure;
use super::request::{HttpVersion, Request};
use super::target::{Target, TargetPolicy};

/// Sends requests by the operator's rules.
#[derive(Debug)]
pub(crate) struct Client {
    config: HttpConfig,
    pub(super) policy: TargetPolicy,
    connections: OnceCell<Connections>,
    pub(super) tokens: Tokens,
    pub(super) demands: Demands,
    pub(super) grants: Grants,
    /// Itself, for what goes on without the call that began it.
    own: Weak<Self>,
}

/// The connection pools. Reading the system's certificates takes a while, so they are made on first use.
#[derive(Debug)]
struct Connections {
    any: Pools,
    #[cfg(feature = "asyncapi")]
    one: Pools,
    #[cfg(feature = "grpc")]
    two: Pools,
    /// Why `https` does not work.
    tls_failure: Option<Error>,
}

/// The connections of one version of HTTP.
#[derive(Debug)]
struct Pools {
    /// For the hosts that callers name.
    called: reqwest::Client,
    /// For the base URLs that the operator names, which may be private.
    named: reqwest::Client,
}

impl Client {
    /// # Errors
    /// `invalid_request` for a malformed configuration.
    pub(crate) fn new(config: HttpConfig) -> Result<Arc<Self>> {
        config.validate()?;
        let policy = TargetPolicy::new(&config)?;
        Ok(Arc::new_cyclic(|own| Self {
            policy,
            config,
            connections: OnceCell::new(),
            tokens: Tokens::default(),
            demands: Demands::default(),
            grants: Grants::default(),
            own: Weak::clone(own),
        }))
    }

    pub(super) fn shared(&self) -> Result<Arc<Self>> {
        let own = self.own.upgrade();
        own.ok_or_else(|| Error::internal("the HTTP client is being dropped"))
    }

    /// Sends a request and reads the whole answer, within the deadline and until the caller cancels.
    ///
    /// # Errors
    /// The error that the status stands for, with it as `status` in the context; `unavailable` when no answer
    /// came; `timeout`, `cancelled`, `permission_denied` or `limit_exceeded` by deadline, caller, policy and
    /// size; `unauthenticated` when an authority gives no token; `invalid_request` for a request that HTTP cannot carry.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the service may have acted on the request already.
    pub(crate) async fn send(&self, mut request: Request, context: &FunctionContext) -> Result<Answer> {
        request.set_idempotency_key(&context.idempotency_key)?;
        let (method, uri) = (request.method.clone(), request.uri.clone());
        let scope = context.principal.scope();
        let exchange = async { self.open(request, &scope).await?.answer().await };
        let answer = self.guard(context, exchange).await;
        answer.map_err(|error| failure::located(error, &method, &uri))
    }

    /// Works until the caller's deadline, or for as long as a call may take that has none, and until the caller
    /// cancels.
    ///
    /// # Errors
    /// `timeout`, `cancelled`, or what the work says.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work.
    pub(crate) async fn guard<T>(
        &self,
        context: &FunctionContext,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = context.cancellation.cancelled() => Err(Error::new(ErrorCode::Cancelled, "the call was cancelled")),
            result = within(self.patience(context), work) => result,
        }
    }

    /// How long a call may take from now on.
    pub(crate) fn patience(&self, context: &FunctionContext) -> Duration {
        match context.deadline {
            // A deadline that has passed is no time at all.
            Some(deadline) => {
                Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default()
            }
            None => self.patience_without_deadline(),
        }
    }

    /// How long a call may take that has no deadline.
    pub(super) fn patience_without_deadline(&self) -> Duration {
        self.config.timeout()
    }

    /// How many bytes of one answer are read.
    pub(crate) fn maximum_response_bytes(&self) -> u64 {
        self.config.maximum_response_bytes
    }

    pub(super) async fn hop(&self, request: &Request, target: Target) -> Result<Response> {
        let connections = self.connections().await?;
        if let (Some(failure), "https") = (&connections.tls_failure, target.address.scheme()) {
            return Err(failure.clone());
        }
        let pools = match request.version {
            HttpVersion::Any => &connections.any,
            #[cfg(feature = "asyncapi")]
            HttpVersion::One => &connections.one,
            #[cfg(feature = "grpc")]
            HttpVersion::Two => &connections.two,
        };
        let client = if target.host.is_some() {
            &pools.named
        } else {
            &pools.called
        };
        let mut outgoing = client
            .request(request.method.clone(), target.address)
            .headers(request.headers.clone());
        if let Some(host) = target.host
            && request.version.has_host_header()
        {
            outgoing = outgoing.header(HOST, host);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.body(body.clone());
        }
        outgoing.send().await.map_err(failure::of_transport)
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
        let called = || match config.private_addresses {
            PrivateAddresses::Deny => builder(config).dns_resolver(PublicResolver),
            PrivateAddresses::Allow => builder(config),
        };
        let any = |client: ClientBuilder| {
            client.tls_backend_preconfigured(with_protocols(&tls, &["h2", "http/1.1"]))
        };
        let one = |client: ClientBuilder| {
            let client = client.http1_only();
            client.tls_backend_preconfigured(with_protocols(&tls, &["http/1.1"]))
        };
        #[cfg(feature = "grpc")]
        let two = |client: ClientBuilder| {
            let client = client.http2_prior_knowledge();
            client.tls_backend_preconfigured(with_protocols(&tls, &["h2"]))
        };
        Ok(Self {
            any: Pools {
                called: build(any(called()))?,
                // HTTP/2 takes the host from the URL, where the gateway stands.
                named: build(one(builder(config)))?,
            },
            #[cfg(feature = "asyncapi")]
            one: Pools {
                called: build(one(called()))?,
                named: build(one(builder(config)))?,
            },
            #[cfg(feature = "grpc")]
            two: Pools {
                called: build(two(called()))?,
                named: build(two(builder(config)))?,
            },
            tls_failure,
        })
    }
}

fn builder(config: &HttpConfig) -> ClientBuilder {
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

fn build(builder: ClientBuilder) -> Result<reqwest::Client> {
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

pub(super) async fn within<T>(patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || Error::new(ErrorCode::Timeout, "the answer did not come before the deadline");
    if patience.is_zero() {
        return Err(late());
    }
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(late()))
}
