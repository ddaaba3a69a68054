use std::os::unix::fs::PermissionsExt as _;

use identity::Identifier;
use key_store::{Passphrase, PassphraseSource};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::device::Enrolment;
use crate::home::tests::enrolment;
use crate::home::{KeptKey, KeyForm, Restored, SavedKey};
use crate::keys::AccountKey;
use crate::mail_key::{MailKey, MailKeyType};

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn kept(enrolment: Option<Enrolment>) -> KeptKey {
    let key = MailKey::generate(MailKeyType::P256).unwrap();
    KeptKey { identifier: alice(), chain: vec![CertificateDer::from(vec![0x30, 0])], key, enrolment }
}

fn home() -> (tempfile::TempDir, Home) {
    let temp = tempfile::tempdir().unwrap();
    let home = Home::at(temp.path().join("home")).unwrap();
    (temp, home)
}

#[test]
fn what_is_kept_is_found_once_and_by_whose_it_is() {
    let (_temp, home) = home();
    let keys = [kept(None), kept(Some(enrolment(&alice())))];
    assert_eq!(home.keep_mail_keys(&keys).unwrap(), [true, true]);
    assert_eq!(home.keep_mail_keys(&keys).unwrap(), [false, false]);
    let found = home.all_earlier_mailboxes().unwrap();
    assert_eq!((found.len(), home.earlier_mailboxes(&alice()).unwrap().len()), (2, 2));
    assert_eq!(found.iter().filter(|one| one.imported).count(), 1);
    for one in &found {
        assert_eq!(one.identifier, alice());
        assert_eq!(one.enrolment().unwrap().is_none(), one.imported);
        let key = home.earlier_mail_key(one).unwrap();
        assert!(keys.iter().any(|kept| kept.key.pkcs8() == key.pkcs8()));
        for file in fs::read_dir(one.folder()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert!(!home.folder().join(INCOMING).exists());
}

#[test]
fn all_are_kept_or_none() {
    let (_temp, home) = home();
    let keys = [kept(None), kept(None), kept(None)];
    // Something stands where the last one is to go, under a name of its own.
    let places: Vec<_> = keys.iter().map(|kept| home.earlier_folder_for(kept)).collect();
    let blocked = [
        NewFolder { place: home.folder().join("mail/one"), ..home.earlier_folder_for(&keys[0]) },
        NewFolder { place: home.folder().join("mail/two"), ..home.earlier_folder_for(&keys[1]) },
    ];
    fs::create_dir_all(home.folder().join("mail/two/inside")).unwrap();
    home.keep_folders(&blocked).unwrap_err();
    assert!(!home.folder().join("mail/one").exists() && !home.folder().join(INCOMING).exists());
    assert!(home.folder().join("mail/two/inside").exists());
    // What somebody left who was interrupted goes.
    files::write_atomic(&home.folder().join(INCOMING).join("0/key.pem"), b"left").unwrap();
    home.keep_folders(&places).unwrap();
    assert!(places.iter().all(|folder| folder.place.join("key.pem").is_file()));
    assert!(!home.folder().join(INCOMING).exists());
}

#[test]
fn they_are_sealed_as_the_others_are() {
    let (temp, home) = home();
    home.keep_mail_keys(&[kept(None)]).unwrap();
    let passphrase = Passphrase::new(Zeroizing::new("correct horse".to_owned())).unwrap();
    home.reseal(Some(&passphrase)).unwrap();
    let path = temp.path().join("passphrase");
    files::write_atomic(&path, b"correct horse").unwrap();
    let home = Home::at(home.folder()).unwrap().unlocked_by(PassphraseSource::File(path), false);
    home.keep_mail_keys(&[kept(None)]).unwrap();
    let forms = home.key_forms().unwrap();
    assert!(forms.len() == 2 && forms.iter().all(|(_, form)| *form == KeyForm::Sealed), "{forms:?}");
}

#[test]
fn what_was_used_is_used_again_where_nothing_else_is() {
    let (_temp, home) = home();
    let account = || Some(AccountKey::generate().unwrap());
    let saved = [
        SavedKey { kept: kept(Some(enrolment(&alice()))), account: account() },
        SavedKey { kept: kept(Some(enrolment(&alice()))), account: None },
        SavedKey { kept: kept(None), account: None },
        // Of two that were used one is: there is one place.
        SavedKey { kept: kept(Some(enrolment(&alice()))), account: account() },
    ];
    let became = home.restore_mail_keys(&saved).unwrap();
    assert_eq!(became, [Restored::Used, Restored::Earlier, Restored::Earlier, Restored::Earlier]);
    let used = home.mailbox(&alice()).unwrap();
    assert_eq!(used.key.pkcs8(), saved[0].kept.key.pkcs8());
    assert_eq!(used.account.to_pem(), saved[0].account.as_ref().unwrap().to_pem());
    assert_eq!(Some(used.enrolment), saved[0].kept.enrolment);
    // Another one that is used stays.
    let other = [SavedKey { kept: kept(Some(enrolment(&alice()))), account: account() }];
    assert_eq!(home.restore_mail_keys(&other).unwrap(), [Restored::Earlier]);
    assert_eq!(home.mailbox(&alice()).unwrap().key.pkcs8(), saved[0].kept.key.pkcs8());
    assert_eq!(home.all_earlier_mailboxes().unwrap().len(), 4);
}
