//! Enrolment, renewal and the watch against a real homeserver: real sockets, TLS, ACME, log and witness.
//! Only the person is played: she reads her mail from the outbox.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use device::enrolment::{Conversation, EnrolError, EnrolRequest, Enrolled, Renewed, Step, Typed, enroll, renew};
use device::https::{FetchError, fetch_to_compare_by_fingerprint};
use device::watch::{Alarm, Blindness, WatchReport, confirm_key, watch_once};
use device::{AccountKey, Home};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use homeserver::{Homeserver, Options};
use identity::trust::Fingerprint;
use identity::{Identifier, UnixTime};

/// A running homeserver and the folders of the people who use it.
struct Town {
    temp: tempfile::TempDir,
    server: Homeserver,
}

impl Town {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut options = Options {
            folder: temp.path().join("server"),
            https_port: Some(0),
            directory_port: Some(0),
            ..Options::default()
        };
        change(&mut options);
        let server = Homeserver::start(&options).await.unwrap();
        Self { temp, server }
    }

    /// A new device that has pinned the policy.
    async fn device(&self, name: &str) -> Home {
        let home = Home::at(self.temp.path().join(name)).unwrap();
        let ready = self.server.ready();
        let bytes = fetch_to_compare_by_fingerprint(&ready.policy).await.unwrap();
        home.add_trust(&bytes, &ready.fingerprint.parse().unwrap()).unwrap();
        home
    }

    fn outbox(&self) -> PathBuf {
        self.server.ready().outbox.clone().unwrap().join("new")
    }

    /// The code of the newest mail.
    fn mailed(&self) -> String {
        newest_code(&self.outbox()).expect("a mail has arrived")
    }
}

fn newest_code(outbox: &Path) -> Option<String> {
    let mut mails: Vec<_> = fs::read_dir(outbox).ok()?.map(|mail| mail.unwrap().path()).collect();
    mails.sort_by_key(|mail| fs::metadata(mail).unwrap().modified().unwrap());
    // Mails about another device have none, and come at times of their own.
    mails.iter().rev().find_map(|mail| {
        let mail = fs::read_to_string(mail).unwrap();
        let mut lines = mail.lines().map(str::trim);
        lines.find(|line| line.len() == 29 && line.split('-').all(|group| group.len() == 4)).map(str::to_owned)
    })
}

/// Types what it was told to, then what the mail says, then nothing.
struct Person {
    outbox: PathBuf,
    wrong: Vec<&'static str>,
    gives_up: bool,
    steps: Vec<Step>,
}

impl Person {
    fn new(town: &Town) -> Self {
        Self { outbox: town.outbox(), wrong: Vec::new(), gives_up: false, steps: Vec::new() }
    }

    fn codes_sent(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::CodeSent { earlier: false, .. })).count()
    }
}

impl Conversation for Person {
    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        let typed = match self.wrong.pop() {
            Some(wrong) => Typed::Code(wrong.to_owned()),
            None if self.gives_up => Typed::Nothing,
            None => Typed::Code(newest_code(&self.outbox).unwrap().to_lowercase().replace('-', " ")),
        };
        async { typed }.boxed()
    }
}

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

async fn enrol(home: &Home, person: &mut Person) -> Result<Enrolled, EnrolError> {
    let identifier = alice();
    let request = EnrolRequest { identifier: &identifier, authority: None, new: false };
    enroll(home, request, UnixTime::now, person).await
}

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
    home.write_text("devices/alice@example.org/account.pem", &stranger.to_pem()).unwrap();
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
    let later = UnixTime::since_unix_epoch(std::time::Duration::from_secs(UnixTime::now().as_secs() + 2 * 60 * 60));
    let report = watch_once(&home, &device.into(), None, later, |_| {}).await.unwrap();
    // In the last two hours of a period it is blind for another reason: the authority does not prove that far ahead.
    let other_period = identity::transparency::period_of(later) != identity::transparency::period_of(UnixTime::now());
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
