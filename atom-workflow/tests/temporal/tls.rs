//! A server behind TLS, with a certificate that only a private authority has signed.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use atom_core::{ErrorCode, Secret};
use atom_workflow::temporal::{TemporalConfig, TemporalRuntime};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::world::{World, completed, config, limits};

/// Who has signed the certificate of the server, which is for tests only, for `localhost`.
const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// What the requests that came through had in their `authorization`.
type Shown = Arc<Mutex<BTreeSet<String>>>;

/// Passes requests on to a server without TLS, until it is dropped.
struct Front {
    port: u16,
    shown: Shown,
    _work: JoinSet<()>,
}

impl Front {
    async fn new(target: String) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shown = Shown::default();
        let mut work = JoinSet::new();
        work.spawn(serve(listener, acceptor, target, Arc::clone(&shown)));
        Self {
            port,
            shown,
            _work: work,
        }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, target: String, shown: Shown) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, target, shown) = (acceptor.clone(), target.clone(), Arc::clone(&shown));
        connections.spawn(async move {
            // Whoever does not trust the certificate goes away.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let client = Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http::<Incoming>();
            let pass_on = service_fn(|mut request: Request<Incoming>| {
                let header = request.headers().get("authorization");
                let header = header.map(|header| header.to_str().unwrap().to_owned());
                shown.lock().unwrap().insert(header.unwrap_or_default());
                let path = request.uri().path();
                *request.uri_mut() = format!("{target}{path}").parse().unwrap();
                let answer = client.request(request);
                async move { Ok::<Response<Incoming>, Infallible>(answer.await.unwrap()) }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // It ends when the client goes away.
            let _ = connection.serve_connection(TokioIo::new(stream), pass_on).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_it_is_named_and_the_key_goes_with_every_request() {
    let Some(mut world) = World::idle("tls", limits()).await else {
        return;
    };
    let front = Front::new(world.target.clone()).await;
    let strange = TemporalConfig {
        api_key: Some(Secret::new("key-7")),
        ..config(format!("https://localhost:{}", front.port), "tls")
    };
    let trusting = TemporalConfig {
        authority: Some(AUTHORITY.to_vec()),
        ..strange.clone()
    };
    let refused = TemporalRuntime::connect(Arc::clone(&world.parts), strange).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Unavailable);
    assert_eq!(*front.shown.lock().unwrap(), BTreeSet::new());
    world.runtime = TemporalRuntime::connect(Arc::clone(&world.parts), trusting)
        .await
        .unwrap();
    world.work().await;
    let run = world
        .start("- go: { call: echo, with: { n: 1 } }", json!({}))
        .await;
    assert_eq!(world.wait(run).await, completed(json!({ "n": 1 })));
    world.stop().await;
    let shown: Vec<_> = front.shown.lock().unwrap().iter().cloned().collect();
    assert_eq!(shown, ["Bearer key-7"]);
}
