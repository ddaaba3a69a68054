//! Every handler of requests to an authority (ACME and what is beside it): whatever is asked, an answer comes, is bounded, and is
//! not a fault of the server.
//!
//! The input is a byte for the form, one that names a resource, and the rest. In the signed forms the rest is the payload, signed
//! by an account's key or by one that is made known in the request, for the resource named. In the others it is a path, a line's
//! end and a body. The clock stands still, so that the limits bound what is stored.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::store::MemoryStore;
use ca::{AuthorityKeys, Ca, CaConfig, Clock, LabelKey, Shard, Shards};
use ed25519_dalek::{Signer as _, SigningKey};
use identity::UnixTime;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use transparency_log::testing::MemoryLog;

const BASE: &str = "https://ca.example/acme";
/// What ends an account.
const ENDS: &[u8] = b"deactivated";
const NOW: u64 = 1_795_435_200;
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::DELETE];
/// More than any answer to requests of so small an authority.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads"));
/// The authority goes on as long as the process.
static WORLD: LazyLock<World> = LazyLock::new(|| RUNTIME.block_on(World::new()));

struct World {
    router: Router,
    _ca: Ca,
    _log: MemoryLog,
    _folder: tempfile::TempDir,
    account: String,
    /// What can be named by one byte: the fixed resources, and those of one order.
    resources: Vec<String>,
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
        let clock: Clock = Arc::new(move || now);
        let log = MemoryLog::open("ca.example/log", Arc::new(|| NOW)).await;
        let keys = folder.path().join("keys");
        ca::init(&keys, "Example", now).expect("new keys");
        let label_key = LabelKey::open_or_make(&keys.join(ca::keys::LABEL_KEY)).expect("a label key");
        let shard = Shard::first("ca.example/log", log.policy.clone(), Arc::new(log.sequencer.clone()), label_key);
        let config = CaConfig::new(folder.path().join("ca"), BASE.to_owned());
        let authority = AuthorityKeys::open(&keys).expect("the keys");
        let opened = Ca::open_on(Arc::new(MemoryStore::default()), config, authority, Shards::new(shard), clock).await;
        let ca = opened.expect("an authority in memory");
        let (router, account, resources) = (ca.router(), String::new(), Vec::new());
        let mut world = Self { router, _ca: ca, _log: log, _folder: folder, account, resources };
        world.enrol_halfway().await;
        world
    }

    /// An account, and an order whose challenge is open.
    async fn enrol_halfway(&mut self) {
        let agreed = br#"{"termsOfServiceAgreed":true}"#;
        let (headers, _) = self.post("/new-account", agreed, true).await;
        self.account = header(&headers, "location");
        let order = br#"{"identifiers":[{"type":"email","value":"alice@example.org"}],"profile":"device"}"#;
        let (headers, order) = self.post("/new-order", order, false).await;
        let authorization = path(&order["authorizations"][0]);
        let (_, challenges) = self.post(&authorization, b"", false).await;
        let challenge = path(&challenges["challenges"][0]["url"]);
        let account = self.account.strip_prefix(BASE).expect("our own").to_owned();
        self.resources = [
            "/new-account", "/new-order", "/new-authz", "/key-change", "/revoke-cert", "/watch", "/erase", "/end-proofs",
            "/date-signature",
            "/certificate/00", "/certificate/00/with-root", "/directory", "/nothing",
        ]
        .map(str::to_owned)
        .to_vec();
        let order_path = header(&headers, "location").replace(BASE, "");
        self.resources.extend([format!("{account}/orders"), format!("{account}/orders/0"), account, authorization]);
        self.resources.extend([order_path, challenge, path(&order["finalize"])]);
    }

    async fn post(&self, path: &str, payload: &[u8], new_key: bool) -> (HeaderMap, Value) {
        let request = self.signed(path, payload, new_key).await;
        let (status, headers, body) = self.ask(request).await;
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        (headers, serde_json::from_slice(&body).expect("JSON"))
    }

    /// A request that is signed as RFC 8555 section 6.2 says.
    async fn signed(&self, path: &str, payload: &[u8], new_key: bool) -> Request<Body> {
        let nonce = Request::head("/new-nonce").body(Body::empty()).expect("a request");
        let (_, headers, _) = self.ask(nonce).await;
        let mut protected = json!({"alg": "EdDSA", "nonce": header(&headers, "replay-nonce"), "url": format!("{BASE}{path}")});
        if new_key {
            protected["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key().verifying_key().as_bytes())});
        } else {
            protected["kid"] = self.account.clone().into();
        }
        let (protected, payload) = (base64(protected.to_string()), base64(payload));
        let signature = base64(key().sign(format!("{protected}.{payload}").as_bytes()).to_bytes());
        let body = json!({"protected": protected, "payload": payload, "signature": signature}).to_string();
        let request = Request::post(path).header("content-type", "application/jose+json");
        request.body(Body::from(body)).expect("a path of ours")
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MAX_ANSWER_BYTES).await.expect("a bounded answer");
        (parts.status, parts.headers, body.to_vec())
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn path(url: &Value) -> String {
    url.as_str().and_then(|url| url.strip_prefix(BASE)).expect("a URL of ours").to_owned()
}

/// A request as it comes, whatever it says.
fn raw(form: u8, rest: &[u8]) -> Option<Request<Body>> {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let path = std::str::from_utf8(&rest[..end]).ok()?;
    let body = rest.get(end + 1..).unwrap_or_default().to_vec();
    let mut request = Request::builder().method(METHODS[usize::from(form >> 2) % METHODS.len()].clone()).uri(format!("/{path}"));
    if form & 2 != 0 {
        request = request.header("content-type", "application/jose+json").header("accept-language", "de");
    }
    request.body(Body::from(body)).ok()
}

fuzz_target!(|bytes: &[u8]| {
    let [form, resource, rest @ ..] = bytes else { return };
    // Made before anything runs on the threads, which it uses itself.
    let world = &*WORLD;
    RUNTIME.block_on(async {
        let request = if form & 1 == 0 {
            let Some(request) = raw(*form, rest) else { return };
            request
        } else {
            // An account that was given up would have nothing more to say.
            if rest.windows(ENDS.len()).any(|part| part == ENDS) {
                return;
            }
            let path = &world.resources[usize::from(*resource) % world.resources.len()];
            world.signed(path, rest, form & 2 != 0).await
        };
        let (status, _, body) = world.ask(request).await;
        assert!(status != StatusCode::INTERNAL_SERVER_ERROR, "{}", String::from_utf8_lossy(&body));
    });
});
