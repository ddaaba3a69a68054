//! The folder as a person, a crash or a careless hand leaves it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use identity::testing::{Authority, NOON};
use identity::trust::{Bindings, Fingerprint, TrustPolicy};
use key_store::{Passphrase, PassphraseSource};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::DeviceKey;
use crate::device::{Enrolment, RenewalSeed};

struct Place {
    _temp: tempfile::TempDir,
    home: Home,
    alice: Identifier,
}

/// One that has just begun.
pub(super) fn enrolment(identifier: &Identifier) -> Enrolment {
    Enrolment {
        identifier: identifier.clone(),
        authority: "Test authority 1".to_owned(),
        acme: "https://ca.example.org/acme/directory".to_owned(),
        policy: "00".repeat(32),
        account: None,
        pending_order: None,
        renewal_seed: RenewalSeed::generate().unwrap(),
        revoked: false,
    }
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path().join("home")).unwrap();
        Self { _temp: temp, home, alice: Identifier::parse("alice@example.org").unwrap() }
    }

    fn pending(&self) -> Pending {
        self.home.begin_pending(None, (), enrolment(&self.alice)).unwrap()
    }

    fn enrol(&self) -> Pending {
        let pending = self.pending();
        self.home.finish_pending(pending.clone(), chain()).unwrap();
        pending
    }

    fn mode(&self, relative: &str) -> u32 {
        fs::metadata(self.home.folder().join(relative)).unwrap().permissions().mode() & 0o777
    }
}

fn chain() -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from(vec![0x30, 0])]
}

#[test]
fn a_policy_is_pinned_by_its_fingerprint_only() {
    let place = Place::new();
    let policy = Authority::new(1, NOON).policy();
    let (bytes, right) = (policy.canonical(), policy.fingerprint());
    let wrong = Fingerprint([7; 32]);
    let error = place.home.add_trust(&bytes, &wrong).unwrap_err().to_string();
    assert!(error.contains(&wrong.to_string()) && error.contains(&right.to_string()), "{error}");
    assert!(place.home.trust_policies().unwrap().is_empty(), "nothing was pinned");

    place.home.add_trust(&bytes, &right).unwrap();
    place.home.add_trust(&bytes, &right).unwrap();
    assert_eq!(place.home.trust_policies().unwrap(), [policy]);
    assert_eq!(place.home.trust_at(NOON).unwrap().policies().len(), 1);
}

#[test]
fn of_authorities_that_are_called_alike_the_one_of_the_enrolment_comes_first() {
    let place = Place::new();
    let policies = [1, 2].map(|seed| {
        let mut policy = Authority::new(seed, NOON).policy();
        policy.authorities[0].name = "Test authority 1".to_owned();
        place.home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        policy
    });
    for policy in &policies {
        let enrolment = Enrolment { policy: policy.fingerprint().to_string(), ..place.pending().enrolment };
        let first = place.home.policies_beginning_with(&enrolment).unwrap().remove(0);
        assert_eq!(first, *policy);
    }
}

#[test]
fn a_policy_in_another_spelling_is_refused() {
    let place = Place::new();
    let policy = Authority::new(1, NOON).policy();
    let mut bytes = policy.canonical();
    bytes.push(b'\n');
    assert!(matches!(place.home.add_trust(&bytes, &policy.fingerprint()), Err(HomeError::Policy(_))));
}

#[test]
fn a_policy_changed_on_disk_is_noticed() {
    let place = Place::new();
    let (first, second) = (Authority::new(1, NOON).policy(), Authority::new(2, NOON).policy());
    place.home.add_trust(&first.canonical(), &first.fingerprint()).unwrap();
    let path = format!("trust/{}/current.json", first.fingerprint());
    place.home.write_text(&path, &String::from_utf8(second.canonical()).unwrap()).unwrap();
    let error = place.home.trust_policies().unwrap_err().to_string();
    assert!(error.contains("current.json is damaged") && error.contains(&second.fingerprint().to_string()), "{error}");
}

#[test]
fn updates_are_kept_and_followed_from_the_pinned_version_each_time() {
    let place = Place::new();
    let authority = Authority::new(1, NOON);
    let first = authority.policy();
    let pinned = first.fingerprint();
    let next = |current: &TrustPolicy, name: &str| TrustPolicy {
        number: current.number + 1,
        previous: Some(current.fingerprint()),
        name: name.to_owned(),
        ..current.clone()
    };
    let (second, other) = (next(&first, "Second"), next(&first, "Other"));
    let update = authority.update(&second, NOON);
    place.home.add_trust(&first.canonical(), &pinned).unwrap();
    let refused = place.home.take_update(&pinned, &authority.update(&next(&second, "Third"), NOON)).unwrap_err();
    assert!(refused.to_string().contains("TRUST-08"), "{refused}");
    assert_eq!(place.home.take_update(&pinned, &update).unwrap(), second);
    assert!(place.home.take_update(&pinned, &authority.update(&other, NOON)).is_err(), "the number is taken");
    let read = place.home.pinned_policies().unwrap().remove(0);
    assert_eq!((read.pinned, &read.policy, read.documents.len()), (pinned, &second, 2));
    // Pinning the first version again does not bring it back.
    place.home.add_trust(&first.canonical(), &pinned).unwrap();
    assert_eq!(place.home.trust_policies().unwrap(), [second]);

    // A crash after the update and before the current version: the update was agreed to.
    let current = format!("trust/{pinned}/current.json");
    place.home.write_text(&current, &String::from_utf8(first.canonical()).unwrap()).unwrap();
    assert_eq!(place.home.trust_policies().unwrap()[0].number, 2);
    let file = format!("trust/{pinned}/updates/2.json");
    place.home.write_text(&file, "{}").unwrap();
    let error = place.home.trust_policies().unwrap_err().to_string();
    assert!(error.contains("2.json is damaged") && error.contains("TRUST-07"), "{error}");
}

#[test]
fn people_stay_bound_over_the_years() {
    let place = Place::new();
    let [one, two] = [1, 2].map(|seed| Authority::new(seed, NOON));
    for authority in [&one, &two] {
        let policy = authority.policy();
        place.home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
    }
    let verify = |authority: &Authority| {
        let (chain, _) = authority.issue_person(&place.alice, NOON);
        identity::verify::verify_person(&chain, &place.home.trust_at(NOON).unwrap(), NOON)
    };
    let person = verify(&one).unwrap();
    let bind =
        |bindings: &mut Bindings| bindings.bind(person.identifier(), person.authority(), person.authority_root(), NOON);
    assert!(place.home.change_bindings(bind).unwrap());
    verify(&one).unwrap();
    assert_eq!(verify(&two).unwrap_err().rule.id(), "TRUST-06");
    place.home.write_text("bindings.json", "[]").unwrap();
    assert!(place.home.trust_at(NOON).unwrap_err().to_string().contains("bindings.json is damaged"));
}

#[test]
fn a_device_is_read_as_it_was_stored_and_others_cannot_read_it() {
    let place = Place::new();
    let pending = place.enrol();
    let device = place.home.device(&place.alice).unwrap();
    assert_eq!(device.key.public_key(), pending.key.public_key());
    assert_eq!(device.enrolment, pending.enrolment);
    assert_eq!(device.chain, chain());
    for file in ["key.pem", "account.pem", "chain.pem", "enrolment.toml"] {
        assert_eq!(place.mode(&format!("devices/alice@example.org/{file}")), 0o600, "{file}");
    }
    for folder in ["", "devices", "devices/alice@example.org"] {
        assert_eq!(place.mode(folder), 0o700, "{folder:?}");
    }
}

#[test]
fn an_enrolment_under_way_is_no_device_yet() {
    let place = Place::new();
    place.pending();
    assert!(!place.home.has_device(&place.alice).unwrap());
    assert!(place.home.devices().unwrap().is_empty());
    assert!(place.home.pending::<DeviceKey>(&place.alice).unwrap().is_some());
}

#[test]
fn a_crash_before_the_last_step_loses_neither_the_old_device_nor_the_new_one() {
    let place = Place::new();
    let old = place.enrol();
    let new = place.pending();
    assert_eq!(place.home.device(&place.alice).unwrap().key.public_key(), old.key.public_key());

    // The chain is written, and then the power goes.
    let pem = crate::chain_to_pem(&chain());
    place.home.write_text("devices/.pending/alice@example.org/chain.pem", &pem).unwrap();
    assert_eq!(place.home.device(&place.alice).unwrap().key.public_key(), new.key.public_key());

    // Or: the old folder is gone, the new one not yet in its place.
    let third = place.pending();
    place.home.write_text("devices/.pending/alice@example.org/chain.pem", &pem).unwrap();
    fs::remove_dir_all(place.home.folder().join("devices/alice@example.org")).unwrap();
    assert_eq!(place.home.device(&place.alice).unwrap().key.public_key(), third.key.public_key());
    assert!(place.home.pending::<DeviceKey>(&place.alice).unwrap().is_none());
}

#[test]
fn a_certificate_of_the_key_before_is_not_kept_for_the_one_that_came_after() {
    let place = Place::new();
    place.enrol();
    let before = place.home.device(&place.alice).unwrap();
    let (newer, _) = Authority::new(1, NOON).issue_person(&place.alice, NOON);
    place.home.finish_pending(place.pending(), newer.clone()).unwrap();
    let refused = place.home.store_renewed(&before).unwrap_err();
    assert!(matches!(refused, HomeError::EnrolledAnew { .. }), "{refused}");
    assert_eq!(place.home.locked_device(&place.alice).unwrap().chain, newer);
}

#[test]
fn damaged_files_are_named_with_what_was_expected() {
    let place = Place::new();
    place.enrol();
    for (file, text, expected) in [
        ("key.pem", "no key", "a private key"),
        ("account.pem", "", "a private key"),
        ("chain.pem", "no chain", "a certificate chain in PEM"),
        ("enrolment.toml", "identifier = 3", "the record of an enrolment"),
    ] {
        let path = format!("devices/alice@example.org/{file}");
        let good = place.home.read_text(&path).unwrap().unwrap();
        place.home.write_text(&path, text).unwrap();
        let error = place.home.device(&place.alice).unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(expected), "{error}");
        place.home.write_text(&path, &good).unwrap();
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let place = Place::new();
    place.enrol();
    let path = place.home.folder().join("devices/alice@example.org/key.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = place.home.device(&place.alice).unwrap_err();
    assert!(matches!(error, HomeError::Permissions { found: 0o644, .. }), "{error}");
}

#[test]
fn who_is_not_there_is_told_apart_from_who_is() {
    let place = Place::new();
    let error = place.home.device(&place.alice).unwrap_err().to_string();
    assert!(error.contains("found: none"), "{error}");
    place.enrol();
    let error = place.home.device(&Identifier::parse("bob@example.org").unwrap()).unwrap_err().to_string();
    assert!(error.contains("alice@example.org"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Home::at(file.join("home")).unwrap_err();
    assert!(matches!(error, HomeError::NotWritable { .. }), "{error}");
}

#[test]
fn no_identifier_escapes_its_folder_and_no_two_share_one() {
    let names: Vec<_> =
        ["../x@example.org", "..~x@example.org", ".x@example.org", "a/b@example.org", "a~b@example.org"]
            .iter()
            .filter_map(|text| Identifier::parse(text).ok())
            .map(|identifier| file_name(&identifier))
            .collect();
    for name in &names {
        assert!(!name.contains('/') && !name.starts_with('.') && name.len() <= 255, "{name}");
    }
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    let long = Identifier::parse(&format!("{}@{}.example.org", "é".repeat(30), "x".repeat(60))).unwrap();
    assert!(file_name(&long).len() <= 255);
}

/// Where a passphrase comes from: a file in the folder.
fn source(place: &Place, text: &str) -> PassphraseSource {
    let path = place.home.folder().join(format!("passphrase-{}", text.replace(' ', "-")));
    files::write_atomic(&path, text.as_bytes()).unwrap();
    PassphraseSource::File(path)
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(zeroize::Zeroizing::new(text.to_owned())).unwrap()
}

const ALICE: &str = "devices/alice@example.org";

#[test]
fn keys_under_a_passphrase_open_with_it_alone() {
    let mut place = Place::new();
    let plain = place.home.clone();
    place.home = plain.clone().unlocked_by(source(&place, "correct horse"), true);
    let pending = place.enrol();
    for file in ["key.pem", "account.pem"] {
        let text = place.home.read_text(format!("{ALICE}/{file}")).unwrap().unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{file}");
        assert_eq!(place.mode(&format!("{ALICE}/{file}")), 0o600, "{file}");
    }
    for (home, said) in [
        (plain.clone(), "none was given"),
        (plain.clone().unlocked_by(source(&place, "wrong"), false), "the passphrase is not the one"),
        (plain.clone().unlocked_by(PassphraseSource::File("/nonexistent".into()), false), "/nonexistent"),
    ] {
        // Its certificate is read all the same.
        assert_eq!(home.devices().unwrap()[0].chain, chain());
        let error = home.device(&place.alice).unwrap_err().to_string();
        assert!(error.contains("key.pem") && error.contains(said), "{error}");
    }
    place.home = plain.unlocked_by(source(&place, "correct horse"), false);
    assert_eq!(place.home.device(&place.alice).unwrap().key.public_key(), pending.key.public_key());
    // What is made beside sealed keys is sealed with the same passphrase, without anybody saying so.
    place.pending();
    assert!(place.home.key_forms().unwrap().iter().all(|(_, form)| *form == KeyForm::Sealed));
    assert!(place.home.pending::<DeviceKey>(&place.alice).unwrap().is_some());
    let clear = Place::new();
    clear.enrol();
    let asks_in_vain = clear.home.clone().unlocked_by(PassphraseSource::File("/nonexistent".into()), false);
    asks_in_vain.device(&clear.alice).unwrap();
}

#[test]
fn a_passphrase_is_set_changed_and_taken_away_for_all_keys_at_once() {
    let mut place = Place::new();
    let key = place.enrol().key.public_key();
    place.pending();
    let forms = |home: &Home| home.key_forms().unwrap().into_iter().map(|(_, form)| form).collect::<Vec<_>>();
    assert_eq!(place.home.opens(&passphrase("one")).unwrap(), None, "nothing is sealed yet");
    assert_eq!(place.home.reseal(Some(&passphrase("one"))).unwrap().len(), 4);
    let opens = |text: &str| Home::at(place.home.folder()).unwrap().opens(&passphrase(text)).unwrap();
    assert_eq!((opens("one"), opens("two")), (Some(true), Some(false)));
    assert_eq!(forms(&place.home), [KeyForm::Sealed; 4]);
    // Whoever sealed them knows it; others have to say it.
    place.home.device(&place.alice).unwrap();
    let reopened =
        |place: &Place, text: &str| Home::at(place.home.folder()).unwrap().unlocked_by(source(place, text), false);
    place.home = reopened(&place, "two");
    assert!(place.home.reseal(Some(&passphrase("three"))).unwrap_err().to_string().contains("not the one"));
    place.home = reopened(&place, "one");
    place.home.reseal(Some(&passphrase("two"))).unwrap();
    place.home = reopened(&place, "two");
    assert_eq!(place.home.device(&place.alice).unwrap().key.public_key(), key);
    place.home.reseal(None).unwrap();
    assert_eq!(forms(&place.home), [KeyForm::Clear; 4]);
    assert_eq!(Home::at(place.home.folder()).unwrap().device(&place.alice).unwrap().key.public_key(), key);
}

/// Somebody types a passphrase for a new key while another program seals the others anew: it is looked at once more when
/// the key is written.
#[test]
fn no_key_is_stored_otherwise_than_the_others_lie_then() {
    let place = Place::new();
    place.enrol();
    let (one, two) = (passphrase("one"), passphrase("two"));
    let alike = |passphrase: Option<&Passphrase>| {
        let _lock = place.home.lock().unwrap();
        place.home.seals_alike(passphrase).unwrap()
    };
    assert!(alike(None) && !alike(Some(&one)), "in clear");
    place.home.reseal(Some(&one)).unwrap();
    assert!(alike(Some(&one)) && !alike(Some(&two)) && !alike(None), "under the first");
    place.home.reseal(Some(&two)).unwrap();
    assert!(alike(Some(&two)) && !alike(Some(&one)), "under the second");
    // With a decided sealing half in place, what it leads to counts.
    let write = |file: &str, text: &str| place.home.write_text(file, text).unwrap();
    let sealed =
        ["key.pem", "account.pem"].map(|file| place.home.read_text(format!("{ALICE}/{file}")).unwrap().unwrap());
    place.home.reseal(Some(&one)).unwrap();
    for (file, text) in ["key.pem", "account.pem"].iter().zip(&sealed) {
        write(&format!("{ALICE}/{file}.new"), text);
    }
    write(".resealed", &format!("{ALICE}/key.pem\n{ALICE}/account.pem\n"));
    assert!(alike(Some(&two)) && !alike(Some(&one)));
}

#[test]
fn a_sealing_that_was_interrupted_holds_for_all_keys_or_for_none() {
    let place = Place::new();
    let key = place.enrol().key.public_key();
    let read = |file: &str| place.home.read_text(format!("{ALICE}/{file}")).unwrap().unwrap();
    let before = ["key.pem", "account.pem"].map(read);
    place.home.reseal(Some(&passphrase("one"))).unwrap();
    let sealed = ["key.pem", "account.pem"].map(read);
    let write = |file: &str, text: &str| place.home.write_text(file, text).unwrap();
    let open = || Home::at(place.home.folder()).unwrap().unlocked_by(source(&place, "one"), false);

    // The power went before the decision: the old files hold.
    for (file, text) in ["key.pem", "account.pem"].iter().zip(&before) {
        write(&format!("{ALICE}/{file}"), text);
    }
    write(&format!("{ALICE}/key.pem.new"), &sealed[0]);
    assert_eq!(open().key_forms().unwrap()[0].1, KeyForm::Clear);
    let beside = |file: &str| place.home.folder().join(format!("{ALICE}/{file}.new"));
    assert!(!beside("key.pem").exists(), "what was not decided is gone");

    // One file cannot be written: none is changed, and no key lies about in another form.
    fs::create_dir_all(beside("account.pem").join("in the way")).unwrap();
    assert!(open().reseal(Some(&passphrase("two"))).is_err());
    assert!(!beside("key.pem").exists());
    assert_eq!(["key.pem", "account.pem"].map(read), before);
    fs::remove_dir_all(beside("account.pem")).unwrap();
    open().device(&place.alice).unwrap();

    // After it, at any of the two files: the new ones hold, also for an enrolment that takes its place only now.
    for done in 0..=2 {
        for (at, file) in ["key.pem", "account.pem"].iter().enumerate() {
            write(&format!("{ALICE}/{file}"), if at < done { &sealed[at] } else { &before[at] });
            let _ = fs::remove_file(place.home.folder().join(format!("{ALICE}/{file}.new")));
            if at >= done {
                write(&format!("{ALICE}/{file}.new"), &sealed[at]);
            }
        }
        write(".resealed", &format!("{ALICE}/key.pem\n{ALICE}/account.pem\n"));
        assert_eq!(open().device(&place.alice).unwrap().key.public_key(), key, "{done}");
        assert_eq!(["key.pem", "account.pem"].map(read), sealed);
        assert!(!place.home.folder().join(".resealed").exists());
    }
}

#[test]
fn a_file_that_says_where_a_key_lies_is_read_strictly() {
    let place = Place::new();
    place.enrol();
    for text in ["", "key.pem", "keyring:12", "pkcs11:token=a", "file:/etc/passwd"] {
        place.home.write_text(format!("{ALICE}/key.uri"), text).unwrap();
        let error = place.home.device(&place.alice).unwrap_err().to_string();
        assert!(error.contains("key.uri is damaged") && error.contains("where a key lies"), "{error}");
    }
    for text in ["keyring", "file", "pkcs11:object=a?module-path=/x.so"] {
        text.parse::<KeyPlace>().unwrap();
    }
    for text in ["", "Keyring", "pkcs11:id=%01?module-path=/x.so", "pkcs11:object=a", "/etc/key.pem"] {
        assert!(text.parse::<KeyPlace>().is_err(), "{text}");
    }
}

#[test]
fn a_renewal_that_had_begun_takes_no_revocation_back() {
    let place = Place::new();
    place.enrol();
    let under_way = place.home.device(&place.alice).unwrap();
    place.home.store_revoked(&under_way).unwrap();
    let is_revoked = || place.home.locked_device(&place.alice).unwrap().enrolment.revoked;
    place.home.store_record::<DeviceKey>(&under_way.enrolment).unwrap();
    assert!(is_revoked());
    place.home.store_renewed(&under_way).unwrap();
    assert!(is_revoked());
}
