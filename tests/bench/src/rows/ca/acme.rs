//! One ACME client (RFC 8555) as the load generator plays it, the same towards both servers: an account's key on P-256, a
//! certificate's on Ed25519, one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use rcgen::{Attribute, CertificateParams, DistinguishedName, PKCS_ED25519, SanType};
use reqwest::{Client, Response};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::sink::Sink;
use super::tls;
use super::turns::{Kind, Turn, Turns};

/// `pkcs-9-at-challengePassword`, by which a request names its order.
const CHALLENGE_PASSWORD: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 7];
/// How long something in the making is looked after, and how often.
const LOOKS: usize = 3000;
/// How long one answer, or a mail, may take.
const ANSWER: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Which server, and how control is proven there.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) directory: String,
    /// Where codes arrive; without it, a DNS name is certified, which nobody looks at.
    pub(super) sink: Option<Arc<Sink>>,
    /// Where two kinds of requests must not meet.
    pub(super) turns: Option<Arc<Turns>>,
}

impl Target {
    /// Waits until a request of this kind may be made.
    async fn turn(&self, kind: Kind) -> Option<Turn> {
        match &self.turns {
            Some(turns) => Some(turns.take(kind).await),
            None => None,
        }
    }
}

/// Numbers for identifiers that nobody had before.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Somebody with an account.
pub(super) struct Person {
    http: Client,
    target: Target,
    urls: Value,
    key: EcdsaKeyPair,
    device: rcgen::KeyPair,
    account: Option<String>,
    nonce: Option<String>,
    identifier: String,
    /// The newest certificate's, in PEM.
    chain: Vec<u8>,
}

struct Answer {
    location: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the server answers in JSON")
    }
}

/// A connection and the server's directory, which a client has before it enrols.
pub(super) async fn connect(target: &Target) -> (Client, Value) {
    let http = Client::builder()
        .tls_backend_preconfigured(tls::anybody())
        .no_proxy()
        .timeout(ANSWER)
        .build()
        .expect("constants");
    let urls = http.get(&target.directory).send().await.expect("the server answers").bytes().await;
    let urls = serde_json::from_slice(&urls.expect("the whole directory")).expect("a directory object");
    (http, urls)
}

impl Person {
    /// Somebody new on this connection.
    pub(super) fn new(target: &Target, (http, urls): &(Client, Value)) -> Self {
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate(how).expect("randomness");
        let device = rcgen::KeyPair::generate_for(&PKCS_ED25519).expect("randomness");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let identifier = match target.sink {
            Some(_) => format!("p{number}@example.org"),
            None => format!("p{number}.example.org"),
        };
        let (http, urls, target) = (http.clone(), urls.clone(), target.clone());
        Self { http, target, urls, key, device, account: None, nonce: None, identifier, chain: Vec::new() }
    }

    /// From nothing to a certificate: account, order, proof, request, chain.
    pub(super) async fn enrol(&mut self) {
        let url = self.url("newAccount");
        let made = self.post(&url, &json!({ "termsOfServiceAgreed": true })).await;
        self.account = made.location;
        self.certificate().await;
    }

    /// A certificate for the same key again: control counts as proven.
    pub(super) async fn certificate(&mut self) {
        let url = self.url("newOrder");
        let kind = if self.target.sink.is_some() { "email" } else { "dns" };
        let mut asked = json!({ "identifiers": [{ "type": kind, "value": self.identifier }] });
        if self.target.sink.is_some() {
            asked["profile"] = "device".into();
        }
        let turn = self.target.turn(Kind::Order).await;
        let made = self.post(&url, &asked).await;
        drop(turn);
        let (order, mut state) = (made.location.clone().expect("an order has a place"), made.json());
        if state["status"] == "pending" {
            for url in state["authorizations"].as_array().expect("what is to be proven").clone() {
                self.prove(url.as_str().expect("a URL"), &order).await;
            }
        }
        let request = B64.encode(self.request(&order));
        let finalize = state["finalize"].as_str().expect("a URL").to_owned();
        state = self.post(&finalize, &json!({ "csr": request })).await.json();
        for _ in 0..LOOKS {
            if state["status"] == "valid" {
                let url = state["certificate"].as_str().expect("a URL").to_owned();
                let chain = self.look(&url).await.body;
                assert!(chain.starts_with(b"-----BEGIN CERTIFICATE-----"), "the server gives a chain");
                self.chain = chain;
                return;
            }
            assert!(state["status"] == "processing" || state["status"] == "ready", "{state}");
            tokio::time::sleep(PAUSE).await;
            state = self.look(&order).await.json();
        }
        panic!("the server made no certificate: {state}");
    }

    /// Revokes the newest certificate; when the answer is there, the list that shows it is.
    pub(super) async fn revoke(&mut self) {
        let certificate = CertificateDer::from_pem_slice(&self.chain).expect("it has one");
        let url = self.url("revokeCert");
        self.post(&url, &json!({ "certificate": B64.encode(&certificate), "reason": 4 })).await;
    }

    async fn prove(&mut self, url: &str, order: &str) {
        let turn = self.target.turn(Kind::Authorization).await;
        let authorization = self.look(url).await.json();
        drop(turn);
        let wanted = if self.target.sink.is_some() { "email-code-00" } else { "http-01" };
        let challenges = authorization["challenges"].as_array().expect("challenges");
        let challenge = challenges.iter().find(|one| one["type"] == wanted).expect("the challenge");
        let challenge = challenge["url"].as_str().expect("a URL").to_owned();
        if let Some(sink) = self.target.sink.clone() {
            let code = sink.code_for(&self.identifier);
            self.post(&challenge, &json!({})).await;
            let code = tokio::time::timeout(ANSWER, code).await.expect("a mail comes in time").expect("a mail comes");
            self.post(&challenge, &json!({ "code": code })).await;
            return;
        }
        self.post(&challenge, &json!({})).await;
        for _ in 0..LOOKS {
            if self.look(order).await.json()["status"] == "ready" {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("the server did not take the proof");
    }

    fn request(&self, order: &str) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = self.identifier.clone().try_into().expect("ASCII");
        let mail = self.target.sink.is_some();
        params.subject_alt_names = vec![if mail { SanType::Rfc822Name(name) } else { SanType::DnsName(name) }];
        // SET { UTF8String }: the lengths fit into one byte.
        let mut password = vec![0x0c, u8::try_from(order.len()).expect("a short URL")];
        password.extend_from_slice(order.as_bytes());
        password.splice(0..0, [0x31, u8::try_from(password.len()).expect("a short URL")]);
        assert!(password.len() < 130, "a short URL");
        let attributes = if mail { vec![Attribute { oid: &CHALLENGE_PASSWORD, values: password }] } else { Vec::new() };
        let request = params.serialize_request_with_attributes(&self.device, attributes);
        request.expect("one name and one key").der().to_vec()
    }

    fn url(&self, name: &str) -> String {
        self.urls[name].as_str().expect("the directory names it").to_owned()
    }

    async fn look(&mut self, url: &str) -> Answer {
        self.signed(url, String::new()).await
    }

    async fn post(&mut self, url: &str, payload: &Value) -> Answer {
        self.signed(url, B64.encode(payload.to_string())).await
    }

    async fn signed(&mut self, url: &str, payload: String) -> Answer {
        let nonce = match self.nonce.take() {
            Some(nonce) => nonce,
            None => {
                let asked = self.http.head(self.url("newNonce")).send().await.expect("the server answers");
                replay_nonce(&asked).expect("a nonce")
            }
        };
        let mut header = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match &self.account {
            Some(account) => header["kid"] = account.clone().into(),
            None => header["jwk"] = self.jwk(),
        }
        let protected = B64.encode(header.to_string());
        let signature = self.key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes());
        let signature = B64.encode(signature.expect("a key signs").as_ref());
        let body = json!({ "protected": protected, "payload": payload, "signature": signature }).to_string();
        let request = self.http.post(url).header("content-type", "application/jose+json").body(body);
        let response = request.send().await.expect("the server answers");
        self.nonce = replay_nonce(&response);
        let status = response.status();
        let location = response.headers().get("location").and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let body = response.bytes().await.expect("a whole answer").to_vec();
        assert!(status.is_success(), "{url}: {status} {}", String::from_utf8_lossy(&body));
        Answer { location, body }
    }

    fn jwk(&self) -> Value {
        // An uncompressed point: 04, x, y.
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": B64.encode(x), "y": B64.encode(y) })
    }
}

fn replay_nonce(response: &Response) -> Option<String> {
    Some(response.headers().get("replay-nonce")?.to_str().ok()?.to_owned())
}
