//! Certificates for mail against a real homeserver: enrolling, renewing, revoking and watching, beside a device and alone.

#![allow(clippy::unwrap_used)]

mod town;

use device::enrolment::{
    Certified, EnrolError, EnrolRequest, Enrolled, Reason, Renewed, Revoked, enroll_for_mail, renew, revoke_own,
};
use device::watch::{Owner, WatchReport, watch_once};
use device::{Home, HomeError, KeyForm, KeyPlace, MailKey, MailKeyType, OwnKey as _};
use identity::rules::Rule;
use identity::verify::{verify_mail, verify_person};
use identity::{Identifier, UnixTime};
use town::{Person, Town, alice, enrol};

async fn enrol_for_mail(home: &Home, person: &mut Person, new: bool, kind: Option<MailKeyType>) -> Enrolled<MailKey> {
    let identifier = alice();
    let request = EnrolRequest { identifier: &identifier, authority: None, new, keys: None };
    enroll_for_mail(home, request, kind, UnixTime::now, person).await.unwrap()
}

fn certified(enrolled: Enrolled<MailKey>) -> Box<Certified<MailKey>> {
    let Enrolled::New(certified) = enrolled else { panic!("there was one already") };
    certified
}

async fn watch(home: &Home, owner: &Owner) -> WatchReport {
    watch_once(home, owner, None, UnixTime::now(), |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_device_it_has_a_key_and_a_place_of_its_own() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    enrol(&home, &mut person).await.unwrap();
    let first = certified(enrol_for_mail(&home, &mut person, false, None).await);
    assert_eq!((first.person.profile(), first.device.key.key_type()), ("mail", MailKeyType::P256));
    let device = home.device(&alice()).unwrap();
    assert_ne!(device.key.public_bits(), first.device.key.public_bits());
    let trust = home.trust_at(UnixTime::now()).unwrap();
    verify_person(&device.chain, &trust, UnixTime::now()).unwrap();
    assert!(verify_person(&first.device.chain, &trust, UnixTime::now()).is_err());
    assert!(matches!(enrol_for_mail(&home, &mut person, false, None).await, Enrolled::Already(_)));

    // Renewed for the same key, and not before it is due.
    let mailbox = home.mailbox(&alice()).unwrap();
    let due = renew(&home, mailbox.clone(), false, UnixTime::now, &mut person).await.unwrap();
    assert!(matches!(due, Renewed::NotDue { .. }));
    let Renewed::Done(second) = renew(&home, mailbox, true, UnixTime::now, &mut person).await.unwrap() else {
        panic!("it was forced")
    };
    assert_eq!(second.person.key(), first.person.key());
    assert_ne!(second.person.serial(), first.person.serial());
    assert_eq!(person.codes_sent(), 2, "one for each enrolment");

    // The watch knows whose all of it is.
    let owner = Owner::from(device).with_mailbox(&home.locked_mailbox(&alice()).unwrap());
    assert_eq!(owner.own().len(), 2);
    let WatchReport::Clean(seen) = watch(&home, &owner).await else { panic!("expected a clean watch") };
    assert_eq!(seen.certificates.len(), 3);
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_takes_the_place_of_is_kept_and_revoking_ends_one_alone() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    let first = certified(enrol_for_mail(&home, &mut person, false, None).await);
    let second = certified(enrol_for_mail(&home, &mut person, true, Some(MailKeyType::Rsa3072)).await);
    assert_eq!(second.device.key.key_type(), MailKeyType::Rsa3072);
    // The kind that there is, if nothing is said.
    let third = certified(enrol_for_mail(&home, &mut person, true, None).await);
    assert_eq!(third.device.key.key_type(), MailKeyType::Rsa3072);
    let forms = home.key_forms().unwrap();
    let earlier: Vec<_> = forms.iter().filter(|(path, _)| path.to_string_lossy().contains("/.earlier/")).collect();
    assert_eq!(earlier.len(), 2, "{forms:?}");
    let kept = earlier.iter().map(|(path, form)| {
        assert_eq!(*form, KeyForm::Clear);
        assert!(path.with_file_name("chain.pem").is_file() && !path.with_file_name("account.pem").exists());
        MailKey::from_pem(&std::fs::read_to_string(path).unwrap()).unwrap().public_bits()
    });
    let kept: Vec<_> = kept.collect();
    for one in [&first, &second] {
        assert!(kept.contains(&one.device.key.public_bits()));
    }
    // Whoever revokes what others have of hers knows them as her own.
    let mut known = home.earlier_mail_keys(&alice()).unwrap();
    known.sort();
    let mut kept = kept;
    kept.sort();
    assert_eq!(known, kept);
    // And they open, with the certificates that they had.
    for earlier in home.earlier_mailboxes(&alice()).unwrap() {
        let key = home.earlier_mail_key(&earlier).unwrap();
        assert!(kept.contains(&key.public_bits()));
        assert!([&first, &second].iter().any(|one| one.device.chain == earlier.chain));
    }
    // Without a device, the account for mail is the one that watches.
    let owner = Owner::from(third.device.clone());
    let WatchReport::Clean(seen) = watch(&home, &owner).await else { panic!("expected a clean watch") };
    assert_eq!(seen.certificates.len(), 3);
    let revoked = revoke_own(&home, &third.device, Reason::Superseded, UnixTime::now(), &mut person).await.unwrap();
    assert_eq!(revoked, Revoked::Now);
    let known = |chain| verify_mail(chain, &home.trust_at(UnixTime::now()).unwrap(), UnixTime::now());
    assert_eq!(known(&third.device.chain).unwrap_err().rule, Rule::RevocationRevoked);
    known(&second.device.chain).unwrap();
    // The authority wants what is revoked renewed; its owner does not, and nothing brings it back for the same key.
    for force in [false, true] {
        let stored = home.mailbox(&alice()).unwrap();
        let refused = renew(&home, stored, force, UnixTime::now, &mut person).await.unwrap_err();
        assert!(matches!(refused, EnrolError::Revoked { for_mail: true, .. }), "{refused}");
    }
    let fourth = certified(enrol_for_mail(&home, &mut person, false, None).await);
    assert_ne!(fourth.person.key(), third.person.key());
    let stored = home.mailbox(&alice()).unwrap();
    assert!(!stored.enrolment.revoked);
    assert!(matches!(renew(&home, stored, true, UnixTime::now, &mut person).await.unwrap(), Renewed::Done(_)));
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    let number = Identifier::parse("+4915112345678").unwrap();
    let request = EnrolRequest { identifier: &number, authority: None, new: false, keys: None };
    let refused = enroll_for_mail(&home, request, None, UnixTime::now, &mut person).await.unwrap_err();
    assert!(matches!(refused, EnrolError::NoMail { .. }), "{refused}");
    assert!(matches!(home.mailbox(&alice()), Err(HomeError::NoMailbox { .. })));
    // A token that makes no RSA keys is not asked to.
    let identifier = alice();
    let token: KeyPlace = "pkcs11:token=none;object=mail?module-path=/nowhere/at/all.so".parse().unwrap();
    let request = EnrolRequest { identifier: &identifier, authority: None, new: false, keys: Some(&token) };
    let rsa = Some(MailKeyType::Rsa3072);
    let refused = enroll_for_mail(&home, request, rsa, UnixTime::now, &mut person).await.unwrap_err();
    assert!(refused.to_string().contains("RSA"), "{refused}");
    assert_eq!(person.codes_sent(), 0);
    town.server.stop().await;
}
