//! Path validation cases in the form of x509-limbo, through `certtool limbo-harness`.
//!
//! `limbo/cases.json` is written by `limbo/make.py`, with other people's software. Cases of others can be run in the same
//! way: `LIMBO=limbo.json cargo test -p certtool --test limbo` prints where we differ.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

fn run(cases: &str) -> BTreeMap<String, (String, String)> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_certtool"))
        .arg("limbo-harness")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(cases.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["version"], 1);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (answer["results"].as_array().unwrap().iter())
        .map(|result| (text(&result["id"]), (text(&result["actual_result"]), text(&result["context"]))))
        .collect()
}

/// Every case: how it went, where that is not what was expected.
fn differences(cases: &str) -> Vec<String> {
    let results = run(cases);
    let document: Value = serde_json::from_str(cases).unwrap();
    let cases = document["testcases"].as_array().unwrap();
    assert_eq!(cases.len(), results.len(), "one result for each case");
    let skipped = results.values().filter(|(result, _)| result == "SKIPPED").count();
    let wrong: Vec<String> = (cases.iter())
        .filter_map(|case| {
            let id = case["id"].as_str().unwrap();
            let (result, context) = &results[id];
            let expected = case["expected_result"].as_str().unwrap();
            (result != expected && result != "SKIPPED")
                .then(|| format!("{id}: expected {expected}, found {result} {context}"))
        })
        .collect();
    println!("limbo: {} cases, {skipped} skipped, {} differ", cases.len(), wrong.len());
    wrong
}

#[test]
fn our_own_cases() {
    let cases = include_str!("limbo/cases.json");
    assert!(!cases.contains("SKIPPED"));
    let wrong = differences(cases);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_document_is_said() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_certtool"))
        .arg("limbo-harness")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no document of test cases"));
}

#[test]
fn cases_of_others() {
    let Some(path) = std::env::var_os("LIMBO") else { return };
    for line in differences(&std::fs::read_to_string(path).unwrap()) {
        println!("{line}");
    }
}
