//! Certificates for mail: the profile `mail`.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use identity::certificate::{Certificate, Tbs};
use identity::profile::Profile;
use identity::trust::Revocation;
use identity::verify::{VerifiedMailbox, verify_mail, verify_person};
use rcgen::KeyPair;
use serde_json::{Value, json};

use super::{URL_SAFE_NO_PAD, chain, device};
use crate::store::Subject;
use crate::testing::{BASE, Client, Signer, World, csr, serial, until};

const PLAIN: &str = "http://localhost:8446";
const ALICE: &str = "alice@example.org";
const DAY: Duration = Duration::from_secs(86_400);

/// A P-256 key, as most programs take it.
fn p256() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

async fn world() -> World {
    World::new().await.restart_with(|config| config.plain_url = Some(PLAIN.into())).await
}

async fn order(client: &Client) -> crate::testing::Answer {
    let wanted = json!({"identifiers": [{"type": "email", "value": ALICE}], "profile": "mail"});
    client.post("/new-order", wanted).await
}

/// Proves control, if the order asks for it, and gives the order as it is then.
async fn prove(client: &Client, world: &World, order: &crate::testing::Answer) -> Value {
    let (url, mut order) = (order.header("location"), order.json());
    if order["status"] == "pending" {
        let challenge = client.challenge(&order).await["url"].as_str().unwrap().to_owned();
        client.post(&challenge, json!({})).await.ok();
        client.post(&challenge, json!({"code": world.code(ALICE)})).await.ok();
        order = client.read(&url).await.ok().json();
    }
    order["url"] = url.into();
    order
}

async fn enroll(client: &Client, world: &World, key: &KeyPair) -> Vec<identity::CertificateDer> {
    let order = prove(client, world, &order(client).await.ok()).await;
    client.finalize(&order, &csr(ALICE, key)).await.ok();
    chain(&client.download(order["url"].as_str().unwrap()).await)
}

fn tbs(chain: &[identity::CertificateDer]) -> Tbs {
    Certificate::parse(&chain[0]).unwrap().tbs().clone()
}

/// What the list that the certificate names says of it, fetched by plain HTTP.
async fn revocation(world: &World, client: &Client, chain: &[identity::CertificateDer]) -> Revocation {
    let (trust, url) = (world.trust(), tbs(chain).crl_urls().remove(0));
    let client = Client { router: world.ca.plain_router(), key: Signer::p256(), account: client.account.clone() };
    let answer = client.get(url.strip_prefix(PLAIN).unwrap()).await.ok();
    assert_eq!(answer.header("content-type"), "application/pkix-crl");
    trust.install_crl_of(&url, &answer.body, world.now()).unwrap();
    match verify_mail(chain, &trust, world.now()) {
        Ok(person) => person.revocation(),
        Err(_) => Revocation::Revoked,
    }
}

#[tokio::test]
async fn where_nothing_is_served_by_plain_http_none_is_made() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    assert_eq!(client.get("/directory").await.ok().json()["meta"]["profiles"].as_object().unwrap().len(), 1);
    assert_eq!(order(&client).await.problem(), "invalidProfile");
    let world = world.restart_with(|config| config.plain_url = Some(PLAIN.into())).await;
    let client = Client { router: world.ca.router(), ..client };
    let profiles = client.get("/directory").await.ok().json()["meta"]["profiles"].clone();
    assert!(profiles["mail"].as_str().unwrap().contains("90 days"), "{profiles}");
    // A number has no mail.
    let number = json!({"identifiers": [{"type": "tel", "value": "+4915112345678"}], "profile": "mail"});
    assert!(!client.post("/new-order", number).await.status.is_success());
}

#[tokio::test]
async fn each_kind_of_key_gets_one_that_verifies_and_says_where_its_issuer_is() {
    let world = world().await;
    let client = Client::open(&world, Signer::p256()).await;
    for key in [p256(), KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072).unwrap(), device()]
    {
        let chain = enroll(&client, &world, &key).await;
        let mailbox: VerifiedMailbox = verify_mail(&chain, &world.trust(), world.now()).unwrap();
        assert_eq!((mailbox.identifier().as_str(), mailbox.profile()), (ALICE, "mail"));
        let life = mailbox.not_after().as_secs() + 1 - mailbox.not_before().as_secs();
        assert_eq!(life, Profile::mail().lifetime().as_secs());
        assert!(verify_person(&chain, &world.trust(), world.now()).is_err(), "it speaks for nobody in a conversation");
        // The log holds it under a label of hers, as every other one.
        let record = world.ca.service.store.certificate(serial(&chain[0])).await.unwrap().unwrap();
        assert!(matches!(record.subject, Subject::Person { .. }) && record.index().is_some());
        let text = String::from_utf8_lossy(&chain[0]).into_owned();
        let plain = Client { router: world.ca.plain_router(), key: Signer::p256(), account: None };
        assert!(text.contains("http://localhost:8446/issuer/people.cer"));
        let issuer = plain.get("/issuer/people.cer").await.ok();
        assert_eq!(
            (issuer.header("content-type").as_str(), &issuer.body[..]),
            ("application/pkix-cert", &chain[1][..])
        );
        assert_eq!(plain.get("/issuer/nobody.cer").await.status, 404);
        assert_eq!(plain.get("/directory").await.status, 404, "nothing else is served so");
    }
    let short = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let order = prove(&client, &world, &order(&client).await.ok()).await;
    assert_eq!(client.finalize(&order, &csr(ALICE, &short)).await.problem(), "badCSR");
}

#[tokio::test]
async fn keys_for_mail_are_never_those_of_devices() {
    let world = world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let key = device();
    client.enroll(&world, ALICE, &key).await;
    let for_mail = prove(&client, &world, &order(&client).await.ok()).await;
    let refused = client.finalize(&for_mail, &csr(ALICE, &key)).await;
    assert_eq!(refused.problem(), "badCSR");
    assert!(refused.text("detail").contains("the profile device"), "{}", refused.text("detail"));
    let other = device();
    client.finalize(&for_mail, &csr(ALICE, &other)).await.ok();
    client.download(for_mail["url"].as_str().unwrap()).await;
    let told = async || world.mails().iter().any(|mail| mail.contains("servers logged in to"));
    until("its owner is told what it is for", told).await;
    let live = client.ready(&world, ALICE).await;
    assert_eq!(client.finalize(&live, &csr(ALICE, &other)).await.problem(), "badCSR");
}

#[tokio::test]
async fn control_is_proven_anew_after_thirty_days() {
    let world = world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let key = p256();
    enroll(&client, &world, &key).await;
    world.advance(29 * DAY);
    let early = order(&client).await.ok();
    assert_eq!(early.text("status"), "ready");
    world.advance(2 * DAY);
    // The proof counts for devices still, and for what was ordered before no more.
    assert_eq!(client.order(ALICE).await.ok().text("status"), "ready");
    assert_eq!(client.read(&early.header("location")).await.ok().text("status"), "invalid");
    let finalize = json!({"finalize": early.json()["finalize"]});
    assert_eq!(client.finalize(&finalize, &csr(ALICE, &key)).await.problem(), "orderNotReady");
    let again = order(&client).await.ok();
    assert_eq!(again.text("status"), "pending");
    let again = prove(&client, &world, &again).await;
    assert_eq!(again["status"], "ready");
    client.finalize(&again, &csr(ALICE, &key)).await.ok();
    assert_eq!(world.mails().len(), 2);
}

#[tokio::test]
async fn it_stands_on_the_list_that_it_names_with_parts_and_without() {
    let world = world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let before = [enroll(&client, &world, &p256()).await, enroll(&client, &world, &p256()).await];
    let url = tbs(&before[0]).crl_urls().remove(0);
    assert_eq!(url, format!("{PLAIN}/crl/people/mail.crl"));
    let revoke = |chain: &[identity::CertificateDer]| json!({"serial": tbs(chain).serial_hex(), "reason": 0});
    client.post("/revoke-cert", revoke(&before[0])).await.ok();
    assert_eq!(revocation(&world, &client, &before[0]).await, Revocation::Revoked);
    assert!(matches!(revocation(&world, &client, &before[1]).await, Revocation::Good { .. }));
    assert_eq!(world.ca.people_crls_der().len(), 1, "one list speaks for all");

    let in_parts = |config: &mut crate::config::CaConfig| {
        (config.plain_url, config.crl_shards) = (Some(PLAIN.into()), 4);
    };
    let world = world.restart_with(in_parts).await;
    let client = Client { router: world.ca.router(), ..client };
    assert_eq!(world.ca.people_crls_der().len(), 6);
    let after = enroll(&client, &world, &p256()).await;
    let urls: BTreeSet<_> = before.iter().chain([&after]).flat_map(|chain| tbs(chain).crl_urls()).collect();
    assert_eq!(urls, BTreeSet::from([url]), "what was named before is named still");
    assert_eq!(revocation(&world, &client, &before[0]).await, Revocation::Revoked);
    assert!(matches!(revocation(&world, &client, &after).await, Revocation::Good { .. }));
    let lists = world.ca.people_crls_der();
    client.post("/revoke-cert", revoke(&after)).await.ok();
    let changed = world.ca.people_crls_der().iter().zip(&lists).filter(|(new, old)| new != old).count();
    assert_eq!(changed, 1, "the parts are not made anew");
    assert_eq!(revocation(&world, &client, &after).await, Revocation::Revoked);
    // A device's certificate names what it named before.
    let live = chain(&client.enroll(&world, "bob@example.org", &device()).await);
    assert!(tbs(&live).crl_urls()[0].starts_with(&format!("{BASE}/crl/people/")));
}

#[tokio::test]
async fn each_kind_of_key_has_signatures_dated_and_another_of_its_kind_does_not() {
    use aws_lc_rs::rsa::KeyPair as Rsa;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let world = world().await;
    let client = Client::open(&world, Signer::p256()).await;
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072).unwrap();
    let signers: [fn(&[u8]) -> Signer; 2] = [
        |der| Signer::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).unwrap()),
        |der| Signer::Rsa(Box::new(Rsa::from_pkcs8(der).unwrap())),
    ];
    for ((key, signer), other) in [p256(), rsa].iter().zip(signers).zip([Signer::p256(), Signer::rsa()]) {
        let chain = enroll(&client, &world, key).await;
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let asked = json!({"certificate": b64(&chain[0]), "digest": b64(&[0; 32])});
        let holder = Client::new(&world, signer(&key.serialize_der()));
        assert!(holder.post("/date-signature", asked.clone()).await.ok().json()["proof"].is_string());
        let other = Client::new(&world, other);
        assert_eq!(other.post("/date-signature", asked).await.problem(), "unauthorized");
    }
}
