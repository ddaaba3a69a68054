//! Which other devices this one knows to be its person's, and which are hers no longer: `messenger/own-devices.toml` in her
//! folder, written atomically, readable by her alone.

use std::collections::BTreeSet;

use device::Home;
use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::contacts::devices::Devices;
use crate::kept::{self, Kept, KeptError};

const FILE: Kept = Kept {
    file: "messenger/own-devices.toml",
    header: "\
# Your other devices, with which you have compared the code or of which one that you know has said that it is yours: they
# may be given your contacts, and give you theirs. And those that you forgot, which may not, whatever is said of them.
# Written by messenger; messenger devices forget moves one.

",
};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    #[serde(default)]
    devices: Devices,
    /// Lost, or another's: an endorsement of one of them, or by one, counts no more than its name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    forgotten: BTreeSet<Fingerprint>,
}

impl Known {
    /// Whether the person compared the code with this one.
    pub(super) fn was_compared(&self, device: Fingerprint) -> bool {
        self.devices.was_compared(device)
    }

    /// Whether she said that it is hers no longer.
    pub(super) fn was_forgotten(&self, device: Fingerprint) -> bool {
        self.forgotten.contains(&device)
    }

    /// Those that are hers: compared, or met as known by the word of another one.
    pub(super) fn hers(&self) -> Vec<Fingerprint> {
        self.devices.all().iter().map(|known| known.key).collect()
    }

    /// Those that were forgotten.
    pub(super) fn forgotten(&self) -> &BTreeSet<Fingerprint> {
        &self.forgotten
    }

    /// The code was compared: what was forgotten before is hers again.
    pub(super) fn take_as_compared(&mut self, device: Fingerprint) {
        self.devices.take_as_compared(device);
        self.forgotten.remove(&device);
    }
}

/// Everything.
pub(super) fn load(home: &Home) -> Result<Known, KeptError> {
    Ok(FILE.load(home)?.unwrap_or_default())
}

/// Keeps that the code was compared with this one; on disk when this returns.
pub(super) fn add(home: &Home, device: Fingerprint) -> Result<Known, KeptError> {
    change(home, |known| known.take_as_compared(device))
}

/// Keeps that this one was met, which is hers by the word of another one: so it can be forgotten; on disk when this returns.
pub(super) fn meet(home: &Home, device: Fingerprint) -> Result<Known, KeptError> {
    change(home, |known| {
        known.devices.meet(device, &[]);
    })
}

/// It is hers no longer; on disk when this returns. Whether it was.
pub(super) fn forget(home: &Home, device: Fingerprint) -> Result<bool, KeptError> {
    let mut was = false;
    change(home, |known| {
        was = known.hers().contains(&device);
        if was {
            known.devices.forget(device);
            known.forgotten.insert(device);
        }
    })?;
    Ok(was)
}

fn change(home: &Home, change: impl FnOnce(&mut Known)) -> Result<Known, KeptError> {
    let _lock = kept::lock(home, ".own-devices.lock")?;
    let mut known = load(home)?;
    let before = known.clone();
    change(&mut known);
    if known != before {
        FILE.keep(home, &known)?;
    }
    Ok(known)
}
