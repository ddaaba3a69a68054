//! What a client is told unasked, and what it says in plain values.

use super::error::CloseReason;
use crate::message::{
    Appearance, AudienceKind, CallId, Details, ListName, Outcome, Presence, ProbeKey, Purpose, Role, Status,
};
use identity::Identifier;
use std::net::SocketAddr;

/// Something happened at the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryEvent {
    /// A watched person's presence, when the watch begins and at every change.
    Presence {
        /// The person watched.
        who: Identifier,
        /// Whether she is there and how she is doing, as far as she lets this person know.
        presence: Presence,
    },
    /// Somebody calls; to be answered with [`DirectoryClient::answer`](super::DirectoryClient::answer).
    Incoming {
        /// The call.
        call_id: CallId,
        /// Who calls: the directory has verified her certificate; the peer connection verifies it again.
        caller: Identifier,
        /// SHA-256 of the SubjectPublicKeyInfo of the calling device.
        caller_key: [u8; 32],
        /// What for.
        purpose: Purpose,
    },
    /// What became of a call, made or received. Everything but [`Outcome::Ringing`] ends it.
    ///
    /// When two people call each other at the same moment, the call with the lower id stays and the other ends with
    /// [`Outcome::Cancelled`], after the other was reported as incoming: whoever holds the cancelled one answers that.
    Outcome {
        /// The call.
        call_id: CallId,
        /// What became of it.
        outcome: Outcome,
    },
    /// Both sides agreed: connect now. Ends the directory's part in the call.
    Go {
        /// The call.
        call_id: CallId,
        /// Whether to dial or to listen.
        role: Role,
        /// The other person.
        peer: Identifier,
        /// SHA-256 of the SubjectPublicKeyInfo of the other device.
        peer_key: [u8; 32],
        /// Where the other device can be reached, at most eight addresses.
        candidates: Vec<SocketAddr>,
        /// Authenticates the probes between the two devices; fresh for this call.
        probe_key: ProbeKey,
        /// Milliseconds to wait before the first packet, so that both sides begin together.
        delay_ms: u32,
    },
    /// The connection has ended, and with it this person's presence. The last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// A set of people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Audience {
    /// Everyone whose certificate the directory accepts.
    Everyone,
    /// The announced contacts.
    #[default]
    Contacts,
    /// These people.
    Named(Vec<Identifier>),
    /// No one.
    Nobody,
}

impl Audience {
    pub(super) fn kind(&self) -> AudienceKind {
        match self {
            Self::Everyone => AudienceKind::Everyone,
            Self::Contacts => AudienceKind::Contacts,
            Self::Named(_) => AudienceKind::Named,
            Self::Nobody => AudienceKind::Nobody,
        }
    }

    pub(super) fn named(&self) -> &[Identifier] {
        match self {
            Self::Named(people) => people,
            _ => &[],
        }
    }
}

/// How this device is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// How the person is doing, or that she is not to be seen.
    pub appearance: Appearance,
    /// What else those are told to whom she is visible.
    pub details: Details,
    /// Who is told that she is there.
    pub visible_to: Audience,
    /// Whose calls reach this device.
    pub may_knock: Audience,
    /// Her contacts, at most 10,000; what [`Audience::Contacts`] means.
    pub contacts: Vec<Identifier>,
    /// People to whom she is never there and whose calls never reach her, at most 1,000.
    pub blocked: Vec<Identifier>,
}

impl Announcement {
    /// Available, visible to these contacts, and open to everyone's knock.
    pub fn available(contacts: Vec<Identifier>) -> Self {
        Self {
            appearance: Appearance::As(Status::Available),
            details: Details::default(),
            visible_to: Audience::Contacts,
            may_knock: Audience::Everyone,
            contacts,
            blocked: Vec::new(),
        }
    }

    pub(super) fn lists(&self) -> [(ListName, &[Identifier]); 4] {
        [
            (ListName::Contacts, &self.contacts),
            (ListName::VisibleTo, self.visible_to.named()),
            (ListName::MayKnock, self.may_knock.named()),
            (ListName::Blocked, &self.blocked),
        ]
    }
}

/// The directory's answer to an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// This device's address as the directory sees it: behind a router, the router's.
    pub observed: SocketAddr,
    /// A second port of the directory: seen from another address there than at the first, this device is behind a router
    /// that gives it another one toward everybody.
    pub observation: Option<u16>,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Drawn at random by the caller, never used before.
    pub call_id: CallId,
    /// Who is called.
    pub callee: Identifier,
    /// What for.
    pub purpose: Purpose,
    /// Where this device can be reached, at most eight addresses; told to the callee only if she accepts.
    pub candidates: Vec<SocketAddr>,
    /// The hash of the key of the one device of hers that is meant; `None` if any will do. A directory that knows nothing of it
    /// lets the call ring where it likes.
    pub device: Option<[u8; 32]>,
}

/// How to answer a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accept {
        /// Where this device can be reached, at most eight addresses.
        candidates: Vec<SocketAddr>,
    },
    /// No: the call ends on all devices of this person.
    Decline,
    /// Not on this device.
    Busy,
}
