//! How one appears oneself: what was decided, and what the directory is told of it.

use std::collections::BTreeSet;
use std::time::Instant;

use directory_protocol as directory;
use directory_protocol::{Announcement, Capabilities, Details, is_acceptable_note};
use identity::Identifier;

use super::{Action, Ask, Core};
use crate::api::{Audience, Event, MAX_NAMED, MAX_NOTE_BYTES, OwnStatus, PresenceSettings};
use crate::time::Now;

/// How many people one blocks.
const MAX_BLOCKED: usize = directory_protocol::limits::MAX_BLOCKED;

/// How to be present, whenever the directory is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presenting {
    /// Everything but the idle time, which grows until it is told.
    pub announcement: Announcement,
    /// Since when nobody has used this device.
    pub idle: Option<Idle>,
}

/// For so many seconds nobody had used this device when it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    seconds: u32,
    said: Instant,
}

impl Idle {
    /// The seconds by now.
    fn seconds(self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.said).as_secs();
        self.seconds.saturating_add(u32::try_from(since).unwrap_or(u32::MAX))
    }
}

impl Presenting {
    /// What to say at this moment.
    pub fn at(&self, now: Instant) -> Announcement {
        let mut announcement = self.announcement.clone();
        announcement.details.idle_s = self.idle.map_or(0, |idle| idle.seconds(now));
        announcement
    }
}

impl Core {
    pub(super) fn set_status(&mut self, status: OwnStatus, text: Option<String>, now: Now) {
        let before = self.settings.clone();
        if let Some(text) = text {
            if !is_acceptable_note(&text) {
                let found = text.len();
                return self.error(
                    "set_status",
                    format!("expected a text of at most {MAX_NOTE_BYTES} bytes in one line, found {found} bytes"),
                    "shorten it; nothing was changed",
                );
            }
            self.settings.text = text;
        }
        self.settings.status = status;
        self.hide(&before, now);
        self.changed();
    }

    /// No event: nobody decided it.
    pub(super) fn set_idle(&mut self, seconds: u32, now: Now) {
        let known = self.idle.map_or(0, |idle| idle.seconds(now.instant));
        // Rounding makes a second of difference.
        if known.abs_diff(seconds) > 1 || (known == 0) != (seconds == 0) {
            self.idle = (seconds > 0).then_some(Idle { seconds, said: now.instant });
            self.announce();
        }
    }

    pub(super) fn set_audience(&mut self, visible_to: Option<Audience>, may_knock: Option<Audience>, now: Now) {
        for audience in [&visible_to, &may_knock].into_iter().flatten() {
            if let Audience::Named(people) = audience
                && people.len() > MAX_NAMED
            {
                let found = people.len();
                return self.error(
                    "set_audience",
                    format!("expected at most {MAX_NAMED} addresses, found {found}"),
                    "name fewer; nothing was changed",
                );
            }
        }
        let before = self.settings.clone();
        if let Some(audience) = visible_to {
            self.settings.visible_to = audience;
        }
        if let Some(audience) = may_knock {
            self.settings.may_knock = audience;
        }
        self.hide(&before, now);
        self.changed();
    }

    /// Ends what stands with those to whom she is not there any more: their texts would still be delivered. A link that a
    /// room needs stays for the room; what she opens herself while she hides is not touched.
    fn hide(&mut self, before: &PresenceSettings, now: Now) {
        let from_all = before.status != OwnStatus::Invisible && self.settings.status == OwnStatus::Invisible;
        let hides =
            |who: &&Identifier| !self.shows_itself_to(who) && (from_all || before.show_to(who, self.is_contact(who)));
        let people: BTreeSet<Identifier> =
            self.links.values().map(|link| &link.person.identifier).filter(hides).cloned().collect();
        for who in people {
            self.end_links(&who, "you do not show yourself to them any more", now);
        }
        self.end_unasked("you do not show yourself to them any more", now);
    }

    /// Whether this person may see that somebody is here.
    pub(super) fn shows_itself_to(&self, who: &Identifier) -> bool {
        self.settings.show_to(who, self.is_contact(who))
    }

    /// The directory keeps her away from now on; what stands between her and this device is ended here.
    pub(super) fn block(&mut self, who: Identifier, now: Now) {
        if self.settings.blocked.len() >= MAX_BLOCKED && !self.settings.blocked.contains(&who) {
            return self.error("block", format!("expected at most {MAX_BLOCKED} blocked people"), "unblock one first");
        }
        self.end_invitations(&who, "you blocked them", now);
        self.end_links(&who, "you blocked them", now);
        self.end_knocks(&who, now);
        self.end_offers_of(&who, "you blocked them");
        self.settings.blocked.insert(who);
        self.changed();
    }

    pub(super) fn unblock(&mut self, who: &Identifier) {
        if self.settings.blocked.remove(who) {
            self.changed();
        } else {
            self.error("unblock", format!("{who} is not blocked"), "nothing to do");
        }
    }

    /// What stands between the two stays: she knows these addresses already.
    pub(super) fn set_ask_first(&mut self, who: Identifier, ask: bool, now: Now) {
        let asked = &mut self.settings.ask_first;
        if ask && asked.len() >= MAX_NAMED && !asked.contains(&who) {
            return self.error("ask_first", format!("expected at most {MAX_NAMED} people"), "take one off first");
        }
        if ask {
            asked.insert(who);
            self.end_unasked("you are asked first from now on", now);
        } else if !asked.remove(&who) {
            return self.error("ask_first", format!("you are not asked about {who}"), "nothing to do");
        }
        self.emit(Event::Appearance(self.settings.clone()));
    }

    /// What others learn of one's doing. The directory is told nothing of it.
    pub(super) fn set_signals(&mut self, typing: Option<bool>, read_receipts: Option<bool>) {
        self.settings.typing = typing.unwrap_or(self.settings.typing);
        self.settings.read_receipts = read_receipts.unwrap_or(self.settings.read_receipts);
        if !self.settings.typing {
            self.stop_telling_of_typing();
        }
        self.emit(Event::Appearance(self.settings.clone()));
    }

    /// Whether one wants to be asked before this device shows this person where it is.
    pub(super) fn asks_first(&self, who: &Identifier) -> bool {
        self.settings.ask_first.contains(who)
    }

    pub(super) fn is_blocked(&self, who: &Identifier) -> bool {
        self.settings.blocked.contains(who)
    }

    fn changed(&mut self) {
        self.announce();
        self.emit(Event::Appearance(self.settings.clone()));
    }

    /// Tells the directory everything it is to know, now or when it is reached.
    pub(super) fn announce(&mut self) {
        let appearance = match self.settings.status {
            OwnStatus::Available => directory::Appearance::As(directory::Status::Available),
            OwnStatus::Away => directory::Appearance::As(directory::Status::Away),
            OwnStatus::Busy => directory::Appearance::As(directory::Status::Busy),
            OwnStatus::DoNotDisturb => directory::Appearance::As(directory::Status::DoNotDisturb),
            OwnStatus::Invisible => directory::Appearance::Invisible,
        };
        let bot = if self.me.bot { Capabilities::BOT } else { Capabilities::default() };
        let capabilities = Capabilities::TEXT.and(Capabilities::ROOMS).and(bot);
        let announcement = Announcement {
            appearance,
            details: Details { capabilities, idle_s: 0, note: self.settings.text.clone() },
            visible_to: audience(&self.settings.visible_to),
            may_knock: audience(&self.settings.may_knock),
            contacts: self.contacts.keys().cloned().collect(),
            blocked: self.settings.blocked.iter().cloned().collect(),
        };
        let presenting = Presenting { announcement, idle: self.idle };
        self.actions.push_back(Action::Ask(Ask::Announce(Box::new(presenting))));
    }

    /// The directory did not take how one is to be present; its driver leaves it rather than be shown otherwise.
    pub fn not_announced(&mut self, reason: &str) {
        self.error(
            "appearance",
            reason,
            "until the directory takes it you are offline; it is tried again: if it is refused again, name fewer people",
        );
    }
}

fn audience(audience: &Audience) -> directory::Audience {
    match audience {
        Audience::Everyone => directory::Audience::Everyone,
        Audience::Contacts => directory::Audience::Contacts,
        Audience::Nobody => directory::Audience::Nobody,
        Audience::Named(people) => directory::Audience::Named(people.iter().cloned().collect()),
    }
}
