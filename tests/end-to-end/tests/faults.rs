//! The power fails again and again: SIGKILL at random moments of fifty enrolments. Afterwards every certificate stands
//! in the log, every order was resumed or its entry is accounted for, and the log is consistent.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use story::homeserver::Homeserver;
use story::mail::Maildir;
use story::person::Person;
use story::process::Collecting;
use story::random::{self, Random};

const ENROLMENTS: usize = 50;

/// How often one person tries before the test gives up on her.
const ATTEMPTS: usize = 20;

/// How long one attempt may take. Whoever still waits then waits for something that does not come.
const ATTEMPT: Duration = Duration::from_secs(60);

#[test]
fn fifty_enrolments_and_a_power_failure_in_each() {
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let mut server = Homeserver::start(&folder, &[]).unwrap();

    // How long an undisturbed enrolment takes here: the power fails at any of its moments, or just after it.
    let undisturbed = Person::new(place.path(), "undisturbed@example.org");
    undisturbed.trust(server.ready()).unwrap();
    let began = Instant::now();
    undisturbed.enroll(&server.outbox()).unwrap();
    let moments = began.elapsed().mul_f64(1.2);

    let mut people = vec![undisturbed];
    for number in 0..ENROLMENTS {
        let person = Person::new(place.path(), &format!("person{number:02}@example.org"));
        person.trust(server.ready()).unwrap();
        let moment = random.up_to(moments);
        server = enrol_through_failure(&person, server, &folder, moment);
        people.push(person);
    }
    account_for_everything(&people);
    server.stop().unwrap();

    // And once more from the disk alone.
    let server = Homeserver::start(&folder, &[]).unwrap();
    people[0].certtool(&["audit", "--from-start"]).unwrap().expect(0, "audit after a restart").unwrap();
    server.stop().unwrap();
}

/// Enrols `person` while the server is killed once at `moment`, then again until it has worked.
fn enrol_through_failure(person: &Person, server: Homeserver, folder: &Path, moment: Duration) -> Homeserver {
    let outbox = server.outbox();
    let killer = story::process::kill_after(moment, server.id());
    let first = attempt(person, &outbox);
    killer.join().unwrap();
    server.kill();
    let server = Homeserver::start(folder, &[]).unwrap_or_else(|why| panic!("after SIGKILL at {moment:?}: {why}"));
    println!(
        "{}: killed at {moment:?}, first attempt {}",
        person.address(),
        if first { "had worked" } else { "broke off" }
    );
    if first {
        return server;
    }
    for _ in 0..ATTEMPTS {
        if attempt(person, &outbox) {
            return server;
        }
    }
    let last = person.certtool(&["enroll", person.address(), "--code", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"]).unwrap();
    panic!("{} could not enrol after SIGKILL at {moment:?}: {}\n{}", person.address(), last.text(), server.words());
}

/// One `certtool enroll`, with every code typed in that arrives meanwhile. Whether it worked.
fn attempt(person: &Person, outbox: &Maildir) -> bool {
    let mut typed = Vec::new();
    let mut enrolment = person.begin_enrolment(&[]).unwrap();
    let deadline = Instant::now() + ATTEMPT;
    // An earlier attempt's code may still be good: then no new mail comes. So the newest is typed in any case.
    loop {
        if let Some(mail) = outbox.to(person.address()).pop().filter(|mail| !typed.contains(&mail.file)) {
            if let Ok(code) = mail.code() {
                enrolment.type_line(&code);
            }
            typed.push(mail.file);
        }
        if has_ended(&mut enrolment) {
            return enrolment.finish(Duration::ZERO).unwrap().code == 0;
        }
        assert!(Instant::now() < deadline, "{}", stuck(person, enrolment, outbox));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What an enrolment that does not end has said, and how many mails it got.
fn stuck(person: &Person, mut enrolment: Collecting, outbox: &Maildir) -> String {
    enrolment.process().kill();
    let said = enrolment.finish(Duration::ZERO).map_or_else(|why| why.to_string(), |done| done.text());
    let mails = outbox.to(person.address()).len();
    format!(
        "{} waits in vain after {ATTEMPT:?}, with {mails} mails in the outbox; certtool said:\n{said}",
        person.address()
    )
}

fn has_ended(enrolment: &mut Collecting) -> bool {
    enrolment.process().ended().unwrap().is_some()
}

/// Every certificate verifies offline; every certificate entry in the log belongs to exactly one person and has been
/// opened to her; the audit recomputes the log without a complaint.
fn account_for_everything(people: &[Person]) {
    let mut opened = 0;
    for person in people {
        person.certtool(&["verify", person.address()]).unwrap().expect(0, "verify").unwrap();
        // Entries whose certificate never reached her device are listed, opened by the CA, for her to judge.
        let watch = person.certtool(&["--json", "watch", person.address(), "--once", "--known"]).unwrap();
        let report: Value = serde_json::from_str(watch.stdout.trim()).unwrap_or_else(|_| panic!("{}", watch.text()));
        assert_eq!(watch.code, 0, "{}", watch.text());
        opened += entries(&report);
    }
    let audit = people[0].certtool_json(&["audit", "--from-start"]).unwrap();
    println!("audit: {audit}");
    let logged = certificates(&audit);
    assert!(logged >= ENROLMENTS as u64, "expected at least {ENROLMENTS} certificate entries, found {logged}");
    assert_eq!(opened, logged, "certificate entries in the log that no owner was shown");
}

/// How many entries under her labels a watch found in the log.
fn entries(report: &Value) -> u64 {
    report["certificates"]
        .as_u64()
        .or_else(|| report["certificates"].as_array().map(|all| all.len() as u64))
        .unwrap_or_else(|| panic!("{report}"))
}

/// How many certificate entries an audit counted.
fn certificates(audit: &Value) -> u64 {
    audit["kinds"]["certificates"].as_u64().unwrap_or_else(|| panic!("{audit}"))
}
