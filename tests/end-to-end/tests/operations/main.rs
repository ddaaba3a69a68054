//! docs/operations/ca.md from its beginning, as it is written: an authority on one machine, and one on three. The commands are
//! the page's own, run by a shell on machines that are there for this alone, with the page's names, ports and paths. On such
//! machines stand also a disk that is full, and networks of IPv6.
//!
//! Needs root, and namespaces (`unshare`); says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

mod apart;
mod drills;
mod full;
mod page;
mod six;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};

use page::{blocks, part, sh, with};

const SOON: Duration = Duration::from_secs(60);
/// How long one command may take on a very busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// The authority's folder on its machine.
const SERVER: &str = "/srv/inperson";

fn secret(path: &str) {
    std::fs::write(path, format!("{path} correct horse\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Starts the server by this command line, and waits until it is ready.
fn up(line: &str) -> Homeserver {
    let mut words = line.split_whitespace();
    let mut command = guard::guarded(Path::new(words.next().unwrap())).unwrap();
    command.args(words).arg("--json").current_dir("/srv");
    Homeserver::start_with(Path::new(SERVER), command).unwrap()
}

fn person(name: &str) -> Person {
    std::fs::create_dir_all("/srv/people").unwrap();
    Person::new(Path::new("/srv/people"), &format!("{name}@example.org"))
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn on_one_machine() {
    if !apart::is_inside("on_one_machine") {
        return;
    }
    let section = part("**On one machine**", "**On three machines**");
    let [make, backup] = &blocks(&section)[..] else { panic!("two blocks: {section}") };
    secret("/etc/inperson/passphrase");
    let said = sh("/srv", make).stdout;
    let fingerprint = said.lines().find_map(|line| line.trim().strip_prefix("fingerprint  ")).unwrap().to_owned();
    // "Say in it where the passphrase comes from"; the root's key moves away, in two copies.
    let settings = std::fs::read_to_string("/srv/inperson/homeserver.toml").unwrap();
    let settings = settings.replacen("domain =", "key_passphrase = \"file:/etc/inperson/passphrase\"\ndomain =", 1);
    std::fs::write("/srv/inperson/homeserver.toml", settings).unwrap();
    sh("/srv", "cp inperson/keys/root.key.pem /media/vault/ && mv inperson/keys/root.key.pem /media/vault/second.pem");
    sh("/srv", "ca --folder /srv/inperson config check");

    let unit =
        std::fs::read_to_string(format!("{}/../../homeserver/systemd/homeserver.service", env!("CARGO_MANIFEST_DIR")));
    let unit = unit.unwrap();
    let server = up(unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap());
    assert_eq!(server.ready().fingerprint, fingerprint);
    assert!(server.ready().acme.starts_with("https://ca.example.org:8443/"), "{:?}", server.ready());
    let asked = "curl -fsS --cacert /srv/inperson/keys/root.pem https://ca.example.org:8443/acme";
    assert!(sh("/srv", &format!("{asked}/health")).stdout.contains("\"status\":\"ok\""));
    assert!(sh("/srv", &format!("{asked}/metrics")).stdout.contains("inperson_ca_decisions_total"));
    let alice = person("alice");
    alice.join(server.ready(), &server.outbox()).unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    sh("/srv", backup);
    let stranger = Person::new(Path::new("/srv/people"), "mallory@example.net");
    stranger.trust(server.ready()).unwrap();
    let refused = stranger.begin_enrolment(&[]).unwrap().finish(SOON).unwrap();
    assert!(refused.code != 0 && !stranger.device().join("chain.pem").exists(), "{}", refused.text());
    server.stop().unwrap();

    // The first backup is whole, and no key lies in it in clear that was sealed.
    sh("/media/vault/first", "sha256sum -c --quiet SHA256SUMS");
    let key = std::fs::read_to_string("/media/vault/first/keys/people.key.pem").unwrap();
    assert!(key.contains("ENCRYPTED"), "{key}");
}

/// What the root's machine and the authority's do, row by row, and what is carried between them.
fn ceremony() -> String {
    let table = part("| on the authority's machine | on the root's machine |", "Each step shows SHA-256 digests");
    let mut last = String::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("|--")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let command = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        let (here, there) = (cells[0], cells.get(1).copied().unwrap_or_default());
        if let Some(there) = command(there) {
            // No network, and nobody who types.
            let line = with(&there, "--passphrase ask", "--passphrase file:/etc/inperson/of-the-root");
            let yes = if line.contains(" sign ") { " --yes" } else { "" };
            sh("/media/root", &format!("unshare --net {line}{yes}"));
        } else if here.starts_with("carry `keys/") {
            sh(
                "/srv",
                "cp inperson/keys/people.requested.csr.pem inperson/keys/services.requested.csr.pem /media/root/",
            );
        } else if here == "carry both chains back" {
            sh("/srv", "cp /media/root/people.chain.pem /media/root/services.chain.pem .");
        } else {
            last = command(here).unwrap_or_else(|| panic!("no command: {row}"));
            if !last.contains('…') {
                sh("/srv", &last);
            }
        }
    }
    last
}

/// The witness on its machine, with the settings that its sample explains.
fn witness(log: &str) -> (String, impl Fn() -> Running + use<>) {
    std::fs::create_dir("/srv/witness").unwrap();
    sh(
        "/srv/witness",
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem -days 30 \
         -subj /CN=witness.example.net 2>/dev/null",
    );
    let settings = format!(
        "name = \"witness.example.net/w1\"\nfolder = \"/srv/witness/state\"\n[port]\nlisten = \"127.0.0.2:443\"\n\
         certificate = \"/srv/witness/tls.pem\"\nkey = \"/srv/witness/tls.key\"\nrequests_per_second = 100\nburst = 1000\n\
         [[log]]\nkey = {log:?}\n"
    );
    std::fs::write("/srv/witness/witness.toml", settings).unwrap();
    let keys = sh("/srv/witness", "transparency-log witness --config witness.toml --show-key").stdout;
    let start = || {
        let mut command = guard::command("transparency-log").unwrap();
        command.args(["witness", "--json", "--config", "/srv/witness/witness.toml"]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(process::sink(Path::new("/srv/witness/words")).unwrap());
        let mut running = Running::start("witness", command).unwrap();
        assert!(running.first_line(SOON).unwrap().contains('{'));
        running
    };
    (keys.lines().next().unwrap().to_owned(), start)
}

/// The draft of a next version, with its log's part changed.
fn redraft(change: impl Fn(&str) -> String) {
    let mut next: Value = serde_json::from_slice(&std::fs::read("/srv/next.json").unwrap()).unwrap();
    next["tlog_policy"] = change(next["tlog_policy"].as_str().unwrap()).into();
    std::fs::write("/srv/next.json", next.to_string()).unwrap();
}

/// What the page has for machine 2: its witness runs, and a version that demands it is published. How it is started again.
fn demand_a_witness(passphrase: &str) -> (Running, impl Fn() -> Running + use<>) {
    let policy: Value = serde_json::from_slice(&std::fs::read("/srv/inperson/policy.json").unwrap()).unwrap();
    let policy = policy["tlog_policy"].as_str().unwrap().to_owned();
    let log = policy.lines().find_map(|line| line.strip_prefix("log ")).unwrap().split(' ').next().unwrap();
    let (key, start) = witness(log);
    let running = start();
    let [add, lines, sign] = three_machines();
    sh("/srv", &with(&add, "VKEY", &key));
    redraft(|drafted| with(drafted, "quorum ca.example.org/witness\n", &with(&lines, "VKEY", &key)));
    sh("/srv", &with(&sign, "--passphrase ask", &format!("--passphrase {passphrase}")));
    let published = || Path::new("/srv/inperson/policies/2.json").exists().then_some(());
    process::await_sight("the published version", SOON, published).unwrap();
    (running, start)
}

/// The blocks by which a witness is added and demanded.
fn three_machines() -> [String; 3] {
    let section = part("**On three machines**", "**Several front ends");
    blocks(&section).try_into().unwrap_or_else(|_| panic!("three blocks: {section}"))
}

#[test]
#[ignore = "makes machines of its own, as root; run by ./test --all"]
fn on_three_machines() {
    if !apart::is_inside("on_three_machines") {
        return;
    }
    secret("/etc/inperson/passphrase");
    secret("/etc/inperson/of-the-root");
    std::fs::create_dir("/media/root").unwrap();
    let line = with(&ceremony(), "…", "--domain ca.example.org --listen 0.0.0.0 --permit-domain example.org");
    let server = up(&line);
    assert!(!Path::new("/srv/inperson/keys/root.key.pem").exists());
    let alice = person("alice");
    alice.join(server.ready(), &server.outbox()).unwrap();

    // The root's key comes on its medium.
    sh("/media", "cp root/vault/root.key.pem vault/");
    let (mut machine_two, start) = demand_a_witness("file:/etc/inperson/of-the-root");
    server.stop().unwrap();
    let server = up("homeserver up --folder /srv/inperson");

    // Who enrolled before has to get another certificate, and can: the server's own is one already.
    let bob = person("bob");
    bob.trust(server.ready()).unwrap();
    for one in [&alice, &bob] {
        one.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
    }
    let refused = alice.certtool(&["verify", alice.address()]).unwrap();
    assert!(refused.code == 3 && refused.text().contains("WIT-02"), "{}", refused.text());
    alice.certtool(&["renew", alice.address(), "--force"]).unwrap().expect(0, "renew").unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    let checkpoint = std::fs::read_to_string("/srv/inperson/log/checkpoint").unwrap();
    for name in ["ca.example.org/witness", "witness.example.net/w1"] {
        assert!(checkpoint.contains(&format!("\n— {name} ")), "{checkpoint}");
    }
    // Without machine 2 nobody is certified; whoever waits is, once it is back.
    machine_two.kill();
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    enrolment.type_line(&server.outbox().await_mail(bob.address(), 0, SOON).unwrap().code().unwrap());
    process::await_sight("a certificate that waits", SOON, || {
        let stats = sh("/srv", "ca --json --folder /srv/inperson stats").stdout;
        (serde_json::from_str::<Value>(stats.trim()).unwrap()["unfinished"] == 1).then_some(())
    })
    .unwrap();
    assert!(!bob.device().join("chain.pem").exists());
    let _machine_two = start();
    enrolment.finish(SOON).unwrap().expect(0, "certtool enroll").unwrap();
    bob.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();

    // The disk is lost: what machine 3 keeps, and machine 2's word, make it certain how far the log got.
    sh("/srv", "ca --folder /srv/inperson backup /media/backup");
    server.stop().unwrap();
    std::fs::remove_dir_all(SERVER).unwrap();
    sh("/srv", "ca --folder /srv/inperson restore /media/backup");
    let server = up("homeserver up --folder /srv/inperson");
    let carol = person("carol");
    carol.trust(server.ready()).unwrap();
    carol.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
    carol.enroll(&server.outbox()).unwrap();
    alice.certtool(&["audit"]).unwrap().expect(0, "audit: one history").unwrap();
    server.stop().unwrap();
}
