//! The page's drills for keys that somebody else may know: its commands as they stand there, and what people see at the end,
//! with the old trust and with the new.

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

use super::page::{blocks, part, sh, with};
use super::{SERVER, SOON, apart, demand_a_witness, person, redraft, secret, three_machines, up};

const UP: &str = "homeserver up --folder /srv/inperson";
/// In place of somebody who types.
const FROM_FILE: &str = "--passphrase file:/etc/inperson/passphrase";

/// The authority of the page's beginning, on one machine; its root's key has been moved away.
fn founded() -> Homeserver {
    secret("/etc/inperson/passphrase");
    let section = part("**On one machine**", "**On three machines**");
    sh("/srv", &blocks(&section)[0]);
    let settings = std::fs::read_to_string("/srv/inperson/homeserver.toml").unwrap();
    let settings = with(&settings, "domain =", "key_passphrase = \"file:/etc/inperson/passphrase\"\ndomain =");
    std::fs::write("/srv/inperson/homeserver.toml", settings).unwrap();
    sh("/srv", "mv inperson/keys/root.key.pem /media/vault/");
    up(UP)
}

/// The blocks of one drill.
fn drill<const N: usize>(from: &str, to: &str) -> [String; N] {
    let section = part(&format!("### {from}\n"), &format!("### {to}\n"));
    let found = blocks(&section);
    let count = found.len();
    found.try_into().unwrap_or_else(|_| panic!("expected {N} blocks of commands under {from:?}, found {count}"))
}

/// The operator types them.
fn operator(commands: &str) -> String {
    sh("/srv", &commands.replace("--passphrase ask", FROM_FILE)).stdout
}

/// A person types them, and agrees to what she is shown.
fn types(who: &Person, commands: &str) {
    let commands = commands.replace("certtool trust update", "certtool trust update --yes");
    let commands = commands.replace("alice@example.org", who.address());
    sh("/srv/people", &format!("export INPERSON_HOME={}\n{commands}", who.home().display()));
}

fn updates(who: &Person) {
    who.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
}

/// A copy of her newest certificate, as others have it.
fn copy_of(who: &Person, name: &str) -> String {
    let copy = format!("/srv/people/{name}.pem");
    std::fs::copy(who.device().join("chain.pem"), &copy).unwrap();
    copy
}

#[track_caller]
fn accepts(who: &Person, certificate: &str) {
    who.certtool(&["verify", certificate]).unwrap().expect(0, &format!("certtool verify {certificate}")).unwrap();
}

#[track_caller]
fn refuses(who: &Person, certificate: &str, rule: &str) {
    let said = who.certtool(&["verify", certificate]).unwrap();
    assert!(said.code == 3 && said.text().contains(rule), "expected {rule} of {certificate}:\n{}", said.text());
}

fn published(version: u32) {
    let path = format!("/srv/inperson/policies/{version}.json");
    process::await_sight(&path, SOON, || Path::new(&path).exists().then_some(())).unwrap();
}

/// The logs of the server, as the operator is shown them.
fn logs() -> Vec<Value> {
    let said = sh("/srv", "homeserver shard list --json --folder /srv/inperson").stdout;
    let listed: Value = serde_json::from_str(&said).unwrap();
    listed["logs"].as_array().unwrap().clone()
}

/// Waits until the newest log takes certificates, and shows its pages.
fn begun() {
    process::await_sight("the next log", SOON, || {
        let begins = logs().last().unwrap()["takes_from"].as_i64().unwrap();
        (begins <= Timestamp::now().as_second()).then_some(())
    })
    .unwrap();
    let served = "curl -fsS --cacert /srv/inperson/keys/root.pem https://ca.example.org:8443/log/2026-b/checkpoint";
    assert!(sh("/srv", served).stdout.starts_with("ca.example.org:8443/log/2026-b\n"));
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn stolen_issuing_keys() {
    if !apart::is_inside("drills::stolen_issuing_keys") {
        return;
    }
    let server = founded();
    let (alice, carol) = (person("alice"), person("carol"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    carol.trust(server.ready()).unwrap();
    let old = copy_of(&alice, "old");
    let [request, withdraw, people] = drill("The server was broken into", "The label key is known to somebody");
    server.stop().unwrap();
    operator(&request);
    sh("/media", "openssl x509 -in /srv/inperson/keys/root.pem -out vault/root.pem");
    for name in ["people-2", "services-2"] {
        sh("/srv", &format!("cp inperson/keys/{name}.requested.csr.pem ."));
        let sign = format!("ca issuing sign {name}.requested.csr.pem --keys /media/vault --passphrase ask --yes --out");
        operator(&format!("{sign} {name}.chain.pem"));
    }
    operator(&withdraw);
    let server = up(UP);
    published(2);
    accepts(&carol, &old);
    types(&alice, &people);
    refuses(&alice, &old, "CHAIN-04");
    let new = copy_of(&alice, "new");
    accepts(&alice, &new);
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    updates(&carol);
    refuses(&carol, &old, "CHAIN-04");
    accepts(&carol, &new);
    server.stop().unwrap();
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn a_stolen_label_key() {
    if !apart::is_inside("drills::a_stolen_label_key") {
        return;
    }
    let server = founded();
    let (alice, carol) = (person("alice"), person("carol"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    carol.trust(server.ready()).unwrap();
    let old = copy_of(&alice, "old");
    let [prepare, people] = drill("The label key is known to somebody", "The log's key is known to somebody");
    let said = operator(&with(&prepare, "+2 days", "+10 seconds"));
    assert!(said.contains("version 2") && said.contains("ca.example.org:8443/log/2026-b"), "{said}");
    published(2);
    begun();
    types(&alice, &people);
    let new = copy_of(&alice, "new");
    let inspected = alice.certtool(&["inspect", &new]).unwrap().text();
    assert!(inspected.contains("ca.example.org:8443/log/2026-b"), "{inspected}");
    accepts(&alice, &old);
    accepts(&alice, &new);
    alice.certtool(&["audit"]).unwrap().expect(0, "audit of both").unwrap();
    alice.certtool(&["watch", "--once"]).unwrap().expect(0, "watch of both").unwrap();
    accepts(&carol, &old);
    refuses(&carol, &new, "LOG-03");
    updates(&carol);
    accepts(&carol, &new);
    server.stop().unwrap();

    // Fourteen weeks later: a certificate for mail is good for ninety days.
    assert!(Path::new("/srv/inperson/keys/vrf.key.pem").exists() && logs()[0]["label_key"] == true);
    let Some(later) = later() else { return };
    let mut command = guard::guarded_under(&later, Path::new("homeserver")).unwrap();
    command.args(["up", "--json", "--clock-is-right", "--folder", SERVER]).current_dir("/srv");
    let server = Homeserver::start_with(Path::new(SERVER), command).unwrap();
    process::await_sight("the end of the old label key", SOON, || (logs()[0]["label_key"] == false).then_some(()))
        .unwrap();
    assert!(!Path::new("/srv/inperson/keys/vrf.key.pem").exists());
    assert_eq!(logs()[1]["label_key"], true);
    server.stop().unwrap();
}

/// A clock that is 110 days ahead, by Debian's `faketime` library.
fn later() -> Option<Vec<String>> {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let library = libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    let Some(library) = library else {
        story::skipped("faketime is missing (on Debian: apt-get install faketime)");
        return None;
    };
    let preload = format!("LD_PRELOAD={}", library.display());
    Some(["env", &preload, "FAKETIME=+110d", "FAKETIME_DONT_FAKE_MONOTONIC=1"].map(str::to_owned).to_vec())
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn a_stolen_log_key() {
    if !apart::is_inside("drills::a_stolen_log_key") {
        return;
    }
    let server = founded();
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    carol.trust(server.ready()).unwrap();
    let old = copy_of(&alice, "old");
    let [prepare, strike, people] = drill("The log's key is known to somebody", "A witness's key is known to somebody");
    operator(&with(&prepare, "+1 hour", "+10 seconds"));
    published(2);
    begun();
    let origin = logs()[0]["origin"].as_str().unwrap().to_owned();
    operator(&with(&strike, "ca.example.org:8443/log/2026", &origin));
    published(3);
    assert_eq!(logs().len(), 1);
    server.stop().unwrap();
    let server = up(UP);

    types(&alice, &people);
    refuses(&alice, &old, "LOG-03");
    let new = copy_of(&alice, "new");
    accepts(&alice, &new);
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    alice.certtool(&["watch", "--once"]).unwrap().expect(0, "watch").unwrap();
    accepts(&carol, &old);
    refuses(&carol, &new, "LOG-03");
    bob.trust(server.ready()).unwrap();
    updates(&bob);
    bob.enroll(&server.outbox()).unwrap();
    accepts(&bob, &new);
    refuses(&bob, &old, "LOG-03");
    // The old log is served on, as it was at its end; its label key is still to be destroyed.
    let checkpoint = || std::fs::read_to_string("/srv/inperson/log/checkpoint").unwrap();
    let served = "curl -fsS --cacert /srv/inperson/keys/root.pem https://ca.example.org:8443/log/checkpoint";
    assert_eq!(sh("/srv", served).stdout, checkpoint());
    assert!(Path::new("/srv/inperson/keys/vrf.key.pem").exists());
    sh("/srv", "ca --folder /srv/inperson backup /media/backup && ca --folder /srv/inperson audit verify");
    server.stop().unwrap();
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn a_stolen_witness_key() {
    if !apart::is_inside("drills::a_stolen_witness_key") {
        return;
    }
    let server = founded();
    let (mut machine_two, _) = demand_a_witness("file:/etc/inperson/passphrase");
    server.stop().unwrap();
    let server = up(UP);
    let (alice, carol) = (person("alice"), person("carol"));
    for one in [&alice, &carol] {
        one.trust(server.ready()).unwrap();
        updates(one);
    }
    alice.enroll(&server.outbox()).unwrap();
    let old = copy_of(&alice, "old");
    accepts(&carol, &old);

    // Without it, and with another quorum.
    let [remove] = drill("A witness's key is known to somebody", "The root's key is known to somebody");
    let listed = sh("/srv", "homeserver witness list --folder /srv/inperson").stdout;
    assert!(listed.contains("witness.example.net/w1"), "{listed}");
    operator(&with(&remove, "NAME", "witness.example.net/w1"));
    redraft(|drafted| {
        let kept = drafted.lines().filter(|line| !line.starts_with("witness w1 ") && !line.starts_with("group both "));
        kept.map(|line| format!("{}\n", line.replace("quorum both", "quorum ca.example.org/witness"))).collect()
    });
    let [_, _, sign] = three_machines();
    operator(&sign);
    published(3);
    server.stop().unwrap();
    machine_two.kill();
    let server = up(UP);

    // People take the version and renew. The old certificate counts on here, as the server's witness has seen it, too; the
    // new one does not for whoever has not taken the version.
    updates(&alice);
    accepts(&alice, &old);
    alice.certtool(&["renew", alice.address(), "--force"]).unwrap().expect(0, "renew").unwrap();
    let new = copy_of(&alice, "new");
    accepts(&alice, &new);
    refuses(&carol, &new, "WIT-02");
    updates(&carol);
    accepts(&carol, &new);
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    server.stop().unwrap();
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn a_stolen_root_key() {
    if !apart::is_inside("drills::a_stolen_root_key") {
        return;
    }
    let server = founded();
    let (alice, bob) = (person("alice"), person("bob"));
    alice.join(server.ready(), &server.outbox()).unwrap();
    bob.trust(server.ready()).unwrap();
    let old = copy_of(&alice, "old");
    bob.certtool(&["trust", "bind", &old]).unwrap().expect(0, "bob knows alice").unwrap();

    let drill = drill("The root's key is known to somebody", "The disk is lost");
    let [root, request, sign, install, enrol, let_go] = drill;
    std::fs::create_dir("/media/root").unwrap();
    // No network, and nobody who types.
    let machine = |commands: &str| {
        let commands = commands.replace("--passphrase ask", FROM_FILE).replace("--out", "--yes --out");
        commands.lines().for_each(|line| drop(sh("/media/root", &format!("unshare --net {line}"))));
    };
    machine(&root);
    operator(&request);
    sh("/srv", "cp inperson-2/keys/*.requested.csr.pem /media/root/");
    machine(&sign);
    sh("/srv", "cp /media/root/people.chain.pem /media/root/services.chain.pem .");
    let said = operator(&install);
    let fingerprint = said.lines().find_map(|line| line.trim().strip_prefix("fingerprint  ")).unwrap().to_owned();
    let mut command = guard::guarded(Path::new("homeserver")).unwrap();
    command.args(["up", "--json", "--folder", "/srv/inperson-2"]).current_dir("/srv");
    let next = Homeserver::start_with(Path::new("/srv/inperson-2"), command).unwrap();
    assert_eq!(next.ready().fingerprint, fingerprint);
    assert!(!Path::new("/srv/inperson-2/keys/root.key.pem").exists());

    // Alice goes over; what the page has her type for the enrolment asks for a code.
    let (pin, enrolment) = enrol.trim().split_once('\n').unwrap();
    types(&alice, &with(pin, "FINGERPRINT", &fingerprint));
    let words: Vec<_> = enrolment.split_whitespace().collect();
    let ["certtool", "enroll", "alice@example.org", options @ ..] = &words[..] else { panic!("{enrolment}") };
    alice.enroll_with(options, &next.outbox()).unwrap();
    let new = copy_of(&alice, "new");
    refuses(&bob, &new, "CHAIN-04");
    types(&bob, &with(pin, "FINGERPRINT", &fingerprint));
    refuses(&bob, &new, "TRUST-06");
    bob.certtool(&["trust", "bind", &new]).unwrap().expect(0, "she has told him").unwrap();
    accepts(&bob, &new);
    for who in [&alice, &bob] {
        types(who, &with(&let_go, "OLD-FINGERPRINT", &server.ready().fingerprint));
        refuses(who, &old, "CHAIN-04");
        accepts(who, &new);
    }
    server.stop().unwrap();
    alice.certtool(&["renew", alice.address(), "--force"]).unwrap().expect(0, "renew").unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    next.stop().unwrap();
}
