//! Which other devices this one knows to be its person's: `messenger/own-devices.toml` in her folder, written atomically,
//! readable by her alone.

use device::{Home, HomeError};
use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::contacts::devices::Devices;

const FILE: &str = "messenger/own-devices.toml";

const HEADER: &str = "\
# Your other devices with which you have compared the code: they may be given your contacts, and give you theirs.
# Written by messenger; messenger devices forget takes one out.

";

/// Why the file could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KnownError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{path} is damaged: {found}")]
    Damaged { path: String, found: String },
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    devices: Devices,
}

/// All of them.
pub(super) fn load(home: &Home) -> Result<Devices, KnownError> {
    let Some(text) = home.read_text(FILE)? else { return Ok(Devices::default()) };
    let written: Result<Written, _> = toml::from_str(&text);
    written.map(|written| written.devices).map_err(|error| KnownError::Damaged {
        path: home.folder().join(FILE).display().to_string(),
        found: error.message().to_owned(),
    })
}

/// Keeps that the code was compared with this one; on disk when this returns.
pub(super) fn add(home: &Home, device: Fingerprint) -> Result<Devices, KnownError> {
    change(home, |devices| devices.take_as_compared(device))
}

/// It is known no longer; on disk when this returns. Whether it was.
pub(super) fn forget(home: &Home, device: Fingerprint) -> Result<bool, KnownError> {
    let before = load(home)?;
    let after = change(home, |devices| devices.forget(device))?;
    Ok(before != after)
}

fn change(home: &Home, change: impl FnOnce(&mut Devices)) -> Result<Devices, KnownError> {
    let mut devices = load(home)?;
    change(&mut devices);
    home.messenger_folder()?;
    let text = toml::to_string_pretty(&Written { devices: devices.clone() }).expect("lists of words always serialise");
    home.write_text(FILE, &(HEADER.to_owned() + &text))?;
    Ok(devices)
}
