//! The transparency watch, while the program runs: at its start and about every hour it is looked what stands in the logs in
//! one's own name, as `certtool watch` does, and what is not known here is told aloud.

use std::collections::BTreeMap;
use std::time::Duration;

use device::watch::{self, Owner, Seen, WatchError, WatchReport};
use device::{Device, Home, HomeError};
use identity::{Identifier, UnixTime};
use messenger_engine::{Event, Reports, WatchVerdict};
use tokio::time::Instant;

use crate::acquaintance::Version;
use crate::renewal::about;

/// The first look, about: going online has the right of way.
const START: Duration = Duration::from_secs(2);
/// The pause between two looks, about.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is looked whether she has confirmed a key meanwhile, while something is not known.
const CONFIRMED: Duration = Duration::from_secs(10);
/// What stays wrong is told again after so long.
const TOLD_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Where it is looked: where this device is enrolled, and where its owner has proven the address for the watch alone.
pub(crate) fn owners(home: &Home, device: &Device) -> Result<Vec<Owner>, HomeError> {
    let elsewhere = home.watching()?.into_iter().filter(|one| {
        let here = one.acme == device.enrolment.acme;
        one.identifier == device.identifier && one.pending_order.is_none() && !here
    });
    Ok(std::iter::once(Owner::from(device.clone())).chain(elsewhere.map(Owner::from)).collect())
}

/// Looks until the engine ends.
pub(crate) async fn follow(home: Home, mut owners: Vec<Owner>, reports: Reports) {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    tokio::time::sleep(about(START)).await;
    loop {
        for owner in &mut owners {
            *owner = newest(&home, owner);
            let looked = watch::watch_once(&home, owner, None, UnixTime::now(), |_| {}).await;
            let told = told.entry(owner.acme().to_owned()).or_default();
            if let Some(event) = told_of(owner, looked, told, Instant::now())
                && !reports.send(event).await
            {
                return;
            }
        }
        let all_known = told.values().all(Option::is_none);
        rest(&home, owners.first().map(Owner::identifier).filter(|_| !all_known)).await;
    }
}

/// Until the next look. While something is not known, it comes as soon as she has said that a key is hers
/// (`certtool watch --known`).
async fn rest(home: &Home, unknown: Option<&Identifier>) {
    let next = Instant::now() + about(EVERY);
    let Some(identifier) = unknown else { return tokio::time::sleep_until(next).await };
    let file = watch::state_file(home, identifier);
    let seen = Version::of(&file);
    while Instant::now() < next && Version::of(&file) == seen {
        tokio::time::sleep(CONFIRMED).await;
    }
}

/// With the certificate that the device has by now.
fn newest(home: &Home, owner: &Owner) -> Owner {
    let newer = || owner.device()?.now(home.locked_device(owner.identifier()).ok()?);
    newer().map_or_else(|| owner.clone(), Owner::from)
}

/// What was told last of one authority, and when; nothing while all is known.
type Told = Option<(String, Instant)>;

/// What is to be told of a look, if it is news.
fn told_of(owner: &Owner, looked: Result<WatchReport, WatchError>, told: &mut Told, now: Instant) -> Option<Event> {
    let (who, authority) = (owner.identifier(), owner.authority().to_owned());
    let event = match looked {
        Err(error) if error.unreachable() => return None,
        Err(error) => Event::Watch {
            verdict: WatchVerdict::Failed,
            authority,
            found: Vec::new(),
            evidence: Vec::new(),
            message: format!("it could not be looked for certificates in your name: {error}"),
            remedy: format!("it is tried again by itself; `certtool watch {who} --once` says more"),
        },
        Ok(WatchReport::Blind(blindness)) => Event::Watch {
            verdict: WatchVerdict::Blind,
            message: format!("it is not known which certificates there are in your name: {blindness}"),
            remedy: blind_remedy(who, owner),
            authority,
            found: Vec::new(),
            evidence: Vec::new(),
        },
        Ok(WatchReport::Alarm(seen, alarms)) => {
            let several = seen.audits.len() > 1;
            let words = |alarm: &watch::Alarm| match several {
                true => format!("{alarm} (in the log {})", alarm.log()),
                false => alarm.to_string(),
            };
            alarm(who, authority, &seen, alarms.iter().map(words).collect())
        }
        Ok(WatchReport::Clean(_)) => {
            told.take()?;
            return Some(Event::Watch {
                verdict: WatchVerdict::Clean,
                authority,
                found: Vec::new(),
                evidence: Vec::new(),
                message: "every certificate in your name is known".to_owned(),
                remedy: String::new(),
            });
        }
    };
    let about = match &event {
        // Reasons for blindness may count minutes: being blind is one news.
        Event::Watch { verdict: WatchVerdict::Alarm, found, .. } => found.join("\n"),
        Event::Watch { verdict, .. } => format!("{verdict:?}"),
        _ => String::new(),
    };
    if told.as_ref().is_some_and(|(last, at)| *last == about && now < *at + TOLD_AGAIN) {
        return None;
    }
    *told = Some((about, now));
    Some(event)
}

fn alarm(who: &Identifier, authority: String, seen: &Seen, found: Vec<String>) -> Event {
    Event::Watch {
        verdict: WatchVerdict::Alarm,
        message: format!("the log holds something in the name of {who} that you do not know: {}", found.join("; ")),
        remedy: format!(
            "if it is another device of yours, `certtool watch {who} --once --known`. If not, somebody got a certificate in your \
             name: tell {authority}, and everybody you talk with"
        ),
        authority,
        found,
        evidence: seen.evidence.iter().map(|path| path.display().to_string()).collect(),
    }
}

fn blind_remedy(who: &Identifier, owner: &Owner) -> String {
    let authority = owner.authority();
    match owner.device() {
        Some(_) => format!("prove again that the address is yours (`certtool enroll {who} --new`), or ask {authority}"),
        None => format!(
            "prove again that the address is yours (`certtool watch {who} --authority '{authority}' --prove`), or ask {authority}"
        ),
    }
}
