//! What is asked about one's own devices, and what is told of them: to programs as JSON, to people as sentences.

use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

use super::invitation::SecretLink;
use super::merge::Summary;

/// What a person wants. As JSON: `{"do":"confirm_device","code":"H6AH-7PG2-CE7R-MM8Z-Y4FD-6P1A"}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", deny_unknown_fields)]
pub(crate) enum Wish {
    /// The other device shows this code: it is hers.
    #[serde(rename = "confirm_device")]
    Confirm {
        /// As it is shown there.
        code: String,
    },
    /// Show an invitation, by which a new device is added to this one.
    #[serde(rename = "invite_device")]
    Invite,
    /// This device is the new one, and another one shows this.
    #[serde(rename = "join_devices")]
    Join {
        /// The link.
        link: SecretLink,
    },
    /// Give it what is decided here.
    #[serde(rename = "give_to_device")]
    Give,
    /// Take what it gave into what is decided here.
    #[serde(rename = "take_from_device")]
    Take,
    /// Leave it.
    #[serde(rename = "leave_from_device")]
    Leave,
}

impl Wish {
    /// Reads a line of JSON; nothing if it is another command.
    pub(crate) fn read(line: &str) -> Option<Result<Self, serde_json::Error>> {
        #[derive(Deserialize)]
        struct Named {
            r#do: String,
        }
        let Named { r#do: name } = serde_json::from_str(line).ok()?;
        let ours = [
            "confirm_device",
            "invite_device",
            "join_devices",
            "give_to_device",
            "take_from_device",
            "leave_from_device",
        ];
        ours.contains(&name.as_str()).then(|| serde_json::from_str(line))
    }
}

/// What happened. As JSON: `{"event":"own_device","device":"…","code":"…","confirmed":false}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Note {
    /// A device that says that it is one's own is connected.
    OwnDevice { device: Fingerprint, code: String, confirmed: bool },
    /// The code was the same.
    DeviceConfirmed { device: Fingerprint },
    /// By this link, which is for nobody else, a new device is added to this one, within so many seconds.
    DeviceInvitation { link: SecretLink, seconds: u64 },
    /// The device that invited this one is called.
    DeviceJoining { device: Fingerprint },
    /// This one had the link: it is hers.
    DeviceAdded { device: Fingerprint },
    /// The other device has what was given.
    DeviceGiven { device: Fingerprint },
    /// It gives something: this would change.
    DeviceOffers { device: Fingerprint, summary: Summary },
    /// This has changed.
    DeviceTaken { device: Fingerprint, summary: Summary },
}

impl Note {
    /// For people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::OwnDevice { code, confirmed: false, .. } => format!(
                "A device that says that it is yours is connected. Only if it lies before you, and shows the code {code}, \
                 type on both: /devices {code}"
            ),
            Self::OwnDevice { confirmed: true, .. } => {
                "Your other device is connected. /devices give gives it your contacts, blocks and settings.".to_owned()
            }
            Self::DeviceConfirmed { .. } => {
                "That is your device from now on. /devices give gives it your contacts, blocks and settings; the other \
                 way round, do that there."
                    .to_owned()
            }
            Self::DeviceInvitation { link, .. } => {
                format!("Your new device is added by this link, and nobody else's: {}", link.as_str())
            }
            Self::DeviceJoining { .. } => "Calling the device that invited this one: accept there.".to_owned(),
            Self::DeviceAdded { .. } => {
                "That is your device from now on. It is given your contacts, blocks and settings.".to_owned()
            }
            Self::DeviceGiven { .. } => {
                "Your other device has it; unless it was just added, it asks you there whether to take it in."
                    .to_owned()
            }
            Self::DeviceOffers { summary, .. } if summary.is_nothing() => {
                "Your other device gives what is the same here already. /devices leave.".to_owned()
            }
            Self::DeviceOffers { summary, .. } => {
                format!("Your other device gives you: {}. /devices take, or /devices leave.", summary.words())
            }
            Self::DeviceTaken { summary, .. } => format!(
                "Taken in: {}. messenger devices undo --yes, while no messenger runs, puts back what was before.",
                summary.words()
            ),
        }
    }
}

/// How many people are named; of more only their number is told.
const NAMED: usize = 5;

impl Summary {
    /// What changes, in half a sentence.
    pub(crate) fn words(&self) -> String {
        let people = |what: &str, people: &[identity::Identifier]| {
            let names: Vec<_> = people.iter().take(NAMED).map(ToString::to_string).collect();
            let more = people.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            (!people.is_empty()).then(|| format!("{what} {}{more}", names.join(", ")))
        };
        let settings = self.settings.join(", ").replace('_', " ");
        let parts = [
            people("new contacts", &self.new),
            people("more about", &self.more),
            people("blocked as well", &self.blocked),
            people("asked about first", &self.ask_first),
            (!self.settings.is_empty()).then(|| format!("settings as there ({settings})")),
            self.endorsed.then(|| "its word to your contacts that this device is yours".to_owned()),
            people("known by another authority there, which changes nothing here:", &self.other_authority),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "nothing new".to_owned() } else { parts.join("; ") }
    }
}
