//! What waits for a connection to somebody: run when it stands, told why if there will be none.

use identity::Identifier;

use super::saying::Said;
use super::{Core, SessionId};
use crate::api::{DeliveryState, Event, NoMail, RoomId};
use crate::time::Now;

/// What waits for a connection, in memory, while it is being made.
pub(super) enum Errand {
    /// Something to say to the person.
    Say {
        /// Its id.
        id: u64,
        /// What.
        said: Said,
    },
    /// An invitation into a room one hosts.
    Invite {
        /// The room.
        room: RoomId,
    },
    /// Somebody's certificate for mail, which her device tells by itself.
    Mail,
    /// A connection to another device of one's own.
    Reach,
    /// A connection to a fellow member of a room.
    Mesh,
    /// A connection on which a session goes on.
    Resume,
}

impl Errand {
    /// Whether the person behind this device asked for it.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self, Self::Mesh | Self::Resume)
    }
}

/// Whether errands ask for nothing but to go on with a session.
pub(super) fn only_resume(errands: &[Errand]) -> bool {
    !errands.is_empty() && errands.iter().all(|errand| matches!(errand, Errand::Resume))
}

impl Core {
    /// A session has just begun: what waited for one goes out.
    pub(super) fn run_errands(&mut self, session: SessionId, errands: Vec<Errand>, now: Now) {
        for errand in errands {
            self.run_errand(session, errand, now);
        }
        self.link_ready(session, now);
    }

    pub(super) fn run_errand(&mut self, session: SessionId, errand: Errand, now: Now) {
        let Some(link) = self.links.get(&session) else { return };
        let who = link.person.identifier.clone();
        match errand {
            Errand::Say { id, said } => self.put_said(session, who, id, said, now),
            Errand::Invite { room } => self.send_invitation(session, room),
            Errand::Mail => self.wait_for_mail(session, now),
            Errand::Reach | Errand::Mesh | Errand::Resume => {}
        }
    }

    pub(super) fn fail_errands(&mut self, who: &Identifier, errands: Vec<Errand>, reason: &str, now: Now) {
        for errand in errands {
            match errand {
                Errand::Say { id, .. } => {
                    self.said_state(id, who.clone(), DeliveryState::NotDelivered, Some(reason.to_owned()), now);
                }
                Errand::Invite { room } => {
                    self.emit(Event::RoomInvitationFailed { room, who: who.clone(), reason: reason.to_owned() });
                }
                Errand::Mail => self.no_mail(who, NoMail::Unreachable, reason),
                Errand::Reach => self.devices_unreached(reason),
                Errand::Mesh => self.mesh_failed(who, reason, now),
                // It is tried again while the session waits.
                Errand::Resume => {}
            }
        }
    }
}
