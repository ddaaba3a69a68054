//! A log elsewhere: run by somebody else, or by a process of its own. The authority submits to it as a component.

use ca::{Component, Connected};
use identity::UnixTime;
use tlog_proof::LogPolicy;

use crate::error::StartError;
use crate::folder::Folder;
use crate::server::KEYS;
use crate::settings::Settings;

/// The key by which this authority's component is known to a log elsewhere; made at the first call.
pub(crate) fn component(folder: &Folder, settings: &Settings) -> Result<Component, StartError> {
    Component::open(&folder.join(KEYS), &settings.domain).map_err(|error| StartError::part("component", &error))
}

/// A connection to the log elsewhere, if that is where this server's log is.
pub(crate) fn connect(
    folder: &Folder,
    settings: &Settings,
    policy: &LogPolicy,
    now: UnixTime,
) -> Result<Option<Connected>, StartError> {
    let Some(log) = &settings.log_elsewhere else { return Ok(None) };
    let connected = component(folder, settings)?.connect(&log.submission, &settings.origin(), policy.clone(), now);
    connected.map(Some).map_err(|error| StartError::part("component", &error))
}
