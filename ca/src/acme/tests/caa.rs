use serde_json::json;

use crate::config::Resolvers;
use crate::testing::{Client, NameServer, Signer, World, csr};

async fn world(server: &NameServer) -> World {
    let resolvers = server.resolvers();
    World::with(|config| config.dns = Some(resolvers)).await
}

/// The problem of an order for this address, if there is one.
async fn ordered(world: &World, address: &str) -> Option<String> {
    let answer = Client::open(world, Signer::p256()).await.order(address).await;
    (!answer.status.is_success()).then(|| answer.problem())
}

#[tokio::test]
async fn the_nearest_name_with_records_decides() {
    let server = NameServer::start().await;
    let world = world(&server).await;
    assert_eq!(ordered(&world, "alice@a.b.example.org").await, None);
    assert_eq!(server.asked(), ["a.b.example.org", "b.example.org", "example.org", "org"]);
    // The authority of these tests is called localhost.
    server.caa("example.org", false, "issuemail", "other.example");
    server.caa("good.example.org", false, "issuemail", "localhost");
    server.caa("web.example.org", false, "issue", ";");
    server.caa("none.example.org", false, "issuemail", ";");
    server.caa("new.example.org", true, "tomorrow", "x");
    let cases = [
        ("alice@c.example.org", Some("caa")),
        ("alice@good.example.org", None),
        ("alice@sub.good.example.org", None),
        // What is said about the web says nothing about mail, but it is the nearest name with records.
        ("alice@web.example.org", None),
        ("alice@none.example.org", Some("caa")),
        ("alice@new.example.org", Some("caa")),
        ("alice@elsewhere.example", None),
    ];
    for (address, problem) in cases {
        assert_eq!(ordered(&world, address).await.as_deref(), problem, "{address}");
    }
}

#[tokio::test]
async fn a_failure_is_a_refusal_and_aliases_are_followed() {
    let server = NameServer::start().await;
    let world = world(&server).await;
    server.fail("broken.example");
    assert_eq!(ordered(&world, "alice@broken.example").await.as_deref(), Some("dns"));
    // Also above the name itself.
    assert_eq!(ordered(&world, "alice@mail.broken.example").await.as_deref(), Some("dns"));
    server.alias("alias.example.org", "target.example.net");
    server.caa("target.example.net", false, "issuemail", ";");
    assert_eq!(ordered(&world, "alice@alias.example.org").await.as_deref(), Some("caa"));
}

#[tokio::test]
async fn what_counts_is_said_at_the_end() {
    let server = NameServer::start().await;
    let world = world(&server).await;
    let device = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let client = Client::open(&world, Signer::p256()).await;
    server.caa("example.org", false, "issuemail", "localhost; validationmethods=email-reply-00");
    let order = client.ready(&world, "alice@example.org").await;
    // Proven by a code, and only replies are permitted.
    let refused = client.finalize(&order, &csr("alice@example.org", &device)).await;
    assert_eq!(refused.problem(), "caa");
    assert!(world.submitted().is_empty(), "nothing is logged");
    assert_eq!(client.read(order["url"].as_str().unwrap()).await.ok().json()["status"], "ready");
}

#[tokio::test]
async fn most_of_several_resolvers_must_agree() {
    let (honest, other, liar) = (NameServer::start().await, NameServer::start().await, NameServer::start().await);
    for server in [&honest, &other] {
        server.caa("example.org", false, "issuemail", ";");
    }
    let servers = vec![honest.address, other.address, liar.address];
    let of = async |servers: Vec<_>| World::with(|config| config.dns = Some(Resolvers { servers, agree: None })).await;
    let three = of(servers).await;
    assert_eq!(ordered(&three, "alice@example.org").await.as_deref(), Some("caa"), "one alone is not believed");
    // Two that contradict each other decide nothing.
    let two = of(vec![honest.address, liar.address]).await;
    assert_eq!(ordered(&two, "alice@example.org").await.as_deref(), Some("dns"));
    // One of three may be away.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = of(vec![honest.address, closed, other.address]).await;
    assert_eq!(ordered(&away, "alice@example.org").await.as_deref(), Some("caa"));
    let authorized = Client::open(&three, Signer::p256()).await;
    // Control alone can be proven all the same: for the watch, or to revoke.
    let asked = json!({"identifier": {"type": "email", "value": "alice@example.org"}});
    authorized.post("/new-authz", asked).await.ok();
}
