//! How one appears, and how others do: as words.

use messenger_engine::{Audience, Command, OwnStatus, PresenceSettings, Status};

use super::{App, Effect, Entry, Person};
use identity::Identifier;

impl App {
    /// What `/status` alone says.
    pub(super) fn tell_appearance(&mut self) {
        self.said(described(&self.settings));
    }

    /// How one appears has changed: one's own doing, so it is told once and briefly.
    pub(super) fn hear_appearance(&mut self, settings: PresenceSettings) {
        // The first one after a start says what was kept.
        if self.settings != settings {
            self.said(described(&settings));
        }
        self.settings = settings;
    }

    /// Blocks the named person, or the one whose conversation is open.
    pub(super) fn block(&self, who: Option<Identifier>) -> Result<Vec<Effect>, String> {
        let who = self.meant(who, "Whom? /block mallory@example.org")?;
        Ok(vec![Effect::Engine(Command::Block { who: who.to_string() })])
    }

    /// Wants to be asked about the named person, or the one whose conversation is open.
    pub(super) fn ask_first(&self, who: Option<Identifier>) -> Result<Vec<Effect>, String> {
        let who = self.meant(who, "About whom? /ask bob@example.org")?;
        Ok(vec![Effect::Engine(Command::AskFirst { who: who.to_string(), ask: true })])
    }

    fn meant(&self, who: Option<Identifier>, nobody: &str) -> Result<Identifier, String> {
        let open = match &self.selected {
            Some(Entry::Person(who)) => Some(who.clone()),
            Some(Entry::Knock(_) | Entry::Invitation(_)) => self.curtain().map(|waiting| waiting.from().clone()),
            _ => None,
        };
        let who = who.or(open).ok_or(nobody)?;
        if who == self.me.identifier { Err("That is you.".to_owned()) } else { Ok(who) }
    }
}

impl Person {
    /// Whether a program answers, by its own word.
    pub(crate) fn is_bot(&self) -> bool {
        self.shows.can.iter().any(|one| one == "bot")
    }

    /// How somebody who is online is doing, in a word or three.
    pub(crate) fn status_word(&self) -> &'static str {
        match self.shows.status {
            Some(Status::Available) | None => "online",
            Some(Status::Away) => "away",
            Some(Status::Busy) => "busy",
            Some(Status::DoNotDisturb) => "do not disturb",
        }
    }
}

/// One's own status as a word beside the directory's name.
pub(crate) fn own_word(status: OwnStatus) -> &'static str {
    match status {
        OwnStatus::Available => "online",
        OwnStatus::Away => "away",
        OwnStatus::Busy => "busy",
        OwnStatus::DoNotDisturb => "do not disturb",
        OwnStatus::Invisible => "invisible",
    }
}

fn described(settings: &PresenceSettings) -> String {
    let status = match settings.status {
        OwnStatus::Available => "available",
        other => own_word(other),
    };
    let text = if settings.text.is_empty() { String::new() } else { format!(" ({})", settings.text) };
    let blocked = match settings.blocked.len() {
        0 => String::new(),
        1 => "; 1 person is blocked".to_owned(),
        n => format!("; {n} people are blocked"),
    };
    let asked = match settings.ask_first.len() {
        0 => String::new(),
        1 => "; about 1 person you are asked first".to_owned(),
        n => format!("; about {n} people you are asked first"),
    };
    let (see, knock) = (audience(&settings.visible_to), audience(&settings.may_knock));
    let typing = if settings.typing { "" } else { "; nobody sees that you are typing" };
    let read = if settings.read_receipts { "; who tells you what they have read hears it of you, too" } else { "" };
    format!("You are {status}{text}. Who may see you: {see}. Who may knock: {knock}{blocked}{asked}{typing}{read}.")
}

fn audience(audience: &Audience) -> String {
    match audience {
        Audience::Everyone => "everyone".to_owned(),
        Audience::Contacts => "your contacts".to_owned(),
        Audience::Nobody => "nobody".to_owned(),
        Audience::Named(people) => people.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", "),
    }
}
