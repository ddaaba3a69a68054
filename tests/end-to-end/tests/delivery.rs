//! Mails straight to the recipients' servers, by DANE and MTA-STS: names by BIND with a signed root of its own, mail servers
//! by aiosmtpd (`tests/delivery/stage.py`), and our home server.
//!
//! Needs bind9, python3 with venv, and packages from PyPI; says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;
use story::guard;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};
use story::python;

const PATIENCE: Duration = Duration::from_secs(60);
/// So many mails may be under way to one domain.
const TO_ONE_DOMAIN: usize = 8;

struct Stage {
    _running: Running,
    stdin: ChildStdin,
    says: Receiver<Value>,
    ports: Value,
}

impl Stage {
    /// None where Python or its packages cannot be had.
    fn set(place: &Path) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../delivery").canonicalize().unwrap();
        let environment = guard::programs().unwrap().parent().unwrap().join("tools").join("delivery");
        let python: PathBuf = match python::environment(&environment, &here.join("requirements.txt")) {
            Ok(python) => python,
            Err(reason) => {
                story::skipped(format_args!("no mail servers: {reason}"));
                return None;
            }
        };
        let mut command = guard::guarded(&python).unwrap();
        command.arg("-B").arg(here.join("stage.py")).arg(place);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(process::sink(&place.join("stage.log")).unwrap());
        let mut running = Running::start("the stage", command).unwrap();
        let (stdin, stdout) = (running.take_stdin().unwrap(), running.take_stdout().unwrap());
        let (sender, says) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let ports = says.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("no ports: {}", std::fs::read_to_string(place.join("stage.log")).unwrap_or_default())
        });
        Some(Self { _running: running, stdin, says, ports })
    }
}

/// A home server that delivers by itself, to this stage; `more` for the table `[enrolment.direct]`.
fn server(place: &Path, stage: &Stage, more: &str) -> Homeserver {
    let folder = place.join("server");
    Homeserver::start(&folder, &["--smtp", "direct", "--mail-from", "codes@ca.example"]).unwrap().stop().unwrap();
    let settings = folder.join("homeserver.toml");
    let (text, ports, place) = (std::fs::read_to_string(&settings).unwrap(), &stage.ports, place.display());
    let text = format!(
        "{text}\n[enrolment.dns]\nresolvers = [\"127.0.0.1:{}\"]\n[enrolment.direct]\nlocal_networks = true\nport = {}\n\
         policy_port = {}\nroots = \"{place}/roots.pem\"\nanchors = \"{place}/anchors.txt\"\n{more}",
        ports["dns"], ports["smtp"], ports["policies"]
    );
    std::fs::write(&settings, text).unwrap();
    Homeserver::start(&folder, &[]).unwrap()
}

/// Whether a mail to this domain arrives, and then by TLS or not.
fn arrives(place: &Path, server: &Homeserver, stage: &Stage, domain: &str) -> Option<bool> {
    let person = Person::new(&place.join(domain), &format!("alice@{domain}"));
    person.trust(server.ready()).unwrap();
    // The first asks for the mail. Who asks again while it is under way is told that it is, then what became of it.
    let mut last = String::new();
    let seen = process::await_sight(&format!("the end of a mail to {domain}"), PATIENCE, || {
        let said = person.certtool(&["enroll", person.address()]).unwrap();
        if said.text().contains("could not be handed over") {
            return Some(None);
        }
        last = said.text();
        let mail = stage.says.recv_timeout(Duration::from_millis(500)).ok()?;
        assert_eq!((&mail["server"], &mail["to"]), (&domain.into(), &person.address().into()), "{mail}");
        Some(mail["tls"].as_bool())
    });
    seen.unwrap_or_else(|error| panic!("{error}\n{last}"))
}

#[test]
#[ignore = "takes a minute and a half, and a name server; run by ./test --all"]
fn mails_reach_servers_that_are_what_their_domains_say_and_no_others() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let ours = server(place.path(), &stage, "");
    let seen: BTreeMap<_, _> = [
        // The key that the domain name system proves, whatever else the certificate says; or one of an issuer it proves.
        ("dane.example", Some(true)),
        ("issuer.example", Some(true)),
        // Another key; or no encryption, where there is a key.
        ("wrong.example", None),
        ("stripped.example", None),
        // A policy that is enforced: the right server; one with another's certificate; one that is not listed; no encryption.
        ("enforced.example", Some(true)),
        ("misnamed.example", None),
        ("unlisted.example", None),
        ("downgraded.example", None),
        // One under test changes nothing.
        ("testing.example", Some(true)),
        // A policy does not allow what DANE refuses.
        ("both.example", None),
        // Nothing is known: encrypted, or not at all.
        ("encrypted.example", Some(true)),
        ("plain.example", None),
        // Records that are not signed prove nothing, so they refuse nothing.
        ("unsigned.example", Some(true)),
        // No MX record, which is proven; the key of the domain itself.
        ("bare.example", Some(true)),
        // A resolver that lies: true records of another domain are not this one's, and keep no key from counting.
        ("injected.example", Some(true)),
        ("smuggled.example", None),
        // Keys or servers that are denied by nobody who could, without a signature, or with one of others.
        ("denied.example", None),
        ("hidden.example", None),
        ("shorn.example", None),
        ("bogus.example", None),
        // A policy that is somewhere else is none (RFC 8461 section 3.3): it would forbid the server.
        ("redirected.example", Some(true)),
        // The domain takes no mail (RFC 7505), though it has a server that would.
        ("null.example", None),
        // A server's other name comes first, then its own (RFC 7671 section 7), by which it then shows its certificate; and
        // an alias that is proven keeps keys beside it from being lost, wherever it leads (RFC 7672 section 2.2.2).
        ("aliased.example", None),
        ("twice.example", Some(true)),
        ("beside.example", None),
        ("renamed.example", Some(true)),
        ("outward.example", None),
    ]
    .into_iter()
    .map(|(domain, expected)| (domain, (arrives(place.path(), &ours, &stage, domain), expected)))
    .collect();
    let wrong: Vec<_> = seen.iter().filter(|(_, (found, expected))| found != expected).collect();
    assert!(wrong.is_empty(), "found and expected differ: {wrong:?}\n{}", ours.words());

    // One domain lets everybody wait: the next of its own people stands in line, and nobody else has to wait for it.
    let people: Vec<_> = (0..TO_ONE_DOMAIN)
        .map(|n| {
            let person = Person::new(&place.path().join("waiting"), &format!("p{n}@slow.example"));
            person.trust(ours.ready()).unwrap();
            person
        })
        .collect();
    let waiting: Vec<_> = people.iter().map(|person| person.begin_enrolment(&[]).unwrap()).collect();
    for _ in &waiting {
        assert_eq!(stage.says.recv_timeout(PATIENCE).unwrap()["held"], "slow.example");
    }
    let next = Person::new(&place.path().join("waiting"), "next@slow.example");
    next.trust(ours.ready()).unwrap();
    let in_line = next.begin_enrolment(&[]).unwrap();
    assert_eq!(arrives(&place.path().join("others"), &ours, &stage, "encrypted.example"), Some(true));
    // It is the next one's turn as soon as the authority has given up one of them.
    assert_eq!(stage.says.recv_timeout(PATIENCE).unwrap()["held"], "slow.example");
    drop((waiting, in_line));

    // Plain text, where the operator allows it and nothing speaks against it; policies hold over a restart.
    ours.stop().unwrap();
    let kept = std::fs::read_to_string(place.path().join("server/mta-sts.json")).unwrap();
    assert!(kept.contains("downgraded.example") && !kept.contains("alice"), "{kept}");
    for again in ["plain.example", "downgraded.example"] {
        std::fs::remove_dir_all(place.path().join(again)).unwrap();
    }
    writeln!(stage.stdin, "policies off").unwrap();
    let settings = place.path().join("server/homeserver.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("plain = false", "plain = true")).unwrap();
    let ours = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    assert_eq!(arrives(place.path(), &ours, &stage, "plain.example"), Some(false));
    // The policy that it has kept is all that it can know of this one.
    assert_eq!(arrives(place.path(), &ours, &stage, "downgraded.example"), None);
}
