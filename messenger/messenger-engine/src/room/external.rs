//! Entering by a commit of one's own (RFC 9420 section 12.4.3.2), which the host of record has invited to: for one device and
//! one epoch (rule R-09 of docs/spec/rooms.md). The signed invitation lies in the commit's authenticated data.
//!
//! Such a commit does nothing but let its author in. openmls makes and takes one that removes a leaf with the author's key as
//! well; here a device that is still in the tree is not let in so.

use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::{
    LeafNodeIndex, LeafNodeParameters, MlsGroup, MlsMessageBodyIn, OpenMlsProvider as _, ProposalType, ProtocolMessage,
    Sender, StagedCommit,
};
use room_order::{Change, Commit, CommitId, Epoch, Leaf};

use super::checks::{bytes, expect_host, parse, verify_leaf, verify_members};
use super::credential::{Credentials, DeviceKey, Person};
use super::error::GroupError;
use super::group::{Entered, Group};
use super::judging::{Judged, Path};
use super::leaf::MyLeaf;
use super::leaves::Leaves;
use super::provider::Provider;
use super::resumption;
use super::settings::{self, Context, MAX_MEMBERS};
use super::signing::{commit_name, is_signed, sign};
use crate::api::{RoomId, RoomSuite};
use crate::time::Now;
use crate::wire::{Invited, SignedInvitation};

/// How long a commit is at most by which a device enters: 32 post-quantum ciphertexts, a path's keys and a certificate take a
/// third of it. It is looked at before anything is read.
pub const MAX_EXTERNAL_COMMIT_BYTES: usize = 524_288;

/// The one message that members take although it is not encrypted: whoever makes it has no keys yet.
pub(super) fn external_commit(bytes: &[u8]) -> Option<Result<ProtocolMessage, GroupError>> {
    // RFC 9420 section 6: the version 1, then the wire format 1.
    if !bytes.starts_with(&[0, 1, 0, 1]) {
        return None;
    }
    if bytes.len() > MAX_EXTERNAL_COMMIT_BYTES {
        return Some(Err(GroupError::rule("an external commit within the limit", format!("{} bytes", bytes.len()))));
    }
    match parse(bytes) {
        Ok(MlsMessageBodyIn::PublicMessage(message)) if *message.sender() == Sender::NewMemberCommit => {
            Some(Ok(message.into()))
        }
        // As of every other message in the clear.
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }
}

/// Whether this is a commit by which a guest enters, as far as it can be told before anything in it is verified.
#[must_use]
pub fn is_external_commit(bytes: &[u8]) -> bool {
    matches!(external_commit(bytes), Some(Ok(_)))
}

impl Group {
    /// Host: what a device needs to enter by a commit of its own that ends this epoch: a GroupInfo with the ratchet tree (an
    /// MLSMessage), and the invitation.
    ///
    /// # Errors
    /// [`GroupError`]: it may not be let in, or the key cannot be used now.
    pub fn invite(&self, device: DeviceKey, leaf: &MyLeaf) -> Result<(Vec<u8>, SignedInvitation), GroupError> {
        self.context.standing.admits(device)?;
        self.check_newcomer(device)?;
        self.invite_regardless(device, leaf)
    }

    /// The same, whether it may be let in or not.
    pub(crate) fn invite_regardless(
        &self,
        device: DeviceKey,
        leaf: &MyLeaf,
    ) -> Result<(Vec<u8>, SignedInvitation), GroupError> {
        let info = self.group.export_group_info(self.provider.crypto(), leaf, true).map_err(GroupError::mls)?;
        let invited = self.invitation_of(device);
        Ok((bytes(&info)?, SignedInvitation { signature: sign(&invited, leaf)?, invited }))
    }

    fn invitation_of(&self, device: DeviceKey) -> Invited {
        let host = self.context.host;
        Invited {
            room: self.group.group_id().as_slice().try_into().unwrap_or_default(),
            number: self.epoch(),
            parent: self.epoch_name.0,
            term: host.term,
            leaf: host.leaf.0,
            device: device.0,
        }
    }

    fn check_newcomer(&self, device: DeviceKey) -> Result<(), GroupError> {
        if self.has(device) {
            return Err(GroupError::rule("a guest who is not in the room", "a member"));
        }
        match self.members.len() < MAX_MEMBERS {
            true => Ok(()),
            false => Err(GroupError::rule("a room of at most 250 devices", "more")),
        }
    }

    /// Whether a guest's own commit is right (rules ), and what it comes to; `invitation` is what its
    /// authenticated data holds.
    pub(super) fn check_external(
        &self,
        staged: &StagedCommit,
        invitation: &[u8],
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<(Judged, Leaf), GroupError> {
        let mut others = staged.queued_proposals().map(|queued| queued.proposal().proposal_type());
        if let Some(other) = others.find(|of_type| *of_type != ProposalType::ExternalInit) {
            return Err(GroupError::rule(
                "an external commit that lets its author in and does nothing else",
                format!("{other:?}"),
            ));
        }
        let leaf = staged.update_path_leaf_node();
        let leaf = leaf.ok_or_else(|| GroupError::rule("an external commit with a path", "none"))?;
        settings::check_capabilities(leaf.capabilities())?;
        let person = verify_leaf(leaf, credentials, now)?;
        self.check_invitation(invitation, person.device)?;
        self.context.standing.admits(person.device)?;
        self.check_newcomer(person.device)?;
        let adds = self.free_leaves(1);
        let committer = adds.first().copied().ok_or_else(|| GroupError::rule("an empty leaf", "none"))?;
        let change = Change { adds, invited: Some(self.epoch_name), ..Change::default() };
        let (added, context) = (vec![person], self.context.clone());
        Ok((Judged { change, added, context, path: Path::None }, committer))
    }

    /// an invitation of this device, for this very epoch, by its host of record.
    fn check_invitation(&self, invitation: &[u8], device: DeviceKey) -> Result<(), GroupError> {
        let rule = |found: &str| GroupError::rule("the host's invitation of this device for this epoch", found);
        let invitation = SignedInvitation::from_bytes(invitation).ok_or_else(|| rule("none"))?;
        let (invited, expected) = (&invitation.invited, self.invitation_of(device));
        if invited.device != expected.device {
            return Err(rule("one of another device"));
        }
        if *invited != expected {
            return Err(rule("one for another epoch"));
        }
        match is_signed(invited, &invitation.signature, self.host().device) {
            true => Ok(()),
            false => Err(rule("one that she has not signed")),
        }
    }

    /// Whom a staged commit lets in that she made herself.
    pub fn enters(&self, id: CommitId) -> Option<&Person> {
        let staged = self.staged.get(&id)?;
        staged.commit.change.invited.and_then(|_| staged.added.first())
    }
}

/// A device's own commit by which it enters, and the group as it will be then. It is a member when a quorum of the epoch that
/// the commit ends has acknowledged (rule R-06), and not before; dropping this drops the keys.
pub struct Entrance {
    group: Group,
    message: Vec<u8>,
    commit: Commit,
    before: Epoch,
    leaves: Leaves,
}

impl Entrance {
    /// Makes the commit, after verifying every member's certificate.
    ///
    /// # Errors
    /// [`GroupError`]: what the host has sent is not what it has to be.
    pub fn make(
        (room, suite): (RoomId, RoomSuite),
        host: DeviceKey,
        (info, invitation): (&[u8], &SignedInvitation),
        leaf: &MyLeaf,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Self, GroupError> {
        let MlsMessageBodyIn::GroupInfo(info) = parse(info)? else {
            return Err(GroupError::rule("a GroupInfo", "another MLS message"));
        };
        let context = settings::read(info.group_context().extensions())?;
        check_offer(&info, (room, suite), (&context, invitation), (host, leaf.device()))?;
        let mut provider = Provider::whole();
        let (mls, message, alone) = commit(&mut provider, info, invitation.to_bytes(), leaf)?;
        if !alone {
            return Err(GroupError::rule("a room that this device is not in", "one in which its key is a leaf's"));
        }
        let members = verify_members(mls.members(), credentials, now)?;
        let (me, host_leaf) = (mls.own_leaf_index(), LeafNodeIndex::new(context.host.leaf.0));
        expect_host(&members, host_leaf, host)?;
        let others: Vec<_> = members.iter().filter(|(index, _)| *index != me).collect();
        let leaves = Leaves::new(others.iter().map(|(index, person)| (Leaf(index.u32()), person.device)).collect());
        let (invited, parent) = (&invitation.invited, CommitId(invitation.invited.parent));
        let before = Epoch {
            number: invited.number,
            id: parent,
            members: leaves.iter().map(|(leaf, _)| leaf).collect(),
            host: context.host,
        };
        let me = Leaf(me.u32());
        let change = Change { adds: [me].into(), invited: Some(parent), ..Change::default() };
        let commit = Commit { id: commit_name(&message), parent, committer: me, change };
        let group = Group::entered(provider, mls, Entered { context, epoch_name: commit.id, members });
        Ok(Self { group, message, commit, before, leaves })
    }

    /// A commit for whatever GroupInfo and with whatever authenticated data: what a guest makes who is not to be trusted.
    #[cfg(test)]
    pub(crate) fn make_regardless(info: &[u8], authenticated: Vec<u8>, leaf: &MyLeaf) -> Result<Vec<u8>, GroupError> {
        let MlsMessageBodyIn::GroupInfo(info) = parse(info)? else {
            return Err(GroupError::rule("a GroupInfo", "another MLS message"));
        };
        commit(&mut Provider::whole(), info, authenticated, leaf).map(|(_, message, _)| message)
    }

    /// The commit as it is handed in, an MLSMessage.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// What it does.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The epoch that it ends.
    #[must_use]
    pub fn before(&self) -> &Epoch {
        &self.before
    }

    /// Who is who in that.
    #[must_use]
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// The group as it will be.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The commit is decided.
    #[must_use]
    pub fn into_group(self) -> Group {
        self.group
    }
}

/// Whether what the host has sent is for this device, and of the room, the suite and the epoch of the invitation.
fn check_offer(
    info: &VerifiableGroupInfo,
    (room, suite): (RoomId, RoomSuite),
    (context, invitation): (&Context, &SignedInvitation),
    (host, me): (DeviceKey, DeviceKey),
) -> Result<(), GroupError> {
    let invited = &invitation.invited;
    if info.group_id().as_slice() != room.0 || invited.room != room.0 {
        return Err(GroupError::rule("the room one was invited to", "another group"));
    }
    if info.ciphersuite() != suite.mls() {
        return Err(GroupError::rule("the suite of the invitation", settings::suite_name(info.ciphersuite())));
    }
    if invited.device != me.0 || !is_signed(invited, &invitation.signature, host) {
        return Err(GroupError::rule("an invitation of this device, signed by the host", "another"));
    }
    let host = (context.host.term, context.host.leaf.0);
    match (invited.number, invited.term, invited.leaf) == (info.epoch().as_u64(), host.0, host.1) {
        true => Ok(()),
        false => Err(GroupError::rule("a GroupInfo of the epoch of the invitation", "one of another")),
    }
}

/// The group with the commit merged, the commit, and whether it does nothing but let its author in.
fn commit(
    provider: &mut Provider,
    info: VerifiableGroupInfo,
    authenticated: Vec<u8>,
    leaf: &MyLeaf,
) -> Result<(MlsGroup, Vec<u8>, bool), GroupError> {
    let parameters = LeafNodeParameters::builder().with_capabilities(settings::capabilities()).build();
    let mut alone = true;
    let built = MlsGroup::external_commit_builder()
        .with_config(settings::join())
        .with_aad(authenticated)
        .build_group(&*provider, info, leaf.credential())
        .map_err(GroupError::mls)?
        .leaf_node_parameters(parameters)
        .load_psks(provider.storage())
        .map_err(GroupError::mls)?
        .build(provider.rand(), provider.crypto(), leaf, |queued| {
            alone &= queued.proposal().proposal_type() == ProposalType::ExternalInit;
            true
        })
        .map_err(GroupError::mls)?;
    let (group, bundle) = built.finalize(&*provider).map_err(GroupError::mls)?;
    Ok((resumption::without(provider, group.group_id())?, bytes(bundle.commit())?, alone))
}
