//! How long `certtool` takes to begin and end, beside a program that does nothing: whoever types waits for that each time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::testing::Authority;
use identity::{Identifier, UnixTime};
use tokio::runtime::Runtime;

use crate::measure::{Pair, Part, Scale, median, paired, wall};

/// Each of them starts a process.
const ROUNDS: usize = 40;

/// `certtool --version` beside `true`; and what looking at a certificate takes that is verified.
pub(crate) fn start(_: &Runtime, scale: Scale) -> Pair {
    let place = tempfile::tempdir().expect("there is room for a folder");
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("INPERSON_HOME", place.path().join("home")).stdout(Stdio::null());
        assert!(command.status().expect("the program starts").success(), "{} {arguments:?}", program.display());
    };
    let certtool = std::env::current_exe().expect("this program lies somewhere").with_file_name("certtool");
    let certificate = alice(place.path(), |arguments| run(&certtool, arguments));
    let rounds = ROUNDS * scale.factor;
    let milliseconds = |program: &Path, arguments: &[&str]| wall(1, || run(program, arguments)) / 1e3;
    let started = paired(rounds, || milliseconds(&certtool, &["--version"]), || milliseconds(Path::new("true"), &[]));
    let inspected = (0..rounds).map(|_| milliseconds(&certtool, &["inspect", &certificate])).collect();
    let inspected = median(inspected);
    let part = Part { name: "inspect of a certificate".to_owned(), figure: inspected, unit: "ms", times: 1.0 };
    Pair { parts: vec![part], ..started.noted(format!("inspect of a certificate: {inspected:.1} ms (aim < 20)")) }
}

/// A certificate that holds now, under a policy that is pinned; its path.
fn alice(folder: &Path, certtool: impl Fn(&[&str])) -> String {
    let now = UnixTime::now();
    let authority = Authority::new(1, now);
    let alice = Identifier::parse("alice@example.org").expect("an address");
    let (chain, _) = authority.issue_person(&alice, now);
    let blocks = chain.iter().map(|der| {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    });
    let (policy, certificate) = (folder.join("policy.json"), folder.join("alice.pem"));
    fs::write(&certificate, blocks.collect::<String>()).expect("there is room for a file");
    fs::write(&policy, authority.policy().canonical()).expect("there is room for a file");
    let fingerprint = authority.policy().fingerprint().to_string();
    certtool(&["trust", "add", &policy.display().to_string(), "--fingerprint", &fingerprint]);
    certificate.display().to_string()
}
