//! How one appears: `messenger/presence.toml` in the person's folder, written atomically, readable by her alone.
//!
//! It holds what she decided (status, words, who may see and knock, whom she blocks), so that a restart shows her to nobody
//! from whom she hides.

use device::Home;
use messenger_engine::{Event, PresenceSettings};

use crate::kept::{Kept, KeptError};

const FILE: Kept = Kept {
    file: "messenger/presence.toml",
    header: "\
# How you appear to others, who may see you and who may knock, whom you block, about whom you are asked first, and
# whether others are told that you are typing, and what you have read.
# Written by messenger whenever you change it; you may edit it while no messenger runs.

",
};

/// What was decided last; as without any setting if nothing was.
pub(crate) fn load(home: &Home) -> Result<PresenceSettings, KeptError> {
    let Some(table) = FILE.load::<toml::Table>(home)? else { return Ok(PresenceSettings::default()) };
    let known = toml::Table::try_from(PresenceSettings::default()).expect("it always serialises");
    if let Some(unknown) = table.keys().find(|key| !known.contains_key(*key)) {
        return Err(FILE.damaged(home, format!("expected no setting {unknown}")));
    }
    table.try_into().map_err(|error: toml::de::Error| FILE.damaged(home, error.message().to_owned()))
}

/// Keeps what was decided; on disk when this returns.
pub(crate) fn keep(home: &Home, settings: &PresenceSettings) -> Result<(), KeptError> {
    FILE.keep(home, settings)
}

/// Keeps what an `appearance` event says; on disk when this returns. What went wrong comes back as an `error` event.
pub(crate) fn keep_as_told(home: &Home, event: &Event) -> Option<Event> {
    let Event::Appearance(settings) = event else { return None };
    keep(home, settings).err().map(|error| Event::Error {
        about: "appearance".to_owned(),
        message: format!("not kept how you appear: {error}"),
        remedy: "mend the folder, or the next start will show you as before".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;
    use messenger_engine::{Audience, OwnStatus};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_decided_counts_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        assert_eq!(load(&home).unwrap(), PresenceSettings::default());
        let bob = Identifier::parse("bob@example.org").unwrap();
        let settings = PresenceSettings {
            status: OwnStatus::Invisible,
            text: "at \"lunch\"".to_owned(),
            visible_to: Audience::Named([bob.clone()].into()),
            may_knock: Audience::Nobody,
            blocked: [bob.clone()].into(),
            ask_first: [bob].into(),
            typing: false,
            read_receipts: true,
        };
        assert_eq!(keep_as_told(&home, &Event::Appearance(settings.clone())), None);
        assert_eq!(load(&home).unwrap(), settings);
        let mode = std::fs::metadata(folder.path().join(FILE.file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_told_and_not_taken_for_no_settings() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.messenger_folder().unwrap();
        for (text, hint) in [
            ("visible_to = \"everybody\"", "expected \"everyone\""),
            ("visible = \"everyone\"", "no setting visible"),
            ("blocked = [\"bob\"]", "damaged"),
            ("text = \"two\\u2028lines\"", "in one line"),
            ("status =", "damaged"),
        ] {
            home.write_text(FILE.file, text).unwrap();
            let error = load(&home).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
        home.write_text(FILE.file, "status = \"away\"").unwrap();
        assert_eq!(load(&home).unwrap(), PresenceSettings { status: OwnStatus::Away, ..PresenceSettings::default() });
    }
}
