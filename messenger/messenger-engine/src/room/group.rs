//! One device's view of a room's MLS group: openmls, and around it everything that openmls leaves to the application.
//!
//! Every message from outside passes here: parsed, checked against the room's rules (only the host commits; a commit
//! adds and removes, nothing else), its certificates verified, and only then merged.

use ed25519_dalek::Signer as _;
use openmls::group::PastEpochDeletion;
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    CredentialWithKey, GroupId, KeyPackage, LeafNode, LeafNodeIndex, MlsGroup, MlsMessageBodyIn, MlsMessageIn,
    MlsMessageOut, OpenMlsProvider as _, ProcessedMessageContent, Proposal, ProtocolMessage, ProtocolVersion, Sender,
    SignatureScheme, StagedCommit, StagedWelcome,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::{Signer, SignerError};

use super::credential::{self, Credentials, DeviceKey, Person, RefusedCredential};
use super::settings::{self, MAX_MEMBERS, PAST_EPOCH_LIFE, SUITE};
use super::{code, digest};
use crate::api::RoomId;
use crate::time::Now;
use crate::wire::RoomPlaintext;

/// The host's leaf: who creates a group is its first leaf, and the room ends when she leaves.
fn host_leaf() -> LeafNodeIndex {
    LeafNodeIndex::new(0)
}

/// Why an operation on a room was refused. The room is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// openmls refused it.
    #[error("MLS refused: {0}")]
    Mls(String),
    /// A leaf is not accepted.
    #[error(transparent)]
    Credential(#[from] RefusedCredential),
    /// Against the rules of rooms.
    #[error("expected {expected}, found {found}")]
    Rule {
        /// What the rule asks for.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// For another epoch than the current one.
    #[error("expected a message of epoch {expected}, found one of {found}")]
    Epoch {
        /// Ours.
        expected: u64,
        /// Its.
        found: u64,
    },
    /// The room's name is missing, too long or not UTF-8.
    #[error("expected a name of at most {} bytes of UTF-8, found {found} bytes", crate::MAX_ROOM_NAME_BYTES)]
    Name {
        /// Its length.
        found: usize,
    },
}

impl GroupError {
    pub(super) fn mls(error: impl std::fmt::Debug) -> Self {
        // openmls' errors name what failed; they carry no content and no keys.
        Self::Mls(crate::clip(&format!("{error:?}")))
    }

    fn rule(expected: &'static str, found: impl Into<String>) -> Self {
        Self::Rule { expected, found: found.into() }
    }
}

/// One's own leaf: the device certificate and the device key, which signs for MLS as it does for TLS.
pub struct MyLeaf {
    certificate: Vec<u8>,
    key: ed25519_dalek::SigningKey,
}

impl MyLeaf {
    /// From the leaf certificate (DER) and the device key.
    pub fn new(certificate: Vec<u8>, key: ed25519_dalek::SigningKey) -> Self {
        Self { certificate, key }
    }

    /// The device's public key.
    pub fn device(&self) -> DeviceKey {
        DeviceKey(self.key.verifying_key().to_bytes())
    }

    fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: credential::credential(&self.certificate),
            signature_key: self.device().0.to_vec().into(),
        }
    }
}

impl Signer for MyLeaf {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// A device that asked to enter a room and waits for the welcome. Its private keys live and die with it.
pub struct Joining {
    provider: OpenMlsRustCrypto,
    room: RoomId,
    me: DeviceKey,
}

impl Joining {
    /// A fresh key package (as an MLSMessage) for one entry into `room`.
    ///
    /// # Errors
    /// [`GroupError::Mls`].
    pub fn new(room: RoomId, leaf: &MyLeaf) -> Result<(Self, Vec<u8>), GroupError> {
        let provider = OpenMlsRustCrypto::default();
        let bundle = KeyPackage::builder()
            .leaf_node_capabilities(settings::capabilities())
            .build(SUITE, &provider, leaf, leaf.credential())
            .map_err(GroupError::mls)?;
        let message = MlsMessageOut::from(bundle.key_package().clone()).to_bytes().map_err(GroupError::mls)?;
        Ok((Self { provider, room, me: leaf.device() }, message))
    }

    /// Enters with the host's welcome, after verifying every member's certificate.
    ///
    /// # Errors
    /// [`GroupError`]; the key package is spent either way.
    pub fn enter(
        self,
        welcome: &[u8],
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
        if staged.welcome_sender_index() != host_leaf() {
            return Err(GroupError::rule(
                "a welcome by the host",
                format!("one by leaf {}", staged.welcome_sender_index().u32()),
            ));
        }
        let name = settings::name(context.extensions())?;
        let members = verify_members(staged.members(), credentials, now)?;
        expect_host(&members, host)?;
        if !members.iter().any(|(_, person)| person.device == self.me) {
            return Err(GroupError::rule("oneself among the members", "nobody with this device's key"));
        }
        let group = staged.into_group(&self.provider).map_err(GroupError::mls)?;
        Ok(Group { provider: self.provider, group, name, members })
    }
}

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
        Ok(Self { provider, group, name: name.to_owned(), members })
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
    pub fn add(&mut self, guest: Guest, leaf: &MyLeaf) -> Result<(Vec<u8>, Vec<u8>), GroupError> {
        self.expect_to_be_host()?;
        if self.members.len() >= MAX_MEMBERS {
            return Err(GroupError::rule("a room of at most 32 devices", "a full one"));
        }
        let (commit, welcome, _) =
            self.group.add_members(&self.provider, leaf, &[guest.key_package]).map_err(GroupError::mls)?;
        let messages = bytes(&commit).and_then(|commit| Ok((commit, bytes(&welcome)?)));
        self.merge_own(messages.is_ok())?;
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
    pub fn remove(&mut self, devices: &[DeviceKey], leaf: &MyLeaf) -> Result<(Vec<u8>, Vec<Person>), GroupError> {
        self.expect_to_be_host()?;
        let leaves: Vec<_> = self
            .members
            .iter()
            .filter(|(index, p)| *index != host_leaf() && devices.contains(&p.device))
            .map(|(index, _)| *index)
            .collect();
        let (commit, _, _) = self.group.remove_members(&self.provider, leaf, &leaves).map_err(GroupError::mls)?;
        let commit = bytes(&commit);
        self.merge_own(commit.is_ok())?;
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

    /// Forgets the keys of epochs that ended longer than [`PAST_EPOCH_LIFE`] ago. openmls stamps them with the system's
    /// clock.
    pub fn forget_past_epochs(&mut self) {
        let policy = PastEpochDeletion::older_than_duration(PAST_EPOCH_LIFE);
        self.group.delete_past_epoch_secrets(&self.provider, policy).expect("the store is memory");
    }

    fn merge_own(&mut self, wanted: bool) -> Result<(), GroupError> {
        if !wanted {
            return self.group.clear_pending_commit(self.provider.storage()).map_err(GroupError::mls);
        }
        self.group.merge_pending_commit(&self.provider).map_err(GroupError::mls)
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

fn verify_leaf(leaf: &LeafNode, credentials: &dyn Credentials, now: Now) -> Result<Person, GroupError> {
    Ok(credential::verify(leaf.credential(), leaf.signature_key().as_slice(), credentials, now)?)
}

fn verify_members(
    members: impl Iterator<Item = openmls::prelude::Member>,
    credentials: &dyn Credentials,
    now: Now,
) -> Result<Vec<(LeafNodeIndex, Person)>, GroupError> {
    let members: Vec<_> = members.collect();
    if members.len() > MAX_MEMBERS {
        return Err(GroupError::rule("a room of at most 32 devices", members.len().to_string()));
    }
    members
        .into_iter()
        .map(|member| {
            Ok((member.index, credential::verify(&member.credential, &member.signature_key, credentials, now)?))
        })
        .collect()
}

fn expect_host(members: &[(LeafNodeIndex, Person)], host: DeviceKey) -> Result<(), GroupError> {
    match members.iter().find(|(index, _)| *index == host_leaf()) {
        Some((_, person)) if person.device == host => Ok(()),
        Some((_, person)) => Err(GroupError::rule("the inviting device as host", person.identifier.to_string())),
        None => Err(GroupError::rule("a host in the first leaf", "an empty one")),
    }
}

fn parse(bytes: &[u8]) -> Result<MlsMessageBodyIn, GroupError> {
    MlsMessageIn::tls_deserialize_exact(bytes).map(MlsMessageIn::extract).map_err(GroupError::mls)
}

fn protocol_message(bytes: &[u8]) -> Result<ProtocolMessage, GroupError> {
    match parse(bytes)? {
        MlsMessageBodyIn::PrivateMessage(message) => Ok(message.into()),
        _ => Err(GroupError::rule("a PrivateMessage", "another MLS message")),
    }
}

fn bytes(message: &MlsMessageOut) -> Result<Vec<u8>, GroupError> {
    message.tls_serialize_detached().map_err(GroupError::mls)
}
