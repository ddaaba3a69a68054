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

#[test]
fn keys_are_listed_with_those_of_later_logs_and_none_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ca"));
        command.arg("--folder").arg(folder.path()).args(words).output().unwrap()
    };
    let keys = folder.path().join("keys");
    assert_eq!(run(&["keys", "list", "--keys", "nowhere"]).status.code(), Some(1));
    std::fs::create_dir_all(folder.path().join("shards/next")).unwrap();
    std::fs::create_dir_all(&keys).unwrap();
    let clear = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    std::fs::write(keys.join("log.key.pem"), clear).unwrap();
    std::fs::write(folder.path().join("shards/next/vrf.signer"), "/run/signer\n").unwrap();
    let listed = String::from_utf8(run(&["keys", "list", "--json"]).stdout).unwrap();
    let lines: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &serde_json::Value| (key["name"].clone(), key["lies"].clone());
    let expected = [("log", "in-clear"), ("shards/next/vrf", "with-a-signer")];
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), expected.map(|(name, lies)| (name.into(), lies.into())));
    let shown = String::from_utf8(run(&["keys", "list"]).stdout).unwrap();
    assert!(shown.contains("with a signer") && !(shown + &listed).contains("c2Vj"));
}
