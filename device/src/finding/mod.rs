//! In which directory somebody is found (docs/spec/directory.md, "Other people's directories").
//!
//! In this order: what her contact card said; one's own directory, if its policy lists her domain; what her domain says in
//! the domain name system, and then the policy that lists her domain; one's own, if its authority may certify anybody.
//! Nothing here is believed: whatever answers must prove by its certificate to be that directory.
//!
//! Nobody is asked about a domain for which no trusted policy could vouch.

mod cards;
mod error;
mod memory;
mod resolvers;
mod spelling;
mod srv;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use identity::Identifier;
use identity::card::ContactCard;
use identity::trust::{Authority, DirectoryEntry, Fingerprint, Trust, TrustPolicy};

use crate::enrolment::permits;
use crate::{Home, HomeError};
pub use cards::Directories;
pub use error::FindError;
use memory::{Memory, REMEMBERED};
use spelling::spelled;
pub use srv::{Names, NamesError};
use srv::{Said, Target};

/// For how long a card whose directory was not reached is passed over.
const PASSED_OVER: Duration = Duration::from_secs(60 * 60);

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

/// Knows where people are found.
pub struct Finder {
    trust: Arc<Trust>,
    own: DirectoryEntry,
    /// Which of the trust's policies is the one under which this device was enrolled.
    is_own: Vec<bool>,
    cards: Mutex<Directories>,
    names: Names,
    said: Memory,
    /// Whose cards name a directory that was not reached: which, and since when.
    stale: Mutex<BTreeMap<Identifier, (DirectoryEntry, Instant)>>,
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
        Ok(Self { trust, own: spelled(own), is_own, cards, names, said: Memory::default(), stale: Mutex::default() })
    }

    /// From now on the person on the card is looked for where it says.
    pub fn learn(&self, card: &ContactCard) {
        lock(&self.cards).insert(card);
        lock(&self.stale).remove(&card.identifier);
    }

    /// The directory that was found for this person is not reached. Whether her card named it, and her domain can be asked
    /// instead: from now on it is, for an hour or until there is another card.
    pub fn not_reached(&self, who: &Identifier, name: &str, addresses: &[String]) -> bool {
        let Some(entry) = lock(&self.cards).get(who).cloned().map(spelled) else { return false };
        let is_hers = entry.name == name && addresses == [entry.address.as_str()];
        if !is_hers || who.domain().is_none() || !self.may_ask_about(who) {
            return false;
        }
        let mut stale = lock(&self.stale);
        stale.retain(|_, (_, since)| since.elapsed() < PASSED_OVER);
        match stale.get(who) {
            Some((known, _)) if *known == entry => false,
            _ => {
                stale.insert(who.clone(), (entry, Instant::now()));
                true
            }
        }
    }

    /// This device was cut off: that cards named directories that were not reached within this time counts no more.
    pub fn was_cut_off(&self, lately: Duration) {
        lock(&self.stale).retain(|_, (_, since)| since.elapsed() >= lately);
    }

    /// Whether some policy lists her domain: by one that names none, nothing that answers could be verified (TRUST-12).
    fn may_ask_about(&self, who: &Identifier) -> bool {
        self.trust.policies().iter().any(|policy| self.vouches(policy, who, true))
    }

    /// Whether her card is passed over.
    fn is_stale(&self, who: &Identifier, entry: &DirectoryEntry) -> bool {
        // She may be known by another authority since.
        let may_ask = self.may_ask_about(who);
        may_ask
            && lock(&self.stale).get(who).is_some_and(|(known, since)| known == entry && since.elapsed() < PASSED_OVER)
    }

    /// Looks for somebody. What needs no question is known at the first poll.
    pub async fn find(&self, who: &Identifier) -> Result<Found, FindError> {
        self.find_again(who, REMEMBERED).await
    }

    /// The same, where what her domain said longer ago than `at_most` will not do.
    pub async fn find_again(&self, who: &Identifier, at_most: Duration) -> Result<Found, FindError> {
        match self.plan(who)? {
            Plan::Known(found) => Ok(found),
            Plan::Ask { domain, else_at } => self.ask(&domain, at_most, else_at).await,
        }
    }

    fn plan(&self, who: &Identifier) -> Result<Plan, FindError> {
        if let Some(entry) = lock(&self.cards).get(who).cloned().map(spelled) {
            return Ok(match who.domain() {
                Some(_) if self.is_stale(who, &entry) && self.own_lists(who) => Plan::Known(Found::Own),
                Some(domain) if self.is_stale(who, &entry) => {
                    Plan::Ask { domain: domain.to_owned(), else_at: Some(entry) }
                }
                _ => Plan::Known(self.at(entry)),
            });
        }
        let (own, others) = (self.policies(true), self.policies(false));
        let domain = who.domain();
        let of = |policy: &TrustPolicy, listed: bool| self.vouches(policy, who, listed);
        if self.own_lists(who) {
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
            None => Err(self.nobody_for(who)),
        }
    }

    /// No authority counts for her.
    fn nobody_for(&self, who: &Identifier) -> FindError {
        // The roots count, and names may be alike.
        let named = |name: &str, root: &Fingerprint| format!("{name} (root {}…)", &root.to_string()[..16]);
        let permitting = self.trust.policies().iter().flat_map(|policy| &policy.authorities);
        let permitting = permitting.filter(|authority| permits(authority, who));
        let others: BTreeSet<_> =
            permitting.filter_map(|one| one.root_digest().map(|root| named(&one.name, &root))).collect();
        match self.trust.bound_to(who) {
            Some(bound) if !others.is_empty() => FindError::KnownByAnother {
                who: who.to_string(),
                known_by: named(&bound.authority, &bound.root),
                others: others.into_iter().collect::<Vec<_>>().join(", "),
            },
            _ => FindError::NoAuthority { who: who.to_string() },
        }
    }

    /// The policies under which this device was enrolled, or the others.
    fn policies(&self, own: bool) -> Vec<&TrustPolicy> {
        let all = self.trust.policies().iter().zip(&self.is_own);
        all.filter(|(_, is_own)| **is_own == own).map(|(policy, _)| policy).collect()
    }

    /// Whether her domain, or a prefix of her number, is listed by the policy under which this device was enrolled.
    fn own_lists(&self, who: &Identifier) -> bool {
        self.policies(true).into_iter().any(|policy| self.vouches(policy, who, true))
    }

    /// Whether somebody in this policy may certify her, and is the authority she is known by, if she is; and is `listed` for
    /// her domain, or for a prefix.
    fn vouches(&self, policy: &TrustPolicy, who: &Identifier, listed: bool) -> bool {
        let bound = self.trust.bound_to(who);
        let certifies = |authority: &&Authority| {
            permits(authority, who)
                && bound.as_ref().is_none_or(|bound| authority.root_digest().is_some_and(|root| root == bound.root))
        };
        let lists = |authority: &Authority| match who.domain() {
            Some(domain) => authority.domains.iter().any(|listed| listed == domain),
            None => authority.phone_prefixes.iter().any(|prefix| prefix != "*"),
        };
        policy.authorities.iter().filter(certifies).any(|authority| !listed || lists(authority))
    }

    fn entry(&self, entry: Option<DirectoryEntry>, who: &Identifier) -> Result<Plan, FindError> {
        let of = who.domain().unwrap_or(who.as_str()).to_owned();
        let none = || FindError::NoDirectory { record: srv::record(&of), of };
        entry.map(|entry| Plan::Known(self.at(entry))).ok_or_else(none)
    }

    fn at(&self, entry: DirectoryEntry) -> Found {
        let entry = spelled(entry);
        if entry == self.own {
            return Found::Own;
        }
        Found::At { name: entry.name, addresses: vec![entry.address] }
    }

    async fn ask(&self, domain: &str, at_most: Duration, else_at: Option<DirectoryEntry>) -> Result<Found, FindError> {
        let record = srv::record(domain);
        let said = match self.said.of(domain, at_most, self.names.directories(domain)).await {
            Ok(said) => said,
            Err(error) => {
                tracing::info!(%error, "a domain was not asked for its directory");
                let reason = error.to_string();
                return else_at.map(|entry| self.at(entry)).ok_or(FindError::NotAnswered { record, reason });
            }
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
}

/// A panic elsewhere leaves these values whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
