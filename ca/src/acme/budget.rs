//! What text messages cost in a day, kept durably: what is sent is charged before it leaves, together with its code, so
//! that neither a crash nor several front ends at once spend more than the operator allows.

use std::time::Duration;

use identity::Identifier;

use super::Service;
use super::problem::{Kind, Problem};
use crate::config::Phones;
use crate::store::{Change, RACES, Record, Spending, StoreError};

const DAY_SECONDS: u64 = 86_400;

/// Why nothing more is sent today.
#[derive(Debug)]
pub(crate) enum NoMoney {
    /// The day's sum is spent.
    Spent {
        /// When the next day begins.
        wait: Duration,
    },
    /// It could not be read.
    Store(StoreError),
}

impl From<StoreError> for NoMoney {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NoMoney> for Problem {
    fn from(error: NoMoney) -> Self {
        match error {
            // The same to everybody, whatever the number: how much is spent tells nothing of anybody.
            NoMoney::Spent { wait } => {
                Self::new(Kind::RateLimited, "no more text messages are sent today; come back tomorrow (UTC)")
                    .with("limit", "texts_per_day")
                    .retry_after(wait)
            }
            NoMoney::Store(error) => error.into(),
        }
    }
}

/// The day since the epoch, of UTC.
fn today(service: &Service) -> u64 {
    service.now().as_secs() / DAY_SECONDS
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A code that somebody asked for.
    Code,
    /// Telling an owner of another device. A tenth of the day's sum is kept for these: whoever uses up the rest with codes
    /// keeps no owner from hearing of it.
    Announcement,
}

/// The change that charges one message to `number`; refused if the day's sum does not hold it any more. A commit with it
/// fails with a conflict about "spending" if somebody else charged meanwhile: then ask again.
pub(crate) async fn charge(
    service: &Service,
    phones: &Phones,
    number: &Identifier,
    purpose: Purpose,
) -> Result<Change, NoMoney> {
    let (now, day) = (service.now().as_secs(), today(service));
    let price = phones.budget.price_of(number).0;
    let found = service.store.spending(day).await?;
    let spent = found.map_or(0, |spending| spending.spent).saturating_add(price);
    let per_day = phones.budget.per_day.0;
    // Where a tenth is less than a message, it would keep a code away and bring nobody an announcement.
    let kept = if purpose == Purpose::Code && per_day / 10 >= price { per_day / 10 } else { 0 };
    if spent > per_day - kept {
        return Err(NoMoney::Spent { wait: Duration::from_secs(DAY_SECONDS - now % DAY_SECONDS) });
    }
    Ok(match found {
        Some(spending) => {
            Change::Update(Record::Spending(Spending { spent, messages: spending.messages + 1, ..spending }))
        }
        None => Change::Insert(Record::Spending(Spending { day, revision: 0, spent, messages: 1 })),
    })
}

/// Takes back what was charged on this day (since the epoch) for a message that was certainly not sent, however many are
/// charged meanwhile.
pub(crate) async fn give_back(service: &Service, phones: &Phones, number: &Identifier, day: Option<u64>) {
    let Some(day) = day else { return };
    if let Err(error) = take_back(service, phones, number, day).await {
        tracing::warn!(%error, "a text message that was not sent stays charged");
    }
}

async fn take_back(service: &Service, phones: &Phones, number: &Identifier, day: u64) -> Result<(), StoreError> {
    for _ in 0..RACES {
        let Some(found) = service.store.spending(day).await? else { return Ok(()) };
        let spent = found.spent.saturating_sub(phones.budget.price_of(number).0);
        let messages = found.messages.saturating_sub(1);
        let back = Change::Update(Record::Spending(Spending { spent, messages, ..found }));
        match service.store.commit(vec![back]).await {
            Err(error) if raced(&error) => {}
            other => return other.map(drop),
        }
    }
    Err(StoreError::Conflict("spending"))
}

/// The day on which this is charged.
pub(crate) fn day_of(charge: &Change) -> Option<u64> {
    match charge {
        Change::Insert(Record::Spending(spending)) | Change::Update(Record::Spending(spending)) => Some(spending.day),
        _ => None,
    }
}

/// Whether a commit failed because somebody else charged at the same time.
pub(crate) fn raced(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict("spending") | StoreError::Taken("spending"))
}
