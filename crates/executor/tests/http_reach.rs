//! What HTTP tasks may not call, against real listeners.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests unwrap as tests do")]
mod support;

use axum::Router;
use axum::http::{Response, Uri};
use baton_executor::http::{Endpoint, HttpConfig, HttpTask, Reach};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::outcome_of;

/// A host of this machine that counts its calls; `/to/<url>` redirects there.
struct Host {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Host {
    async fn start(address: &str) -> Self {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let answer = async move |uri: Uri| {
            counted.fetch_add(1, Ordering::SeqCst);
            let response = match uri.to_string().strip_prefix("/to/") {
                Some(url) => Response::builder().status(302).header("Location", url),
                None => Response::builder(),
            };
            response.body(axum::body::Body::from("ok")).unwrap()
        };
        tokio::spawn(async move {
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
        Self { address, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn get(config: &HttpConfig, url: &str) -> (String, String) {
    let input = json!({ "uri": url, "method": "GET" });
    let (status, _, reason) = outcome_of(HttpTask::new(config.clone()), &input).await;
    (status, reason)
}

fn denying(deny: Vec<Endpoint>) -> HttpConfig {
    HttpConfig { deny, ..HttpConfig::with_reach(Reach::Internal) }
}

/// Spellings of 127.0.0.1.
const SPELLINGS: [&str; 12] = [
    "127.0.0.1",
    "127.0.0.1.",
    "localhost",
    "LocalHost",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "2130706433",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "user:secret@127.0.0.1",
];

/// Goal: Baton's own port is out of reach in every spelling, directly and by a redirect, while its
/// neighbors are not. Method: two hosts, one of them as Baton's.
#[tokio::test]
async fn an_endpoint_of_batons_own_is_not_called_and_its_neighbor_is() {
    let (own, neighbor) = (Host::start("127.0.0.1:0").await, Host::start("127.0.0.1:0").await);
    let config = denying(vec![Endpoint::Listener(own.address)]);
    for spelling in SPELLINGS {
        let direct = format!("http://{spelling}:{}/x", own.address.port());
        let redirect = format!("http://{}/to/{direct}", neighbor.address);
        for url in [&direct, &redirect] {
            let (status, reason) = get(&config, url).await;
            assert_eq!(status, "FAILED", "{url}");
            assert!(reason.contains("may not be called: Baton itself"), "{url}: {reason}");
        }
        let url = format!("http://{spelling}:{}/x", neighbor.address.port());
        assert_eq!(get(&config, &url).await.0, "COMPLETED", "{url}");
    }
    assert_eq!((own.calls(), neighbor.calls()), (0, 2 * SPELLINGS.len()));
}

#[tokio::test]
async fn a_database_named_by_a_name_is_not_called_at_any_address_of_its_machine() {
    let database = Host::start("0.0.0.0:0").await;
    let port = database.address.port();
    let service = Endpoint::Service(format!("localhost:{port}").parse().unwrap());
    let config = denying(vec![service]);
    for spelling in SPELLINGS.into_iter().chain(["127.0.0.2", "127.255.255.254"]) {
        let (status, reason) = get(&config, &format!("http://{spelling}:{port}/")).await;
        assert_eq!(status, "FAILED", "{spelling}: {reason}");
    }
    assert_eq!(database.calls(), 0);
}

#[tokio::test]
async fn an_exception_is_for_one_spelling_and_port() {
    let own = Host::start("127.0.0.1:0").await;
    let port = own.address.port();
    let mut config = denying(vec![Endpoint::Listener(own.address)]);
    config.allow = vec![format!("127.0.0.1:{port}").parse().unwrap()];
    // An address is what it is in any spelling.
    for (host, status) in
        [("127.0.0.1", "COMPLETED"), ("127.1", "COMPLETED"), ("localhost", "FAILED")]
    {
        assert_eq!(get(&config, &format!("http://{host}:{port}/")).await.0, status, "{host}");
    }
    config.allow = vec![format!("localhost:{port}").parse().unwrap()];
    config.reach = Reach::Public;
    for (host, status) in [("127.0.0.1", "FAILED"), ("127.1", "FAILED"), ("localhost", "COMPLETED")]
    {
        assert_eq!(get(&config, &format!("http://{host}:{port}/")).await.0, status, "{host}");
    }
    assert_eq!(own.calls(), 3);
}

/// Goal: where clouds keep credentials is out of the default reach, for redirects too.
#[tokio::test]
async fn credentials_are_not_reached_by_a_redirect_either() {
    let host = Host::start("127.0.0.1:0").await;
    let targets = [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[fd00:ec2::254]/",
        "http://100.100.100.200/",
        "http://192.0.0.192/",
        "http://168.63.129.16/",
        "http://metadata.google.internal/",
        "//169.254.169.254/",
    ];
    for target in targets {
        let (status, reason) =
            get(&denying(Vec::new()), &format!("http://{}/to/{target}", host.address)).await;
        assert_eq!(status, "FAILED", "{target}");
        assert!(
            reason.contains("may not be called (http-reach is internal)"),
            "{target}: {reason}"
        );
    }
    // Other schemes are not followed: the redirect is the answer.
    let (status, reason) =
        get(&denying(Vec::new()), &format!("http://{}/to/file:///etc/passwd", host.address)).await;
    assert_eq!(status, "FAILED");
    assert!(reason.contains("302 Found"), "{reason}");
}
