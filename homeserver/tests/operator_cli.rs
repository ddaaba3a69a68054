//! Transcripts of the operator's command line.
#![allow(clippy::unwrap_used)]

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("NO_COLOR", "1").env("COLUMNS", "100").case("tests/ca/*.trycmd").run();
}

#[test]
fn the_key_that_signs_mails_is_made_once_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ca"));
        command.arg("--folder").arg(folder.path()).args(["dkim", "--selector", "2026", "--domain", "example.org"]);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let made: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!((&made["done"], &made["name"]), (&"made".into(), &"2026._domainkey.example.org.".into()));
    let value = made["value"].as_str().unwrap();
    assert!(value.starts_with("v=DKIM1; k=rsa; p=MIIBIjAN"), "{value}");
    let again: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!((&again["done"], again["value"].as_str()), (&"there already".into(), Some(value)));
    let zone = run(&[]).replace("\"\n    \"", "");
    assert!(zone.contains(&format!("2026._domainkey.example.org. 3600 IN TXT ( \"{value}\" )")), "{zone}");
    let mode = std::fs::metadata(folder.path().join("keys/dkim.key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
