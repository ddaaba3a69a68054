//! The log's own pages and the authority's as people see them: in a real browser, on a telephone and on a desk, by day and by
//! night.
//!
//! The pictures lie below the build's folder, in `tmp/pages`; look at them after a change.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// What the browser found on each page, at both widths, by day and by night; `None` where there is no browser.
fn looks(pages: &Value) -> Option<Vec<Value>> {
    let python = match story::python::environment(&folder().join("browser"), &here().join("requirements.txt")) {
        Ok(python) => python,
        Err(reason) => {
            story::skipped(format_args!("no program that drives a browser: {reason}"));
            return None;
        }
    };
    let mut command = Command::new(python);
    command.arg("-B").arg(here().join("browse.py"));
    let mut browser = process::collect("the browser", command).unwrap();
    browser.type_line(&json!({ "pictures": folder().join("pages"), "pages": pages }).to_string());
    let done = browser.finish(Duration::from_secs(300)).unwrap().expect(0, "looking at the pages").unwrap();
    let looks: Vec<Value> = serde_json::from_str(done.stdout.trim()).unwrap();
    assert_eq!(looks.len(), pages.as_array().unwrap().len() * 4, "two widths, light and dark");
    Some(looks)
}

/// The first certificate of a file.
fn leaf(path: &Path) -> String {
    let pem = std::fs::read_to_string(path).unwrap();
    pem[..pem.find(END).unwrap() + END.len()].to_owned()
}

/// The same certificate for somebody else, whose name is as long.
fn altered(pem: &str, from: &str, to: &str) -> String {
    let base64: String = pem.strip_prefix(BEGIN).unwrap().strip_suffix(END).unwrap().split_whitespace().collect();
    let mut der = BASE64.decode(base64.as_bytes()).unwrap();
    while let Some(at) = der.windows(from.len()).position(|window| window == from.as_bytes()) {
        der[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    format!("{BEGIN}{}\n{END}", BASE64.encode(&der))
}

#[test]
#[ignore = "needs a browser; run by ./test --all"]
fn the_logs_pages_and_the_authoritys_in_a_browser() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &["--permit-phone", "+49"]).unwrap();
    // Enough people that trees, tables and proofs have some depth.
    let people = ["alice", "bob", "carol", "dave", "erin"].map(|name| {
        let person = Person::new(place.path(), &format!("{name}@example.org"));
        person.join(server.ready(), &server.outbox()).unwrap();
        person
    });
    let alice = leaf(&people[0].device().join("chain.pem"));
    let mallory = altered(&alice, "alice@", "malic@");
    assert_ne!(alice, mallory);
    // Everything that the authority's page can say.
    server.stop().unwrap();
    let settings = std::fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    let terms = format!("https://example.org/{}", "terms/".repeat(30));
    let table = format!("\n[enrolment]\nterms = {terms:?}\nwebsite = \"https://example.org/ours\"\ncrl_shards = 16\n");
    std::fs::write(folder.join("homeserver.toml"), settings + &table).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let (log, witness) = (&server.ready().log, server.ready().log.replace("/log", "/witness"));
    let form = format!("{log}/certificate");
    let proven = ["They are the same", "is the root that this log had", "make the quorum", "alice@example.org"];
    let status = server.ready().acme.replace("/directory", "/status");
    let authority = [
        "Certificates for people",
        "SHA-256",
        "certtool enroll you@example.org",
        "crl/people.crl and 16 parts",
        "example.org/ours",
        "Privacy",
        "terms/terms/",
    ];
    let pages = json!([
        { "name": "authority", "url": status, "says": authority },
        { "name": "log", "url": log, "says": ["Latest checkpoints", "Growth", "Witnesses", "localhost/witness, "] },
        { "name": "ask", "url": format!("{log}/entry"), "says": ["Number of an entry, 0 to "] },
        { "name": "entry", "url": format!("{log}/entry?index=3"), "says": ["Entry 3", "✓", "The object itself"], "checkpoint": format!("{log}/checkpoint") },
        { "name": "no-entry", "url": format!("{log}/entry?index=99999"), "says": ["99999", "✗"], "status": 404 },
        { "name": "certificate", "url": form, "says": ["Paste a certificate"] },
        { "name": "proof", "url": form, "paste": alice, "says": proven },
        { "name": "another", "url": form, "paste": mallory, "says": ["They differ", "malic@example.org"] },
        { "name": "no-certificate", "url": form, "paste": "hello", "says": ["found none"], "status": 400 },
        { "name": "witness", "url": witness, "says": ["localhost/witness", "cosigned", "ML-DSA-44", "/log/2026"] },
    ]);
    let Some(looks) = looks(&pages) else { return };
    let faults: Vec<&Value> = looks.iter().filter(|look| look["faults"] != json!([])).collect();
    assert!(faults.is_empty(), "{}", serde_json::to_string_pretty(&faults).unwrap());
    // Night is another picture than day: the pages ask which it is.
    for pair in looks.chunks(2) {
        assert_ne!(pair[0]["background"], pair[1]["background"], "{}", pair[0]["name"]);
    }
    server.stop().unwrap();
}

/// A page with every fault there is: a test that finds nothing there would find nothing anywhere.
#[test]
#[ignore = "needs a browser; run by ./test --all"]
fn a_bad_page_is_found_to_be_bad() {
    let url = format!("file://{}", here().join("bad.html").display());
    let pages = json!([{ "name": "bad", "url": url, "says": ["something else"], "roots": ["00"] }]);
    let Some(looks) = looks(&pages) else { return };
    let expected = [
        "asks elsewhere: http://elsewhere.invalid/style.css",
        "error: a script",
        "does not say 'something else'",
        "expected steps to the root 00, found 96a296d2",
        "has a script",
        "has no language",
        "has no title",
        "stands out to the side: <div class=\"wide\"",
        "too pale: 2.8: <p class=\"pale\"",
        "a field: <input placeholder",
    ];
    for look in &looks {
        let faults: Vec<&str> =
            look["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap()).collect();
        for fault in expected {
            assert!(faults.iter().any(|found| found.starts_with(fault)), "{fault}: {faults:#?}");
        }
        let wide = faults.iter().any(|found| found.contains("the page scrolls"));
        assert!(wide, "{faults:#?}");
    }
    assert_eq!(looks[0]["background"], looks[1]["background"], "it knows no night");
}
