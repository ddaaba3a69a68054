//! How one appears to others, and they to oneself.

use std::collections::BTreeSet;

use directory_protocol::{Presence, Status, is_acceptable_note};
use identity::Identifier;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// How one wants to appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnStatus {
    /// Ready to talk.
    #[default]
    Available,
    /// Not at the device.
    Away,
    /// Occupied.
    Busy,
    /// Wants no calls.
    DoNotDisturb,
    /// Not to be seen. One's own calls show one to whom one calls, and to nobody else.
    Invisible,
}

/// A set of people. As JSON: `"everyone"`, `"contacts"`, `"nobody"`, or a list of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AudienceForm", into = "AudienceForm")]
pub enum Audience {
    /// Everyone whose certificate the directory accepts.
    Everyone,
    /// One's contacts.
    Contacts,
    /// No one.
    Nobody,
    /// These people, at most [`MAX_NAMED`].
    Named(BTreeSet<Identifier>),
}

/// How many people an audience may name.
pub const MAX_NAMED: usize = directory_protocol::limits::MAX_NAMED;

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"everyone\", \"contacts\", \"nobody\" or a list of addresses")]
enum AudienceForm {
    Word(String),
    Named(Vec<String>),
}

impl Audience {
    /// Whether it includes this person, who is a contact or not.
    pub(crate) fn includes(&self, who: &Identifier, is_contact: bool) -> bool {
        match self {
            Self::Everyone => true,
            Self::Contacts => is_contact,
            Self::Nobody => false,
            Self::Named(people) => people.contains(who),
        }
    }
}

impl TryFrom<AudienceForm> for Audience {
    type Error = String;

    fn try_from(form: AudienceForm) -> Result<Self, String> {
        Ok(match form {
            AudienceForm::Word(word) => match word.as_str() {
                "everyone" => Self::Everyone,
                "contacts" => Self::Contacts,
                "nobody" => Self::Nobody,
                _ => {
                    return Err("expected \"everyone\", \"contacts\", \"nobody\" or a list of addresses".to_owned());
                }
            },
            AudienceForm::Named(people) if people.len() > MAX_NAMED => {
                return Err(format!("expected at most {MAX_NAMED} addresses, found {}", people.len()));
            }
            AudienceForm::Named(people) => {
                let people: Result<_, _> = people.iter().map(|who| Identifier::parse(who)).collect();
                Self::Named(people.map_err(|error| error.to_string())?)
            }
        })
    }
}

impl From<Audience> for AudienceForm {
    fn from(audience: Audience) -> Self {
        Self::Word(match audience {
            Audience::Everyone => "everyone".to_owned(),
            Audience::Contacts => "contacts".to_owned(),
            Audience::Nobody => "nobody".to_owned(),
            Audience::Named(people) => return Self::Named(people.iter().map(ToString::to_string).collect()),
        })
    }
}

/// What one has decided about one's own presence. A client keeps it, and gives it back at the next start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PresenceSettings {
    /// How one wants to appear.
    pub status: OwnStatus,
    /// A few words beside it, at most [`MAX_NOTE_BYTES`] bytes in one line; empty for none.
    #[serde(deserialize_with = "note")]
    pub text: String,
    /// Who learns that one is there.
    pub visible_to: Audience,
    /// Whose calls reach one.
    pub may_knock: Audience,
    /// Who never sees and never reaches one, whatever the audiences say.
    pub blocked: BTreeSet<Identifier>,
    /// Whose calls ring even for text and for rooms one does not share: nothing of this device's addresses leaves for them before one has agreed.
    pub ask_first: BTreeSet<Identifier>,
    /// Whether those one talks to are told that one is typing.
    pub typing: bool,
    /// Whether they are told which of their texts one has seen, if they tell it, too.
    pub read_receipts: bool,
}

/// Words that the directory takes; others would keep one offline for good.
fn note<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let note = String::deserialize(deserializer)?;
    match is_acceptable_note(&note) {
        true => Ok(note),
        false => Err(D::Error::custom(format_args!("expected a text of at most {MAX_NOTE_BYTES} bytes in one line"))),
    }
}

impl PresenceSettings {
    /// Whether they show this person, who is a contact or not, that one is there.
    pub(crate) fn show_to(&self, who: &Identifier, is_contact: bool) -> bool {
        self.status != OwnStatus::Invisible && !self.blocked.contains(who) && self.visible_to.includes(who, is_contact)
    }
}

/// The longest text beside a status, in bytes of UTF-8.
pub const MAX_NOTE_BYTES: usize = directory_protocol::limits::MAX_NOTE_BYTES;

impl Default for PresenceSettings {
    fn default() -> Self {
        Self {
            status: OwnStatus::default(),
            text: String::new(),
            visible_to: Audience::Contacts,
            may_knock: Audience::Everyone,
            blocked: BTreeSet::new(),
            ask_first: BTreeSet::new(),
            typing: true,
            read_receipts: false,
        }
    }
}

/// What somebody who is online shows of herself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// How she is doing; nothing while she is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Her words beside it, as sent: whoever shows them must make them harmless.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// For how many seconds she had not used the device when this was told; absent while she uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_s: Option<u32>,
    /// What she can be reached for: `text`, `rooms`, `voice`, `video`, `files`; and `bot` if a program answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub can: Vec<String>,
}

impl From<&Presence> for Seen {
    fn from(presence: &Presence) -> Self {
        let Presence::Online(status, details) = presence else { return Self::default() };
        Self {
            status: Some(*status),
            text: details.note.clone(),
            idle_s: (details.idle_s > 0).then_some(details.idle_s),
            can: details.capabilities.names().map(str::to_owned).collect(),
        }
    }
}
