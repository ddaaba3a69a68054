//! `oidc-00`: an issuer on this machine, honest and otherwise.

pub(super) mod issuer;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use self::issuer::{Issuer, begun, claims, hand_in, named, nonce, signed, with_header};
use crate::store::Fault;
use crate::testing::{Client, Signer, World, until};

const ALICE: &str = "alice@example.org";

/// An order of Alice's, and the token by which an honest issuer vouches for her.
struct Honest {
    issuer: Issuer,
    world: World,
    client: Client,
    order: String,
    challenge: Value,
    token: String,
}

impl Honest {
    async fn begun() -> Self {
        let key = Signer::p256();
        let issuer = Issuer::start(&key).await;
        let world = issuer.world().await;
        let client = Client::open(&world, Signer::p256()).await;
        let (order, challenge) = begun(&client, ALICE).await;
        let token = signed(&key, "one", &claims(&issuer, &world, &client, &challenge));
        Self { issuer, world, client, order, challenge, token }
    }
}

#[tokio::test]
async fn an_issuer_vouches_for_an_address_of_its_domain() {
    for key in [Signer::p256(), Signer::ed25519(9), Signer::rsa()] {
        let issuer = Issuer::start(&key).await;
        let world = issuer.world().await;
        let client = Client::open(&world, Signer::p256()).await;
        let (order, challenge) = begun(&client, ALICE).await;
        assert_eq!(challenge["issuers"], json!([{"issuer": issuer.url, "clientId": "devices"}]));
        let token = signed(&key, "one", &claims(&issuer, &world, &client, &challenge));
        let proven = hand_in(&client, &challenge, &token).await.ok();
        assert_eq!((proven.text("status"), proven.text("type")), ("valid".into(), "oidc-00".into()));
        assert_eq!(client.read(&order).await.ok().text("status"), "ready");
        assert!(world.mails().is_empty());

        // Not for other domains; there the mailed code is all there is.
        let (_, none) = begun(&client, "alice@example.com").await;
        assert_eq!(none, Value::Null);
    }
}

#[tokio::test]
async fn a_mail_under_way_keeps_no_token_from_proving() {
    let Honest { world, client, order, challenge, token, .. } = Honest::begun().await;
    // What became of the mail is noted between reading the authorization and writing it.
    world.store.fail_after(0, Fault::Outrun);
    assert_eq!(hand_in(&client, &challenge, &token).await.ok().text("status"), "valid");
    assert_eq!(client.read(&order).await.ok().text("status"), "ready");
}

/// The issuer takes its time; meanwhile Alice gives the authorization up, or proves her address by a code.
#[tokio::test]
async fn what_ends_while_the_issuer_is_asked_stays_as_it_is() {
    for proven in [false, true] {
        let Honest { issuer, world, client, order, challenge, token } = Honest::begun().await;
        let authorization = client.read(&order).await.ok().json()["authorizations"][0].as_str().unwrap().to_owned();
        let silent = issuer.answers.lock().await;
        let meanwhile = async {
            until("the issuer is asked", async || *issuer.asked.lock().unwrap() == 1).await;
            if proven {
                let challenges = client.read(&authorization).await.ok().json()["challenges"].clone();
                let code = challenges.as_array().unwrap().iter().find(|one| one["type"] == "email-code-00");
                let url = code.unwrap()["url"].as_str().unwrap();
                client.post(url, json!({})).await.ok();
                client.post(url, json!({"code": world.code(ALICE)})).await.ok();
            } else {
                client.post(&authorization, json!({"status": "deactivated"})).await.ok();
            }
            drop(silent);
        };
        let (answer, ()) = tokio::join!(hand_in(&client, &challenge, &token), meanwhile);
        let found = client.read(&authorization).await.ok().json();
        if proven {
            assert_eq!(answer.ok().text("status"), "valid");
            assert_eq!((&found["status"], &found["challenges"][0]["type"]), (&json!("valid"), &json!("email-code-00")));
        } else {
            assert_eq!(answer.problem(), "malformed");
            assert_eq!(found["status"], "deactivated");
        }
    }
}

#[tokio::test]
async fn what_an_issuer_did_not_say_for_this_account_proves_nothing() {
    let (key, other) = (Signer::rsa(), Signer::rsa());
    let issuer = Issuer::start(&key).await;
    let world = issuer.world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (order, challenge) = begun(&client, ALICE).await;
    let honest = claims(&issuer, &world, &client, &challenge);
    let now = world.now().as_secs();
    let but = |member: &str, value: Value| {
        let mut claims = honest.clone();
        claims[member] = value;
        signed(&key, "one", &claims)
    };
    let mallory = Client::open(&world, Signer::p256()).await;
    let (_, hers) = begun(&mallory, ALICE).await;
    let of_another_account = nonce(challenge["token"].as_str().unwrap(), &mallory);
    let of_another_order = nonce(hers["token"].as_str().unwrap(), &client);

    let alg = |alg: &str| json!({"alg": alg, "kid": "one"});
    // HS256 with the public key as the secret: what the classic confusion signs with.
    let public = crate::jws::PublicKey::from_jwk(&key.jwk()).unwrap().to_spki();
    let confused = {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&alg("HS256")), part(&honest));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes())))
    };
    let whole = signed(&key, "one", &honest);
    let unsigned = format!("{}.", whole.rsplit_once('.').unwrap().0);
    let attacks = [
        ("another audience", but("aud", json!("mail")), "aud"),
        ("several audiences", but("aud", json!(["devices", "mail"])), "azp"),
        ("another party", but("azp", json!("mail")), "azp"),
        ("another issuer", but("iss", json!("https://login.example.com")), "iss"),
        ("another nonce", but("nonce", json!("x")), "nonce"),
        ("no nonce", but("nonce", Value::Null), "nonce"),
        ("another account's nonce", but("nonce", json!(of_another_account)), "nonce"),
        ("another order's nonce", but("nonce", json!(of_another_order)), "nonce"),
        ("expired", but("exp", json!(now - 61)), "exp"),
        ("stale", but("iat", json!(now - 601)), "iat"),
        ("from the future", but("iat", json!(now + 61)), "iat"),
        ("not yet", but("nbf", json!(now + 61)), "nbf"),
        ("unverified", but("email_verified", json!(false)), "email_verified"),
        ("a word", but("email_verified", json!("true")), "email_verified"),
        ("unsaid", but("email_verified", Value::Null), "email_verified"),
        ("another address", but("email", json!("bob@example.org")), "email"),
        ("a look-alike", but("email", json!("\u{430}lice@example.org")), "email"),
        ("alg none", with_header(&key, &alg("none"), &honest), "signed with RS256"),
        ("no signature", unsigned, "signature"),
        ("HS256", confused, "signed with RS256"),
        ("another algorithm", with_header(&key, &alg("ES256"), &honest), "key of the issuer"),
        ("another key", signed(&other, "one", &honest), "signature"),
        ("an unknown key", signed(&other, "two", &honest), "key of the issuer"),
        ("crit", with_header(&key, &json!({"alg": "RS256", "kid": "one", "crit": ["b64"]}), &honest), "crit"),
        ("nothing", String::new(), "number of parts"),
        ("much", "x".repeat(20_000), "longer"),
    ];
    for (what, token, says) in attacks {
        let answer = hand_in(&client, &challenge, &token).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "tokenRefused"), "{what}");
        assert!(answer.text("detail").contains(says), "{what}: {}", answer.text("detail"));
        assert_eq!(client.read(&order).await.ok().text("status"), "pending", "{what}");
    }
    assert_eq!(hand_in(&mallory, &hers, &whole).await.problem(), "tokenRefused", "stolen on its way");
    let missing = client.post(challenge["url"].as_str().unwrap(), json!({})).await;
    assert_eq!(missing.problem(), "malformed");
    hand_in(&client, &challenge, &whole).await.ok();
}

#[tokio::test]
async fn an_issuer_may_change_its_keys_and_is_not_asked_without_end() {
    let (old, new) = (Signer::p256(), Signer::p256());
    let issuer = Issuer::start(&old).await;
    let world = issuer.world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&client, ALICE).await;
    let mut first = claims(&issuer, &world, &client, &challenge);
    first["email_verified"] = false.into();
    hand_in(&client, &challenge, &signed(&old, "one", &first)).await;
    let asked = || *issuer.asked.lock().unwrap();
    assert_eq!(asked(), 1);

    *issuer.keys.lock().unwrap() = vec![named(&new, "two")];
    // Within the minute, however many tokens name unknown keys, nobody is asked.
    let early = signed(&new, "two", &claims(&issuer, &world, &client, &challenge));
    for _ in 0..3 {
        assert_eq!(hand_in(&client, &challenge, &early).await.problem(), "tokenRefused");
    }
    assert_eq!(asked(), 1);
    world.advance(Duration::from_secs(61));
    let token = signed(&new, "two", &claims(&issuer, &world, &client, &challenge));
    hand_in(&client, &challenge, &token).await.ok();
    assert_eq!(asked(), 2);

    // The old key counts no more.
    let (_, again) = begun(&Client::open(&world, Signer::p256()).await, ALICE).await;
    assert_ne!(again, Value::Null);
    let other = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&other, ALICE).await;
    let token = signed(&old, "one", &claims(&issuer, &world, &other, &challenge));
    assert_eq!(hand_in(&other, &challenge, &token).await.problem(), "tokenRefused");
}

#[tokio::test]
async fn an_issuer_that_is_away_refuses_nobody_for_good() {
    let key = Signer::p256();
    let mut issuer = Issuer::start(&key).await;
    let reachable = std::mem::replace(&mut issuer.url, "http://127.0.0.1:1".into());
    let world = issuer.world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (order, challenge) = begun(&client, ALICE).await;
    let token = signed(&key, "one", &claims(&issuer, &world, &client, &challenge));
    let answer = hand_in(&client, &challenge, &token).await;
    assert_eq!((answer.problem().as_str(), answer.header("retry-after").as_str()), ("serverInternal", "60"));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.read(&order).await.ok().text("status"), "pending");
    assert!(reachable.starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn keys_of_an_issuer_that_is_away_for_long_prove_nothing() {
    let (withdrawn, new) = (Signer::p256(), Signer::p256());
    let issuer = Issuer::start(&withdrawn).await;
    let world = issuer.world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&client, ALICE).await;
    let token = signed(&withdrawn, "one", &claims(&issuer, &world, &client, &challenge));
    hand_in(&client, &challenge, &token).await.ok();

    // The issuer withdraws the key, and somebody keeps us from hearing of it for two hours.
    *issuer.keys.lock().unwrap() = vec![named(&new, "two")];
    issuer.away.store(true, Ordering::SeqCst);
    world.advance(Duration::from_secs(2 * 3600));
    let thief = Client::open(&world, Signer::p256()).await;
    let (order, challenge) = begun(&thief, ALICE).await;
    for asked in [2, 2, 3] {
        // The first asks the issuer; the second, within the same minute, must not get the old keys for it.
        let token = signed(&withdrawn, "one", &claims(&issuer, &world, &thief, &challenge));
        let answer = hand_in(&thief, &challenge, &token).await;
        assert_eq!((answer.problem().as_str(), answer.header("retry-after").as_str()), ("serverInternal", "60"));
        assert_eq!(
            (thief.read(&order).await.ok().text("status").as_str(), *issuer.asked.lock().unwrap()),
            ("pending", asked)
        );
        if asked == 2 {
            world.advance(Duration::from_secs(31));
        }
    }

    issuer.away.store(false, Ordering::SeqCst);
    world.advance(Duration::from_secs(61));
    let token = signed(&withdrawn, "one", &claims(&issuer, &world, &thief, &challenge));
    assert_eq!(hand_in(&thief, &challenge, &token).await.problem(), "tokenRefused");
    let token = signed(&new, "two", &claims(&issuer, &world, &thief, &challenge));
    hand_in(&thief, &challenge, &token).await.ok();
}

#[tokio::test]
async fn a_fault_at_the_write_of_a_log_in_costs_nothing_but_another_request() {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        let Honest { world, client, order, challenge, token, .. } = Honest::begun().await;
        world.store.fail_after(0, fault);
        assert_eq!(hand_in(&client, &challenge, &token).await.problem(), "serverInternal");
        let status = async || client.read(&order).await.ok().text("status");
        // What was persisted counts, although nobody was told.
        assert_eq!(status().await, if fault == Fault::Persisted { "ready" } else { "pending" });
        hand_in(&client, &challenge, &token).await;
        assert_eq!(status().await, "ready", "{fault:?}");
        let ready = client.read(&order).await.ok().json();
        let device = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        client.finalize(&ready, &crate::testing::csr(ALICE, &device)).await.ok();
        client.download(&order).await;
    }
}
