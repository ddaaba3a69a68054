//! Renewing while nobody is asked: by a program that runs all day.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use identity::UnixTime;
use identity::rules::Rule;

use super::{Conversation, EnrolError, Renewed, Step, Typed, renew};
use crate::acme::{AcmeError, Holder};
use crate::https::FetchError;
use crate::words::time;
use crate::{Device, Home};

/// Nobody is there: nothing is typed, and no message is sent for it.
struct Nobody;

impl Holder for Nobody {}

impl Conversation for Nobody {
    fn step(&mut self, _step: Step) {}

    fn is_there(&self) -> bool {
        false
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        async { Typed::Nothing }.boxed()
    }
}

/// Renews a device's certificate if it is due, or if its authority asks for it, as [`renew`] does; where that takes a person,
/// it does not happen.
///
/// # Errors
/// Why not, with what helps.
pub async fn renew_unattended(home: &Home, device: Device, now: fn() -> UnixTime) -> Result<Renewed, Trouble> {
    let identifier = device.identifier.clone();
    renew(home, device, false, now, &mut Nobody).await.map_err(|error| Trouble::new(&error, identifier.as_str(), now()))
}

/// Why a certificate was not renewed, for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What happened.
    pub message: String,
    /// What helps.
    pub remedy: String,
    /// Whether nobody answered: that is nothing to tell while there is time.
    pub unreachable: bool,
}

impl Trouble {
    fn new(error: &EnrolError, identifier: &str, now: UnixTime) -> Self {
        let said = error.to_string();
        let unreachable = matches!(error, EnrolError::Acme(AcmeError::Fetch(FetchError::Unreachable { .. })));
        let about_time = [Rule::ChainNotYetValid, Rule::ChainExpired].iter().any(|rule| said.contains(rule.id()));
        let remedy = match error {
            _ if about_time => format!(
                "this computer's clock says {}; if that is wrong, set it: the rest happens by itself. Else `certtool renew \
                 {identifier}` says more",
                time(now)
            ),
            EnrolError::Revoked { .. } => {
                format!("`certtool enroll {identifier} --new` makes a new key and certificate")
            }
            EnrolError::Unattended => format!("`certtool renew {identifier}`, with the code that is sent to you then"),
            _ if unreachable => "it is tried again by itself once the home server answers".to_owned(),
            _ => format!("it is tried again by itself; `certtool renew {identifier}` says more"),
        };
        Self { message: said, remedy, unreachable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_may_be_wrong_is_named_first() {
        let url = "https://localhost:1/acme".to_owned();
        let expired = FetchError::Untrusted {
            url: url.clone(),
            reason: "CHAIN-03: expected …".replace("CHAIN-03", Rule::ChainExpired.id()),
        };
        let trouble = Trouble::new(
            &AcmeError::from(expired).into(),
            "alice@example.org",
            UnixTime::since_unix_epoch(std::time::Duration::ZERO),
        );
        assert!(trouble.remedy.starts_with("this computer's clock says 1970-01-01 00:00:00 UTC"), "{}", trouble.remedy);
        assert!(!trouble.unreachable);
        let away = FetchError::Unreachable { url, reason: "refused".to_owned() };
        assert!(Trouble::new(&AcmeError::from(away).into(), "alice@example.org", UnixTime::now()).unreachable);
    }
}
