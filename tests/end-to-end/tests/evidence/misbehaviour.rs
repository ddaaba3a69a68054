//! An authority that certifies somebody else in a person's name, a log with two histories, and certificates as evidence.

use std::path::Path;

use identity::certificate::Certificate;
use identity::transparency::{LabelInput, Opening, VrfPublicKey, commitment};
use identity::trust::TrustPolicy;
use identity::{CertificateDer, Identifier};
use rustls::pki_types::pem::PemObject;
use story::homeserver::Homeserver;
use story::person::Person;
use tlog_proof::Entry;
use transparency_log::Submit;

use super::seized::seize;
use super::{Forked, files, judge};

/// A second entry under the label of this person's certificate, behind the back of the authority's own records.
async fn log_in_her_name(folder: &Path, person: &Person) {
    let policy = TrustPolicy::parse(&std::fs::read(folder.join("policy.json")).unwrap()).unwrap();
    let chain = std::fs::read(person.device().join("chain.pem")).unwrap();
    let leaf = CertificateDer::from_pem_slice(&chain).unwrap();
    let extension = Certificate::parse(&leaf).unwrap().tbs().transparency().unwrap().unwrap();
    let key = VrfPublicKey::from_bytes(policy.authorities[0].vrf_key.0.as_slice().try_into().unwrap()).unwrap();
    let identifier = Identifier::parse(person.address()).unwrap();
    let (origin, period, slot) = (extension.origin.as_str(), extension.period, extension.slot);
    let input = LabelInput { origin, identifier: &identifier, period, slot };
    let label = key.verify(&input, extension.vrf_proof.as_ref().unwrap()).unwrap();
    let commitment = commitment(&Opening::new([7; 32]), b"a certificate for somebody else");
    let log = seize(folder, &policy).await;
    log.submit(Entry::Certificate { label, commitment }.encode()).await.unwrap();
    log.stop().await;
}

#[test]
fn an_authority_that_certifies_somebody_else_in_her_name_is_convicted() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let (alice, bob) = (Person::new(place.path(), "alice@example.org"), Person::new(place.path(), "bob@example.org"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["watch", alice.address(), "--once"]).unwrap().expect(0, "a clean watch").unwrap();
    assert!(files(&alice).is_empty());
    server.stop().unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(log_in_her_name(&folder, &alice));
    drop(runtime);
    let server = Homeserver::start(&folder, &[]).unwrap();

    let alarm = alice.certtool(&["watch", alice.address(), "--once"]).unwrap().expect(3, "an alarm").unwrap();
    let found = files(&alice);
    assert_eq!(found.len(), 2, "{}", alarm.text());
    let mut convicted = 0;
    for file in &found {
        assert!(alarm.text().contains(file.to_str().unwrap()), "{}", alarm.text());
        let judgement = judge(place.path(), file);
        assert_eq!(judgement["fingerprint"], server.ready().fingerprint.as_str());
        assert_eq!(judgement["pinned"], false);
        let text = judgement["proven"].to_string();
        assert!(text.contains("alice@example.org"), "{judgement}");
        convicted += usize::from(judgement["of"] == "the authority localhost");
    }
    assert_eq!(convicted, 1, "the second entry alone accuses nobody, both together do");

    // Whoever audits the log sees it too, without knowing whose label it is.
    let audit = bob.certtool(&["audit"]).unwrap().expect(3, "audit").unwrap();
    let [file] = &*files(&bob) else { panic!("{}", audit.text()) };
    assert_eq!(judge(place.path(), file)["proves_misbehaviour"], true);

    // A file that was changed proves nothing.
    let changed = place.path().join("changed.json");
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(&changed, text.replacen("index ", "index 1", 1)).unwrap();
    let refused = bob.certtool(&["verify", "--evidence", changed.to_str().unwrap()]).unwrap();
    let refused = refused.expect(3, "changed evidence").unwrap();
    assert!(refused.text().contains("proves nothing"), "{}", refused.text());
    server.stop().unwrap();
}

#[test]
fn a_log_with_two_histories_is_convicted_with_its_witness() {
    let forked = Forked::new(&["alice", "auditor"]);
    let auditor = forked.person("auditor");
    let server = forked.start();
    forked.enrol(&server, &["bob"]);
    auditor.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    server.stop().unwrap();

    forked.begin_the_other();
    let server = forked.start();
    forked.enrol(&server, &["carol", "dave", "erin"]);
    let refused = auditor.certtool(&["audit"]).unwrap().expect(3, "audit of a rewritten log").unwrap();
    let [file] = &*files(&auditor) else { panic!("{}", refused.text()) };
    assert!(refused.text().contains(file.to_str().unwrap()), "{}", refused.text());
    let judgement = judge(forked.place.path(), file);
    assert_eq!(judgement["proves_misbehaviour"], true, "{judgement}");
    assert!(judgement["of"].as_str().unwrap().starts_with("the log localhost"), "{judgement}");
    let text = judgement["proven"].to_string();
    assert!(text.contains("two histories") && text.contains("has cosigned both"), "{judgement}");

    // Looked at again, it is the same evidence.
    auditor.certtool(&["audit"]).unwrap().expect(3, "audit of a rewritten log").unwrap();
    assert_eq!(&*files(&auditor), std::slice::from_ref(file));
    server.stop().unwrap();
}

#[test]
fn a_certificate_is_exported_with_what_it_proves() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    let file = place.path().join("evidence.json");
    let output = file.to_str().unwrap();
    let export = |options: &[&str]| {
        let arguments = [&["evidence", alice.address(), "-o", output], options].concat();
        alice.certtool(&arguments).unwrap()
    };
    let refused = export(&["--rule", "LOG-06"]).expect(3, "a rule that is kept").unwrap();
    assert!(!file.exists(), "{}", refused.text());
    export(&[]).expect(0, "evidence").unwrap();
    let judgement = judge(place.path(), &file);
    assert_eq!(judgement["proves_misbehaviour"], false);
    assert!(judgement["open"][0].as_str().unwrap().contains("only she can say"), "{judgement}");
    // After its end it breaks a rule, which is nobody's fault.
    export(&["--at", "2099-01-01", "--rule", "CHAIN-07"]).expect(0, "evidence").unwrap();
    assert_eq!(judge(place.path(), &file)["proves_misbehaviour"], false);
    for garbage in ["", "{}", "no evidence"] {
        std::fs::write(&file, garbage).unwrap();
        let refused = alice.certtool(&["verify", "--evidence", output]).unwrap().expect(3, garbage).unwrap();
        assert!(!refused.text().contains("panicked"), "{}", refused.text());
    }
    server.stop().unwrap();
}
