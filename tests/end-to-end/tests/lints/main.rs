//! What other people's linters say about our certificates and revocation lists: nothing, but for what
//! `exceptions.toml` explains. An exception that no longer happens fails as well.
//!
//! pkilint is installed from PyPI below the build directory, zlint (among what takes long) from the Go module proxy.
//! Where one cannot be had, its test says so and passes.

#![allow(clippy::unwrap_used)]

mod documents;
mod exceptions;
mod tools;

use std::path::Path;
use std::process::{Command, Stdio};

use documents::{Document, Kind};
use exceptions::Findings;
use serde_json::Value;

/// What is linted, and the folder that holds it for as long as it lives.
fn documents() -> (tempfile::TempDir, Vec<Document>) {
    let folder = tempfile::tempdir().unwrap();
    let documents = documents::write(folder.path());
    (folder, documents)
}

#[test]
fn pkilint_finds_nothing() {
    let python = match tools::pkilint() {
        Ok(python) => python,
        Err(reason) => return story::skipped(format_args!("pkilint did not run: {reason}")),
    };
    let (_folder, documents) = documents();
    let mut names = Vec::new();
    let mut runs = Vec::new();
    for document in &documents {
        for run in pkilint_runs(document.kind) {
            names.push(document.name);
            let options = ["-s", "WARNING", "-f", "JSON", document.file.to_str().unwrap()];
            runs.push([*run, &options].concat());
        }
    }
    let mut findings = Findings::new("pkilint");
    for (name, output) in names.iter().zip(pkilint(&python, &runs)) {
        for finding in pkilint_findings(&output) {
            findings.add(name, finding["code"].as_str().unwrap(), finding);
        }
    }
    findings.check();
}

/// The programs that know this kind of document.
fn pkilint_runs(kind: Kind) -> &'static [&'static [&'static str]] {
    match kind {
        Kind::Authority | Kind::Leaf => &[&["lint_pkix_cert", "lint"]],
        // Which of the CA/Browser Forum's profiles it is follows from the policy, or is said.
        Kind::AssertingMail => &[&["lint_pkix_cert", "lint"], &["lint_cabf_smime_cert", "lint", "-d"]],
        Kind::Mail => &[&["lint_pkix_cert", "lint"], &["lint_cabf_smime_cert", "lint", "-t", "MAILBOX-MULTIPURPOSE"]],
        Kind::RevocationList => {
            &[&["lint_crl", "lint", "-t", "CRL", "-p", "PKIX"], &["lint_crl", "lint", "-t", "CRL", "-p", "BR"]]
        }
    }
}

fn pkilint(python: &Path, runs: &[Vec<&str>]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints/run_pkilint.py");
    let mut command = Command::new(python);
    let mut child = command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), runs).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let outputs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outputs.len(), runs.len());
    outputs
}

fn pkilint_findings(output: &Value) -> impl Iterator<Item = &Value> {
    output["results"].as_array().unwrap().iter().flat_map(|r| r["finding_descriptions"].as_array().unwrap())
}

#[test]
#[ignore = "builds a linter in Go: for ./test --all"]
fn zlint_finds_nothing() {
    let zlint = match tools::zlint() {
        Ok(zlint) => zlint,
        Err(reason) => return story::skipped(format_args!("zlint did not run: {reason}")),
    };
    let mut findings = Findings::new("zlint");
    let (_folder, documents) = documents();
    for document in documents {
        let verdicts = json(Command::new(&zlint).arg("-pretty=false").arg(&document.file));
        for (code, verdict) in verdicts.as_object().unwrap() {
            if ["warn", "error", "fatal"].contains(&verdict["result"].as_str().unwrap()) {
                findings.add(document.name, code, verdict);
            }
        }
    }
    findings.check();
}

/// What a linter prints. Its exit code says whether there are findings, and is left out of account.
fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{command:?}: {error}\n{}", String::from_utf8_lossy(&output.stderr));
    })
}

/// A linter that reads nothing would find nothing.
#[test]
fn pkilint_finds_what_is_wrong() {
    let Ok(python) = tools::pkilint() else {
        return story::skipped("pkilint did not run");
    };
    let (_folder, all) = documents();
    let device = all.iter().find(|document| document.name == "device").unwrap();
    let file = device.file.to_str().unwrap();
    let run = vec!["lint_cabf_smime_cert", "lint", "-t", "MAILBOX-MULTIPURPOSE", "-f", "JSON", file];
    let outputs = pkilint(&python, &[run]);
    let wanted = "cabf.smime.no_required_reserved_policy_oid";
    assert!(pkilint_findings(&outputs[0]).any(|finding| finding["code"] == wanted), "{outputs:?}");
}
