//! Every entry point that follows an update, and what it says about each vector: the library, evidence that carries the
//! versions of a policy, and `certtool`. Nobody sends updates in a TLS handshake.

use std::path::Path;
use std::time::Duration;

use identity::UnixTime;
use identity::evidence::{Claim, Evidence, EvidenceError};
use identity::trust::{PolicyUpdate, TrustPolicy};
use identity::verify::VerifyError;
use story::{guard, process};

use super::vector::{Says, UpdateVector};
use crate::entries::all_right;
use crate::files::read_all;

#[test]
fn the_library_agrees() {
    let mut wrong = Vec::new();
    for vector in read_all::<UpdateVector>() {
        let (rule, said) = match by_library(&vector) {
            Ok(says) => ("ok".to_owned(), Some(says)),
            Err(error) => {
                let rule = error.rule.id().to_owned();
                if rule != vector.rule {
                    wrong.push(format!("{}: {error}", vector.name));
                }
                continue;
            }
        };
        if rule != vector.rule || said != vector.says {
            wrong.push(format!("{}: expected {:?}, found {said:?}", vector.name, vector.says));
        }
    }
    all_right(&wrong);
}

fn by_library(vector: &UpdateVector) -> Result<Says, VerifyError> {
    let current = TrustPolicy::parse(vector.current.as_bytes()).unwrap();
    let verified = PolicyUpdate::parse(vector.update.as_bytes())?.verify(&current)?;
    let (number, logged_at) = (verified.number(), verified.logged_at().as_secs());
    let asks = verified.clone().take().is_err();
    Ok(Says { number, logged_at, asks, fingerprint: verified.take_confirmed().fingerprint().to_string() })
}

/// Evidence carries the versions from the pinned one on; what follows is a claim that nobody can make.
#[test]
fn evidence_agrees() {
    let mut wrong = Vec::new();
    for vector in read_all::<UpdateVector>() {
        let claim = Claim::Entries { label: None, entries: Vec::new() };
        let policies = vec![vector.current.clone(), vector.update.clone()];
        let evidence = Evidence::new(policies, claim, UnixTime::since_unix_epoch(Duration::ZERO));
        let said = match Evidence::parse(&evidence.to_bytes()).unwrap().judge() {
            Err(EvidenceError::Rule(error)) => error.rule.id().to_owned(),
            Err(EvidenceError::Value { what: "entries", .. }) => "ok".to_owned(),
            other => format!("{other:?}"),
        };
        if said != vector.rule {
            wrong.push(format!("{}: {said}", vector.name));
        }
    }
    all_right(&wrong);
}

#[test]
fn certtool_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for vector in read_all::<UpdateVector>() {
        let [shown, taken] = by_certtool(&vector, &folder.path().join(&vector.name));
        let asks = vector.says.as_ref().is_some_and(|says| says.asks);
        // … is refused by TRUST-10: expected …
        let refused = |done: &process::Finished| {
            let after = done.stderr.split(" is refused by ").nth(1).and_then(|rest| rest.split(':').next());
            after.unwrap_or_default().to_owned()
        };
        let right = match &vector.says {
            None => [&shown, &taken].iter().all(|done| done.code == 3 && refused(done) == vector.rule),
            Some(says) => {
                let first = if asks { 3 } else { 0 };
                shown.code == first && taken.code == 0 && taken.stdout.contains(&says.number.to_string())
            }
        };
        if !right {
            wrong.push(format!("{}: {} {}; {} {}", vector.name, shown.code, shown.text(), taken.code, taken.text()));
        }
    }
    all_right(&wrong);
}

/// `certtool trust update` from a file, as a person runs it who has pinned the version before: first without her word,
/// then with it.
fn by_certtool(vector: &UpdateVector, folder: &Path) -> [process::Finished; 2] {
    let program = guard::program("certtool").unwrap();
    let fingerprint = TrustPolicy::parse(vector.current.as_bytes()).unwrap().fingerprint().to_string();
    let file = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    std::fs::create_dir(folder).unwrap();
    let (policy, update) = (file("policy.json", &vector.current), file("update.json", &vector.update));
    let run = |home: &str, arguments: &[&str]| {
        let mut command = guard::guarded(&program).unwrap();
        command.arg("--home").arg(folder.join(home)).args(arguments);
        process::run("certtool", command, Duration::from_secs(60)).unwrap()
    };
    ["shown", "taken"].map(|home| {
        run(home, &["trust", "add", &policy, "--fingerprint", &fingerprint]).expect(0, "trust add").unwrap();
        let word: &[&str] = if home == "taken" { &["--yes"] } else { &[] };
        run(home, &[&["trust", "update", &fingerprint[..8], "--from", &update], word].concat())
    })
}
