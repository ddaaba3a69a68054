//! In which directory somebody is found (docs/spec/directory.md, "Other people's directories").
//!
//! In this order: what her contact card said; one's own directory, if its policy lists her domain; what her domain says in
//! the domain name system, and then the policy that lists her domain; one's own, if its authority may certify anybody.
//! Nothing here is believed: whatever answers must prove by its certificate to be that directory.
//!
//! Nobody is asked about a domain for which no trusted policy could vouch.

mod cards;
mod srv;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use identity::Identifier;
use identity::card::ContactCard;
use identity::trust::{Authority, DirectoryEntry, Trust, TrustPolicy};

use crate::enrolment::permits;
use crate::{Home, HomeError};
pub use cards::Directories;
pub use srv::{Names, NamesError};
use srv::{Said, Target};

/// For how long it is remembered what a domain said.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Domains of which it is remembered.
const MAX_REMEMBERED: usize = 1_024;

/// Where somebody is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// In one's own directory.
    Own,
    /// In another one.
    At {
        /// The name that its certificate must carry.
        name: String,
        /// Where it listens, `host:port` (UDP), in the order in which to try.
        addresses: Vec<String>,
    },
}

/// Why it is not known where somebody is found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Nobody could be believed.
    #[error("expected an authority that may certify {who}, found none in the trust policies that are pinned here")]
    NoAuthority {
        /// Who is looked for.
        who: String,
    },
    /// It is said nowhere.
    #[error(
        "expected a directory of {of}, found none: the trust policy names none, and there is no SRV record {record}"
    )]
    NoDirectory {
        /// The domain, or the number.
        of: String,
        /// Where it could be said.
        record: String,
    },
    /// RFC 2782: a target of "." means that the service is decidedly not available at this domain.
    #[error("{domain} has no directory, and says so: the target of its SRV record {record} is \".\"")]
    Unavailable {
        /// The domain.
        domain: String,
        /// Where it says so.
        record: String,
    },
    /// The domain name system was not heard.
    #[error("the SRV record {record} could not be looked up: {reason}")]
    NotAnswered {
        /// What was asked for.
        record: String,
        /// What the resolvers said.
        reason: String,
    },
}

impl FindError {
    /// What to try.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoAuthority { .. } => {
                "take their contact card (`certtool trust add CARD`), or pin the policy of their home server; then start again"
            }
            Self::NoDirectory { .. } => "ask for their contact card, which says where they are found",
            Self::Unavailable { .. } => {
                "ask them where else they are found; a contact card from there says it to this program"
            }
            Self::NotAnswered { .. } => {
                "it is tried again by itself; look at the network, or name other resolvers with --resolver"
            }
        }
    }
}

/// Knows where people are found.
pub struct Finder {
    trust: Arc<Trust>,
    own: DirectoryEntry,
    /// Which of the trust's policies is the one under which this device was enrolled.
    is_own: Vec<bool>,
    cards: Mutex<Directories>,
    names: Names,
    said: Mutex<HashMap<String, (Instant, Said)>>,
}

/// How somebody is to be looked for.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Known(Found),
    /// Her domain is asked first; if it says nothing, this counts.
    Ask {
        domain: String,
        else_at: Option<DirectoryEntry>,
    },
}

impl Finder {
    /// For a device that was enrolled under this policy, and is online at `own`.
    pub fn new(
        home: &Home,
        trust: Arc<Trust>,
        (policy, own): (&TrustPolicy, DirectoryEntry),
        names: Names,
    ) -> Result<Self, HomeError> {
        let cards = Mutex::new(home.directories()?);
        let is_own = trust.policies().iter().map(|known| known == policy).collect();
        Ok(Self { trust, own, is_own, cards, names, said: Mutex::default() })
    }

    /// From now on the person on the card is looked for where it says.
    pub fn learn(&self, card: &ContactCard) {
        lock(&self.cards).insert(card);
    }

    /// Looks for somebody. What needs no question is known at the first poll.
    pub async fn find(&self, who: &Identifier) -> Result<Found, FindError> {
        match self.plan(who)? {
            Plan::Known(found) => Ok(found),
            Plan::Ask { domain, else_at } => self.ask(&domain, else_at).await,
        }
    }

    fn plan(&self, who: &Identifier) -> Result<Plan, FindError> {
        if let Some(entry) = lock(&self.cards).get(who) {
            return Ok(Plan::Known(self.at(entry.clone())));
        }
        let bound = self.trust.bound_to(who);
        let certifies = |authority: &&Authority| {
            permits(authority, who)
                && bound.as_ref().is_none_or(|bound| authority.root_digest().is_some_and(|root| root == bound.root))
        };
        let domain = who.domain();
        let lists = |authority: &Authority| match domain {
            Some(domain) => authority.domains.iter().any(|listed| listed == domain),
            None => authority.phone_prefixes.iter().any(|prefix| prefix != "*"),
        };
        let policies = || self.trust.policies().iter().zip(&self.is_own);
        let of = |policy: &TrustPolicy, listed: bool| {
            policy.authorities.iter().filter(certifies).any(|authority| !listed || lists(authority))
        };
        let which = |own: bool| policies().filter(move |(_, is_own)| **is_own == own).map(|(policy, _)| policy);
        let (own, others): (Vec<_>, Vec<_>) = (which(true).collect(), which(false).collect());
        if own.iter().any(|policy| of(policy, true)) {
            return Ok(Plan::Known(Found::Own));
        }
        let first = |policy: Option<&&TrustPolicy>| policy.and_then(|policy| policy.directories.first()).cloned();
        let listing = others.iter().find(|policy| of(policy, true));
        match (listing, domain) {
            (Some(_), Some(domain)) => {
                return Ok(Plan::Ask { domain: domain.to_owned(), else_at: first(listing) });
            }
            (Some(_), None) => return self.entry(first(listing), who),
            (None, _) if own.iter().any(|policy| of(policy, false)) => return Ok(Plan::Known(Found::Own)),
            (None, _) => {}
        }
        match others.iter().find(|policy| of(policy, false)) {
            Some(anybodys) => self.entry(first(Some(anybodys)), who),
            None => Err(FindError::NoAuthority { who: who.to_string() }),
        }
    }

    fn entry(&self, entry: Option<DirectoryEntry>, who: &Identifier) -> Result<Plan, FindError> {
        let of = who.domain().unwrap_or(who.as_str()).to_owned();
        let none = || FindError::NoDirectory { record: srv::record(&of), of };
        entry.map(|entry| Plan::Known(self.at(entry))).ok_or_else(none)
    }

    fn at(&self, entry: DirectoryEntry) -> Found {
        if entry == self.own {
            return Found::Own;
        }
        Found::At { name: entry.name, addresses: vec![entry.address] }
    }

    async fn ask(&self, domain: &str, else_at: Option<DirectoryEntry>) -> Result<Found, FindError> {
        let known =
            lock(&self.said).get(domain).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, said)| said.clone());
        let record = srv::record(domain);
        let said = match known {
            Some(said) => said,
            None => match self.names.directories(domain).await {
                Ok(said) => self.remember(domain, said),
                Err(error) => {
                    tracing::info!(%error, "a domain was not asked for its directory");
                    let reason = error.to_string();
                    return else_at.map(|entry| self.at(entry)).ok_or(FindError::NotAnswered { record, reason });
                }
            },
        };
        match said {
            Said::At(targets) => {
                let addresses = targets.into_iter().map(|Target { host, port }| format!("{host}:{port}")).collect();
                Ok(Found::At { name: domain.to_owned(), addresses })
            }
            Said::Unavailable => Err(FindError::Unavailable { domain: domain.to_owned(), record }),
            Said::Nothing => else_at
                .map(|entry| self.at(entry))
                .ok_or_else(|| FindError::NoDirectory { of: domain.to_owned(), record }),
        }
    }

    fn remember(&self, domain: &str, said: Said) -> Said {
        let mut known = lock(&self.said);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(domain.to_owned(), (Instant::now(), said.clone()));
        said
    }
}

/// A panic elsewhere leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
