//! A home server goes over to its next log, with the clock advanced: everything is real but the time.

#![allow(clippy::unwrap_used)]

mod town;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use device::Home;
use device::enrolment::{EnrolRequest, Enrolled, enroll};
use device::policy::fetch_updates;
use device::proof;
use device::watch::{Alarm, WatchReport, confirm_key, watch_once};
use homeserver::{Homeserver, Options, shards};
use identity::UnixTime;
use identity::certificate::Certificate;
use identity::trust::TrustPolicy;
use identity::verify::VerifiedPerson;
use tlog_proof::Proof;
use town::{Person, Town, alice};

const DAY: u64 = 86_400;

/// What everybody takes for the time: TLS alone goes by the system's clock.
static CLOCK: AtomicU64 = AtomicU64::new(0);

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(CLOCK.load(Ordering::SeqCst)))
}

async fn enrol(town: &Town, home: &Home) -> VerifiedPerson {
    let identifier = alice();
    let request = EnrolRequest { identifier: &identifier, authority: None, new: false, keys: None };
    match enroll(home, request, now, &mut Person::new(town)).await.unwrap() {
        Enrolled::New(certified) => certified.person,
        Enrolled::Already(_) => panic!("expected a new certificate"),
    }
}

async fn watch(home: &Home) -> WatchReport {
    let device = home.device(&alice()).unwrap();
    watch_once(home, &device.into(), None, now(), |_| {}).await.unwrap()
}

/// Takes the policy's next version as soon as it is served.
async fn update(home: &Home) {
    let pinned = home.pinned_policies().unwrap().remove(0);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(next) = fetch_updates(&pinned, None).await.unwrap().first() {
            assert!(next.verified.clone().take().is_err(), "another log wants the person's word");
            home.take_update(&pinned.pinned, &next.document).unwrap();
            return;
        }
        assert!(Instant::now() < deadline, "the next version is not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The page or file at this path of the server; none if there is nothing.
async fn read(town: &Town, home: &Home, path: &str) -> Option<String> {
    let trust = Arc::new(home.trust().unwrap());
    let url = town.server.ready().policy.replace("/policy", path);
    let answer = device::https::https_client(trust).get(url).send().await.unwrap();
    if answer.status().is_success() { Some(answer.text().await.unwrap()) } else { None }
}

async fn restarted(town: Town) -> Town {
    let options = Options { folder: town.temp.path().join("server"), ..Options::default() };
    town.server.stop().await;
    let server = Homeserver::start_at(&options, Arc::new(now)).await.unwrap();
    Town { server, ..town }
}

/// The log of the proof in a certificate, taken out as text and held against policies like anybody's.
fn exported(device: &device::Device, policies: &[TrustPolicy]) -> String {
    let leaf = Certificate::parse(&device.chain[0]).unwrap();
    let place = proof::place(&leaf, policies).unwrap();
    let read = Proof::parse(&place.proof().to_string()).unwrap();
    proof::same(&read, &place).unwrap();
    proof::check(&read, &place.entry.encode(), policies).unwrap().checkpoint.origin.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_log_takes_over_at_its_time_and_both_are_watched() {
    let real = UnixTime::now().as_secs();
    CLOCK.store(real - 5 * DAY, Ordering::SeqCst);
    let town = Town::at(Arc::new(now)).await;
    let (desk, laptop) = (town.device("desk").await, town.device("laptop").await);
    let first = enrol(&town, &desk).await;
    let origin = first.origin().to_owned();
    let begins = UnixTime::since_unix_epoch(Duration::from_secs(real - 4 * DAY));
    let folder = town.temp.path().join("server");
    assert_eq!(read(&town, &desk, "/log/next/checkpoint").await, None);
    shards::prepare(&folder, "next", begins, now(), None, None).unwrap();
    update(&desk).await;
    update(&laptop).await;

    // The running server has opened it by itself; but its time has not come.
    let deadline = Instant::now() + Duration::from_secs(30);
    while read(&town, &desk, "/log/next/checkpoint").await.is_none() {
        assert!(Instant::now() < deadline, "the next log is not opened");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let page = read(&town, &desk, "/log").await.unwrap();
    assert!(page.contains("href=\"/log/next\"") && page.contains(&origin), "{page}");
    assert!(read(&town, &desk, "/log/next").await.unwrap().contains("href=\"/log\""));
    assert_eq!(enrol(&town, &laptop).await.origin(), origin);

    CLOCK.store(real, Ordering::SeqCst);
    let tablet = town.device("tablet").await;
    update(&tablet).await;
    let third = enrol(&town, &tablet).await;
    assert_ne!(third.origin(), origin);
    assert!(third.origin().ends_with("/log/next"), "{}", third.origin());
    // Certificates in the closed log still verify.
    let trust = desk.trust_at(now()).unwrap();
    let old = desk.device(&alice()).unwrap();
    assert_eq!(identity::verify::verify_person(&old.chain, &trust, now()).unwrap().origin(), origin);
    let certified = [desk.device(&alice()).unwrap(), tablet.device(&alice()).unwrap()];
    let policies = desk.trust_policies().unwrap();
    assert_eq!(certified.map(|device| exported(&device, &policies)), [origin.as_str(), third.origin()]);

    // A server that was off in between: it opens both, and has the old one cosigned.
    let town = restarted(town).await;
    let WatchReport::Alarm(seen, alarms) = watch(&desk).await else { panic!("expected unknown keys") };
    assert_eq!(seen.audits.iter().map(|one| one.origin.as_str()).collect::<Vec<_>>(), [&origin, third.origin()]);
    let logs: Vec<_> = alarms.iter().map(Alarm::log).collect();
    assert_eq!(logs, [&origin, third.origin()], "one unknown key in each: {alarms:?}");
    for alarm in &alarms {
        let Alarm::UnknownKey(other) = alarm else { panic!("{alarm:?}") };
        confirm_key(&desk, &alice(), &other.key, now()).unwrap();
    }
    let report = watch(&desk).await;
    let WatchReport::Clean(seen) = &report else { panic!("{report:?}") };
    assert_eq!(seen.certificates.len(), 3);
    town.server.stop().await;
}
