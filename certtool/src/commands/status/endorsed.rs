//! What `certtool status` says of endorsements: which other devices of the person speak for this one.

use std::time::Duration;

use device::{Home, HomeError};
use identity::endorsement::Endorsement;
use identity::trust::Trust;
use identity::verify::verify_person;
use identity::{Identifier, UnixTime};
use serde::Serialize;

use crate::text;

/// One device that endorses.
#[derive(Debug, Serialize)]
pub(super) struct Endorsed {
    /// Its key, if its certificate counts; without that, the endorsement does not, either.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    until: String,
    #[serde(skip)]
    ends: String,
}

impl Endorsed {
    /// What the folder has for this device, as far as it has not ended.
    pub(super) fn read(home: &Home, who: &Identifier, trust: &Trust, now: UnixTime) -> Result<Vec<Self>, HomeError> {
        Ok(home.endorsements(who, now)?.iter().map(|one| Self::new(one, trust, now)).collect())
    }

    fn new(endorsement: &Endorsement, trust: &Trust, now: UnixTime) -> Self {
        let (by, refusal) = match verify_person(&[endorsement.certificate().clone()], trust, now) {
            Ok(person) => (Some(hex::encode(person.device_key())), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let until = UnixTime::since_unix_epoch(Duration::from_secs(endorsement.until()));
        Self { by, refusal, until: text::rfc3339(until), ends: text::relative(until, now) }
    }

    pub(super) fn line(&self) -> String {
        match (&self.by, &self.refusal) {
            (Some(by), _) => format!("endorsed by your device {}, ends {}", text::groups(by, 4), self.ends),
            (None, refusal) => {
                format!(
                    "an endorsement does not count: its device is refused by {}",
                    refusal.as_deref().unwrap_or("a rule")
                )
            }
        }
    }
}
