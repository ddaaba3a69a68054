//! A database that another process has locked, and keeps for longer than anybody waits: in every way to prove control, and
//! in what follows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::openid::issuer::{Issuer, claims, signed};
use super::phone::phones;
use super::{chain, device};
use crate::store::SqliteStore;
use crate::testing::{Client, Signer, World, csr, until};

const ALICE: &str = "alice@example.org";
const ANNA: &str = "+4915112345678";
/// How long the authority waits for the lock.
const PATIENCE: Duration = Duration::from_millis(20);

/// The lock of another process, as a backup program or somebody with a shell would take it.
fn locked(database: &Path) -> Connection {
    let other = Connection::open(database).unwrap();
    other.busy_timeout(Duration::from_secs(60)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    other
}

/// The same request while the database is locked, which is refused, and after.
async fn twice(client: &Client, database: &Path, url: &str, payload: Value) -> crate::testing::Answer {
    let lock = locked(database);
    let answer = client.post(url, payload.clone()).await;
    let found = (answer.status.as_u16(), answer.problem(), answer.header("retry-after"));
    assert_eq!(found, (503, "serverInternal".into(), "5".into()), "{url}");
    drop(lock);
    client.post(url, payload).await.ok()
}

async fn challenges(client: &Client, order: &Value) -> Vec<Value> {
    let url = order["authorizations"][0].as_str().unwrap();
    client.read(url).await.ok().json()["challenges"].as_array().unwrap().clone()
}

fn of_kind<'a>(challenges: &'a [Value], kind: &str) -> &'a str {
    challenges.iter().find(|one| one["type"] == kind).unwrap()["url"].as_str().unwrap()
}

#[tokio::test]
async fn whoever_is_refused_meanwhile_goes_on_after_and_nothing_is_lost() {
    let key = Signer::p256();
    let issuer = Issuer::start(&key).await;
    let world = World::new().await;
    let database = world.folder().join("ca.sqlite");
    let store = Arc::new(SqliteStore::open_with(&database, PATIENCE).unwrap());
    let ca = world
        .front_end(store, "on-sqlite", |config| {
            phones(config);
            config.openid = vec![issuer.vouches()];
        })
        .await;
    let mut client = Client { router: ca.router(), key: Signer::p256(), account: None };
    let account = twice(&client, &database, "/new-account", json!({"termsOfServiceAgreed": true})).await;
    client.account = Some(account.header("location"));

    // Three ways to prove control: a code by mail, one by text message, and a log-in.
    let mut ready = Vec::new();
    for (kind, name, way) in
        [("email", ALICE, "email-code-00"), ("tel", ANNA, "sms-code-00"), ("email", "bob@example.org", "oidc-00")]
    {
        let profile = if kind == "tel" { "phone-device" } else { "device" };
        let wanted = json!({"identifiers": [{"type": kind, "value": name}], "profile": profile});
        let order = twice(&client, &database, "/new-order", wanted).await;
        let challenges = challenges(&client, &order.json()).await;
        let url = of_kind(&challenges, way);
        let proof = if way == "oidc-00" {
            let challenge = challenges.iter().find(|one| one["type"] == way).unwrap();
            let mut claims = claims(&issuer, &world, &client, challenge);
            claims["email"] = name.into();
            json!({"idToken": signed(&key, "one", &claims)})
        } else {
            let before = world.mails_if_any().len();
            twice(&client, &database, url, json!({})).await;
            // What was refused has sent nothing that counts.
            let sent = world.mails_if_any().len() - before;
            assert!((1..=2).contains(&sent), "{way}: {sent} sent");
            json!({"code": if kind == "tel" { world.text_code(name) } else { world.code(name) }})
        };
        twice(&client, &database, url, proof).await;
        let found = client.read(&order.header("location")).await.ok().json();
        assert_eq!(found["status"], "ready", "{way}");
        ready.push((name, order.header("location"), found));
    }

    let mut leaves = Vec::new();
    for (name, url, order) in ready {
        let csr = json!({"csr": URL_SAFE_NO_PAD.encode(csr(name, &device()))});
        twice(&client, &database, order["finalize"].as_str().unwrap(), csr).await;
        leaves.push(chain(&client.download(&url).await).remove(0));
    }
    assert_eq!(world.submitted().len(), 3, "one entry each");

    // Another device, whose owner is told.
    let order = client.order(ALICE).await.ok();
    let csr = json!({"csr": URL_SAFE_NO_PAD.encode(csr(ALICE, &device()))});
    twice(&client, &database, order.json()["finalize"].as_str().unwrap(), csr).await;
    client.download(&order.header("location")).await;
    let told = |mail: &String| mail.contains("another device speaks for");
    until("she is told", async || world.mails().iter().any(told)).await;
    for leaf in leaves {
        let revoke = json!({"certificate": URL_SAFE_NO_PAD.encode(leaf), "reason": 4});
        twice(&client, &database, "/revoke-cert", revoke).await;
    }
    ca.stop().await;
}
