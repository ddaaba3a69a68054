//! Text messages through a gateway: what it is asked, what becomes of what it answers, what it reports.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::json;

use super::phone::{begun, phones};
use crate::config::{CaConfig, HttpGateway, Phones, Secrets, Template, Texter};
use crate::sms::{Reports, Sms};
use crate::store::Fault;
use crate::testing::{Client, Signer, World, until};

const ANNA: &str = "+4915112345678";
const TEMPLATE: &str = r#"
url = "{url}/messages?account={secret.account}"
basic = ["{secret.account}", "{secret.token}"]
accepted = { at = "/status", is = "0" }
receipt = { at = "state", delivered = ["ok"], failed = ["never"] }

[json]
to = "{to}"
from = "{from}"
text = "{text}"
report = "{receipt}"
"#;

/// What a gateway was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    uri: String,
    authorization: String,
    body: String,
}

/// A gateway on this machine that answers as it is told.
struct Fake {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<(StatusCode, String)>>,
}

impl Fake {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let answer = Arc::new(Mutex::new((StatusCode::OK, r#"{"status":"0"}"#.to_owned())));
        let (seen, told) = (Arc::clone(&asked), Arc::clone(&answer));
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let authorization = parts.headers.get(header::AUTHORIZATION).map(|v| v.to_str().unwrap().to_owned());
            let body = String::from_utf8(to_bytes(body, 1 << 16).await.unwrap().to_vec()).unwrap();
            let (uri, authorization) = (parts.uri.to_string(), authorization.unwrap_or_default());
            seen.lock().unwrap().push(Asked { uri, authorization, body });
            told.lock().unwrap().clone().into_response()
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, answer }
    }

    fn config(&self) -> impl Fn(&mut CaConfig) + use<> {
        let url = format!("http://{}", self.address);
        move |config| through(config, url.clone(), None)
    }

    fn shall_answer(&self, status: StatusCode, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn through(config: &mut CaConfig, url: String, roots: Option<std::path::PathBuf>) {
    phones(config);
    let template: Template = toml::from_str(TEMPLATE).unwrap();
    let secrets = Secrets::parse("account = AC 1\ntoken = t0ken").unwrap();
    let gateway = HttpGateway { template, url, sender: "In Person".into(), secrets, roots };
    let texter = Texter::Http(Box::new(gateway));
    config.phones = config.phones.take().map(|phones| Phones { texter, ..phones });
}

#[tokio::test]
async fn a_gateway_is_asked_as_its_template_says_and_its_receipts_are_counted_once() {
    let gateway = Fake::start().await;
    let world = World::with(gateway.config()).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (order, challenge) = begun(&client, ANNA).await;
    client.post(&challenge, json!({})).await.ok();
    until("the gateway is asked", async || !gateway.asked().is_empty()).await;
    let asked = gateway.asked().pop().unwrap();
    assert_eq!(asked.uri, "/messages?account=AC%201");
    assert_eq!(asked.authorization, "Basic QUMgMTp0MGtlbg==");
    let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((body["to"].as_str(), body["from"].as_str()), (Some(ANNA), Some("In Person")));
    let code = body["text"].as_str().unwrap().split(' ').next().unwrap().to_owned();

    let receipt = body["report"].as_str().unwrap().strip_prefix(crate::testing::BASE).unwrap().to_owned();
    let metrics = || world.ca.texts();
    until("it was taken", async || metrics().contains("what=\"sent\"} 1")).await;
    for state in ["underway", "ok", "ok", "never"] {
        assert_eq!(client.get(&format!("{receipt}?state={state}")).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(client.get("/receipt/unknown?state=ok").await.status, StatusCode::NO_CONTENT);
    assert!(metrics().contains("country=\"49\",what=\"delivered\"} 1\n"), "{}", metrics());
    assert!(!metrics().contains("failed"), "{}", metrics());
    client.post(&challenge, json!({"code": code})).await.ok();
    assert_eq!(client.read(&order).await.ok().text("status"), "ready");
    assert!(metrics().contains("what=\"proven\"} 1\n"), "{}", metrics());
}

#[tokio::test]
async fn what_a_gateway_refuses_is_told_only_if_it_says_nothing_of_the_number() {
    let gateway = Fake::start().await;
    let world = World::with(gateway.config()).await;
    let endless = "x".repeat(100_000);
    let cases = [
        (StatusCode::BAD_REQUEST, "no such number", false),
        (StatusCode::UNPROCESSABLE_ENTITY, "", false),
        (StatusCode::OK, r#"{"status":"4"}"#, false),
        (StatusCode::NOT_FOUND, "", false),
        (StatusCode::UNAUTHORIZED, "", true),
        (StatusCode::BAD_GATEWAY, "", true),
        (StatusCode::FOUND, "", true),
        (StatusCode::OK, &endless, true),
    ];
    for (turn, (status, body, told)) in cases.into_iter().enumerate() {
        gateway.shall_answer(status, body);
        let client = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&client, &format!("+491511234{turn}000")).await;
        let first = client.post(&challenge, json!({})).await.ok();
        assert_eq!((first.text("status").as_str(), first.json().get("error")), ("processing", None), "nobody waits");
        until("the gateway was asked", async || {
            let count = format!("what=\"refused\"}} {}", turn + 1);
            world.ca.texts().contains(&count)
        })
        .await;
        let mut error = None;
        if told {
            until("it is told", async || {
                error = client.read(&challenge).await.ok().json().get("error").cloned();
                error.is_some()
            })
            .await;
        }
        assert_eq!(error.is_some(), told, "{status} {body:.20}");
        if !told {
            // Time for a wrong one to be noted.
            tokio::task::yield_now().await;
            assert_eq!(client.read(&challenge).await.ok().json().get("error"), None, "{status}");
        }
    }
}

#[tokio::test]
async fn a_message_that_a_crash_may_have_lost_is_not_awaited() {
    // A gateway that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let world = World::with(|config| through(config, url, None)).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (order, challenge) = begun(&client, ANNA).await;
    let asked = client.post(&challenge, json!({})).await.ok();
    assert_eq!((asked.text("status").as_str(), asked.json().get("error")), ("processing", None));
    let world = world.restart_with(phones).await;
    let client = Client { router: world.ca.router(), ..client };
    let lost = client.read(&challenge).await.ok();
    assert!(lost.json()["error"]["detail"].as_str().unwrap().contains("interrupted"), "{}", lost.json());
    client.post(&challenge, json!({})).await.ok();
    client.post(&challenge, json!({"code": world.text_code(ANNA)})).await.ok();
    assert_eq!(client.read(&order).await.ok().text("status"), "ready");
}

#[tokio::test]
async fn a_gateway_proves_who_it_is() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let der = key.signing_key.serialize_der();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], rustls::pki_types::PrivatePkcs8KeyDer::from(der).into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            let _ = tls.read(&mut [0; 4096]).await;
            let _ = tls
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"status\":\"0\"}")
                .await;
            let _ = tls.shutdown().await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("roots.pem");
    std::fs::write(&pem, key.cert.pem()).unwrap();
    for (roots, becomes) in [(None, "refused"), (Some(pem), "sent")] {
        let url = url.clone();
        let world = World::with(|config| through(config, url, roots)).await;
        let client = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&client, ANNA).await;
        client.post(&challenge, json!({})).await.ok();
        let count = format!("what=\"{becomes}\"}} 1\n");
        until("it is decided", async || world.ca.texts().contains("\"} 1\n")).await;
        assert!(world.ca.texts().contains(&count), "{}", world.ca.texts());
    }
}

#[test]
fn what_could_never_be_sent_is_refused_at_the_start() {
    let open = |url: &str| {
        let template: Template = toml::from_str(TEMPLATE).unwrap();
        let (url, secrets) = (url.to_owned(), Secrets::parse("account = a\ntoken = t").unwrap());
        let gateway = HttpGateway { template, url, sender: "x".into(), secrets, roots: None };
        Sms::open(&Texter::Http(Box::new(gateway)), Reports::new().0)
    };
    assert!(open("https://api.example.org").is_ok());
    assert!(open("http://api.example.org").is_err(), "in the clear");
}

/// A gateway that takes nothing is paid nothing, however many are charged at the same time.
#[tokio::test]
async fn what_a_gateway_does_not_take_is_not_paid_for() {
    for race in [None, Some(Fault::Outrun)] {
        let gateway = Fake::start().await;
        let world = World::with(gateway.config()).await;
        let client = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&client, ANNA).await;
        gateway.shall_answer(StatusCode::BAD_GATEWAY, "");
        let today = world.now().as_secs() / 86_400;
        if let Some(race) = race {
            // The code with its charge is written; then somebody else charges a moment before it is given back.
            world.store.fail_after(1, race);
        }
        client.post(&challenge, json!({})).await.ok();
        let told = async || client.read(&challenge).await.ok().json().get("error").is_some();
        until("it is told", told).await;
        let spent = world.store().spending(today).await.unwrap().unwrap();
        assert_eq!((spent.spent, spent.messages), (0, 0), "{race:?}");
    }
}

/// A gateway that is away is paid nothing: its outage does not end the day for everybody.
#[tokio::test]
async fn what_never_reached_a_gateway_is_not_paid_for() {
    // Held, so that nobody else listens there; it does not listen itself.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    let world = World::with(|config| through(config, url, None)).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&client, ANNA).await;
    let today = world.now().as_secs() / 86_400;
    client.post(&challenge, json!({})).await.ok();
    let told = async || client.read(&challenge).await.ok().json().get("error").is_some();
    until("it is told", told).await;
    let spent = world.store().spending(today).await.unwrap().unwrap();
    assert_eq!((spent.spent, spent.messages), (0, 0));
}

/// Wherever midnight falls while a code is made: what is given back is taken from the day on which it was charged.
#[tokio::test]
async fn what_a_gateway_does_not_take_around_midnight_is_not_paid_for_on_either_day() {
    let gateway = Fake::start().await;
    let world = World::with(gateway.config()).await;
    gateway.shall_answer(StatusCode::BAD_GATEWAY, "");
    for readings in 1..24 {
        world.advance_after(0);
        let client = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&client, ANNA).await;
        world.advance(Duration::from_secs(86_399 - world.now().as_secs() % 86_400));
        let today = world.now().as_secs() / 86_400;
        world.advance_after(readings);
        client.post(&challenge, json!({})).await.ok();
        let told = async || client.read(&challenge).await.ok().json().get("error").is_some();
        until("it is told", told).await;
        for day in [today, today + 1] {
            let spent = world.store().spending(day).await.unwrap();
            assert_eq!(spent.map_or((0, 0), |s| (s.spent, s.messages)), (0, 0), "{readings}");
        }
        world.advance(Duration::from_secs(2));
    }
}
