//! Every character there is, in labels of several shapes, judged by us and by PyPI's `idna`: IDNA2008 as others read it.
#![allow(clippy::unwrap_used)]

mod python;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use identity::identifier::canonical_dns_name;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Where a character stands: alone, between Latin letters, twice, after and before letters that contextual rules ask for.
const SHAPES: [(&str, &str); 7] = [
    ("", ""),
    ("a", "b"),
    ("l", "l"),
    ("\u{3b1}", "\u{3b2}"),
    ("\u{5d0}", ""),
    ("\u{3042}", ""),
    ("\u{627}", "\u{6f1}"),
];

/// Vowel signs that later versions of Unicode write from left to right, which `idna` does not know yet.
const DIRECTED_SINCE: [char; 4] = ['\u{1b3a}', '\u{1b3c}', '\u{1b42}', '\u{1171e}'];

/// Every assigned character but ASCII, and of the large blocks of ideographs and syllables, which are all alike, some.
fn characters() -> impl Iterator<Item = char> {
    let assigned = |c: &char| {
        let category = c.general_category();
        !matches!(category, GeneralCategory::Unassigned | GeneralCategory::PrivateUse | GeneralCategory::Surrogate)
    };
    let alike = |c: &char| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{17000}'..);
    ('\u{80}'..=char::MAX).filter(assigned).filter(move |c| !alike(c) || u32::from(*c) % 64 == 0)
}

/// Whether this label is one as it stands: what we read back from its A-label is the label itself.
fn is_label(label: &str) -> bool {
    let Ok(ascii) = canonical_dns_name(&format!("{label}.example")) else { return false };
    let (unicode, result) = idna::domain_to_unicode(&ascii);
    result.is_ok() && unicode == format!("{label}.example")
}

#[test]
fn idna2008_as_others_read_it() {
    let Some(python) = python::interpreter("idna") else { return };
    let labels: Vec<String> = characters()
        .flat_map(|c| SHAPES.iter().map(move |(before, after)| format!("{before}{c}{after}")))
        .filter(|label| !label.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']))
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idna/judge.py");
    let mut judge =
        Command::new(python).arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = judge.stdin.take().unwrap();
    let text = labels.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), labels.len());
    let (mut both, mut ours, mut theirs) = (0, Vec::new(), Vec::new());
    for (label, verdict) in labels.iter().zip(verdicts.lines()) {
        if label.contains(DIRECTED_SINCE) {
            continue;
        }
        match (is_label(label), verdict) {
            (true, "yes") => both += 1,
            (true, "no") => ours.push(label.escape_unicode().to_string()),
            (false, "yes") => theirs.push(label.escape_unicode().to_string()),
            _ => {}
        }
    }
    println!("{} labels, {both} admitted by both, {} by idna alone", labels.len(), theirs.len());
    assert!(ours.is_empty(), "admitted by us alone: {} {:?}", ours.len(), &ours[..ours.len().min(40)]);
    assert!(theirs.is_empty(), "refused by us alone: {} {:?}", theirs.len(), &theirs[..theirs.len().min(40)]);
    assert!(both > 50_000, "too few labels are admitted to say anything");
}
