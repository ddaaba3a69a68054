//! Enrolment, renewal and the watch against a real homeserver: real sockets, TLS, ACME, log and witness.
//! Only the person is played: she reads her mail from the outbox.

#![allow(clippy::unwrap_used)]

mod town;

use device::enrolment::{EnrolError, Enrolled, Owner, Reason, Renewed, Revoked, Step, renew, revoke_own};
use device::https::{FetchError, fetch_to_compare_by_fingerprint};
use device::watch::{Alarm, Blindness, WatchReport, confirm_key, watch_once};
use device::{AccountKey, Home};
use identity::UnixTime;
use identity::rules::Rule;
use identity::trust::Fingerprint;
use identity::verify::verify_person;
use town::{Person, Town, alice, enrol};

async fn watch(home: &Home) -> WatchReport {
    let device = home.device(&alice()).unwrap();
    watch_once(home, &device.into(), None, UnixTime::now(), |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_enrols_renews_and_watches() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    let Enrolled::New(first) = enrol(&home, &mut person).await.unwrap() else { panic!("there was none before") };
    assert_eq!(*first.person.identifier(), alice());
    assert!(first.person.witnessed_only_by_operator());
    assert!(matches!(enrol(&home, &mut person).await.unwrap(), Enrolled::Already(_)));

    let device = home.device(&alice()).unwrap();
    let due = renew(&home, device.clone(), false, UnixTime::now, &mut person).await.unwrap();
    assert!(matches!(due, Renewed::NotDue { .. }));
    let Renewed::Done(second) = renew(&home, device, true, UnixTime::now, &mut person).await.unwrap() else {
        panic!("it was forced")
    };
    assert_eq!(second.person.device_key(), first.person.device_key(), "renewal keeps the key");
    assert_ne!(second.person.serial(), first.person.serial());
    assert_eq!(person.codes_sent(), 1, "renewal needs no code");

    let WatchReport::Clean(seen) = watch(&home).await else { panic!("expected a clean watch") };
    let serials: Vec<_> = seen.certificates.iter().map(|certificate| certificate.serial.clone()).collect();
    assert_eq!(serials, [first.person.serial_hex(), second.person.serial_hex()]);
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_notices_that_it_was_revoked_and_asks_for_no_code_in_vain() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    let Enrolled::New(first) = enrol(&home, &mut person).await.unwrap() else { panic!("there was none before") };
    let device = first.device;
    let revoked = revoke_own(&home, &device, Reason::KeyCompromise, UnixTime::now(), &mut person).await.unwrap();
    assert_eq!(revoked, Revoked::Now);
    // Without asking anybody.
    let known = verify_person(&device.chain, &home.trust_at(UnixTime::now()).unwrap(), UnixTime::now());
    assert_eq!(known.unwrap_err().rule, Rule::RevocationRevoked);
    let refused = renew(&home, device, false, UnixTime::now, &mut person).await.unwrap_err();
    assert!(matches!(refused, EnrolError::Revoked { .. }), "{refused}");
    assert_eq!(person.codes_sent(), 1);
    let Enrolled::New(second) = enrol(&home, &mut person).await.unwrap() else { panic!("it is revoked") };
    assert!(person.steps.contains(&Step::Revoked));
    assert_ne!(second.person.device_key(), first.person.device_key());

    // By its owner, from elsewhere: it is not taken for enrolled any more.
    let elsewhere = town.device("elsewhere").await;
    let mut owner = Owner::prove(&elsewhere, &alice(), None, UnixTime::now(), &mut person).await.unwrap();
    let listed = owner.certificates().await.unwrap();
    let its = listed.iter().find(|one| one.serial == second.person.serial_hex()).unwrap();
    owner.revoke(&elsewhere, its, Reason::Unspecified, UnixTime::now()).await.unwrap();
    assert!(matches!(enrol(&home, &mut person).await.unwrap(), Enrolled::New(_)));
    town.server.stop().await;
}

/// The server refuses every other nonce, wants a new proof for every other order, and has addresses like no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_it_hard_is_borne() {
    let town = Town::with(|options| options.acme_chaos = true).await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    let Enrolled::New(_) = enrol(&home, &mut person).await.unwrap() else { panic!("there was none before") };
    for _ in 0..4 {
        let device = home.device(&alice()).unwrap();
        let Renewed::Done(_) = renew(&home, device, true, UnixTime::now, &mut person).await.unwrap() else {
            panic!("it was forced")
        };
    }
    let sent = person.codes_sent();
    assert!((2..5).contains(&sent), "some renewals needed a new proof, and not all: {sent} codes");
    let WatchReport::Clean(seen) = watch(&home).await else { panic!("expected a clean watch") };
    assert_eq!(seen.certificates.len(), 5);
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_device_is_an_alarm_until_its_owner_knows_it() {
    let town = Town::new().await;
    let (laptop, phone) = (town.device("laptop").await, town.device("phone").await);
    enrol(&laptop, &mut Person::new(&town)).await.unwrap();
    assert!(matches!(watch(&laptop).await, WatchReport::Clean(_)));
    enrol(&phone, &mut Person::new(&town)).await.unwrap();

    let WatchReport::Alarm(_, alarms) = watch(&laptop).await else { panic!("expected an alarm") };
    let [Alarm::UnknownKey(other)] = &alarms[..] else { panic!("{alarms:?}") };
    let key = phone.device(&alice()).unwrap().key.public_key();
    assert_eq!(other.key, key);
    confirm_key(&laptop, &alice(), &key, UnixTime::now()).unwrap();
    assert!(matches!(watch(&laptop).await, WatchReport::Clean(_)));
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_can_be_typed_again_and_five_need_a_new_one() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    person.wrong = vec!["AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"; 5];
    let error = enrol(&home, &mut person).await.unwrap_err();
    assert!(matches!(error, EnrolError::CodeSpent { .. }), "{error}");
    let left = person.steps.iter().filter_map(|step| match step {
        Step::CodeWrong { tries_left } => *tries_left,
        _ => None,
    });
    assert_eq!(left.collect::<Vec<_>>(), [4, 3, 2, 1]);

    person.wrong = vec!["BBBB-BBBB-BBBB-BBBB-BBBB-BBBB"];
    assert!(matches!(enrol(&home, &mut person).await.unwrap(), Enrolled::New(_)));
    assert_eq!(person.codes_sent(), 2);
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_after_a_wrong_code_hears_that_it_was_wrong() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    person.wrong = vec!["AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"];
    person.gives_up = true;
    let error = enrol(&home, &mut person).await.unwrap_err();
    assert!(matches!(error, EnrolError::CodeWrong { tries_left: Some(4) }), "{error}");
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_code_costs_no_try() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    person.wrong = vec!["AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", "nonsense", "", "3", "4", "5", "6"];
    assert!(matches!(enrol(&home, &mut person).await.unwrap(), Enrolled::New(_)));
    let left = person.steps.iter().filter_map(|step| match step {
        Step::CodeWrong { tries_left } => *tries_left,
        _ => None,
    });
    assert_eq!(left.collect::<Vec<_>>(), [4]);
    assert_eq!(person.steps.iter().filter(|step| matches!(step, Step::CodeMisshapen { .. })).count(), 6);
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_enrolment_goes_on_with_the_same_key_and_code() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    let mut person = Person::new(&town);
    person.gives_up = true;
    assert!(matches!(enrol(&home, &mut person).await, Err(EnrolError::NoCode)));
    assert!(!home.has_device(&alice()).unwrap());
    let code = town.mailed();

    let mut later = Person::new(&town);
    let Enrolled::New(certified) = enrol(&home, &mut later).await.unwrap() else { panic!("there was none before") };
    assert!(later.steps.contains(&Step::Resuming));
    assert_eq!(later.codes_sent(), 0);
    assert_eq!(town.mailed(), code, "no second mail");
    assert_eq!(*certified.person.device_key(), certified.device.key.public_key());
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_without_proven_control_is_blind() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    enrol(&home, &mut Person::new(&town)).await.unwrap();
    // An account that never proved anything, as after a restore of the authority's database.
    let stranger = AccountKey::generate().unwrap();
    home.write_text("devices/alice@example.org/account.pem", &stranger.to_pem().unwrap()).unwrap();
    let report = watch(&home).await;
    assert!(matches!(report, WatchReport::Blind(Blindness::Refused { .. })), "{report:?}");
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_stands_still_makes_the_watch_blind() {
    let town = Town::new().await;
    let home = town.device("alice").await;
    enrol(&home, &mut Person::new(&town)).await.unwrap();
    let device = home.device(&alice()).unwrap();
    let now = UnixTime::now();
    let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_secs() + 2 * 60 * 60));
    let report = watch_once(&home, &device.into(), None, later, |_| {}).await.unwrap();
    // In the last two hours of a period it is blind for another reason: the authority does not prove that far ahead.
    let other_period = identity::transparency::period_of(later) != identity::transparency::period_of(now);
    let blind = |report: &WatchReport| match report {
        WatchReport::Blind(Blindness::Stale { .. }) => true,
        WatchReport::Blind(Blindness::Missing { .. }) => other_period,
        _ => false,
    };
    assert!(blind(&report), "{report:?}");
    town.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_not_taken_for_the_authority_and_none_is_unreachable() {
    let (mine, other) = (Town::new().await, Town::new().await);
    let home = mine.device("alice").await;
    let trust = std::sync::Arc::new(home.trust().unwrap());
    let http = device::https::https_client(trust);

    let url = other.server.ready().acme.clone();
    let error = FetchError::from_reqwest(&url, &http.get(&url).send().await.unwrap_err());
    assert!(matches!(error, FetchError::Untrusted { .. }), "{error}");

    let url = mine.server.ready().acme.clone();
    assert!(http.get(&url).send().await.unwrap().status().is_success());
    mine.server.stop().await;
    let error = enrol(&home, &mut Person::new(&other)).await.unwrap_err().to_string();
    assert!(error.contains(&url) && error.contains("cannot be reached"), "{error}");
    other.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_with_another_fingerprint_is_refused() {
    let town = Town::new().await;
    let home = Home::at(town.temp.path().join("alice")).unwrap();
    let bytes = fetch_to_compare_by_fingerprint(&town.server.ready().policy).await.unwrap();
    assert!(home.add_trust(&bytes, &Fingerprint([0; 32])).is_err());
    assert!(matches!(enrol(&home, &mut Person::new(&town)).await, Err(EnrolError::Choose(_))));
    town.server.stop().await;
}
