use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use sha2::{Digest as _, Sha256};

use super::device;
use crate::https::PeerAddr;
use crate::testing::{BASE, Client, Fate, ORIGIN, Signer, World, csr};

#[tokio::test]
async fn the_page_says_where_everything_is_and_runs_nothing() {
    let terms = "https://example.org/terms?a=1&b=\"2\"";
    let world = World::with(|config| config.terms = Some(terms.into())).await;
    let answer = Client::new(&world, Signer::p256()).get("/status").await.ok();
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let page = String::from_utf8(answer.body).unwrap();
    let root = Sha256::digest(&world.trust().policies()[0].authorities[0].root.0);
    for words in [
        format!("{BASE}/directory"),
        format!("{BASE}/crl/people.crl"),
        hex::encode(root),
        "localhost/log".into(),
        "a=1&amp;b=&quot;2&quot;".into(),
        "certtool enroll".into(),
    ] {
        assert!(page.contains(&words), "no {words} in\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("b=\"2"));
}

#[tokio::test]
async fn health_is_good_until_a_revocation_list_is_a_day_old() {
    let world = World::new().await;
    let client = Client::new(&world, Signer::p256());
    let answer = client.get("/health").await;
    assert_eq!((answer.status, answer.text("status").as_str()), (StatusCode::OK, "ok"));
    world.advance(Duration::from_secs(86_401));
    let answer = client.get("/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((answer.text("revocationLists").as_str(), answer.text("database").as_str()), ("failing", "ok"));
}

#[tokio::test]
async fn an_authority_whose_log_is_away_is_degraded_until_it_is_back() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let order = client.ready(&world, "alice@example.org").await;
    world.log_shall(Fate::Refused);
    client.finalize(&order, &csr("alice@example.org", &device())).await.ok();
    let health = async || {
        let answer = client.get("/health").await.ok();
        (answer.text("status"), answer.text("log"), answer.text("labelKey"))
    };
    let said = |words: [&str; 3]| -> (String, String, String) { words.map(str::to_owned).into() };
    assert_eq!(health().await, said(["degraded", "failing", "ok"]));
    world.log_shall(Fate::Logged);
    client.download(order["url"].as_str().unwrap()).await;
    assert_eq!(health().await, said(["ok", "ok", "ok"]));
}

#[tokio::test]
async fn figures_are_for_this_machine_alone() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    client.enroll(&world, "alice@example.org", &device()).await;
    let ask = async |peer: Option<&str>| {
        let mut request = Request::get("/metrics");
        if let Some(peer) = peer {
            request.extensions_mut().unwrap().insert(ConnectInfo(PeerAddr(peer.parse().unwrap())));
        }
        client.request(request.body(Body::empty()).unwrap()).await
    };
    for stranger in [None, Some("192.0.2.1:5"), Some("[2001:db8::1]:5")] {
        assert_eq!(ask(stranger).await.status, StatusCode::NOT_FOUND);
    }
    for own in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
        let answer = ask(Some(own)).await.ok();
        let text = String::from_utf8(answer.body).unwrap();
        for line in [
            "inperson_ca_decisions_total{what=\"issued\"} 1",
            "inperson_ca_decisions_total{what=\"account-made\"} 1",
            "inperson_ca_list_age_seconds{authority=\"people\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        // How often is shared by all tests of this process; that it was done at all is this one's.
        for work in ["requests", "labels", "plans", "proofs", "signatures", "trail", "log"] {
            for figure in ["inperson_ca_work_seconds_total", "inperson_ca_work_total"] {
                let line = format!("{figure}{{work=\"{work}\"}} ");
                let counted = text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<f64>().ok());
                assert!(counted > Some(0.0), "no {line} in\n{text}");
            }
        }
        for figure in ["batches", "batch_entries", "batch_seconds"] {
            let line = format!("inperson_log_{figure}_total{{log=\"{ORIGIN}\"}} ");
            let counted = text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<f64>().ok());
            assert!(counted > Some(0.0), "no {line} in\n{text}");
        }
        assert!(!text.contains("example.org"));
    }
}
