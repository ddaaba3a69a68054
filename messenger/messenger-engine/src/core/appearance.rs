//! How one appears oneself: what was decided, and what the directory is told of it.

use directory_protocol as directory;
use directory_protocol::{Announcement, Capabilities, Details};
use identity::Identifier;

use super::{Action, Ask, Core};
use crate::api::{Audience, Event, MAX_NOTE_BYTES, OwnStatus};
use crate::time::Now;

/// How many people one blocks.
const MAX_BLOCKED: usize = directory_protocol::limits::MAX_BLOCKED;

impl Core {
    pub(super) fn set_status(&mut self, status: OwnStatus, text: Option<String>) {
        if let Some(text) = text {
            if text.len() > MAX_NOTE_BYTES || text.contains(char::is_control) {
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
        self.changed();
    }

    /// No event: nobody decided it.
    pub(super) fn set_idle(&mut self, seconds: u32) {
        if self.idle_s != seconds {
            self.idle_s = seconds;
            self.announce();
        }
    }

    pub(super) fn set_audience(&mut self, visible_to: Option<Audience>, may_knock: Option<Audience>) {
        if let Some(audience) = visible_to {
            self.settings.visible_to = audience;
        }
        if let Some(audience) = may_knock {
            self.settings.may_knock = audience;
        }
        self.changed();
    }

    /// The directory keeps her away from now on; what stands between her and this device is ended here.
    pub(super) fn block(&mut self, who: Identifier, now: Now) {
        if self.settings.blocked.len() >= MAX_BLOCKED && !self.settings.blocked.contains(&who) {
            return self.error("block", format!("expected at most {MAX_BLOCKED} blocked people"), "unblock one first");
        }
        self.end_text_links(&who, "you blocked them", now);
        self.end_knocks(&who, now);
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
            details: Details { capabilities, idle_s: self.idle_s, note: self.settings.text.clone() },
            visible_to: audience(&self.settings.visible_to),
            may_knock: audience(&self.settings.may_knock),
            contacts: self.contacts.keys().cloned().collect(),
            blocked: self.settings.blocked.iter().cloned().collect(),
        };
        self.actions.push_back(Action::Ask(Ask::Announce(Box::new(announcement))));
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
