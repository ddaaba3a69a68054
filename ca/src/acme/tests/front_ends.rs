//! Several front ends of one authority on one database: whichever of them is asked, the answer is one authority's.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{chain, device};
use crate::Ca;
use crate::config::Rate;
use crate::store::{Authority, Book, PostgresStore, Serial};
use crate::testing::{Client, Fate, Postgres, Signer, World, csr, until};

struct Fronts {
    world: World,
    address: String,
    _server: Arc<Postgres>,
}

impl Fronts {
    /// None where PostgreSQL is not installed.
    async fn new() -> Option<Self> {
        let server = Postgres::shared()?;
        Some(Self { world: World::new().await, address: server.database(), _server: server })
    }

    async fn open(&self, name: &str) -> Ca {
        let store = Arc::new(PostgresStore::found(&self.address, "ours").await.unwrap());
        self.world.front_end(store, name, |config| config.limits.orders_per_account = Rate::per_hour(3)).await
    }
}

/// The same client at another front end.
fn at(ca: &Ca, client: &Client, key: Signer) -> Client {
    Client { router: ca.router(), key, account: client.account.clone() }
}

async fn account(ca: &Ca, seed: u8) -> Client {
    let mut client = Client { router: ca.router(), key: Signer::ed25519(seed), account: None };
    let answer = client.post("/new-account", json!({"termsOfServiceAgreed": true})).await.ok();
    client.account = Some(answer.header("location"));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_of_one_is_good_at_the_other_and_once_in_all() {
    let Some(fronts) = Fronts::new().await else { return };
    let [a, b] = [fronts.open("a").await, fronts.open("b").await];
    let one = Client { router: a.router(), key: Signer::ed25519(1), account: None };
    let other = at(&b, &one, Signer::ed25519(1));
    let body = one.key.sign(&one.protected("/new-account").await, b"{}").to_string();
    assert_eq!(other.send("/new-account", body.clone()).await.status, StatusCode::CREATED);
    for front in [&one, &other] {
        assert_eq!(front.send("/new-account", body.clone()).await.problem(), "badNonce");
    }
    // One that has ended, and one that is asked for at both at the same time.
    let protected = one.protected("/new-account").await;
    let late = one.key.sign(&protected, b"{}").to_string();
    fronts.world.advance(std::time::Duration::from_secs(601));
    assert_eq!(other.send("/new-account", late).await.problem(), "badNonce");
    for seed in 10..20 {
        let one = Client { router: a.router(), key: Signer::ed25519(seed), account: None };
        let other = at(&b, &one, Signer::ed25519(seed));
        let body = one.key.sign(&one.protected("/new-account").await, b"{}").to_string();
        let (here, there) =
            tokio::join!(one.send("/new-account", body.clone()), other.send("/new-account", body.clone()));
        let taken = [here, there].iter().filter(|answer| answer.status == StatusCode::CREATED).count();
        assert_eq!(taken, 1, "{seed}");
    }
    for ca in [a, b] {
        ca.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_one_limit() {
    let Some(fronts) = Fronts::new().await else { return };
    let [a, b] = [fronts.open("a").await, fronts.open("b").await];
    let one = account(&a, 1).await;
    let other = at(&b, &one, Signer::ed25519(1));
    for front in [&one, &other, &one] {
        front.order("alice@example.org").await.ok();
    }
    let refused = other.order("alice@example.org").await;
    assert_eq!((refused.problem().as_str(), refused.header("retry-after").as_str()), ("rateLimited", "1200"));
    // Somebody else's is her own; and time frees it for both.
    account(&b, 2).await.order("bob@example.org").await.ok();
    fronts.world.advance(std::time::Duration::from_secs(1200));
    other.order("alice@example.org").await.ok();
    assert_eq!(one.order("alice@example.org").await.problem(), "rateLimited");
    for ca in [a, b] {
        ca.stop().await;
    }
}

/// Enrolled at one, revoked at the other: both lists say so, their numbers never cross, and an operator's look sees all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_revoked_the_other_shows() {
    let Some(fronts) = Fronts::new().await else { return };
    let [a, b] = [fronts.open("a").await, fronts.open("b").await];
    let one = account(&a, 1).await;
    let other = at(&b, &one, Signer::ed25519(1));
    let mut revoked = Vec::new();
    for (enrolled, revoking) in [(&one, &other), (&other, &one)] {
        let leaf = chain(&enrolled.enroll(&fronts.world, "alice@example.org", &device()).await).remove(0);
        let asked = json!({"certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 4});
        revoking.post("/revoke-cert", asked.clone()).await.ok();
        assert_eq!(enrolled.post("/revoke-cert", asked).await.problem(), "alreadyRevoked");
        let parsed = identity::certificate::Certificate::parse(&leaf).unwrap();
        revoked.push(Serial(parsed.tbs().serial().try_into().unwrap()));
        let lists = || [&a, &b].map(|ca| ca.people_crls_der());
        until("both show the same list", async || lists()[0] == lists()[1]).await;
        assert!(lists()[0][0].len() > 16 * revoked.len());
    }
    let [before, _] = [&a, &b].map(|ca| ca.service.crls.made(Authority::People));
    // Both find it old at the same moment: one makes it, the other takes it up.
    fronts.world.advance(std::time::Duration::from_secs(3601));
    let (here, there) =
        tokio::join!(a.service.crls.renew_if_old(Authority::People), b.service.crls.renew_if_old(Authority::People));
    here.and(there).unwrap();
    assert_eq!(a.people_crls_der(), b.people_crls_der());
    assert!(a.service.crls.made(Authority::People) > before);
    for ca in [a, b] {
        ca.stop().await;
    }
    let (address, now) = (fronts.address.clone(), fronts.world.now().as_secs());
    let looked = move || {
        let book = Book::open_shared(&address).unwrap();
        let found = revoked.iter().map(|serial| book.certificate(*serial).unwrap().unwrap());
        assert!(found.into_iter().all(|record| record.revoked.is_some()));
        let begin = revoked[0].to_string()[..8].to_ascii_uppercase();
        assert_eq!(book.beginning_with(&begin, 9).unwrap().len(), 1);
        assert_eq!((book.newest(1).unwrap().len(), book.of(&super::alice(), 9).unwrap().len()), (1, 2));
        let stats = book.stats(now).unwrap();
        assert_eq!((stats.accounts, stats.revoked, stats.unfinished), (1, 2, 0));
        let growth = book.growth(now).unwrap();
        assert_eq!(growth.kept.iter().filter(|kept| kept.table == "nonce" && kept.rows > 0).count(), 1);
        assert!(growth.bytes > 0 && growth.version == 4);
    };
    tokio::task::spawn_blocking(looked).await.unwrap();
}

/// One plans a certificate that the log does not take, and ends: the other finishes it, with the identical entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_has_left_half_done_the_other_finishes() {
    let Some(fronts) = Fronts::new().await else { return };
    let [a, b] = [fronts.open("a").await, fronts.open("b").await];
    let one = account(&a, 1).await;
    let other = at(&b, &one, Signer::ed25519(1));
    let order = one.ready(&fronts.world, "alice@example.org").await;
    fronts.world.log_shall(Fate::Refused);
    let before = fronts.world.submitted().len();
    one.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    let unfinished = crate::store::Select::Unfinished { limit: 9 };
    let record = b.service.store.certificates(unfinished).await.unwrap().remove(0);
    let claim = format!("certificate/{}", record.serial);
    assert!(b.service.issuer.alone_with(&claim).await.unwrap().is_none(), "the first drives it");
    assert_eq!(other.read(order["url"].as_str().unwrap()).await.ok().text("status"), "processing");
    drop(a);
    let free = async || b.service.issuer.alone_with(&claim).await.unwrap().is_some();
    until("its claim has ended with it", free).await;
    fronts.world.log_shall(Fate::Logged);
    b.service.issuer.resume(record.serial);
    other.download(order["url"].as_str().unwrap()).await;
    let entries: std::collections::HashSet<Vec<u8>> = fronts.world.submitted().drain(before..).collect();
    assert_eq!(entries.len(), 1);
    let again: Value = other.read(order["url"].as_str().unwrap()).await.ok().json();
    assert_eq!(again["status"], "valid");
    b.stop().await;
}
