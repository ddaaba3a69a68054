//! NIST's Public Key Interoperability Test Suite (PKITS 1.0.1), certificates and lists as `cryptography_vectors` from PyPI
//! carries them.
//!
//! Each case is searched for among all certificates and all lists of the suite, not along the path that its description
//! gives: no wrong turn may lead to a path that holds. What is expected stands in `pkits/cases.json`, where we differ and
//! why in `pkits/exceptions.json`. An exception that is none any more fails, too.
#![allow(clippy::unwrap_used)]

mod python;

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use identity::{
    UnixTime,
    path::{PathCertificate, PolicySettings, RevocationList, Settings, find},
};
use serde::Deserialize;

/// 2020-06-01: the suite's certificates and lists hold from 2010 to 2030.
const TIME: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_590_969_600));
/// NIST-test-policy-1 and so on stand below this.
const TEST_POLICIES: &str = "2.16.840.1.101.3.2.1.48";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    leaf: String,
    /// The user-initial-policy-set, by number; any, if absent.
    policies: Option<Vec<u8>>,
    #[serde(default)]
    explicit_policy: bool,
    #[serde(default)]
    inhibit_policy_mapping: bool,
    #[serde(default)]
    inhibit_any_policy: bool,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Accept,
    Refuse,
}

/// The suite in memory.
struct Suite {
    certificates: BTreeMap<String, PathCertificate>,
    lists: Vec<RevocationList>,
}

impl Suite {
    fn read(folder: &Path) -> Self {
        let certificates = files(&folder.join("certs"))
            .filter_map(|(name, der)| Some((name, PathCertificate::parse(&der).ok()?)))
            .collect();
        let lists = files(&folder.join("crls"))
            .filter_map(|(name, der)| {
                let list = RevocationList::parse(&der);
                list.inspect_err(|error| println!("{name} is not used: {error}")).ok()
            })
            .collect();
        Self { certificates, lists }
    }

    fn run(&self, case: &Case) -> Result<(), String> {
        let leaf = self.certificates.get(&case.leaf).ok_or("a certificate that does not parse")?;
        let anchor = &self.certificates["TrustAnchorRootCertificate"];
        let issuers: Vec<_> =
            self.certificates.iter().filter(|(name, _)| !name.ends_with("EE")).map(|(_, c)| c).collect();
        let policies: Option<Vec<_>> = case.policies.as_ref().map(|numbers| {
            numbers.iter().map(|n| const_oid::ObjectIdentifier::new(&format!("{TEST_POLICIES}.{n}")).unwrap()).collect()
        });
        let settings = Settings {
            max_signature_checks: 1_000,
            policies: Some(PolicySettings {
                acceptable: policies.as_deref(),
                explicit: case.explicit_policy,
                inhibit_mapping: case.inhibit_policy_mapping,
                inhibit_any: case.inhibit_any_policy,
            }),
            revocation: Some(&self.lists),
            ..Settings::wide(TIME, &[])
        };
        find(leaf, &issuers, &[anchor], &settings).map(drop).map_err(|e| e.to_string())
    }
}

fn files(folder: &Path) -> impl Iterator<Item = (String, Vec<u8>)> {
    fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    })
}

#[test]
fn pkits() {
    let Some(python) = python::interpreter("pkits") else { return };
    let script = "import cryptography_vectors as v, os; print(os.path.dirname(v.__file__))";
    let output = Command::new(python).args(["-c", script]).output().unwrap();
    let folder = Path::new(String::from_utf8(output.stdout).unwrap().trim()).join("x509/PKITS_data");
    let suite = Suite::read(&folder);
    let cases: Vec<Case> = serde_json::from_str(include_str!("pkits/cases.json")).unwrap();
    let exceptions: BTreeMap<String, String> = serde_json::from_str(include_str!("pkits/exceptions.json")).unwrap();
    let mut wrong = Vec::new();
    let mut excepted = 0;
    for case in &cases {
        let result = suite.run(case);
        let outcome = if result.is_ok() { Outcome::Accept } else { Outcome::Refuse };
        let found = result.err().unwrap_or_else(|| "a path that holds".to_owned());
        match (outcome == case.outcome, exceptions.contains_key(&case.case)) {
            (true, false) => {}
            (false, true) => excepted += 1,
            (false, false) => {
                wrong.push(format!("{} {}: expected {:?}, found {found}", case.case, case.leaf, case.outcome));
            }
            (true, true) => wrong.push(format!("{} {}: no exception any more", case.case, case.leaf)),
        }
        if std::env::var_os("PKITS_VERBOSE").is_some() {
            println!("{} {} {outcome:?}: {found}", case.case, case.leaf);
        }
    }
    println!("PKITS: {} cases, {} as expected, {excepted} excepted", cases.len(), cases.len() - excepted - wrong.len());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let unknown: Vec<_> = exceptions.keys().filter(|id| !cases.iter().any(|case| case.case == **id)).collect();
    assert!(unknown.is_empty(), "exceptions for no case: {unknown:?}");
}
