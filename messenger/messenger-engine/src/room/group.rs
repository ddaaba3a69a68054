//! One device's view of a room's MLS group: openmls, and around it everything that openmls leaves to the application.
//!
//! Every message from outside passes here: parsed, checked against the room's rules (only the host commits; a commit
//! adds and removes, nothing else), its certificates verified, and only then merged.

use std::time::Instant;

use openmls::prelude::{
    GroupId, KeyPackage, LeafNodeIndex, MlsGroup, MlsMessageBodyIn, OpenMlsProvider as _, ProcessedMessageContent,
    Proposal, ProtocolVersion, Sender, StagedCommit,
};
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::checks::{bytes, host_leaf, parse, protocol_message, verify_leaf, verify_members};
use super::credential::{Credentials, DeviceKey, Person};
use super::error::GroupError;
use super::leaf::MyLeaf;
use super::past::Past;
use super::settings::{self, MAX_MEMBERS, SUITE};
use super::{code, digest};
use crate::api::RoomId;
use crate::time::Now;
use crate::wire::RoomPlaintext;

/// What a commit changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Who entered.
    pub added: Vec<Person>,
    /// Who left or was removed.
    pub removed: Vec<Person>,
    /// Whether one was removed oneself: the group cannot be used any more.
    pub myself_removed: bool,
}

/// A text out of an MLS message.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// The member whose device signed it.
    pub sender: Person,
    /// What she sealed.
    pub plaintext: RoomPlaintext,
}

/// A room's group as one member sees it. Dropping it drops its keys.
pub struct Group {
    provider: OpenMlsRustCrypto,
    group: MlsGroup,
    name: String,
    members: Vec<(LeafNodeIndex, Person)>,
    past: Past,
}

impl Group {
    /// A new room with oneself as host and only member.
    ///
    /// # Errors
    /// [`GroupError::Name`], or one's own certificate is refused.
    pub fn create(
        room: RoomId,
        name: &str,
        leaf: &MyLeaf,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Self, GroupError> {
        let provider = OpenMlsRustCrypto::default();
        let config = settings::create(name)?;
        let group_id = GroupId::from_slice(&room.0);
        let group = MlsGroup::new_with_group_id(&provider, leaf, &config, group_id, leaf.credential())
            .map_err(GroupError::mls)?;
        let members = verify_members(group.members(), credentials, now)?;
        Ok(Self { provider, group, name: name.to_owned(), members, past: Past::default() })
    }

    /// The group a welcome led into, its members verified.
    pub(super) fn entered(
        provider: OpenMlsRustCrypto,
        group: MlsGroup,
        name: String,
        members: Vec<(LeafNodeIndex, Person)>,
    ) -> Self {
        Self { provider, group, name, members, past: Past::default() }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// The members in the order of their leaves; the host first.
    pub fn members(&self) -> impl Iterator<Item = &Person> {
        self.members.iter().map(|(_, person)| person)
    }

    /// The host.
    pub fn host(&self) -> &Person {
        &self
            .members
            .iter()
            .find(|(leaf, _)| *leaf == host_leaf())
            .expect("checked on entering, and no commit may remove the host")
            .1
    }

    /// Whether this device is the host.
    pub fn is_host(&self) -> bool {
        self.group.own_leaf_index() == host_leaf()
    }

    /// Whether a device is a member.
    pub fn has(&self, device: DeviceKey) -> bool {
        self.members().any(|person| person.device == device)
    }

    /// The digest of the epoch's authenticator.
    pub fn digest(&self) -> [u8; 16] {
        digest(self.group.epoch_authenticator().as_slice())
    }

    /// The epoch's code for people.
    pub fn code(&self) -> String {
        code(&self.digest())
    }

    /// The suite's registered name.
    pub fn suite(&self) -> String {
        settings::suite_name(self.group.ciphersuite())
    }

    /// Host: verifies a guest's key package. It must be that of the device that sent it.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn verify_guest(
        &self,
        key_package: &[u8],
        device: DeviceKey,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Guest, GroupError> {
        let MlsMessageBodyIn::KeyPackage(key_package) = parse(key_package)? else {
            return Err(GroupError::rule("a KeyPackage", "another MLS message"));
        };
        let key_package =
            key_package.validate(self.provider.crypto(), ProtocolVersion::Mls10).map_err(GroupError::mls)?;
        if key_package.ciphersuite() != SUITE {
            return Err(GroupError::rule(
                "a KeyPackage for the room's suite",
                settings::suite_name(key_package.ciphersuite()),
            ));
        }
        let person = verify_leaf(key_package.leaf_node(), credentials, now)?;
        if person.device != device {
            return Err(GroupError::rule("the KeyPackage of the device that sent it", "another device's"));
        }
        Ok(Guest { key_package, person })
    }

    /// Host: commits a guest's entry and goes to the new epoch. Returns the commit for the old members and the welcome
    /// for her.
    ///
    /// # Errors
    /// [`GroupError`]; the epoch is unchanged.
    pub fn add(&mut self, guest: Guest, leaf: &MyLeaf, now: Now) -> Result<(Vec<u8>, Vec<u8>), GroupError> {
        self.expect_to_be_host()?;
        if self.members.len() >= MAX_MEMBERS {
            return Err(GroupError::rule("a room of at most 32 devices", "a full one"));
        }
        let (commit, welcome, _) =
            self.group.add_members(&self.provider, leaf, &[guest.key_package]).map_err(GroupError::mls)?;
        let messages = bytes(&commit).and_then(|commit| Ok((commit, bytes(&welcome)?)));
        self.merge_own(messages.is_ok(), now)?;
        let (commit, welcome) = messages?;
        let index =
            self.leaf_of(guest.person.device).ok_or_else(|| GroupError::rule("the guest in the tree", "nobody"))?;
        self.members.push((index, guest.person));
        self.members.sort_by_key(|(index, _)| index.u32());
        Ok((commit, welcome))
    }

    /// Host: commits the removal of these devices and goes to the new epoch. Returns the commit and who was removed.
    ///
    /// # Errors
    /// [`GroupError`]; the epoch is unchanged.
    pub fn remove(
        &mut self,
        devices: &[DeviceKey],
        leaf: &MyLeaf,
        now: Now,
    ) -> Result<(Vec<u8>, Vec<Person>), GroupError> {
        self.expect_to_be_host()?;
        let leaves: Vec<_> = self
            .members
            .iter()
            .filter(|(index, p)| *index != host_leaf() && devices.contains(&p.device))
            .map(|(index, _)| *index)
            .collect();
        let (commit, _, _) = self.group.remove_members(&self.provider, leaf, &leaves).map_err(GroupError::mls)?;
        let commit = bytes(&commit);
        self.merge_own(commit.is_ok(), now)?;
        Ok((commit?, self.take_out(&leaves)))
    }

    /// Member: verifies the host's commit and goes to the new epoch with it.
    ///
    /// # Errors
    /// [`GroupError`]; the epoch is unchanged.
    pub fn follow(&mut self, commit: &[u8], credentials: &dyn Credentials, now: Now) -> Result<Changed, GroupError> {
        let message = protocol_message(commit)?;
        self.expect_epoch(message.epoch().as_u64())?;
        let processed = self.group.process_message(&self.provider, message).map_err(GroupError::mls)?;
        if *processed.sender() != Sender::Member(host_leaf()) {
            return Err(GroupError::rule("a commit by the host", format!("one by {:?}", processed.sender())));
        }
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(GroupError::rule("a commit", "another MLS message"));
        };
        let plan = self.check_commit(&staged, credentials, now)?;
        let myself_removed = staged.self_removed();
        self.group.merge_staged_commit(&self.provider, *staged).map_err(GroupError::mls)?;
        self.past.ended(now.instant);
        let removed = self.take_out(&plan.removed);
        for person in &plan.added {
            let index =
                self.leaf_of(person.device).ok_or_else(|| GroupError::rule("the guest in the tree", "nobody"))?;
            self.members.push((index, person.clone()));
        }
        self.members.sort_by_key(|(index, _)| index.u32());
        Ok(Changed { added: plan.added, removed, myself_removed })
    }

    /// Seals a text for the current epoch's members.
    ///
    /// # Errors
    /// [`GroupError::Mls`].
    pub fn seal(&mut self, plaintext: &RoomPlaintext, leaf: &MyLeaf) -> Result<Vec<u8>, GroupError> {
        let plaintext = minicbor::to_vec(plaintext).expect("writing to a vector cannot fail");
        let message = self.group.create_message(&self.provider, leaf, &plaintext).map_err(GroupError::mls)?;
        bytes(&message)
    }

    /// The epoch an MLS message says it belongs to; not yet verified.
    ///
    /// # Errors
    /// [`GroupError`] if it is none.
    pub fn epoch_of(message: &[u8]) -> Result<u64, GroupError> {
        Ok(protocol_message(message)?.epoch().as_u64())
    }

    /// Opens a member's text; `from` is the device it came from.
    ///
    /// # Errors
    /// [`GroupError`], also for a text of an epoch whose keys are gone.
    pub fn open(&mut self, message: &[u8], from: DeviceKey) -> Result<Opened, GroupError> {
        let processed =
            self.group.process_message(&self.provider, protocol_message(message)?).map_err(GroupError::mls)?;
        let Sender::Member(index) = *processed.sender() else {
            return Err(GroupError::rule("a member's text", format!("one by {:?}", processed.sender())));
        };
        let sender = self
            .members
            .iter()
            .find(|(leaf, person)| *leaf == index && person.device == from)
            .map(|(_, person)| person.clone());
        let ProcessedMessageContent::ApplicationMessage(application) = processed.into_content() else {
            return Err(GroupError::rule("a text", "another MLS message"));
        };
        let sender = sender.ok_or_else(|| GroupError::rule("a text of the device that sent it", "another member's"))?;
        let plaintext: RoomPlaintext =
            minicbor::decode(&application.into_bytes()).map_err(|e| GroupError::Mls(e.to_string()))?;
        if plaintext.text.len() > crate::MAX_TEXT_BYTES {
            return Err(GroupError::rule("a text within the limit", format!("{} bytes", plaintext.text.len())));
        }
        Ok(Opened { sender, plaintext })
    }

    /// Forgets the keys of epochs that ended [`PAST_EPOCH_LIFE`](super::PAST_EPOCH_LIFE) ago.
    pub fn forget_past_epochs(&mut self, now: Now) {
        if let Some(due) = self.past.due(now.instant) {
            self.group.delete_past_epoch_secrets(&self.provider, due).expect("the store is memory");
        }
    }

    /// When the next keys are to be forgotten.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.past.deadline()
    }

    fn merge_own(&mut self, wanted: bool, now: Now) -> Result<(), GroupError> {
        if !wanted {
            return self.group.clear_pending_commit(self.provider.storage()).map_err(GroupError::mls);
        }
        self.group.merge_pending_commit(&self.provider).map_err(GroupError::mls)?;
        self.past.ended(now.instant);
        Ok(())
    }

    fn check_commit(&self, staged: &StagedCommit, credentials: &dyn Credentials, now: Now) -> Result<Plan, GroupError> {
        let mut plan = Plan::default();
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                Proposal::Add(add) => plan.added.push(verify_leaf(add.key_package().leaf_node(), credentials, now)?),
                Proposal::Remove(remove) if remove.removed() == host_leaf() => {
                    return Err(GroupError::rule("the host to stay", "her removal"));
                }
                Proposal::Remove(remove) => plan.removed.push(remove.removed()),
                other => {
                    return Err(GroupError::rule(
                        "a commit that adds and removes",
                        format!("{:?}", other.proposal_type()),
                    ));
                }
            }
        }
        if let Some(leaf) = staged.update_path_leaf_node() {
            let person = verify_leaf(leaf, credentials, now)?;
            if person.device != self.host().device || person.identifier != self.host().identifier {
                return Err(GroupError::rule(
                    "the host's own certificate and key in her leaf",
                    person.identifier.to_string(),
                ));
            }
        }
        if self.members.len() + plan.added.len() > MAX_MEMBERS + plan.removed.len() {
            return Err(GroupError::rule("a room of at most 32 devices", "more"));
        }
        Ok(plan)
    }

    fn expect_to_be_host(&self) -> Result<(), GroupError> {
        if self.is_host() { Ok(()) } else { Err(GroupError::rule("the host", "a member")) }
    }

    fn expect_epoch(&self, found: u64) -> Result<(), GroupError> {
        let expected = self.epoch();
        if found == expected { Ok(()) } else { Err(GroupError::Epoch { expected, found }) }
    }

    fn leaf_of(&self, device: DeviceKey) -> Option<LeafNodeIndex> {
        self.group.members().find(|member| member.signature_key == device.0).map(|member| member.index)
    }

    fn take_out(&mut self, leaves: &[LeafNodeIndex]) -> Vec<Person> {
        let (removed, kept) =
            std::mem::take(&mut self.members).into_iter().partition(|(index, _)| leaves.contains(index));
        self.members = kept;
        let removed: Vec<(LeafNodeIndex, Person)> = removed;
        removed.into_iter().map(|(_, person)| person).collect()
    }
}

/// A guest whose key package was verified.
pub struct Guest {
    key_package: KeyPackage,
    person: Person,
}

impl Guest {
    /// Who she is.
    pub fn person(&self) -> &Person {
        &self.person
    }
}

#[derive(Default)]
struct Plan {
    added: Vec<Person>,
    removed: Vec<LeafNodeIndex>,
}
