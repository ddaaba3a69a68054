//! The guest's way into a room: a key package out, a welcome in.

use openmls::prelude::{KeyPackage, LeafNodeIndex, MlsMessageBodyIn, MlsMessageOut, StagedWelcome};
use room_order::CommitId;

use super::checks::{expect_host, parse, verify_members};
use super::credential::{Credentials, DeviceKey};
use super::error::GroupError;
use super::group::{Entered, Group};
use super::leaf::MyLeaf;
use super::provider::Provider;
use super::settings;
use crate::api::{RoomId, RoomSuite};
use crate::time::Now;

/// A device that asked to enter a room and waits for the welcome. Its private keys live and die with it.
pub struct Joining {
    provider: Provider,
    room: RoomId,
    me: DeviceKey,
}

impl Joining {
    /// A fresh key package (as an MLSMessage) for one entry into `room`, which was made with this suite: a welcome into a
    /// group of another one is refused.
    ///
    /// # Errors
    /// [`GroupError::Mls`].
    pub fn new(room: RoomId, suite: RoomSuite, leaf: &MyLeaf) -> Result<(Self, Vec<u8>), GroupError> {
        let provider = Provider::default();
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(settings::capabilities())
            .build(suite.mls(), &provider, leaf, leaf.credential())
            .map_err(GroupError::mls)?;
        let message = MlsMessageOut::from(bundle.key_package().clone()).to_bytes().map_err(GroupError::mls)?;
        Ok((Self { provider, room, me: leaf.device() }, message))
    }

    /// With keys that were not made here.
    /// As [`Group::keys_kept`].
    #[cfg(test)]
    pub(crate) fn keys_kept(&self) -> (usize, usize, usize) {
        self.provider.keys_kept()
    }

    #[cfg(test)]
    pub(super) fn with(provider: Provider, room: RoomId, me: DeviceKey) -> Self {
        Self { provider, room, me }
    }

    /// Enters the epoch of this name with the host's welcome, after verifying every member's certificate.
    ///
    /// # Errors
    /// [`GroupError`]; the key package is spent either way.
    pub fn enter(
        self,
        (welcome, epoch_name): (&[u8], CommitId),
        host: DeviceKey,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Group, GroupError> {
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else {
            return Err(GroupError::rule("a Welcome", "another MLS message"));
        };
        let staged = StagedWelcome::new_from_welcome(&self.provider, &settings::join(), welcome, None)
            .map_err(GroupError::mls)?;
        let context = staged.group_context();
        if context.group_id().as_slice() != self.room.0 {
            return Err(GroupError::rule("the room one was invited to", "another group"));
        }
        let context = settings::read(context.extensions())?;
        let host_leaf = LeafNodeIndex::new(context.host.leaf.0);
        if staged.welcome_sender_index() != host_leaf {
            return Err(GroupError::rule(
                "a welcome by the host",
                format!("one by leaf {}", staged.welcome_sender_index().u32()),
            ));
        }
        let members = verify_members(staged.members(), credentials, now)?;
        expect_host(&members, host_leaf, host)?;
        if !members.iter().any(|(_, person)| person.device == self.me) {
            return Err(GroupError::rule("oneself among the members", "nobody with this device's key"));
        }
        let group = staged.into_group(&self.provider).map_err(GroupError::mls)?;
        Ok(Group::entered(self.provider, group, Entered { context, epoch_name, members }))
    }
}
