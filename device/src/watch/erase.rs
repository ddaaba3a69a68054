//! Having the authority forget what opens one's entries (docs/spec/privacy.md).

use std::sync::Arc;

use identity::UnixTime;

use super::{Owner, WatchError};
use crate::Home;
use crate::acme::AcmeClient;
use crate::enrolment::choose_authority;
use crate::https::https_client;

/// Has the authority erase the openings of the owner's certificates that have ended; gives how many that were. What this
/// device has seen open stays known to it, and no alarm; other devices of hers that have not looked before will have one.
pub async fn erase_openings(home: &Home, owner: &Owner, now: UnixTime) -> Result<u64, WatchError> {
    let policies = home.trust_policies()?;
    let choice = choose_authority(&policies, owner.identifier(), Some(owner.acme()))
        .or_else(|_| choose_authority(&policies, owner.identifier(), Some(owner.authority())))?;
    let trust = Arc::new(home.trust_at(now)?);
    let connected = AcmeClient::connect(https_client(trust), &choice.acme, owner.account().clone()).await;
    let mut client = connected.map_err(WatchError::Acme)?;
    client.erase(owner.identifier().as_str()).await.map_err(WatchError::Acme)
}
