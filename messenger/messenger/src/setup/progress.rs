//! How far the set-up has come: `messenger/setup.toml` in the person's folder from its beginning to its end, so that one that
//! is broken off goes on where it stopped.

use device::{Home, HomeError};
use identity::Identifier;
use serde::{Deserialize, Serialize};

const FILE: &str = "messenger/setup.toml";

/// The steps, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Whom one trusts.
    #[default]
    Trust,
    /// A certificate for one's address.
    Address,
    /// What others see beside it.
    Words,
    /// Who sees when one is there.
    Visibility,
    /// Whether the network lets others through.
    Network,
}

impl Step {
    pub(super) const ALL: [Self; 5] = [Self::Trust, Self::Address, Self::Words, Self::Visibility, Self::Network];

    pub(super) fn before(self) -> Self {
        Self::ALL.into_iter().rev().find(|step| *step < self).unwrap_or(self)
    }

    pub(super) fn after(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }
}

/// What is known so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Progress {
    pub(super) step: Step,
    /// The address that was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<Identifier>,
}

/// Where to begin; nothing if there is nothing to set up.
pub(super) fn load(home: &Home) -> Result<Option<Progress>, HomeError> {
    let (trusts, certified) = (!home.trust_policies()?.is_empty(), !home.devices()?.is_empty());
    // A file that is damaged only forgets how far it had come.
    let kept = home.read_text(FILE)?.map(|text| toml::from_str::<Progress>(&text).unwrap_or_default());
    let earliest = |progress: Progress, latest: Step| Some(Progress { step: progress.step.min(latest), ..progress });
    Ok(match (trusts, certified) {
        // What certtool did counts as well: a folder in use is not asked about.
        (true, true) => kept.map(|kept| Progress { step: kept.step.max(Step::Words), ..kept }),
        (true, false) => earliest(Progress { step: Step::Address, ..kept.unwrap_or_default() }, Step::Address),
        (false, _) => earliest(kept.unwrap_or_default(), Step::Trust),
    })
}

pub(super) fn keep(home: &Home, progress: &Progress) -> Result<(), HomeError> {
    home.messenger_folder()?;
    home.write_text(FILE, &toml::to_string_pretty(progress).expect("words always serialise"))
}

/// The set-up is over.
pub(super) fn forget(home: &Home) -> std::io::Result<()> {
    match std::fs::remove_file(home.folder().join(FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_an_order() {
        assert_eq!(Step::Trust.before(), Step::Trust);
        assert_eq!(Step::Words.before(), Step::Address);
        assert_eq!(Step::Trust.after(), Some(Step::Address));
        assert_eq!(Step::Network.after(), None);
    }

    #[test]
    fn an_empty_folder_begins_at_the_beginning_and_what_was_typed_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        assert_eq!(load(&home).unwrap(), Some(Progress::default()));
        let address = Identifier::parse("alice@example.org").ok();
        keep(&home, &Progress { step: Step::Visibility, address: address.clone() }).unwrap();
        // Without trust nothing that comes later is worth anything.
        assert_eq!(load(&home).unwrap(), Some(Progress { step: Step::Trust, address }));
        home.write_text(FILE, "step = 7").unwrap();
        assert_eq!(load(&home).unwrap(), Some(Progress::default()));
        forget(&home).unwrap();
        forget(&home).unwrap();
        assert_eq!(home.read_text(FILE).unwrap(), None);
    }
}
