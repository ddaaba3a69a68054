//! Chains with faults, judged by us, by OpenSSL and by PyPI's `cryptography`: none that we accept is refused by both.
//!
//! `differential/mutate.py` makes the chains, seeded; most faults are in what is signed, so that the signature alone does
//! not give them away.
#![allow(clippy::unwrap_used)]

mod python;

use std::{path::Path, process::Command, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use identity::{
    UnixTime, oid,
    path::{Leaf, PathCertificate, Settings, find},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Judged {
    number: usize,
    done: Vec<String>,
    time: u64,
    chain: Vec<String>,
    root: String,
    cryptography: Option<String>,
    openssl: Option<String>,
}

impl Judged {
    fn ours(&self) -> Result<(), String> {
        let parse = |text: &String| PathCertificate::parse(&BASE64_STANDARD.decode(text).unwrap());
        let leaf = parse(&self.chain[0]).map_err(|e| e.to_string())?;
        let root = parse(&self.root).map_err(|e| e.to_string())?;
        let issuers: Vec<_> = self.chain[1..].iter().filter_map(|text| parse(text).ok()).collect();
        let issuers: Vec<_> = issuers.iter().collect();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(self.time));
        let settings = Settings { leaf: Leaf::EndEntity, ..Settings::wide(time, &[oid::CLIENT_AUTH]) };
        find(&leaf, &issuers, &[&root], &settings).map(drop).map_err(|e| e.to_string())
    }
}

fn compare(seed: u64, count: usize) {
    let Some(python) = python::interpreter("differential") else { return };
    if let Err(error) = Command::new("openssl").arg("version").output() {
        return python::skipped("differential", &format!("openssl: {error}"));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/mutate.py");
    let output = Command::new(python).arg(script).args([seed.to_string(), count.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let judged: Vec<Judged> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(judged.len(), count);
    let (mut accepted, mut by_all, mut by_others, mut alone) = (0, 0, 0, Vec::new());
    for one in &judged {
        let ours = one.ours();
        accepted += usize::from(ours.is_ok());
        match (&ours, &one.cryptography, &one.openssl) {
            (Ok(()), None, None) => by_all += 1,
            (Ok(()), Some(cryptography), Some(openssl)) => {
                alone.push(format!("{} {:?}: {cryptography}; {openssl}", one.number, one.done));
            }
            (Err(why), None, None) => {
                by_others += 1;
                println!("refused by us alone: {} {:?}: {why}", one.number, one.done);
            }
            _ => {}
        }
    }
    println!(
        "seed {seed}: {count} chains, {accepted} accepted, {by_all} by all three, {by_others} refused by us alone, {} accepted by us alone",
        alone.len()
    );
    assert!(alone.is_empty(), "accepted by us alone:\n{}", alone.join("\n"));
    assert!(by_all > count / 10, "too few chains are right to say anything");
}

#[test]
fn nothing_is_accepted_by_us_alone() {
    compare(1, 300);
}

#[test]
#[ignore = "minutes: ten thousand chains"]
fn nothing_is_accepted_by_us_alone_in_many_chains() {
    for seed in 2..12 {
        compare(seed, 1_000);
    }
}
