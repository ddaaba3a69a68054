//! An independent verifier, in Python and from the specification alone (`tests/independent`), judges the same vectors.
//!
//! It runs in a virtual environment of its own below the build directory, with the pinned packages of
//! `tests/independent/requirements.txt`. Where those cannot be had, the test says so and passes.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where it may say something else, and why: the vector, what it says, the reason. None so far.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

#[test]
fn the_independent_verifier_agrees() {
    let python = match environment() {
        Ok(python) => python,
        Err(reason) => {
            story::skipped(format_args!("the independent verifier did not run: {reason}"));
            return;
        }
    };
    let folders = ["certificate", "policy-update", "dated-signature"].map(|name| tests().join("vectors").join(name));
    let mut files: Vec<PathBuf> = (folders.iter())
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let verifier = tests().join("independent/verify.py");
    // No bytecode beside the sources.
    let answered = Command::new(python).arg("-B").arg(verifier).args(&files).output().unwrap();
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    let answers = String::from_utf8(answered.stdout).unwrap();
    assert_eq!(answers.lines().count(), files.len());
    let wrong: Vec<String> =
        answers.lines().zip(&files).filter_map(|(answer, file)| disagreement(answer, file)).collect();
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with an answer, if anything is.
fn disagreement(answer: &str, file: &Path) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).unwrap();
    let vector: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let name = vector["name"].as_str().unwrap();
    assert_eq!(answer["name"], vector["name"]);
    let excepted = EXCEPTIONS.iter().find(|(excepted, ..)| *excepted == name);
    // An exception that has gone is to be struck out.
    let expected = excepted.map_or(vector["rule"].as_str().unwrap(), |(_, rule, _)| *rule);
    if answer["rule"] != expected {
        return Some(format!("{name}: expected {expected}, found {answer}"));
    }
    let says = vector["says"].as_object()?;
    // Of a service, witnesses and revocation are not told.
    let told = says
        .iter()
        .filter(|(_, value)| value.as_str() != Some("") && value.as_array().is_none_or(|list| !list.is_empty()));
    let mut other = told.filter(|(member, value)| answer[member.as_str()] != **value);
    other.next().map(|(member, value)| format!("{name}: expected {member} {value}, found {}", answer[member.as_str()]))
}

/// The Python of an environment that has what the verifier needs.
fn environment() -> Result<PathBuf, story::Failure> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("independent");
    story::python::environment(&folder, &tests().join("independent/requirements.txt"))
}
