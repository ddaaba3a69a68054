//! An authority that makes accounts for its members alone, and has terms: whoever joins is told what is wanted, and nobody
//! agrees in her place. Afterwards nothing of that is asked again.
#![allow(clippy::unwrap_used, missing_docs)]

use story::homeserver::Homeserver;
use story::person::Person;

const TERMS: &str = "https://example.org/terms/1";
/// 48 bytes in base64url.
const KEY: &str = "bWVtYmVyLTctaGFzLWEta2V5LW9mLWZvcnR5LWVpZ2h0LWJ5dGVzLWxpa2UtdGhp";

#[test]
fn a_member_joins_by_the_key_she_was_given_once_she_agrees() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let settings = std::fs::read_to_string(folder.join("homeserver.toml")).unwrap();
    let wanted = format!("\n[enrolment]\nterms = \"{TERMS}\"\nrequire_external_account = true\n");
    std::fs::write(folder.join("homeserver.toml"), settings + &wanted).unwrap();
    std::fs::write(folder.join("external-accounts"), format!("member-7 {KEY}\n")).unwrap();
    let server = Homeserver::start(&folder, &[]).unwrap();
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = place.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        format!("file:{}", path.display())
    };
    let member = Person::new(place.path(), "mia@example.org");
    member.trust(server.ready()).unwrap();
    let refused = |options: &[&str], told: &str| {
        let arguments = [&["enroll", member.address()], options].concat();
        let done = member.certtool(&arguments).unwrap().expect(1, "certtool enroll").unwrap();
        assert!(done.text().contains(told), "{options:?}: {}", done.text());
    };
    let [right, wrong] =
        [("right", KEY.to_owned()), ("wrong", KEY.replace("bWVt", "bWVu"))].map(|(name, key)| file(name, &key));
    let short = file("short", "c2hvcnQ");
    refused(&[], "--external-account NAME --external-key");
    let with = |source| ["--external-account", "member-7", "--external-key", source];
    refused(&with(&short), "expected a key of at least 32 bytes in base64url");
    refused(&with(&right), &format!("--agree-to {TERMS}"));
    let agreeing = |source, terms| [&with(source)[..], &["--agree-to", terms]].concat();
    refused(&agreeing(&right, "https://example.org/terms/2"), &format!("--agree-to {TERMS}"));
    refused(&agreeing(&wrong, TERMS), "its key is another");
    member.enroll_with(&agreeing(&right, TERMS), &server.outbox()).unwrap();
    member.certtool_json(&["renew", member.address(), "--force"]).unwrap();

    // Each account elsewhere counts for one here.
    let other = Person::new(place.path(), "otto@example.org");
    other.trust(server.ready()).unwrap();
    let arguments = [&["enroll", other.address()][..], &agreeing(&right, TERMS)].concat();
    let done = other.certtool(&arguments).unwrap().expect(1, "certtool enroll").unwrap();
    assert!(done.text().contains("another account here is bound to this account elsewhere"), "{}", done.text());
}
