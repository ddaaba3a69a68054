//! IPv6 alone: a person enrols over it, and a network of which everybody has a whole /64 counts as one.

use std::process::Command;

use story::mail::Maildir;
use story::process::Finished;

use super::*;

const HOSTS: &str = "/etc/hosts";

/// Who connects to one of this machine's own addresses comes from there herself (RFC 6724 section 5, rule 1).
fn comes_from(address: &str) {
    std::fs::write(HOSTS, format!("{address} localhost ca.example.org\n")).unwrap();
}

fn ip(arguments: &[&str]) {
    let mut command: Command = guard::guarded(Path::new("ip")).unwrap();
    command.args(arguments);
    process::run("ip", command, PATIENCE).unwrap().expect(0, "ip").unwrap();
}

#[test]
fn networks_of_ipv6_count_as_one() {
    if !apart::is_inside("six::networks_of_ipv6_count_as_one") {
        return;
    }
    let (one, same, other) = ("fd00:0:0:1::1", "fd00:0:0:1:ffff::2", "fd00:0:0:2::1");
    for address in [one, same, other] {
        ip(&["-6", "address", "add", &format!("{address}/128"), "dev", "lo", "nodad"]);
    }
    comes_from("::1");
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let options = ["--domain", "ca.example.org", "--listen", "::"];
    Homeserver::start(&folder, &options).unwrap().stop().unwrap();
    let settings = folder.join("homeserver.toml");
    let text = std::fs::read_to_string(&settings).unwrap() + "\n[enrolment.limits]\naccounts_per_ip = \"1/h\"\n";
    std::fs::write(&settings, text).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let enrolled = |name: &str, address: &str| -> Finished {
        comes_from(address);
        let person = Person::new(place.path(), &format!("{name}@example.org"));
        person.trust(server.ready()).unwrap();
        let outbox: Maildir = server.outbox();
        story::crash::by_code(&person, &outbox).unwrap()
    };
    enrolled("alice", one).expect(0, "the first of her network").unwrap();
    let mail = server.outbox().to("alice@example.org").remove(0);
    assert!(mail.body().contains(&format!("network address {one}")), "{}", mail.body());
    for from in [one, same] {
        let refused = enrolled("bob", from);
        assert!(refused.code != 0 && refused.text().contains("expected at most 1/h"), "{from}: {}", refused.text());
    }
    enrolled("carol", other).expect(0, "the first of another network").unwrap();
    // Whoever is on this very machine says nothing by her address.
    for name in ["dave", "erin"] {
        enrolled(name, "::1").expect(0, "on this machine").unwrap();
    }
    server.stop().unwrap();
}
