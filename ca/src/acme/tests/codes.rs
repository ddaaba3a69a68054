use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use crate::Mailer;
use crate::config::Rate;
use crate::testing::{Client, Signer, World};

const WRONG: &str = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA";

async fn begun(world: &World) -> (Client, String, String) {
    let client = Client::open(world, Signer::p256()).await;
    let order = client.order("alice@example.org").await.ok();
    let challenge = client.challenge(&order.json()).await;
    assert_eq!((challenge["type"].as_str(), challenge["status"].as_str()), (Some("email-code-00"), Some("pending")));
    (client, order.header("location"), challenge["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn five_wrong_codes_and_a_new_one_is_needed() {
    let world = World::new().await;
    let (client, order, challenge) = begun(&world).await;
    assert_eq!(client.post(&challenge, json!({"code": WRONG})).await.problem(), "codeMissing");
    let sent = client.post(&challenge, json!({})).await.ok();
    assert_eq!(sent.text("status"), "processing");
    let right = world.code("alice@example.org");
    for left in (1..5).rev() {
        let answer = client.post(&challenge, json!({"code": WRONG})).await;
        assert_eq!((answer.problem().as_str(), answer.status), ("codeWrong", StatusCode::FORBIDDEN));
        assert_eq!(answer.json()["triesLeft"], left);
    }
    assert_eq!(client.post(&challenge, json!({"code": WRONG})).await.problem(), "codeExhausted");
    assert_eq!(client.post(&challenge, json!({"code": right})).await.problem(), "codeExhausted");
    assert_eq!(client.read(&order).await.ok().text("status"), "pending");

    client.post(&challenge, json!({})).await.ok();
    assert_eq!(world.mails().len(), 2);
    // The old one is worth nothing, the new one works in any spelling.
    assert_eq!(client.post(&challenge, json!({"code": right})).await.problem(), "codeWrong");
    let new = world.code("alice@example.org").to_lowercase().replace('-', " ");
    assert_eq!(client.post(&challenge, json!({"code": new})).await.ok().text("status"), "valid");
    assert_eq!(client.read(&order).await.ok().text("status"), "ready");
    // Once proven, answering again changes nothing.
    assert_eq!(client.post(&challenge, json!({"code": WRONG})).await.ok().text("status"), "valid");
    assert_eq!(world.mails().len(), 2);
}

#[tokio::test]
async fn a_code_dies_after_a_day() {
    let world = World::new().await;
    let (client, _, challenge) = begun(&world).await;
    client.post(&challenge, json!({})).await.ok();
    let code = world.code("alice@example.org");
    world.advance(Duration::from_secs(86_400));
    assert_eq!(client.post(&challenge, json!({"code": code})).await.problem(), "codeExpired");
    client.post(&challenge, json!({})).await.ok();
    let code = world.code("alice@example.org");
    client.post(&challenge, json!({"code": code})).await.ok();
}

#[tokio::test]
async fn an_order_dies_after_a_week() {
    let world = World::new().await;
    let (client, order, challenge) = begun(&world).await;
    client.post(&challenge, json!({})).await.ok();
    world.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(client.post(&challenge, json!({})).await.problem(), "malformed");
    assert_eq!(client.read(&order).await.ok().text("status"), "invalid");
}

#[tokio::test]
async fn a_code_counts_only_from_the_account_it_was_made_for() {
    let world = World::new().await;
    let (client, _, challenge) = begun(&world).await;
    client.post(&challenge, json!({})).await.ok();
    let code = world.code("alice@example.org");
    let mallory = Client::open(&world, Signer::p256()).await;
    assert_eq!(mallory.post(&challenge, json!({"code": code})).await.status, StatusCode::NOT_FOUND);
    let order = mallory.order("alice@example.org").await.ok().json();
    let hers = mallory.challenge(&order).await["url"].as_str().unwrap().to_owned();
    mallory.post(&hers, json!({})).await.ok();
    assert_eq!(mallory.post(&hers, json!({"code": code})).await.problem(), "codeWrong");
}

#[tokio::test]
async fn a_mail_that_a_crash_may_have_lost_is_not_awaited() {
    // A mail server that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let world = World::with(|config| config.mail = Mailer::smtp(url)).await;
    let (client, order, challenge) = begun(&world).await;
    for answer in [client.post(&challenge, json!({})).await.ok(), client.read(&challenge).await.ok()] {
        assert_eq!((answer.text("status").as_str(), answer.json().get("error")), ("processing", None));
    }
    let world = world.restart().await;
    let client = Client { router: world.ca.router(), ..client };
    let lost = client.read(&challenge).await.ok();
    assert_eq!(lost.text("status"), "processing");
    assert!(lost.json()["error"]["detail"].as_str().unwrap().contains("interrupted"), "{}", lost.json());
    let again = client.post(&challenge, json!({})).await.ok();
    assert_eq!(again.json().get("error"), None);
    client.post(&challenge, json!({"code": world.code("alice@example.org")})).await.ok();
    assert_eq!(client.read(&order).await.ok().text("status"), "ready");
}

#[tokio::test]
async fn who_asks_for_mails_all_at_once_is_refused_none() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    for mailer in [None, Some(Mailer::smtp(url))] {
        let world = World::with(|config| config.mail = mailer.unwrap_or_else(|| config.mail.clone())).await;
        let (client, _, challenge) = begun(&world).await;
        let asked = (0..5).map(|_| client.post(&challenge, json!({})));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.ok().text("status"), "processing");
        }
    }
}

/// The code for it waits for a place among the mails under way.
#[tokio::test]
async fn no_code_leaves_for_an_authorization_that_was_given_up_meanwhile() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let world = World::with(|config| {
        config.mail = Mailer::smtp(url);
        config.limits.mails_in_flight = 1;
    });
    let world = world.await;
    let (client, _, challenge) = begun(&world).await;
    client.post(&challenge, json!({})).await.ok();
    // One is the mail's, which holds the place; the other is that of the look at the mail server at the start.
    let held = [silent.accept().await.unwrap(), silent.accept().await.unwrap()];
    let order = client.order("bob@example.org").await.ok().json();
    let challenge = client.challenge(&order).await["url"].as_str().unwrap().to_owned();
    let mut asked = Box::pin(client.post(&challenge, json!({})));
    for _ in 0..100 {
        assert!(futures_util::poll!(&mut asked).is_pending(), "it waits");
        tokio::task::yield_now().await;
    }
    let authorization = order["authorizations"][0].as_str().unwrap();
    client.post(authorization, json!({"status": "deactivated"})).await.ok();
    drop(held);
    assert_eq!(asked.await.ok().text("status"), "invalid");
    assert_eq!(client.read(authorization).await.ok().text("status"), "deactivated");
    let accepted = tokio::time::timeout(Duration::from_millis(100), silent.accept()).await;
    assert!(accepted.is_err(), "nothing is sent");
}

#[tokio::test]
async fn a_mailbox_is_not_flooded() {
    let world = World::with(|config| config.limits.mails_per_address = Rate::per_hour(7)).await;
    let (client, _, challenge) = begun(&world).await;
    for _ in 0..5 {
        client.post(&challenge, json!({})).await.ok();
    }
    let answer = client.post(&challenge, json!({})).await;
    assert_eq!((answer.problem().as_str(), answer.status), ("rateLimited", StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(answer.header("retry-after"), "720");
    assert_eq!(world.mails().len(), 5);
    // From another account: the address' own limit is reached silently.
    let other = Client::open(&world, Signer::p256()).await;
    let order = other.order("alice@example.org").await.ok().json();
    let challenge = other.challenge(&order).await["url"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        assert_eq!(other.post(&challenge, json!({})).await.ok().text("status"), "processing");
    }
    assert_eq!(world.mails().len(), 7);
    world.advance(Duration::from_secs(3600));
    other.post(&challenge, json!({})).await.ok();
    assert_eq!(world.mails().len(), 8);
}

#[tokio::test]
async fn racing_guesses_are_all_counted() {
    let world = World::new().await;
    let (client, _, challenge) = begun(&world).await;
    client.post(&challenge, json!({})).await.ok();
    let guesses = (0..40).map(|_| client.post(&challenge, json!({"code": WRONG})));
    let answers = futures_util::future::join_all(guesses).await;
    let wrong = answers.iter().filter(|a| a.problem() == "codeWrong").count();
    assert!(wrong <= 4, "{wrong} guesses were listened to");
}

#[tokio::test]
async fn an_authorization_shows_the_challenge_that_proved_it_and_knows_no_others() {
    let world = World::new().await;
    let (client, order, challenge) = begun(&world).await;
    let unknown = challenge.replace("email-code-00", "email-code-01");
    assert_eq!(client.post(&unknown, json!({})).await.status, StatusCode::NOT_FOUND);
    client.post(&challenge, json!({})).await.ok();
    client.post(&challenge, json!({"code": world.code("alice@example.org")})).await.ok();
    let order = client.read(&order).await.ok().json();
    let authorization = client.read(order["authorizations"][0].as_str().unwrap()).await.ok().json();
    let challenges = authorization["challenges"].as_array().unwrap();
    assert_eq!(challenges.len(), 1);
    assert_eq!((&challenges[0]["type"], &challenges[0]["status"]), (&json!("email-code-00"), &json!("valid")));
    assert!(challenges[0]["validated"].is_string(), "{authorization}");
}
