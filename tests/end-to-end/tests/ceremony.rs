//! The root on a machine of its own, as docs/operations/ca.md has it: an authority begins without the root's key, and a new
//! issuing key takes over while it runs.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

const SOON: Duration = Duration::from_secs(60);

fn run(program: &str, arguments: &[&str]) -> String {
    process::run_program(program, arguments, SOON)
        .unwrap()
        .expect(0, &format!("{program} {arguments:?}"))
        .unwrap()
        .stdout
}

/// The two machines: folders, and where their passphrases lie.
struct Machines {
    place: PathBuf,
    vault: String,
    server: String,
    of_root: String,
    of_keys: String,
}

impl Machines {
    fn new(place: &Path) -> Self {
        let secret = |name: &str| {
            let path = place.join(name);
            std::fs::write(&path, format!("{name} correct horse\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            format!("file:{}", path.display())
        };
        let folder = |name: &str| place.join(name).into_os_string().into_string().unwrap();
        let (of_root, of_keys) = (secret("root-passphrase"), secret("keys-passphrase"));
        Self { place: place.into(), vault: folder("vault"), server: folder("server"), of_root, of_keys }
    }

    /// Request, sign, install; what the last step says.
    fn issuing(&self, whose: &str, name: &str) -> Value {
        run("ca", &["--folder", &self.server, "issuing", "request", whose, "--passphrase", &self.of_keys]);
        let request = format!("{}/keys/{name}.requested.csr.pem", self.server);
        let chain = self.place.join(format!("{name}.chain.pem")).into_os_string().into_string().unwrap();
        let sign = ["--keys", &self.vault, "--passphrase", &self.of_root, "--out", &chain, "--yes"];
        run("ca", &[&["issuing", "sign", &request], &sign[..]].concat());
        let install = ["issuing", "install", &chain, "--passphrase", &self.of_keys];
        let said = run("ca", &[&["--json", "--folder", &self.server], &install[..]].concat());
        serde_json::from_str(&said).unwrap()
    }
}

/// Who issued a person's newest certificate.
fn issuer(person: &Person) -> String {
    let pem = std::fs::read_to_string(person.device().join("chain.pem")).unwrap();
    let leaf = pem.split("-----END").next().unwrap().split("-----\n").nth(1).unwrap().replace('\n', "");
    let leaf = data_encoding::BASE64.decode(leaf.as_bytes()).unwrap();
    identity::certificate::Certificate::parse(&leaf).unwrap().tbs().issuer().to_string()
}

#[test]
fn an_authority_begins_without_its_roots_key_and_its_issuing_key_is_replaced_while_it_runs() {
    let place = tempfile::tempdir().unwrap();
    let machines = Machines::new(place.path());
    run("ca", &["root", "init", "--keys", &machines.vault, "--name", "localhost", "--passphrase", &machines.of_root]);
    for whose in ["people", "services"] {
        assert_eq!(machines.issuing(whose, whose)["in use"], "false");
    }
    let folder = Path::new(&machines.server);
    assert!(!folder.join("keys/root.key.pem").exists());
    let refused = Homeserver::refused(folder, &[]).unwrap();
    assert!(refused.stderr.contains("sealed with a passphrase"), "{}", refused.text());

    let server = Homeserver::start(folder, &["--key-passphrase", &machines.of_keys]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let first = issuer(&alice);
    assert!(first.contains("people CA") && !first.contains("people CA 2"), "{first}");

    assert_eq!(machines.issuing("people", "people-2")["in use"], "true");
    bob.join(server.ready(), &server.outbox()).unwrap();
    assert!(issuer(&bob).contains("people CA 2"), "{}", issuer(&bob));

    let draft = run("homeserver", &["policy", "draft", "--folder", &machines.server]);
    let policy: Value = serde_json::from_str(&draft).unwrap();
    assert_eq!(policy["authorities"][0]["issuers"].as_array().unwrap().len(), 3);
    let next = place.path().join("next.json");
    std::fs::write(&next, &draft).unwrap();
    let (next, root_key) = (next.to_str().unwrap(), format!("{}/root.key.pem", machines.vault));
    let sign = ["--root-key", &root_key, "--passphrase", &machines.of_root];
    run("homeserver", &[&["policy", "sign", next, "--folder", &machines.server], &sign[..]].concat());
    // The settings remember where the passphrase is.
    server.stop().unwrap();
    let server = Homeserver::start(folder, &[]).unwrap();
    process::await_sight("the second version of the policy", SOON, || {
        bob.certtool(&["trust", "update", "--yes"]).ok().filter(|done| done.stdout.contains('2')).map(drop)
    })
    .unwrap();
    let transcript = std::fs::read_to_string(Path::new(&machines.vault).join("transcript.txt")).unwrap();
    assert_eq!(transcript.matches("issuing certificate signed").count(), 3, "{transcript}");
    drop(server);
}
