use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::config::{CaConfig, Enrolment, Rate};
use crate::https::PeerAddr;
use crate::testing::{Answer, BASE, Client, Signer, World};

#[tokio::test]
async fn orders_and_watches_are_limited_per_account() {
    let world = World::with(|config| {
        config.limits.orders_per_account = Rate::per_hour(2);
        config.limits.watches_per_account = Rate::per_hour(1);
    })
    .await;
    let client = Client::open(&world, Signer::p256()).await;
    client.ready(&world, "alice@example.org").await;
    client.post("/watch", json!({"identifier": "alice@example.org"})).await.ok();
    assert_eq!(client.post("/watch", json!({"identifier": "alice@example.org"})).await.problem(), "rateLimited");
    client.order("alice@example.org").await.ok();
    let refused = client.order("alice@example.org").await;
    assert_eq!((refused.problem().as_str(), refused.header("retry-after").as_str()), ("rateLimited", "1800"));
    Client::open(&world, Signer::p256()).await.order("alice@example.org").await.ok();
}

#[tokio::test]
async fn new_accounts_are_limited_by_ipv4_address_and_by_ipv6_network() {
    let world = World::with(|config| config.limits.accounts_per_ip = Rate::per_hour(1)).await;
    let knock = async |peer: &str, seed: u8| {
        let client = Client::new(&world, Signer::ed25519(seed));
        let protected = client.protected("/new-account").await;
        let body = client.key.sign(&protected, b"{}").to_string();
        let mut request = Request::post("/new-account").header("content-type", "application/jose+json");
        request.extensions_mut().unwrap().insert(ConnectInfo(PeerAddr(peer.parse().unwrap())));
        client.request(request.body(Body::from(body)).unwrap()).await
    };
    for (seed, (peer, status)) in (1..).zip([
        ("192.0.2.1:1000", StatusCode::CREATED),
        ("192.0.2.1:1001", StatusCode::TOO_MANY_REQUESTS),
        // The same address as a dual-stack socket sees it (RFC 4291 section 2.5.5.2).
        ("[::ffff:192.0.2.1]:1002", StatusCode::TOO_MANY_REQUESTS),
        ("192.0.2.2:1000", StatusCode::CREATED),
        ("[2001:db8:0:1::1]:1000", StatusCode::CREATED),
        ("[2001:db8:0:1:ffff::2]:1000", StatusCode::TOO_MANY_REQUESTS),
        ("[2001:db8:0:2::1]:1000", StatusCode::CREATED),
        ("127.0.0.1:1000", StatusCode::CREATED),
        ("[::1]:1000", StatusCode::CREATED),
        ("[::1]:1001", StatusCode::CREATED),
    ]) {
        assert_eq!(knock(peer, seed).await.status, status, "{peer}");
    }
}

#[tokio::test]
async fn a_refusal_says_which_limit_and_when_it_frees() {
    let table = r#"
        limits = { orders_per_account = "2/h", mails_per_domain = "1/d" }
        [[override]]
        limit = "mails_per_domain"
        for = "Example.NET"
        rate = "3/d"
    "#;
    let enrolment: Enrolment = toml::from_str(table).unwrap();
    let world = World::with(|config| enrolment.apply(config, None).unwrap()).await;
    let client = Client::open(&world, Signer::p256()).await;
    client.order("alice@example.org").await.ok();
    client.order("alice@example.org").await.ok();
    let refused = client.order("alice@example.org").await;
    assert_eq!((refused.text("limit").as_str(), refused.text("rate").as_str()), ("orders_per_account", "2/h"));
    assert_eq!(
        refused.text("detail"),
        "too many orders of this account: expected at most 2/h; the next is free in 1800 s"
    );

    let sent = async |address: &str| {
        let client = Client::open(&world, Signer::p256()).await;
        let order = client.order(address).await.ok().json();
        let challenge = client.challenge(&order).await["url"].as_str().unwrap().to_owned();
        client.post(&challenge, json!({})).await
    };
    sent("a@example.org").await.ok();
    assert_eq!(sent("b@example.org").await.text("limit"), "mails_per_domain");
    for address in ["a@example.net", "b@example.net", "c@example.net"] {
        sent(address).await.ok();
    }
    assert_eq!(sent("d@example.net").await.problem(), "rateLimited");
}

#[test]
fn what_an_operator_writes_is_checked() {
    let world = || CaConfig::new("/nowhere".into(), BASE.into());
    let refused = |table: &str| match toml::from_str::<Enrolment>(table) {
        Ok(enrolment) => enrolment.apply(&mut world(), None).unwrap_err().to_string(),
        Err(error) => error.message().to_owned(),
    };
    for (table, says) in [
        ("termz = 'https://x'", "unknown field"),
        ("terms = 'http://x'", "an https URL"),
        ("website = 'https://x y'", "an https URL"),
        ("require_external_account = true", "nobody could enrol"),
        ("limits = { orders = '1/h' }", "expected one of the limits"),
        ("limits = { orders_per_ip = '1' }", "expected a rate"),
        ("override = [{ limit = 'mails_per_domain', for = 'a b', rate = '1/h' }]", "a domain"),
        ("override = [{ limit = 'mails_per_address', for = 'a', rate = '1/h' }]", "a mail address"),
        ("override = [{ limit = 'accounts_per_ip', for = '1.2.3', rate = '1/h' }]", "an IPv4 address"),
        ("override = [{ limit = 'speed', for = 'a', rate = '1/h' }]", "unknown variant"),
    ] {
        let error = refused(table);
        assert!(error.contains(says), "{table}: {error}");
    }
    let mut config = world();
    let key = format!("# theirs\nmember-1 {}\n", "A".repeat(43));
    let enrolment: Enrolment = toml::from_str("require_external_account = true").unwrap();
    enrolment.apply(&mut config, Some(&key)).unwrap();
    assert!(config.external.required && enrolment != Enrolment::default());
}

/// A request that comes from this network.
pub(super) async fn from(client: &Client, peer: &str, url: &str, payload: Value) -> Answer {
    let path = url.strip_prefix(BASE).unwrap_or(url);
    let protected = client.protected(path).await;
    let body = client.key.sign(&protected, payload.to_string().as_bytes()).to_string();
    let peer = ConnectInfo(PeerAddr(SocketAddr::new(peer.parse().unwrap(), 4711)));
    let request = Request::post(path).header("content-type", "application/jose+json").extension(peer);
    client.request(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_network_is_counted_by_itself_and_may_have_a_rate_of_its_own() {
    let table = r#"
        [limits]
        orders_per_ip = "1/h"
        mails_per_ip = "1/h"

        [[override]]
        limit = "orders_per_ip"
        for = "192.0.2.7"
        rate = "3/h"
    "#;
    let enrolment: Enrolment = toml::from_str(table).unwrap();
    let world = World::with(|config| enrolment.apply(config, None).unwrap()).await;
    let client = Client::open(&world, Signer::p256()).await;
    let wish = |name: &str| json!({"identifiers": [{"type": "email", "value": name}]});
    for (peer, taken) in [("192.0.2.1", 1), ("192.0.2.7", 3)] {
        for _ in 0..taken {
            from(&client, peer, "/new-order", wish("a@example.org")).await.ok();
        }
        let refused = from(&client, peer, "/new-order", wish("a@example.org")).await;
        assert_eq!(refused.text("limit"), "orders_per_ip", "{peer}");
    }
    let challenge = async |address| {
        let order = client.order(address).await.ok().json();
        client.challenge(&order).await["url"].as_str().unwrap().to_owned()
    };
    let (first, second) = (challenge("a@example.org").await, challenge("b@example.org").await);
    from(&client, "192.0.2.1", &first, json!({})).await.ok();
    assert_eq!(from(&client, "192.0.2.1", &second, json!({})).await.text("limit"), "mails_per_ip");
    from(&client, "192.0.2.2", &second, json!({})).await.ok();
}

/// What everybody may have once an hour, and one account, address or network three times.
#[tokio::test]
async fn accounts_addresses_and_networks_are_counted_each_and_each_may_have_a_rate_of_its_own() {
    let (mail, number, network) = ("own@example.org", "+4915112345678", "2001:db8:0:7::/64");
    for (limit, whose) in [
        ("orders_per_account", None),
        ("orders_per_ip", Some(network)),
        ("mails_per_account", None),
        ("mails_per_address", Some(mail)),
        ("mails_per_domain", Some("example.org")),
        ("mails_per_ip", Some(network)),
        ("texts_per_account", None),
        ("texts_per_number", Some(number)),
        ("texts_per_ip", Some(network)),
    ] {
        let world = World::with(super::phone::phones).await;
        let member = Client::open(&world, Signer::p256()).await;
        let id = member.account.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
        let whose = whose.unwrap_or(&id);
        let table = format!(
            "limits = {{ {limit} = '1/h' }}\noverride = [{{ limit = {limit:?}, for = {whose:?}, rate = '3/h' }}]"
        );
        let enrolment: Enrolment = toml::from_str(&table).unwrap();
        let world = world.restart_with(|config| {
            super::phone::phones(config);
            enrolment.apply(config, None).unwrap();
        });
        let world = world.await;
        let member = Client { router: world.ca.router(), ..member };
        // How many of five are granted; those of the limit's own kind are the same each time, all others differ.
        let granted = async |is_theirs: bool| {
            let other = Client::open(&world, Signer::p256()).await;
            let peer = if is_theirs { "2001:db8:0:7::1" } else { "192.0.2.1" };
            let mut granted = 0;
            for turn in 0..5 {
                let stranger = Client::open(&world, Signer::p256()).await;
                let client = match (limit.ends_with("_account"), is_theirs) {
                    (false, _) => &stranger,
                    (true, true) => &member,
                    (true, false) => &other,
                };
                let whom = match (limit, is_theirs) {
                    ("mails_per_address", true) => mail.to_owned(),
                    ("mails_per_address", false) => "another@example.org".to_owned(),
                    ("mails_per_domain", false) => format!("p{turn}@example.net"),
                    ("texts_per_number", true) => number.to_owned(),
                    ("texts_per_number", false) => "+4915187654321".to_owned(),
                    // Account and address are counted together.
                    ("mails_per_account", _) => mail.to_owned(),
                    _ if limit.starts_with("texts") => format!("+49151{turn}2345678"),
                    _ => format!("p{turn}@example.org"),
                };
                let (kind, profile) = if whom.starts_with('+') { ("tel", "phone-device") } else { ("email", "device") };
                let wish = json!({"identifiers": [{"type": kind, "value": whom}], "profile": profile});
                let order = from(client, peer, "/new-order", wish).await;
                if limit.starts_with("orders") {
                    granted += usize::from(order.status == StatusCode::CREATED);
                    assert!(order.status == StatusCode::CREATED || order.text("limit") == limit, "{limit}");
                    continue;
                }
                let challenge = client.challenge(&order.ok().json()).await["url"].as_str().unwrap().to_owned();
                let before = world.mails().len();
                let is_silent = matches!(limit, "mails_per_address" | "texts_per_number");
                // Of what one is sent, a network has half: here, each asks once.
                let elsewhere = format!("192.0.2.{}", 10 + turn);
                let peer = if is_silent { elsewhere.as_str() } else { peer };
                let answer = from(client, peer, &challenge, json!({})).await;
                assert!(answer.status == StatusCode::OK || (!is_silent && answer.text("limit") == limit), "{limit}");
                granted += world.mails().len() - before;
            }
            granted
        };
        assert_eq!((granted(true).await, granted(false).await), (3, 1), "{limit}");
    }
}

/// Whoever keeps asking for codes in somebody's name, from however many accounts, leaves her half of them.
#[tokio::test]
async fn a_network_has_half_of_what_one_address_is_sent() {
    for (whom, kind, profile) in [("own@example.org", "email", "device"), ("+4915112345678", "tel", "phone-device")] {
        let world = World::with(super::phone::phones).await;
        let sent = async |peer: &str| {
            let client = Client::open(&world, Signer::p256()).await;
            let wish = json!({"identifiers": [{"type": kind, "value": whom}], "profile": profile});
            let order = from(&client, peer, "/new-order", wish).await.ok().json();
            let challenge = client.challenge(&order).await["url"].as_str().unwrap().to_owned();
            let before = world.mails().len();
            from(&client, peer, &challenge, json!({})).await.ok();
            world.mails().len() - before
        };
        let mut stranger = 0;
        for _ in 0..12 {
            stranger += sent("192.0.2.66").await;
        }
        assert_eq!((stranger, sent("2001:db8::1").await), (5, 1), "{whom}");
    }
}
