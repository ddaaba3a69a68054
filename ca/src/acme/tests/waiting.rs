//! The line before a domain that is slow to take mail: one of which its name server says nothing. Places and stands are held
//! here, so that nothing depends on how long that is waited for.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::StatusCode;
use identity::Identifier;
use serde_json::json;
use tokio::net::UdpSocket;

use super::limits::from;
use crate::Mailer;
use crate::code::Code;
use crate::config::{DirectTable, Resolvers};
use crate::mail::{CodeLetter, DirectMail, Full, Turn};
use crate::testing::{Answer, Client, Signer, World};

struct Slow {
    world: World,
    client: Client,
    _silent: UdpSocket,
    _folder: tempfile::TempDir,
}

impl Slow {
    async fn new() -> Self {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = silent.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let direct = DirectMail {
            delivery: DirectTable::default().delivery("ca.example", folder.path()),
            resolvers: Resolvers { servers: vec![server], agree: None },
            folder: folder.path().into(),
        };
        let world = World::with(|config| config.mail = Mailer::Direct(Box::new(direct))).await;
        let client = Client::open(&world, Signer::p256()).await;
        Self { world, client, _silent: silent, _folder: folder }
    }

    /// Has a code sent there, asked for by this peer.
    async fn ask(&self, address: &str, peer: &str) -> Answer {
        let order = self.client.order(address).await.ok().json();
        let challenge = self.client.challenge(&order).await["url"].as_str().unwrap().to_owned();
        from(&self.client, peer, &challenge, json!({})).await
    }

    /// A place, or a stand in the line, that a mail to the domain takes, asked for by this peer; none is this machine.
    async fn hold(&self, peer: Option<&str>) -> Result<Turn, Full> {
        let (now, lifetime) = (self.world.ca.service.now(), Duration::from_secs(86_400));
        let (from, to) =
            ("In Person <ca@localhost>".parse().unwrap(), Identifier::parse("somebody@slow.example").unwrap());
        let (from, to, code, authority, account) = (&from, &to, &Code::new([1; 15]), "localhost", "thumbprint");
        let message_id = "id".into();
        let letter = CodeLetter { from, to, code, authority, account, peer: None, now, lifetime, tries: 5, message_id };
        let peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
        self.world.ca.service.post.turn(&letter.compose().unwrap(), peer).await
    }
}

#[tokio::test]
async fn mails_to_a_slow_domain_stand_in_line_and_hold_nobody_else_up() {
    let slow = Slow::new().await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(slow.hold(None).await.unwrap());
    }
    let places_free = slow.world.ca.service.mails_in_flight.available_permits();
    assert_eq!(slow.ask("alice@slow.example", "127.0.0.1").await.ok().text("status"), "processing");
    let free = slow.world.ca.service.mails_in_flight.available_permits();
    assert_eq!(free, places_free, "it takes no place of the others'");
    for _ in 0..63 {
        held.push(slow.hold(None).await.unwrap());
    }
    // A mail that is not made costs none of the five an hour.
    for _ in 0..6 {
        let refused = slow.ask("bob@slow.example", "127.0.0.1").await;
        assert_eq!((refused.problem().as_str(), refused.status), ("rateLimited", StatusCode::TOO_MANY_REQUESTS));
        assert_eq!((refused.text("limit"), refused.header("retry-after")), ("mails_waiting".into(), "90".into()));
        assert!(refused.json().get("rate").is_none(), "it is no rate");
    }
    assert_eq!(slow.ask("alice@quick.example", "127.0.0.1").await.ok().text("status"), "processing");
}

#[tokio::test]
async fn one_network_takes_a_quarter_of_the_line_and_leaves_the_rest_to_others() {
    let slow = Slow::new().await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(slow.hold(Some("192.0.2.1")).await.unwrap());
    }
    for host in 1..=16 {
        held.push(slow.hold(Some(&format!("192.0.2.{host}"))).await.unwrap());
        held.push(slow.hold(Some(&format!("2001:db8:7:{host}::1"))).await.unwrap());
    }
    for (peer, limit) in [
        ("192.0.2.99", "mails_waiting_per_network"),
        // The same network as a dual-stack socket sees it (RFC 4291 section 2.5.5.2).
        ("::ffff:192.0.2.99", "mails_waiting_per_network"),
        ("2001:db8:7:ffff::1", "mails_waiting_per_network"),
        ("192.0.3.1", ""),
        ("2001:db8:8::1", ""),
        ("127.0.0.1", ""),
        ("::1", ""),
    ] {
        let name = peer.replace([':', '.'], "-").trim_matches('-').to_owned();
        let answer = slow.ask(&format!("a{name}@slow.example"), peer).await;
        if limit.is_empty() {
            assert_eq!(answer.ok().text("status"), "processing", "{peer}");
            continue;
        }
        assert_eq!((answer.problem().as_str(), answer.text("limit").as_str()), ("rateLimited", limit), "{peer}");
        assert!(answer.text("detail").contains("asked for from your network"), "{}", answer.text("detail"));
        assert_eq!(answer.header("retry-after"), "90", "{peer}");
    }
    // Whoever leaves the line leaves her stand to others of her network.
    assert_eq!(slow.hold(Some("192.0.2.1")).await.err(), Some(Full::Share));
    held.clear();
    assert!(slow.hold(Some("192.0.2.1")).await.is_ok());
}
