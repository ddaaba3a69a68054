//! One device's view of a room's MLS group: openmls, and around it everything that openmls leaves to the application.
//!
//! Every message from outside passes here and through `staging`: parsed, checked against the room's
//! rules, its certificates verified, and merged only when it is decided.

use std::collections::BTreeMap;
use std::time::Instant;

use openmls::prelude::{
    GroupId, KeyPackage, LeafNodeIndex, MlsGroup, MlsMessageBodyIn, OpenMlsProvider as _, ProcessedMessageContent,
    ProtocolVersion, Sender,
};
use room_order::{CommitId, Epoch, Leaf};

use super::checks::{bytes, lapsed, parse, protocol_message, verify_leaf, verify_members};
use super::credential::{Credentials, DeviceKey, Person};
use super::error::GroupError;
use super::leaf::MyLeaf;
use super::leaves::Leaves;
use super::past::Past;
use super::provider::Provider;
use super::resumption;
use super::settings::{self, Context, FIRST_HOST};
use super::signing::first_epoch;
use super::stacks::{self, Overwritten};
use super::staging::Staged;
use super::standing::Standing;
use super::{code, digest};
use crate::api::{Role, RoomChange, RoomId, RoomSuite};
use crate::time::Now;
use crate::wire::RoomPlaintext;

/// What a commit changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Who entered.
    pub added: Vec<Person>,
    /// Who left or was removed.
    pub removed: Vec<Person>,
    /// The welcome for who entered, if the commit was made here.
    pub welcome: Option<(DeviceKey, Vec<u8>)>,
    /// Whether one was removed oneself: the group cannot be used any more.
    pub myself_removed: bool,
    /// Who made the commit.
    pub by: Option<Person>,
    /// What it changed beside who is in.
    pub settled: Vec<RoomChange>,
    /// Whether its author's keys are new.
    pub new_keys: bool,
}

/// What an MLS message held.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// The member whose device signed it.
    pub sender: Person,
    /// Her leaf.
    pub leaf: Leaf,
    /// The epoch for which she sealed it.
    pub epoch: u64,
    /// What she sealed.
    pub plaintext: RoomPlaintext,
}

/// A room's group as one member sees it. Dropping it drops its keys.
pub struct Group {
    pub(super) provider: Provider,
    pub(super) group: MlsGroup,
    /// In the order of their leaves.
    pub(super) members: Vec<(LeafNodeIndex, Person)>,
    /// Of the same.
    pub(super) leaves: Leaves,
    pub(super) past: Past,
    /// What our extensions of the group's context say in this epoch.
    pub(super) context: Context,
    /// The name of the commit that began the epoch.
    pub(super) epoch_name: CommitId,
    /// Commits for this epoch that are not decided.
    pub(super) staged: BTreeMap<CommitId, Staged>,
    /// When all of it is gone, and its keys.
    _stacks: Overwritten,
}

impl Group {
    /// A new room, made with this suite, with oneself as host and only member.
    ///
    /// # Errors
    /// [`GroupError::Name`], or one's own certificate is refused.
    pub fn create(
        room: RoomId,
        (name, suite): (&str, RoomSuite),
        leaf: &MyLeaf,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Self, GroupError> {
        let mut provider = Provider::whole();
        let standing = Standing::of_creator(leaf.device());
        let context = Context { name: name.to_owned(), host: FIRST_HOST, standing };
        let config = settings::create(&context, suite)?;
        let group_id = GroupId::from_slice(&room.0);
        MlsGroup::new_with_group_id(&provider, leaf, &config, group_id.clone(), leaf.credential())
            .map_err(GroupError::mls)?;
        let group = resumption::without(&mut provider, &group_id)?;
        let members = verify_members(group.members(), credentials, now)?;
        Ok(Self::entered(provider, group, Entered { context, epoch_name: first_epoch(room), members }))
    }

    /// The group one has made or a welcome led into, its members verified.
    pub(super) fn entered(provider: Provider, group: MlsGroup, entered: Entered) -> Self {
        let Entered { context, epoch_name, members } = entered;
        let (leaves, past, staged) = (leaves_of(&members), Past::default(), BTreeMap::new());
        Self { provider, group, members, leaves, past, context, epoch_name, staged, _stacks: Overwritten }
    }

    /// The room's name.
    pub fn name(&self) -> &str {
        &self.context.name
    }

    /// How it stands in this epoch.
    pub fn standing(&self) -> &Standing {
        &self.context.standing
    }

    /// Whose role is this one, in the order of their leaves.
    pub fn members_who_are(&self, role: Role) -> impl Iterator<Item = &Person> {
        self.members().filter(move |person| self.standing().role(person.device) == role)
    }

    /// The current epoch.
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// The members in the order of their leaves; the host first.
    pub fn members(&self) -> impl Iterator<Item = &Person> {
        self.members.iter().map(|(_, person)| person)
    }

    /// How many they are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The host of record.
    pub fn host(&self) -> &Person {
        self.member_at(LeafNodeIndex::new(self.context.host.leaf.0)).expect("checked on entering, and of every commit")
    }

    /// Whether this device is the host.
    pub fn is_host(&self) -> bool {
        self.leaf() == self.context.host.leaf
    }

    /// This device's leaf.
    pub fn leaf(&self) -> Leaf {
        Leaf(self.group.own_leaf_index().u32())
    }

    /// Which leaf is which device.
    pub fn leaves(&self) -> &Leaves {
        &self.leaves
    }

    /// The epoch as its order is decided.
    pub fn order(&self) -> Epoch {
        let members = self.leaves.iter().map(|(leaf, _)| leaf).collect();
        Epoch { number: self.epoch(), id: self.epoch_name, members, host: self.context.host }
    }

    /// Whether a device is a member.
    pub fn has(&self, device: DeviceKey) -> bool {
        self.leaves.leaf(device).is_some()
    }

    /// The digest of the epoch's authenticator.
    pub fn digest(&self) -> [u8; 16] {
        digest(self.group.epoch_authenticator().as_slice())
    }

    /// The epoch's code for people.
    pub fn code(&self) -> String {
        code(&self.digest())
    }

    /// The suite's number (RFC 9420 section 17.1): the same for as long as there is the room.
    pub fn suite(&self) -> u16 {
        self.group.ciphersuite().into()
    }

    /// Its registered name.
    pub fn suite_name(&self) -> String {
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
        if key_package.ciphersuite() != self.group.ciphersuite() {
            return Err(GroupError::rule(
                "a KeyPackage for the room's suite",
                settings::suite_name(key_package.ciphersuite()),
            ));
        }
        settings::check_capabilities(key_package.leaf_node().capabilities())?;
        let person = verify_leaf(key_package.leaf_node(), credentials, now)?;
        if person.device != device {
            return Err(GroupError::rule("the KeyPackage of the device that sent it", "another device's"));
        }
        Ok(Guest { key_package, person })
    }

    /// Whose certificates, as they are in the leaves, hold no longer, and why; what holds now was verified when it came in.
    pub fn lapsed(&self, credentials: &dyn Credentials, now: Now) -> Vec<(DeviceKey, String)> {
        lapsed(&self.members, self.group.members(), credentials, now)
    }

    /// Seals a text for the current epoch's members.
    ///
    /// # Errors
    /// [`GroupError::Mls`].
    pub fn seal(&mut self, plaintext: &RoomPlaintext, leaf: &MyLeaf) -> Result<Vec<u8>, GroupError> {
        self.seal_bytes(&minicbor::to_vec(plaintext).expect("writing to a vector cannot fail"), leaf)
    }

    /// The same with bytes that may be anything.
    pub(crate) fn seal_bytes(&mut self, plaintext: &[u8], leaf: &MyLeaf) -> Result<Vec<u8>, GroupError> {
        let message = self.group.create_message(&self.provider, leaf, plaintext).map_err(GroupError::mls)?;
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
        let epoch = processed.epoch().as_u64();
        let Sender::Member(index) = *processed.sender() else {
            return Err(GroupError::rule("a member's text", format!("one by {:?}", processed.sender())));
        };
        let sender = self.member_at(index).filter(|person| person.device == from).cloned();
        let ProcessedMessageContent::ApplicationMessage(application) = processed.into_content() else {
            return Err(GroupError::rule("a text", "another MLS message"));
        };
        let sender = sender.ok_or_else(|| GroupError::rule("a text of the device that sent it", "another member's"))?;
        let plaintext = read_plaintext(&application.into_bytes())?;
        Ok(Opened { sender, leaf: Leaf(index.u32()), epoch, plaintext })
    }

    /// Forgets the keys of epochs that ended [`PAST_EPOCH_LIFE`](super::PAST_EPOCH_LIFE) ago.
    pub fn forget_past_epochs(&mut self, now: Now) {
        if let Some(due) = self.past.due(now.instant) {
            self.group.delete_past_epoch_secrets(&self.provider, due).expect("the store is memory");
            stacks::overwrite();
        }
    }

    /// When the next keys are to be forgotten.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.past.deadline()
    }

    /// How many private keys are kept; see [`Provider`].
    #[cfg(test)]
    pub(crate) fn keys_kept(&self) -> (usize, usize, usize) {
        self.provider.keys_kept()
    }

    /// What openmls wants kept of the group, as it writes it, while that is watched; see [`watch`](super::provider::watch).
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.provider.stored()
    }

    pub(super) fn expect_epoch(&self, found: u64) -> Result<(), GroupError> {
        let expected = self.epoch();
        if found == expected { Ok(()) } else { Err(GroupError::Epoch { expected, found }) }
    }

    pub(super) fn member_at(&self, index: LeafNodeIndex) -> Option<&Person> {
        let found = self.members.binary_search_by_key(&index.u32(), |(leaf, _)| leaf.u32());
        found.ok().map(|at| &self.members[at].1)
    }

    pub(super) fn take_out(&mut self, leaves: &[LeafNodeIndex]) -> Vec<Person> {
        let (removed, kept) =
            std::mem::take(&mut self.members).into_iter().partition(|(index, _)| leaves.contains(index));
        self.members = kept;
        let removed: Vec<(LeafNodeIndex, Person)> = removed;
        removed.into_iter().map(|(_, person)| person).collect()
    }
}

/// Who is who of these.
pub(super) fn leaves_of(members: &[(LeafNodeIndex, Person)]) -> Leaves {
    Leaves::new(members.iter().map(|(index, person)| (Leaf(index.u32()), person.device)).collect())
}

/// What a member has sealed, within the limits.
fn read_plaintext(bytes: &[u8]) -> Result<RoomPlaintext, GroupError> {
    let plaintext: RoomPlaintext = minicbor::decode(bytes).map_err(|error| match error.is_unknown_variant() {
        true => GroupError::UnknownKind,
        false => GroupError::Mls(error.to_string()),
    })?;
    match plaintext.out_of_bounds() {
        Some(what) => Err(GroupError::rule("a text within the limits", format!("{what} beyond them"))),
        None => Ok(plaintext),
    }
}

/// What is known of a group when one comes into it.
pub(super) struct Entered {
    pub(super) context: Context,
    pub(super) epoch_name: CommitId,
    pub(super) members: Vec<(LeafNodeIndex, Person)>,
}

/// A guest whose key package was verified.
pub struct Guest {
    key_package: KeyPackage,
    person: Person,
}

impl Guest {
    pub(super) fn key_package(&self) -> &KeyPackage {
        &self.key_package
    }

    /// Who she is.
    pub fn person(&self) -> &Person {
        &self.person
    }
}
