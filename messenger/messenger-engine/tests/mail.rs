//! Certificates for mail between devices, with real certificates and a real directory.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use identity::UnixTime;
use identity::verify::verify_mail;
use messenger_engine::{Command, EngineConfig, Event, MailCertificate, NoMail};
use rustls::pki_types::CertificateDer;
use support::{Someone, Town, identifier};

async fn ask(alice: &Someone) {
    alice.do_it(Command::MailCertificate { who: identifier("bob").to_string() }).await;
}

async fn came(alice: &mut Someone) -> MailCertificate {
    let came = |event: &Event| match event {
        Event::MailCertificate(told) => Some(told.clone()),
        Event::NoMailCertificate { message, .. } => panic!("{message}"),
        _ => None,
    };
    alice.wait("a certificate for mail", came).await
}

async fn refused(alice: &mut Someone) -> String {
    let refused = |event: &Event| match event {
        Event::MailCertificate(told) => panic!("taken: {told:?}"),
        Event::NoMailCertificate { because: NoMail::Refused, message, .. } => Some(message.clone()),
        _ => None,
    };
    alice.wait("a refusal", refused).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_from_the_device_when_it_is_asked_for_and_is_verified() {
    let town = Town::new().await;
    let chain = town.issue_mail("bob");
    let mut alice = town.person("alice", &["bob"]).await;
    let bob = EngineConfig { mail_certificate: chain.clone(), ..town.config("bob", &["alice"]) };
    let bob = Someone::start(bob).await;
    alice.sees("bob", true).await;
    ask(&alice).await;
    let told = came(&mut alice).await;
    assert_eq!(told.who, identifier("bob"));
    let sent: Vec<CertificateDer<'static>> = told.chain.into_iter().map(|der| der.0.into()).collect();
    assert_eq!(sent, chain);
    let verified = verify_mail(&sent, &town.trust, UnixTime::now()).unwrap();
    assert_eq!((told.serial, told.not_after), (verified.serial_hex(), verified.not_after().as_secs()));
    // Renewed while they talk.
    let renewed = town.issue_mail("bob");
    bob.engine.renewals().show_mail_certificate(renewed.clone()).await.unwrap();
    assert_eq!(came(&mut alice).await.chain[0].0, renewed[0].to_vec());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_hers_or_counts_no_more_is_refused() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let revoked = town.issue_mail("bob");
    town.revoke(&[&town.mail_serial(&revoked)]);
    let device = town.config("bob", &[]).chain;
    for (chain, words) in [
        (town.issue_mail("mallory"), "expected one of bob@example.org, found one of mallory@example.org"),
        (town.issue_mail_ended("bob"), "CHAIN-07"),
        (town.issue_mail_carelessly("bob"), "TRUST-06"),
        (device, "CHAIN-08"),
        (revoked, "REV-01"),
    ] {
        let bob = EngineConfig { mail_certificate: chain, ..town.config("bob", &["alice"]) };
        let bob = Someone::start(bob).await;
        alice.sees("bob", true).await;
        ask(&alice).await;
        let message = refused(&mut alice).await;
        assert!(message.contains(words), "{words}: {message}");
        bob.do_it(Command::Quit).await;
        alice.sees("bob", false).await;
    }
}
