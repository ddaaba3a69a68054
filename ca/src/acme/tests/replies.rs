//! `email-reply-00` (RFC 8823) with a name server, a mail server's LMTP and a signer of our own; other people's are in the
//! end-to-end tests.

use std::net::SocketAddr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::{DkimKey, LmtpAddress, Replies};
use crate::new_dkim_key;
use crate::store::Fault;
use crate::testing::{Client, NameServer, Signer, World, csr};

const ALICE: &str = "alice@example.org";
const ACME: &str = "acme@ca.example";

/// A domain's key.
struct Key {
    pkcs8: Vec<u8>,
    record: String,
}

impl Key {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let record = format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public.as_ref()));
        Self { pkcs8: pkcs8.as_ref().to_vec(), record }
    }

    fn sign(&self, domain: &str, headers: &[&str], mail: &str) -> String {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.as_slice()));
        let key = RsaKey::<Sha256>::from_key_der(der).unwrap();
        let signer = DkimSigner::from_key(key).domain(domain).selector("s1").headers(headers.iter().copied());
        signer.sign(mail.as_bytes()).unwrap().to_header() + mail
    }
}

struct Stage {
    world: World,
    server: NameServer,
    lmtp: SocketAddr,
    /// Keeps its port from everybody else.
    _held: tokio::net::TcpSocket,
    key: Key,
}

impl Stage {
    async fn new(only: bool) -> Self {
        let server = NameServer::start().await;
        let key = Key::new();
        server.txt("s1._domainkey.example.org", &key.record);
        // Bound, not listened on: nobody is given it as a free one, and who is told of it can listen there all the same.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let lmtp = held.local_addr().unwrap();
        let resolvers = server.resolvers();
        let keys = tempfile::tempdir().unwrap();
        let record = new_dkim_key(keys.path()).unwrap();
        server.txt("2026._domainkey.ca.example", &record.value);
        let file = keys.path().join("keys/dkim.key.pem");
        let world = World::with(|config| {
            config.dns = Some(resolvers);
            config.dkim = Some(DkimKey { selector: "2026".into(), file });
            config.replies = Some(Replies { address: ACME.into(), lmtp: LmtpAddress::Tcp(lmtp), only });
        })
        .await;
        Self { world, server, lmtp, _held: held, key }
    }

    /// An account, the challenge, and the authorization's URL.
    async fn begun(&self) -> (Client, Value, String) {
        let client = Client::open(&self.world, Signer::p256()).await;
        let order = client.order(ALICE).await.ok().json();
        let url = order["authorizations"][0].as_str().unwrap().to_owned();
        let challenges = client.read(&url).await.ok().json()["challenges"].clone();
        let challenge = challenges.as_array().unwrap().iter().find(|c| c["type"] == "email-reply-00").unwrap().clone();
        (client, challenge, url)
    }

    fn mail(&self) -> String {
        self.world.mails().into_iter().rfind(|mail| mail.contains("\nSubject: ACME: ")).expect("a challenge by mail")
    }

    /// What mail servers say to a mail.
    async fn hand_over(&self, mail: &str) -> String {
        let mut stream = TcpStream::connect(self.lmtp).await.unwrap();
        let stuffed = mail.replace("\r\n.", "\r\n..");
        let said = format!("LHLO mx\r\nMAIL FROM:<{ALICE}>\r\nRCPT TO:<{ACME}>\r\nDATA\r\n{stuffed}\r\n.\r\nQUIT\r\n");
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        let after = heard.split("354 ").nth(1).unwrap_or_else(|| panic!("{heard}"));
        after.lines().nth(1).unwrap().to_owned()
    }
}

fn field(mail: &str, name: &str) -> String {
    let unfolded = mail.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
    let found = unfolded.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    found.unwrap_or_else(|| panic!("no {name} in {mail}"))
}

fn thumbprint(client: &Client) -> String {
    let jwk = client.key.jwk();
    let canonical = format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
        jwk["x"].as_str().unwrap(),
        jwk["y"].as_str().unwrap()
    );
    URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(canonical))
}

/// A reply as the RFC wants it.
fn reply(client: &Client, challenge: &Value, mail: &str) -> String {
    let subject = field(mail, "Subject");
    let part1 = subject.strip_prefix("ACME: ").unwrap();
    let token = format!("{part1}{}.{}", challenge["token"].as_str().unwrap(), thumbprint(client));
    let digest = URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(token));
    format!(
        "From: Alice <{ALICE}>\r\nTo: {ACME}\r\nSubject: Re: {subject}\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\n\
         Message-ID: <1@example.org>\r\nIn-Reply-To: {}\r\nContent-Type: text/plain\r\n\r\n\
         -----BEGIN ACME RESPONSE-----\r\n{digest}\r\n-----END ACME RESPONSE-----\r\n",
        field(mail, "Message-ID")
    )
}

const HEADERS: [&str; 12] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "CC",
    "Subject",
    "Date",
    "In-Reply-To",
    "References",
    "Message-ID",
    "Content-Type",
    "Content-Transfer-Encoding",
];

#[tokio::test]
async fn a_signed_reply_proves_control_once() {
    let stage = Stage::new(false).await;
    let (client, challenge, authorization) = stage.begun().await;
    assert_eq!((&challenge["status"], &challenge["from"]), (&json!("pending"), &json!(ACME)));
    assert!(challenge["token"].as_str().unwrap().len() >= 22);
    let url = challenge["url"].as_str().unwrap();
    assert_eq!(client.post(url, json!({})).await.ok().text("status"), "processing");
    // As the RFC has it, the same says later that the reply was sent: no second mail.
    client.post(url, json!({})).await.ok();
    assert_eq!(stage.world.mails().len(), 1);
    let mail = stage.mail();
    assert_eq!(field(&mail, "From"), ACME);
    assert_eq!(field(&mail, "To"), ALICE);
    assert_eq!(field(&mail, "Auto-Submitted"), "auto-generated; type=acme");
    let signed = field(&mail, "DKIM-Signature").to_lowercase();
    assert!(signed.contains("d=ca.example") && signed.contains("s=2026"), "{signed}");
    for name in HEADERS.iter().chain(&["Auto-Submitted"]) {
        assert!(signed.replace([' ', '\t'], "").contains(&name.to_lowercase()), "{name}: {signed}");
    }
    let signed = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &mail));
    assert_eq!(stage.hand_over(&signed).await, "250 2.0.0 control is proven");
    let found = client.read(&authorization).await.ok().json();
    assert_eq!((&found["status"], &found["challenges"][0]["type"]), (&json!("valid"), &json!("email-reply-00")));
    assert_eq!(found["challenges"].as_array().unwrap().len(), 1);
    // A second time it proves nothing; nobody is waiting for it.
    assert_eq!(stage.hand_over(&signed).await, "250 2.0.0 read");
    let device = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let order = client.order(ALICE).await.ok();
    client.finalize(&order.json(), &csr(ALICE, &device)).await.ok();
    client.download(&order.header("location")).await;
}

#[tokio::test]
async fn where_a_reply_is_the_only_way_the_mail_goes_out_by_itself() {
    let stage = Stage::new(true).await;
    let (client, challenge, authorization) = stage.begun().await;
    let challenges = client.read(&authorization).await.ok().json()["challenges"].clone();
    assert_eq!(challenges.as_array().unwrap().len(), 1);
    assert_eq!(stage.world.mails().len(), 1);
    let signed = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &stage.mail()));
    assert_eq!(stage.hand_over(&signed).await, "250 2.0.0 control is proven");
}

#[tokio::test]
async fn forgeries_prove_nothing_and_the_asker_learns_why() {
    let stage = Stage::new(false).await;
    let (client, challenge, _) = stage.begun().await;
    let url = challenge["url"].as_str().unwrap();
    client.post(url, json!({})).await.ok();
    let good = reply(&client, &challenge, &stage.mail());
    let other = Key::new();
    stage.server.txt("s1._domainkey.evil.example", &other.record);
    let sign = |mail: &str| stage.key.sign("example.org", &HEADERS, mail);
    let digest = good.lines().find(|line| line.len() == 43).unwrap();
    let without = |name: &str| HEADERS.iter().copied().filter(|h| *h != name).collect::<Vec<_>>();
    let signed = sign(&good);
    let cases = [
        ("unsigned", good.clone(), "found none"),
        ("somebody else's key", other.sign("example.org", &HEADERS, &good), "does not fit"),
        ("misaligned", other.sign("evil.example", &HEADERS, &good), "by example.org, found none"),
        ("another sender", sign(&good.replace(ALICE, "mallory@example.org")), "another address"),
        (
            "another domain",
            other.sign("evil.example", &HEADERS, &good.replace("example.org", "evil.example")),
            "another address",
        ),
        ("a wrong digest", sign(&good.replace(digest, &URL_SAFE_NO_PAD.encode([7; 32]))), "digest"),
        ("altered after signing", signed.replace("Alice <", "Alicia <"), "does not fit"),
        ("the body altered", format!("{signed}more\r\n"), "does not fit"),
        ("part of the body", signed.replace("; bh=", "; l=10; bh="), "(l=)"),
        ("the subject not signed", stage.key.sign("example.org", &without("Subject"), &good), "Subject"),
        ("the sender not signed", stage.key.sign("example.org", &without("From"), &good), "From"),
        ("a field put in", signed.replace("To: acme", "Reply-To: mallory@evil.example\r\nTo: acme"), "does not fit"),
        ("over a list", sign(&good.replace("To: acme", "List-Id: <x.example>\r\nTo: acme")), "list"),
    ];
    for (what, mail, expected) in cases {
        assert_eq!(stage.hand_over(&mail).await, "250 2.0.0 read", "{what}");
        let seen = client.read(url).await.ok().json();
        assert_eq!(seen["status"], "processing", "{what}");
        let told = seen["error"]["detail"].as_str().unwrap_or_default();
        assert!(told.contains(expected), "{what}: {told}");
        assert!(seen["error"]["type"].as_str().unwrap().ends_with(":replyRefused"), "{what}");
    }
    // Two senders: it is not even known what it answers.
    let two = format!("From: {ALICE}\r\n{signed}");
    assert_eq!(stage.hand_over(&two).await, "250 2.0.0 read");
    // After all that, the true one still counts.
    assert_eq!(stage.hand_over(&signed).await, "250 2.0.0 control is proven");
}

#[tokio::test]
async fn a_reply_counts_for_the_account_and_the_mail_it_was_made_for() {
    let stage = Stage::new(false).await;
    let (client, challenge, _) = stage.begun().await;
    let url = challenge["url"].as_str().unwrap();
    client.post(url, json!({})).await.ok();
    let first = stage.mail();
    let (mallory, hers, _) = stage.begun().await;
    // Mallory's half and key, with the mail that Alice got.
    let crossed = stage.key.sign("example.org", &HEADERS, &reply(&mallory, &hers, &first));
    stage.hand_over(&crossed).await;
    assert!(client.read(url).await.ok().json()["error"]["detail"].as_str().unwrap().contains("digest"));
    // Another mail makes the first one worthless.
    client.post(url, json!({"resend": true})).await.ok();
    assert_eq!(stage.world.mails().len(), 2);
    let late = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &first));
    stage.hand_over(&late).await;
    assert_eq!(client.read(url).await.ok().text("status"), "processing");
    let good = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &stage.mail()));
    // A day later it is too late.
    stage.world.advance(std::time::Duration::from_secs(86_400));
    stage.hand_over(&good).await;
    assert!(client.read(url).await.ok().json()["error"]["detail"].as_str().unwrap().contains("too late"));
}

#[tokio::test]
async fn keys_that_are_revoked_tested_or_unreachable_are_none() {
    let stage = Stage::new(false).await;
    let (client, challenge, _) = stage.begun().await;
    let url = challenge["url"].as_str().unwrap();
    client.post(url, json!({})).await.ok();
    let mail = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &stage.mail()));
    // The resolvers remember what they were told: each case has a selector of its own.
    let with = |selector: &str| mail.replace("s=s1", &format!("s={selector}"));
    stage.server.txt("gone._domainkey.example.org", "v=DKIM1; k=rsa; p=");
    stage.server.txt("test._domainkey.example.org", &stage.key.record.replace("k=rsa;", "k=rsa; t=s:y;"));
    stage.server.txt("two._domainkey.example.org", &stage.key.record);
    stage.server.txt("two._domainkey.example.org", "v=DKIM1; p=");
    stage.server.fail("broken._domainkey.example.org");
    for (selector, told) in [("gone", "revoked"), ("test", "testing"), ("two", "several"), ("none", "nothing")] {
        assert_eq!(stage.hand_over(&with(selector)).await, "250 2.0.0 read");
        let seen = client.read(url).await.ok().json();
        assert!(seen["error"]["detail"].as_str().unwrap().contains(told), "{selector}: {seen}");
    }
    let left = client.read(url).await.ok().json()["triesLeft"].clone();
    assert_eq!(stage.hand_over(&with("broken")).await, "451 4.3.0 cannot be judged now, try again");
    assert_eq!(client.read(url).await.ok().json()["triesLeft"], left, "a failure of ours costs nothing");
    assert_eq!(stage.hand_over(&mail).await, "250 2.0.0 control is proven");
}

/// RFC 6376 section 3.6.1, tags `s` and `h`.
#[tokio::test]
async fn keys_of_other_services_and_for_other_hashes_are_none() {
    let stage = Stage::new(false).await;
    let (client, challenge, _) = stage.begun().await;
    let url = challenge["url"].as_str().unwrap();
    client.post(url, json!({})).await.ok();
    let mail = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &stage.mail()));
    for (selector, tag, told) in [("tls", "s=tlsrpt", "not for mail"), ("sha1", "h=sha1", "not for SHA-256")] {
        let record = stage.key.record.replace("k=rsa;", &format!("k=rsa; {tag};"));
        stage.server.txt(&format!("{selector}._domainkey.example.org"), &record);
        assert_eq!(stage.hand_over(&mail.replace("s=s1", &format!("s={selector}"))).await, "250 2.0.0 read");
        let seen = client.read(url).await.ok().json();
        assert!(seen["error"]["detail"].as_str().unwrap().contains(told), "{selector}: {seen}");
    }
    let record = stage.key.record.replace("k=rsa;", "k=rsa; s=tlsrpt : email; h=sha1:sha256;");
    stage.server.txt("both._domainkey.example.org", &record);
    // This one is used: what is wrong is the signature, which was made for another selector.
    stage.hand_over(&mail.replace("s=s1", "s=both")).await;
    let seen = client.read(url).await.ok().json();
    assert!(seen["error"]["detail"].as_str().unwrap().contains("does not fit the mail"), "{seen}");
}

#[tokio::test]
async fn the_domain_name_system_is_asked_only_for_who_has_the_digest() {
    let stage = Stage::new(false).await;
    let (client, challenge, _) = stage.begun().await;
    client.post(challenge["url"].as_str().unwrap(), json!({})).await.ok();
    let good = reply(&client, &challenge, &stage.mail());
    let digest = good.lines().find(|line| line.len() == 43).unwrap();
    let before = stage.server.asked().len();
    stage.hand_over(&stage.key.sign("example.org", &HEADERS, &good.replace(digest, &"A".repeat(43)))).await;
    assert_eq!(stage.server.asked().len(), before);
}

/// The writes of a proof by reply: the digest before its mail, that it was handed over, and the proof itself. The mail server
/// keeps what was not taken, and the asker asks again.
#[tokio::test]
async fn a_fault_at_any_write_of_a_reply_is_tried_again_by_whoever_has_the_mail() {
    for fault in [Fault::NotPersisted, Fault::Persisted] {
        for write in 0..3 {
            let stage = Stage::new(false).await;
            let (client, challenge, authorization) = stage.begun().await;
            let url = challenge["url"].as_str().unwrap();
            stage.world.store.fail_after(write, fault);
            let is_challenge = |mail: &String| mail.contains("\nSubject: ACME: ");
            let mut tries = 0;
            while client.read(&authorization).await.ok().text("status") != "valid" {
                tries += 1;
                assert!(tries < 6, "write {write}, {fault:?}");
                client.post(url, json!({})).await;
                if stage.world.mails().iter().any(is_challenge) {
                    let signed = stage.key.sign("example.org", &HEADERS, &reply(&client, &challenge, &stage.mail()));
                    let said = stage.hand_over(&signed).await;
                    // What could not be written is not taken: it comes again.
                    assert!(said.starts_with("250 ") || said.starts_with("451 "), "{said}");
                }
                stage.world.advance(std::time::Duration::from_secs(60));
            }
            // It proves nothing a second time.
            let found = client.read(&authorization).await.ok().json();
            assert_eq!(found["challenges"][0]["type"], "email-reply-00");
        }
    }
}
