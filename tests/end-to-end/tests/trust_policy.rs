//! A trust policy changes: drafted, signed, logged and served by the operator; fetched, shown and taken by people.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use story::guard::guarded;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};

const SOON: Duration = Duration::from_secs(60);

fn policy_command(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = guarded(&story::guard::program("homeserver").unwrap()).unwrap();
    command.arg("policy").args(arguments).arg("--folder").arg(folder);
    process::run("homeserver", command, SOON).unwrap()
}

/// Signs the newest policy with a change as the next version.
fn publish(place: &Path, folder: &Path, change: impl FnOnce(&mut Value)) -> Finished {
    let draft = policy_command(folder, &["draft"]).expect(0, "draft").unwrap();
    let mut next: Value = serde_json::from_str(&draft.stdout).unwrap();
    change(&mut next);
    let file = place.join("next.json");
    std::fs::write(&file, serde_json::to_string_pretty(&next).unwrap()).unwrap();
    policy_command(folder, &["sign", file.to_str().unwrap()])
}

/// Asks for updates until the server has published one.
fn update(person: &Person, options: &[&str]) -> Finished {
    let arguments = [&["trust", "update"], options].concat();
    process::await_sight("an update", SOON, || {
        let done = person.certtool(&arguments).unwrap();
        (!done.text().contains("is the newest")).then_some(done)
    })
    .unwrap()
}

#[test]
fn a_policy_is_updated_and_only_with_the_persons_word() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let outbox = server.outbox();
    let person = |name: &str| Person::new(place.path(), name);
    let (alice, mallory) = (person("alice@example.org"), person("mallory@elsewhere.example"));
    alice.join(server.ready(), &outbox).unwrap();
    mallory.join(server.ready(), &outbox).unwrap();
    let of_mallory = mallory.device().join("chain.pem");
    let verify_mallory = |who: &Person| who.certtool(&["verify", of_mallory.to_str().unwrap()]).unwrap();
    verify_mallory(&alice).expect(0, "verify").unwrap();
    let none = alice.certtool(&["trust", "update"]).unwrap().expect(0, "trust update").unwrap();
    assert!(none.text().contains("version 1 is the newest"), "{}", none.text());

    // While the server runs: the authority may certify one domain only from now on.
    let narrow = |policy: &mut Value| policy["authorities"][0]["domains"] = serde_json::json!(["example.org"]);
    let signed = publish(place.path(), &folder, narrow).expect(0, "sign").unwrap();
    assert!(signed.stdout.contains("domains *") && signed.stdout.contains("domains example.org"), "{}", signed.text());

    // Nobody is there to agree: it is shown, and not taken.
    let shown = update(&alice, &[]).expect(3, "an update without the person's word").unwrap();
    assert!(shown.text().contains("permission of localhost") && shown.text().contains("--yes"), "{}", shown.text());
    verify_mallory(&alice).expect(0, "verify under the old version").unwrap();
    update(&alice, &["--yes"]).expect(0, "trust update").unwrap();
    let policy = alice.certtool_json(&["trust", "show"]).unwrap();
    assert_eq!((policy["number"].as_u64(), policy["pinned"].as_str()), (Some(2), Some(&*server.ready().fingerprint)));
    assert_eq!(policy["authorities"][0]["domains"], serde_json::json!(["example.org"]));
    let refused = verify_mallory(&alice).expect(3, "verify under the new version").unwrap();
    assert!(refused.text().contains("TRUST-02"), "{}", refused.text());
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    alice.certtool(&["renew", alice.address(), "--force"]).unwrap().expect(0, "renew").unwrap();

    // A second version while the server is stopped; whoever comes later pins the first and follows both.
    server.stop().unwrap();
    publish(place.path(), &folder, |policy| policy["name"] = "Our home".into()).expect(0, "sign").unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let bob = person("bob@example.org");
    bob.join(server.ready(), &server.outbox()).unwrap();
    verify_mallory(&bob).expect(0, "verify under what bob has pinned").unwrap();
    process::await_sight("both versions", SOON, || {
        bob.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
        (bob.certtool_json(&["trust", "show"]).unwrap()["number"] == 3).then_some(())
    })
    .unwrap();
    verify_mallory(&bob).expect(3, "verify").unwrap();
    // A new name alone changes whom nobody trusts: no word is needed.
    update(&alice, &[]).expect(0, "trust update").unwrap();
    assert_eq!(alice.certtool_json(&["trust", "show"]).unwrap()["name"], "Our home");
    server.stop().unwrap();
}

#[test]
fn updates_that_somebody_made_up_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    publish(place.path(), &folder, |policy| policy["name"] = "Our home".into()).expect(0, "sign").unwrap();
    update(&alice, &["--yes"]).expect(0, "trust update").unwrap();

    // On her disk: every reading follows the updates anew.
    let path = alice.home().join("trust").join(&server.ready().fingerprint).join("updates/2.json");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("Our home", "My house")).unwrap();
    let refused = alice.certtool(&["trust", "list"]).unwrap().expect(1, "a changed update").unwrap();
    assert!(refused.text().contains("TRUST-10"), "{}", refused.text());
    std::fs::write(&path, &good).unwrap();

    // On the server's: it does not serve what people would refuse, and lives on.
    let signed = folder.join("policies/3.signed.json");
    std::fs::write(&signed, &good).unwrap();
    process::await_sight("a warning", SOON, || server.words().contains("TRUST-08").then_some(())).unwrap();
    let newest = alice.certtool(&["trust", "update"]).unwrap().expect(0, "trust update").unwrap();
    assert!(newest.text().contains("version 2 is the newest"), "{}", newest.text());

    let refused = policy_command(&folder, &["draft"]).expect(1, "a version after one that is none").unwrap();
    assert!(refused.text().contains("3.signed.json is damaged"), "{}", refused.text());
    std::fs::remove_file(&signed).unwrap();

    // One that would lock everybody out is not even signed.
    let lock_out = |policy: &mut Value| policy["authorities"][0]["log"] = "elsewhere.example/log".into();
    let refused = publish(place.path(), &folder, lock_out);
    assert!(refused.code == 1 && !refused.text().contains("panicked"), "{}", refused.text());
    server.stop().unwrap();
}

#[test]
fn a_contact_stays_with_the_authority_first_seen() {
    let place = tempfile::tempdir().unwrap();
    let servers = ["firm", "public"].map(|name| Homeserver::start(&place.path().join(name), &[]).unwrap());
    let bob = Person::new(place.path(), "bob@example.org");
    let alices = servers.each_ref().map(|server| {
        let home = place.path().join(format!("at-{}", server.ready().fingerprint));
        let alice = Person::new(&home, "alice@example.org");
        alice.join(server.ready(), &server.outbox()).unwrap();
        bob.trust(server.ready()).unwrap();
        alice.device().join("chain.pem").to_str().unwrap().to_owned()
    });
    for chain in &alices {
        bob.certtool(&["verify", chain]).unwrap().expect(0, "nobody is bound yet").unwrap();
    }
    bob.certtool(&["trust", "bind", &alices[0]]).unwrap().expect(0, "bind").unwrap();
    bob.certtool(&["verify", &alices[0]]).unwrap().expect(0, "the authority first seen").unwrap();
    let refused = bob.certtool(&["verify", &alices[1]]).unwrap().expect(3, "another authority").unwrap();
    assert!(refused.text().contains("TRUST-06") && refused.text().contains("trust bind"), "{}", refused.text());
    let contacts = bob.certtool_json(&["trust", "contacts"]).unwrap();
    assert_eq!(contacts["people"][0]["identifier"], "alice@example.org");
    bob.certtool(&["trust", "unbind", "alice@example.org"]).unwrap().expect(0, "unbind").unwrap();
    bob.certtool(&["verify", &alices[1]]).unwrap().expect(0, "nobody is bound any more").unwrap();
    servers.into_iter().for_each(|server| server.stop().unwrap());
}
