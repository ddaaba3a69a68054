//! What the person keeps about a contact: a name of her own, a group, whether to be told of comings and goings, when
//! she saw them last, and with which devices. None of it is sent to anybody.

use std::fmt;

use identity::Identifier;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::devices::Devices;
use crate::text;

/// Most characters of a name or a group.
const MAX_CHARACTERS: usize = 64;

/// Everything kept about one contact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<OwnName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<OwnName>,
    #[serde(default, skip_serializing_if = "Alert::is_never")]
    pub(crate) alert: Alert,
    /// When they were seen online last, local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<LastSeen>,
    /// Their devices that were met.
    #[serde(default, skip_serializing_if = "Devices::is_empty")]
    pub(crate) devices: Devices,
}

impl About {
    /// What goes to another folder, or comes from one: not when they were seen, and no devices, which nobody can know for
    /// somebody else.
    pub(super) fn for_others(self) -> Self {
        Self { seen: None, devices: Devices::default(), ..self }
    }

    /// What is kept here, and where nothing is, what another device of one's own keeps; the later of two times.
    pub(crate) fn joined(self, theirs: Self) -> Self {
        Self {
            name: self.name.or(theirs.name),
            group: self.group.or(theirs.group),
            alert: if self.alert == Alert::Never { theirs.alert } else { self.alert },
            seen: self.seen.max(theirs.seen),
            devices: self.devices.joined(theirs.devices),
        }
    }
}

/// Of which comings and goings the person is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Alert {
    #[default]
    Never,
    /// When they come online the next time.
    Once,
    /// Whenever they come or go.
    Always,
}

impl Alert {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

/// A name that the person chose, of a contact or of a group. Never one that could pass for an address: identity is shown by
/// addresses alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct OwnName(String);

impl OwnName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OwnName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let name = name.trim();
        let found = name.chars().count();
        if found == 0 || found > MAX_CHARACTERS {
            return Err(format!("a name has 1 to {MAX_CHARACTERS} characters, this one has {found}"));
        }
        if !name.chars().all(text::is_harmless) {
            return Err("a name has no control characters, and none that hide or reorder text".to_owned());
        }
        if name.contains('@') || Identifier::parse(name).is_ok() {
            return Err("a name that looks like an address could pass for one: choose another".to_owned());
        }
        Ok(Self(name.to_owned()))
    }
}

impl From<OwnName> for String {
    fn from(name: OwnName) -> Self {
        name.0
    }
}

/// A minute of the person's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LastSeen(DateTime);

impl LastSeen {
    /// The minute of `at`.
    pub(crate) fn new(at: DateTime) -> Self {
        Self(at.with().second(0).subsec_nanosecond(0).build().unwrap_or(at))
    }

    /// For people.
    pub(crate) fn words(self) -> String {
        self.0.strftime("%-d %b %Y %H:%M").to_string()
    }
}

impl TryFrom<String> for LastSeen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let at: DateTime = text.parse().map_err(|_| format!("expected a time as 2026-11-23T10:42, found {text:?}"))?;
        Ok(Self::new(at))
    }
}

impl From<LastSeen> for String {
    fn from(seen: LastSeen) -> Self {
        seen.0.strftime("%Y-%m-%dT%H:%M").to_string()
    }
}
