//! What the person decided about this program's own behaviour: `messenger/settings.toml` in her folder, written atomically,
//! readable by her alone.

use std::num::NonZeroU16;
use std::path::PathBuf;

use device::Home;
use serde::{Deserialize, Serialize};

use crate::kept::{Kept, KeptError};

const FILE: Kept = Kept {
    file: "messenger/settings.toml",
    header: "\
# How the messenger behaves on this device.
# Written by messenger whenever you change it; you may edit it while no messenger runs.

",
};

/// Everything that can be decided. Unknown settings are refused: they would be lost at the next change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) notify: Notify,
    /// Whether those whom she knows or talks to are told her certificate for mail.
    pub(crate) tell_mail_certificate: bool,
    /// Without a key for so many minutes the screen is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock_after_minutes: Option<NonZeroU16>,
    /// Where received files are put, if not where the desktop has downloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) downloads: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { notify: Notify::default(), tell_mail_certificate: true, lock_after_minutes: None, downloads: None }
    }
}

/// What a notification on the desktop shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notify {
    /// There is none.
    Off,
    /// Who wrote or knocks.
    #[default]
    Who,
    /// Also what she wrote.
    Text,
}

/// What was decided last.
pub(crate) fn load(home: &Home) -> Result<Settings, KeptError> {
    Ok(FILE.load(home)?.unwrap_or_default())
}

/// Keeps what was decided; on disk when this returns.
pub(crate) fn keep(home: &Home, settings: &Settings) -> Result<(), KeptError> {
    FILE.keep(home, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_counts_at_the_next_start_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        assert_eq!(load(&home).unwrap(), Settings::default());
        let settings = Settings {
            notify: Notify::Text,
            tell_mail_certificate: false,
            lock_after_minutes: NonZeroU16::new(10),
            downloads: Some(PathBuf::from("/data/in")),
        };
        keep(&home, &settings).unwrap();
        assert_eq!(load(&home).unwrap(), settings);
        for (text, hint) in [
            ("notify = \"loud\"", "expected one of"),
            ("colour = 1", "unknown field `colour`"),
            ("lock_after_minutes = 0", "nonzero"),
            ("=", ""),
        ] {
            home.write_text(FILE.file, text).unwrap();
            let error = load(&home).unwrap_err().to_string();
            assert!(error.contains("settings.toml is damaged") && error.contains(hint), "{error}");
        }
    }
}
