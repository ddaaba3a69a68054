//! Acquaintance: whom one knows stays with the authority that certified her at first sight (rule TRUST-06).
//!
//! Bound are contacts, and whom the person behind this device accepted or called. A fellow member of a room whom she
//! does not know is not, nor whom a program takes in: nobody decided that they are who they should be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use identity::Identifier;
use identity::trust::Fingerprint;

use super::{Core, SessionId};
use crate::api::{Event, Peer};
use crate::comparison::comparison_code;
use crate::room::{AnotherAuthority, Person};
use crate::time::Now;
use crate::wire::Close;

/// The same refusal is told once in this time, however often it is provoked.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How long a refusal explains a connection that did not come about.
const EXPLAINS: Duration = Duration::from_secs(15);

/// What was refused last of whom. Only people who are bound come in.
pub(super) type Refusals = BTreeMap<Identifier, Refusal>;

pub(super) struct Refusal {
    words: String,
    told: Instant,
    seen: Instant,
}

impl Core {
    /// Binds a verified person at first sight, and says so.
    ///
    /// # Errors
    /// Why she is refused, for people, if she was bound to another authority meanwhile.
    pub(super) fn meet(&mut self, person: &Person, now: Now) -> Result<(), String> {
        match self.credentials.meet(person, now) {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.emit(Event::FirstSeen {
                    who: person.identifier.clone(),
                    authority: person.authority.name.clone(),
                    root: person.authority.root,
                    device: Fingerprint(person.device.spki_digest()),
                });
                Ok(())
            }
            Err(conflict) => {
                let refusal = conflict.refusal.clone();
                self.another_authority(conflict, now);
                Err(refusal)
            }
        }
    }

    /// Says with whom a session begins, and which devices of hers endorse that one.
    pub(super) fn introduce(&mut self, person: &Person, endorsed_by: Vec<Fingerprint>) {
        let facts = &person.certificate;
        self.emit(Event::Peer(Peer {
            who: person.identifier.clone(),
            device: Fingerprint(person.device.spki_digest()),
            authority: person.authority.name.clone(),
            serial: facts.serial.clone(),
            not_before: facts.not_before,
            not_after: person.not_after,
            log: facts.log.clone(),
            index: facts.index,
            witnesses: facts.witnesses.clone(),
            witnessed_only_by_operator: facts.witnessed_only_by_operator,
            endorsed_by,
            code: comparison_code(&self.me.person.certificate.digest, &facts.digest),
        }));
    }

    /// Somebody becomes known while connections to her stand: the first counts.
    pub(super) fn meet_connected(&mut self, who: &Identifier, now: Now) {
        let theirs = self.links.iter().filter(|(_, link)| link.person.identifier == *who);
        let links: Vec<(SessionId, Person)> = theirs.map(|(id, link)| (*id, link.person.clone())).collect();
        for (session, person) in links {
            if let Err(refusal) = self.meet(&person, now) {
                // Not as one who was never introduced: that would say that nothing of hers was read.
                self.close_link(session, Close::DONE, &refusal, now);
            }
        }
    }

    /// A certificate was refused, at a connection or in a room: somebody whom one knows came with another authority's.
    pub fn another_authority(&mut self, conflict: AnotherAuthority, now: Now) {
        let AnotherAuthority { who, refusal } = conflict;
        if let Some(last) = self.refusals.get_mut(&who)
            && last.words == refusal
            && now.instant < last.told + TELL_AGAIN
        {
            last.seen = now.instant;
            return;
        }
        let remedy = format!(
            "somebody may want to pass for {who}: ask them in another way than this; if they have really changed, \
             `certtool trust unbind {who}`, and start again"
        );
        self.error(who.as_str(), format!("a certificate for {who} was refused. {refusal}"), remedy);
        self.refusals.insert(who, Refusal { words: refusal, told: now.instant, seen: now.instant });
    }

    /// Why somebody who was expected at the door did not come in, if it is that. The call itself goes on until its
    /// end: an impostor at the door must not keep the right one out.
    pub(super) fn refused_lately(&self, who: &Identifier, now: Now) -> Option<&str> {
        let last = self.refusals.get(who).filter(|last| now.instant < last.seen + EXPLAINS)?;
        Some(&last.words)
    }
}
