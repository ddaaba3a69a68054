//! What `certtool gen` prints, in the servers themselves.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::nginx::nginx;
use crate::place::{PASSPHRASE, Place, Server, run};

/// A plus sign is quoted in another way by each server.
pub(crate) const ALICE: &str = "alice+work@example.org";

pub(crate) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What is printed for Alice, with the anchors in a file.
pub(crate) fn printed(place: &Place, server: &str, certificate: &str) -> String {
    let anchors = place.certtool(&["gen", "anchors", certificate]).good();
    let anchors = place.write("anchors.pem", anchors.as_bytes());
    place.certtool(&["gen", server, certificate, "--anchors", &anchors]).good()
}

/// What the server at `port` answers whoever comes with this certificate, and the code.
fn ask(port: u16, client: Option<&(String, String)>) -> String {
    // Its own certificate is not what is tried here. It is asked again until the server is there.
    let mut line =
        vec!["-sk", "--retry", "60", "--retry-connrefused", "--retry-max-time", "120", "-w", " %{http_code}"];
    if let Some((_, pem)) = client {
        line.extend(["--cert", pem, "--pass", PASSPHRASE]);
    }
    let url = format!("https://localhost:{port}/");
    line.push(&url);
    run("curl", line).either().1
}

#[test]
fn nginx_lets_in_whom_the_settings_name_and_nobody_else() {
    let place = Place::new();
    let [alice, bob] = [ALICE, "bob@example.org"].map(|address| place.device_of(address));
    let port = port();
    let _server = nginx(&place, port, &printed(&place, "nginx", &alice.0));
    let hers = ask(port, Some(&alice));
    assert_eq!(hers, "SUCCESS CN=alice\\+work@example.org 200");
    let (his, nobodys) = (ask(port, Some(&bob)), ask(port, None));
    assert!(his.ends_with(" 403") && nobodys.ends_with(" 400"), "{his} {nobodys}");
    assert!(!his.contains("SUCCESS") && !nobodys.contains("SUCCESS"), "{his} {nobodys}");
}

#[test]
fn caddy_lets_in_whom_the_settings_name_and_nobody_else() {
    let place = Place::new();
    let [alice, bob] = [ALICE, "bob@example.org"].map(|address| place.device_of(address));
    let port = port();
    let settings = format!(
        "{{\nadmin off\nlocal_certs\nskip_install_trust\nauto_https disable_redirects\nstorage file_system {}\n}}\n\
         https://localhost:{port} {{\n{}\nrespond \"hello {{http.request.tls.client.subject}}\"\n}}\n",
        place.at("caddy"),
        printed(&place, "caddy", &alice.0)
    );
    let settings = place.write("Caddyfile", settings.as_bytes());
    let mut caddy = Command::new("caddy");
    caddy.args(["run", "--config", &settings, "--adapter", "caddyfile"]).env("HOME", place.path());
    let caddy = caddy.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _server = Server(caddy);
    assert_eq!(ask(port, Some(&alice)), "hello CN=alice\\+work@example.org 200");
    let (his, nobodys) = (ask(port, Some(&bob)), ask(port, None));
    assert!(his.ends_with(" 403") && !his.contains("hello"), "{his}");
    // Caddy ends the handshake.
    assert!(nobodys.ends_with(" 000"), "{nobodys}");
}

#[test]
fn the_command_that_sshd_is_given_prints_a_key_while_the_certificate_holds() {
    let place = Place::new();
    let (certificate, _) = place.device_of("alice@example.org");
    let recipe = place.certtool(&["gen", "ssh", &certificate]).good();
    let line = recipe.lines().find_map(|line| line.strip_prefix("AuthorizedKeysCommand ")).unwrap();
    let of = |account: &str| {
        let line = line.replace("/usr/local/bin/certtool", env!("CARGO_BIN_EXE_certtool"));
        let line = line.replace("/var/lib/inperson", &place.at("home")).replace("/etc/ssh/people", &place.at(""));
        run("sh", ["-c", &line.replace("%u", account)])
    };
    let key = of("alice@example.org").good();
    assert!(key.starts_with("ssh-ed25519 ") && key.trim_end().ends_with("alice@example.org"), "{key}");
    let altered = std::fs::read_to_string(&certificate).unwrap().replacen("MII", "MIJ", 1);
    place.write("altered.pem", altered.as_bytes());
    for account in ["altered", "nobody"] {
        let (well, said) = of(account).either();
        assert!(!well && !said.contains("ssh-ed25519"), "{account}: {said}");
    }
}

#[test]
fn a_name_that_servers_cannot_compare_is_told() {
    let place = Place::new();
    let (long, _) = place.device_of(&format!("{}@example.org", "a".repeat(60)));
    let told = place.certtool(&["gen", "nginx", &long]).bad(1);
    assert!(told.contains("does not stand in the subject") && told.contains("certtool verify"), "{told}");
    let told = place.certtool(&["gen", "postgres", &long, "--role", "alice"]).bad(1);
    assert!(told.contains("PostgreSQL looks at no other name") && !told.contains("certtool verify"), "{told}");
    // 64 characters stand in a subject, and are one too many for a role.
    let (most, _) = place.device_of(&format!("{}@example.org", "a".repeat(52)));
    assert!(place.certtool(&["gen", "postgres", &most]).bad(1).contains("--role NAME"));
    place.certtool(&["gen", "postgres", &most, "--role", "alice"]).good();
}

#[test]
fn a_place_that_servers_cannot_read_or_do_not_ask_for_is_told() {
    let place = Place::new();
    let (alice, _) = place.device_of(ALICE);
    for hostile in ["", "/etc/a b.pem", "/etc/a;\nssl_verify_client off;", "/etc/{a}", "/etc/$a", "/etc/\"a"] {
        for server in ["nginx", "caddy", "postgres"] {
            let told = place.certtool(&["gen", server, &alice, "--anchors", hostile]).bad(2);
            assert!(told.contains("--anchors"), "{hostile:?}: {told}");
        }
    }
    for hostile in ["", "a b", "a\"", "a\nb", &"a".repeat(64)] {
        assert!(
            place.certtool(&["gen", "postgres", &alice, "--role", hostile]).bad(2).contains("--role"),
            "{hostile:?}"
        );
    }
    for server in ["nginx", "caddy", "ssh", "anchors"] {
        assert!(place.certtool(&["gen", server, &alice, "--role", "alice"]).bad(1).contains("--role"));
    }
    for server in ["ssh", "anchors"] {
        assert!(place.certtool(&["gen", server, &alice, "--anchors", "/etc/a.pem"]).bad(1).contains("--anchors"));
    }
}
