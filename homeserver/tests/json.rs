//! What the operator's commands print for programs.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const WITNESS: &str = "witness.example.org/w1+7f7f9cd7+BIN6wWDOGDiwMzjrCluwFlo5fucwz4Q+zoghJ3Vhg3IJ";

fn run(program: &str, folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(program).args(arguments).env("INPERSON_SERVER", folder).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn what_changes_a_server_is_told_to_programs_as_one_object() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let (ca, homeserver) = (env!("CARGO_BIN_EXE_ca"), env!("CARGO_BIN_EXE_homeserver"));
    assert_eq!(run(ca, &folder, &["init"]).1, Some(0));
    let json = |arguments: &[&str], code: i32| -> Value {
        let (said, found) = run(homeserver, &folder, &[arguments, &["--json"]].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    };

    let mut draft = json(&["policy", "draft"], 0);
    draft["directories"][0]["name"] = "other.example.org".into();
    let next = place.path().join("next.json");
    std::fs::write(&next, draft.to_string()).unwrap();
    let signed = json(&["policy", "sign", next.to_str().unwrap()], 0);
    assert_eq!(signed["signed"]["number"], 2, "{signed}");
    assert_eq!(signed["signed"]["fingerprint"].as_str().unwrap().len(), 64, "{signed}");
    assert!(signed["signed"]["changes"][0].as_str().unwrap().contains("other.example.org"), "{signed}");

    // What people edit, on many lines.
    assert!(run(homeserver, &folder, &["policy", "draft"]).0.lines().count() > 1);

    let prepared = json(&["shard", "prepare", "--begins", "2050-01-01T00:00:00Z"], 0);
    assert_eq!(prepared["signed"]["number"], 3, "{prepared}");
    assert!(prepared["signed"]["changes"].to_string().contains("2050"), "{prepared}");

    let added = json(&["witness", "add", "https://witness.example.org", "--key", WITNESS], 0);
    assert_eq!(added["added"]["key"], WITNESS, "{added}");
    let name = WITNESS.split('+').next().unwrap();
    assert_eq!(json(&["witness", "remove", name], 0)["removed"], name);
    let again = json(&["witness", "remove", name], 1);
    assert!(again["error"]["what"].as_str().unwrap().contains(name), "{again}");
    assert_eq!(again["error"]["exit"], 1);
}

#[test]
fn a_server_that_is_ready_names_every_port_and_the_mail_server_without_its_password() {
    use std::io::BufRead as _;
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_homeserver"));
    command.args(["up", "--json", "--https-port", "0", "--directory-port", "0", "--observation-port"]);
    // A free one, which nobody else takes before the server does but by bad luck.
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command.arg(free.to_string()).args(["--smtp", "smtp://ca:s3cret@127.0.0.1:1?tls=none", "--folder"]);
    command.arg(place.path().join("server")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let words = String::from_utf8(server.wait_with_output().unwrap().stderr).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}{words}"));
    assert_eq!(ready["observation_port"], free, "{ready}");
    assert_eq!(ready["mails"], "smtp://127.0.0.1:1?tls=none", "{ready}");
    let told = [format!("and UDP port {free}"), "go out through smtp://127.0.0.1:1?tls=none".to_owned()];
    assert!(told.iter().all(|told| words.contains(told)) && !words.contains("s3cret"), "{words}");
}

#[test]
fn a_signer_that_does_not_start_says_so_in_its_journal_as_well() {
    let place = tempfile::tempdir().unwrap();
    let key = place.path().join("vrf.key.pem");
    std::fs::write(&key, "no key").unwrap();
    let run = |json: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ca"));
        command.arg("vrf-signer").arg("--key").arg(&key).arg("--socket").arg(place.path().join("socket"));
        command.args(["--log", "ca.example.org/log"]).args(json).output().unwrap()
    };
    let (words, both) = (run(&[]), run(&["--json"]));
    assert_eq!((words.status.code(), both.status.code()), (Some(1), Some(1)));
    assert!(words.stdout.is_empty() && String::from_utf8_lossy(&words.stderr).contains("expected a secret"));
    assert_eq!(both.stderr, words.stderr);
    let object: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(object["error"]["exit"], 1, "{object}");
}
