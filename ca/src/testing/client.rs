//! A small ACME client that speaks to a router in the same process.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{BASE, Signer, World, csr, until};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// A member of the JSON body that is text.
    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// The last part of a problem's type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.text("type").rsplit(':').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn ok(self) -> Self {
        assert!(self.status.is_success(), "{} {}", self.status, String::from_utf8_lossy(&self.body));
        self
    }
}

pub(crate) struct Client {
    pub(crate) router: Router,
    pub(crate) key: Signer,
    pub(crate) account: Option<String>,
}

impl Client {
    pub(crate) fn new(world: &World, key: Signer) -> Self {
        Self { router: world.ca.router(), key, account: None }
    }

    /// With an account.
    pub(crate) async fn open(world: &World, key: Signer) -> Self {
        let mut client = Self::new(world, key);
        let answer = client.post("/new-account", json!({"termsOfServiceAgreed": true})).await.ok();
        client.account = Some(answer.header("location"));
        client
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, 1 << 20).await.unwrap().to_vec() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn nonce(&self) -> String {
        self.request(Request::head("/new-nonce").body(Body::empty()).unwrap()).await.header("replay-nonce")
    }

    /// The protected header for a request to this path.
    pub(crate) async fn protected(&self, path: &str) -> Value {
        let mut protected =
            json!({"alg": self.key.algorithm(), "nonce": self.nonce().await, "url": format!("{BASE}{path}")});
        match &self.account {
            Some(account) => protected["kid"] = account.clone().into(),
            None => protected["jwk"] = self.key.jwk(),
        }
        protected
    }

    pub(crate) async fn send(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/jose+json");
        self.request(request.body(body.into()).unwrap()).await
    }

    /// POST of a JSON payload, to a path or to a URL below the base.
    pub(crate) async fn post(&self, url: &str, payload: Value) -> Answer {
        self.post_bytes(url, payload.to_string().as_bytes()).await
    }

    /// POST-as-GET.
    pub(crate) async fn read(&self, url: &str) -> Answer {
        self.post_bytes(url, b"").await
    }

    async fn post_bytes(&self, url: &str, payload: &[u8]) -> Answer {
        let path = url.strip_prefix(BASE).unwrap_or(url);
        let protected = self.protected(path).await;
        self.send(path, self.key.sign(&protected, payload).to_string()).await
    }

    /// For a mail address, or for a number if it begins so.
    pub(crate) async fn order(&self, address: &str) -> Answer {
        let (kind, profile) = if address.starts_with('+') { ("tel", "phone-device") } else { ("email", "device") };
        self.post("/new-order", json!({"identifiers": [{"type": kind, "value": address}], "profile": profile})).await
    }

    /// The one challenge of an order.
    pub(crate) async fn challenge(&self, order: &Value) -> Value {
        let authorization = self.read(order["authorizations"][0].as_str().unwrap()).await.ok();
        authorization.json()["challenges"][0].clone()
    }

    /// An order that is ready, after typing the code.
    pub(crate) async fn ready(&self, world: &World, address: &str) -> Value {
        let order = self.order(address).await.ok();
        let url = order.header("location");
        let mut order = order.json();
        if order["status"] == "pending" {
            let challenge = self.challenge(&order).await["url"].as_str().unwrap().to_owned();
            self.post(&challenge, json!({})).await.ok();
            let code = world.code(order["identifiers"][0]["value"].as_str().unwrap());
            let answer = self.post(&challenge, json!({"code": code})).await.ok();
            assert_eq!(answer.text("status"), "valid");
            order = self.read(&url).await.ok().json();
        }
        assert_eq!(order["status"], "ready");
        order["url"] = url.into();
        order
    }

    pub(crate) async fn finalize(&self, order: &Value, csr: &[u8]) -> Answer {
        self.post(order["finalize"].as_str().unwrap(), json!({"csr": URL_SAFE_NO_PAD.encode(csr)})).await
    }

    /// The PEM chain of an order, polled for until it is valid.
    pub(crate) async fn download(&self, order: &str) -> String {
        let mut found = Value::Null;
        until("the order is valid", async || {
            found = self.read(order).await.ok().json();
            assert!(found["status"] == "valid" || found["status"] == "processing", "{found}");
            found["status"] == "valid"
        })
        .await;
        let answer = self.read(found["certificate"].as_str().unwrap()).await.ok();
        assert_eq!(answer.header("content-type"), "application/pem-certificate-chain");
        String::from_utf8(answer.body).unwrap()
    }

    /// Order, code, request, certificate chain.
    pub(crate) async fn enroll(&self, world: &World, address: &str, device: &rcgen::KeyPair) -> String {
        let order = self.ready(world, address).await;
        let name = order["identifiers"][0]["value"].as_str().unwrap().to_owned();
        self.finalize(&order, &csr(&name, device)).await.ok();
        self.download(order["url"].as_str().unwrap()).await
    }
}
