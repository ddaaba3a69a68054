//! Phone numbers: codes in text messages, what they cost, and what nobody learns by them.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use identity::verify::verify_person;
use serde_json::{Value, json};

use super::chain;
use crate::config::{Budget, CaConfig, Money, Phones, Rate, Texter};
use crate::store::Fault;
use crate::testing::{Client, Signer, World, csr, until};

const ANNA: &str = "+4915112345678";
const WRONG: &str = "AAAAA-AAAAA";

/// Phones permitted, messages into the outbox.
pub(super) fn phones(config: &mut CaConfig) {
    let crate::Mailer::Outbox(outbox) = &config.mail else { unreachable!("worlds have an outbox") };
    config.phones = Some(Phones {
        permitted: vec!["+49".into(), "+1".into()],
        also: vec![],
        texter: Texter::Outbox(outbox.clone()),
        budget: Budget::default(),
    });
}

/// An order for a number, and its challenge.
pub(super) async fn begun(client: &Client, number: &str) -> (String, String) {
    let order = client.order(number).await.ok();
    let challenge = client.challenge(&order.json()).await;
    assert_eq!(challenge["type"], "sms-code-00");
    (order.header("location"), challenge["url"].as_str().unwrap().to_owned())
}

async fn enrolled(client: &Client, world: &World, device: &rcgen::KeyPair) -> String {
    let (order, challenge) = begun(client, "+49 (151) 123-45678").await;
    client.post(&challenge, json!({})).await.ok();
    client.post(&challenge, json!({"code": world.text_code(ANNA)})).await.ok();
    let ready = client.read(&order).await.ok().json();
    assert_eq!(ready["status"], "ready");
    client.finalize(&ready, &csr(ANNA, device)).await.ok();
    client.download(&order).await
}

#[tokio::test]
async fn a_number_is_enrolled_by_the_code_in_a_text_message() {
    let world = World::with(phones).await;
    let client = Client::open(&world, Signer::p256()).await;
    let device = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let pem = enrolled(&client, &world, &device).await;
    let person = verify_person(&chain(&pem), &world.trust(), world.now()).unwrap();
    assert_eq!(person.identifier().as_str(), ANNA);
    let fourteen_days = person.not_after().as_secs() - person.not_before().as_secs();
    assert!(fourteen_days <= 14 * 86_400, "{fourteen_days}");

    // The proof lasts for a month: numbers are given to others.
    world.advance(Duration::from_secs(29 * 86_400));
    assert_eq!(client.order(ANNA).await.ok().text("status"), "ready");
    world.advance(Duration::from_secs(86_400));
    assert_eq!(client.order(ANNA).await.ok().text("status"), "pending");
}

#[tokio::test]
async fn a_message_is_one_and_says_what_for() {
    let world = World::with(phones).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&client, ANNA).await;
    let asked = client.post(&challenge, json!({})).await.ok();
    assert_eq!(asked.text("status"), "processing");
    let text = world.mails().pop().unwrap();
    let (_, body) = text.split_once("\n\n").unwrap();
    assert!(body.contains("a certificate in the name of this number") && body.trim_end().len() <= 160, "{body}");
    let code = world.text_code(ANNA);
    for left in (1..5).rev() {
        assert_eq!(client.post(&challenge, json!({"code": WRONG})).await.json()["triesLeft"], left);
    }
    assert_eq!(client.post(&challenge, json!({"code": WRONG})).await.problem(), "codeExhausted");
    assert_eq!(client.post(&challenge, json!({"code": code})).await.problem(), "codeExhausted");
    client.post(&challenge, json!({})).await.ok();
    let code = world.text_code(ANNA);
    world.advance(Duration::from_secs(600));
    assert_eq!(
        client.read(&challenge).await.ok().text("status"),
        "pending",
        "a code that has lapsed is not waited for"
    );
    assert_eq!(client.post(&challenge, json!({"code": code})).await.problem(), "codeExpired");
}

#[tokio::test]
async fn numbers_are_refused_by_what_the_numbering_plan_says_alone() {
    let world = World::with(phones).await;
    let client = Client::open(&world, Signer::p256()).await;
    let new = async |kind: &str, value: &str, profile: &str| {
        let order = json!({"identifiers": [{"type": kind, "value": value}], "profile": profile});
        client.post("/new-order", order).await.problem()
    };
    for earns in ["+499001234567", "+19005552671"] {
        assert_eq!(new("tel", earns, "phone-device").await, "rejectedIdentifier", "{earns}");
    }
    assert_eq!(new("tel", "+447911123456", "phone-device").await, "rejectedIdentifier", "another country");
    assert_eq!(new("tel", "alice@example.org", "phone-device").await, "rejectedIdentifier");
    assert_eq!(new("email", ANNA, "device").await, "rejectedIdentifier");
    assert_eq!(new("tel", ANNA, "device").await, "invalidProfile");
    assert_eq!(new("email", "alice@example.org", "phone-device").await, "invalidProfile");
    assert_eq!(new("phone", ANNA, "phone-device").await, "unsupportedIdentifier");
    let directory = client.get("/directory").await.json();
    assert!(directory["meta"]["profiles"]["phone-device"].is_string());

    let none = World::new().await;
    let client = Client::open(&none, Signer::p256()).await;
    assert_eq!(client.order(ANNA).await.problem(), "unsupportedIdentifier");
    assert!(client.get("/directory").await.json()["meta"]["profiles"].get("phone-device").is_none());
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_number() {
    let world = World::with(|config| {
        phones(config);
        config.limits.texts_per_number = Rate { burst: 1, period: Duration::from_secs(86_400) };
    })
    .await;
    let anna = Client::open(&world, Signer::p256()).await;
    let device = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    enrolled(&anna, &world, &device).await;
    let sent = world.mails().len();

    let stranger = Client::open(&world, Signer::p256()).await;
    let shape = |mut answer: Value| {
        for member in ["url", "identifier", "identifiers", "authorizations", "finalize"] {
            answer.as_object_mut().unwrap().remove(member);
        }
        answer
    };
    let mut answers = vec![];
    for number in [ANNA, "+4915187654321"] {
        let order = stranger.order(number).await.ok();
        let challenge = stranger.challenge(&order.json()).await;
        let asked = stranger.post(challenge["url"].as_str().unwrap(), json!({})).await.ok();
        answers.push([shape(order.json()), shape(challenge), shape(asked.json())]);
    }
    // Hers is enrolled, and as many messages as it may have were sent.
    assert_eq!(answers[0], answers[1]);
    assert_eq!(world.mails().len(), sent + 1);
}

#[tokio::test]
async fn messages_are_limited_by_account_block_country_and_network() {
    let world = World::with(|config| {
        phones(config);
        config.limits.texts_per_account = Rate::per_hour(2);
        config.limits.texts_per_prefix = Rate::per_hour(3);
        config.limits.texts_per_country = Rate::per_hour(4);
    })
    .await;
    let ask = async |client: &Client, number: &str| {
        let (_, challenge) = begun(client, number).await;
        let answer = client.post(&challenge, json!({})).await;
        if answer.status == StatusCode::OK { "sent".to_owned() } else { answer.text("limit") }
    };
    let clients = join_all((0..4).map(|_| Client::open(&world, Signer::p256()))).await;
    assert_eq!(ask(&clients[0], "+4915112340001").await, "sent");
    assert_eq!(ask(&clients[0], "+4915112340002").await, "sent");
    assert_eq!(ask(&clients[0], "+4917612340003").await, "texts_per_account");
    assert_eq!(ask(&clients[1], "+4915112340004").await, "sent");
    assert_eq!(ask(&clients[1], "+4915112340005").await, "texts_per_prefix");
    assert_eq!(ask(&clients[2], "+4917612340006").await, "sent");
    assert_eq!(ask(&clients[2], "+4917512340007").await, "texts_per_country");
    assert_eq!(ask(&clients[3], "+14155552671").await, "sent", "another country");
    assert_eq!(world.mails().len(), 5);
}

#[tokio::test]
async fn no_more_is_spent_in_a_day_than_the_operator_allows() {
    let poor = |config: &mut CaConfig| {
        phones(config);
        let budget = Budget { per_day: Money(300_000), price: Money(100_000), ..Budget::default() };
        config.phones = config.phones.take().map(|phones| Phones { budget, ..phones });
    };
    let world = World::with(poor).await;
    let numbers = (0..6).map(|n| format!("+491511234{n}000"));
    let asked = join_all(numbers.map(async |number| {
        let client = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&client, &number).await;
        client.post(&challenge, json!({})).await
    }))
    .await;
    let (sent, refused): (Vec<_>, Vec<_>) = asked.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((sent.len(), refused.len()), (3, 3), "all at once");
    let left = 86_400 - world.now().as_secs() % 86_400;
    for answer in refused {
        assert_eq!((answer.problem(), answer.text("limit")), ("rateLimited".into(), "texts_per_day".into()));
        assert_eq!(answer.header("retry-after"), left.to_string());
    }

    // Neither a restart nor another account helps, but the next day does.
    let world = world.restart_with(poor).await;
    let client = Client::open(&world, Signer::p256()).await;
    let (_, challenge) = begun(&client, ANNA).await;
    assert_eq!(client.post(&challenge, json!({})).await.text("limit"), "texts_per_day");
    world.advance(Duration::from_secs(left));
    client.post(&challenge, json!({})).await.ok();
}

/// Whoever has the day's sum used up with codes does not keep an owner from hearing of another device.
#[tokio::test]
async fn a_tenth_of_the_days_money_is_for_announcements() {
    let world = World::with(|config| {
        phones(config);
        let budget = Budget { per_day: Money(1_000_000), price: Money(100_000), ..Budget::default() };
        config.phones = config.phones.take().map(|phones| Phones { budget, ..phones });
    })
    .await;
    let client = Client::open(&world, Signer::p256()).await;
    let [one, other] = [(); 2].map(|()| rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    enrolled(&client, &world, &one).await;
    let mut codes = 1;
    let refusal = loop {
        let spy = Client::open(&world, Signer::p256()).await;
        let (_, challenge) = begun(&spy, &format!("+4915112{codes}40000")).await;
        let answer = spy.post(&challenge, json!({})).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        codes += 1;
    };
    assert_eq!((codes, refusal.text("limit")), (9, "texts_per_day".into()));
    let ready = client.order(ANNA).await.ok();
    client.finalize(&ready.json(), &csr(ANNA, &other)).await.ok();
    client.download(&ready.header("location")).await;
    let told = |text: &String| text.contains("another device now speaks for this number");
    until("she is told", async || world.mails().iter().any(told)).await;
}

#[tokio::test]
async fn another_device_is_announced_by_a_text_message() {
    let world = World::with(phones).await;
    let client = Client::open(&world, Signer::p256()).await;
    let [one, other] = [(); 2].map(|()| rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    enrolled(&client, &world, &one).await;
    let ready = client.order(ANNA).await.ok();
    client.finalize(&ready.json(), &csr(ANNA, &other)).await.ok();
    client.download(&ready.header("location")).await;
    let told = |text: &String| text.contains("another device now speaks for this number");
    until("she is told", async || world.mails().iter().any(told)).await;
    let text = world.mails().into_iter().find(told).unwrap();
    assert!(text.contains(&format!("certtool revoke {ANNA} --stolen --serial ")), "{text}");
}

/// The writes of a proof by text message: what it costs and its code, that it was handed over, the proof. Each fails once,
/// before or after it was persisted; the person asks again.
#[tokio::test]
async fn a_fault_at_any_write_sends_no_message_that_is_not_charged_and_ends_in_a_proof() {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        for write in 0..4 {
            let world = World::with(phones).await;
            let client = Client::open(&world, Signer::p256()).await;
            let (order, challenge) = begun(&client, ANNA).await;
            world.store.fail_after(write, fault);
            let texts = || world.mails().iter().filter(|text| text.starts_with(&format!("To: {ANNA}\n"))).count();
            let mut tries = 0;
            while client.read(&order).await.ok().text("status") != "ready" {
                tries += 1;
                assert!(tries < 6, "write {write}, {fault:?}");
                client.post(&challenge, json!({})).await;
                if texts() > 0 {
                    client.post(&challenge, json!({"code": world.text_code(ANNA)})).await;
                }
                // A code that is under way is waited for.
                std::thread::sleep(Duration::from_millis(30));
                world.advance(Duration::from_secs(60));
            }
            let day = world.now().as_secs() / 86_400;
            let spent = world.store().spending(day).await.unwrap().unwrap();
            let sent = texts() as u64;
            assert!(sent >= 1 && spent.messages >= sent, "{sent} sent, {spent:?}; write {write}, {fault:?}");
        }
    }
}
