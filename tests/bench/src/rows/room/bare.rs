//! The same rooms by openmls alone: the first member makes each commit, all others read it and merge it.
//!
//! Nothing decides here which commit counts, nobody acknowledges anything, and nobody looks at who may change what.

use std::time::Duration;

use identity::trust::Trust;
use identity::{CertificateDer, UnixTime, testing::Authority, verify::verify_person};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _, VLBytes};
use openmls::prelude::{
    Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey, Extension, Extensions, KeyPackage,
    LeafNodeIndex, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut,
    OpenMlsProvider as _, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProtocolMessage,
    ProtocolVersion, RequiredCapabilitiesExtension, SenderRatchetConfiguration, SignatureScheme, StagedWelcome,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use std::sync::Arc;

use messenger_engine::RoomSuite;

use super::super::message::TEXT;
use super::{Device, Spent, TEXTS};
use crate::measure::thread_cpu;

/// That of rooms that are made so.
fn ciphersuite(suite: RoomSuite) -> Ciphersuite {
    match suite {
        RoomSuite::Hybrid => Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519,
        RoomSuite::Classical => Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
    }
}

impl Signer for Device {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(ed25519_dalek::Signer::sign(&self.key, payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl Device {
    /// RFC 9420 section 5.3, with the leaf certificate alone, as in our rooms.
    fn credential(&self) -> CredentialWithKey {
        let content = VLBytes::from(self.chain[0].to_vec()).tls_serialize_detached().expect("a certificate is short");
        CredentialWithKey {
            credential: Credential::new(CredentialType::X509, content),
            signature_key: self.key.verifying_key().to_bytes().to_vec().into(),
        }
    }
}

/// A room as openmls keeps it at each member.
pub(super) struct Bare {
    trust: Arc<Trust>,
    suite: Ciphersuite,
    members: Vec<Member>,
}

/// One member's state.
pub(super) struct Member {
    device: Device,
    provider: OpenMlsRustCrypto,
    group: MlsGroup,
}

impl Bare {
    /// Everybody is in; the first has made the room.
    pub(super) fn new(authority: &Authority, suite: RoomSuite, devices: Vec<Device>) -> Self {
        let suite = ciphersuite(suite);
        let mut devices = devices.into_iter();
        let device = devices.next().expect("a room has a member");
        let provider = OpenMlsRustCrypto::default();
        let group =
            MlsGroup::new(&provider, &device, &create(suite), device.credential()).expect("the settings are in order");
        let mut bare = Self { trust: authority.trust(), suite, members: vec![Member { device, provider, group }] };
        bare.enter_together(devices.collect());
        bare
    }

    /// All of them by one commit, which nobody measures.
    fn enter_together(&mut self, devices: Vec<Device>) {
        if devices.is_empty() {
            return;
        }
        let suite = self.suite;
        let guests: Vec<_> = devices.into_iter().map(|device| (key_package(&device, suite), device)).collect();
        let key_packages = guests.iter().map(|((_, key_package), _)| self.members[0].read_guest(key_package)).collect();
        let (_, welcome) = self.members[0].commit(key_packages, None);
        let welcome = welcome.expect("somebody is let in");
        for ((provider, _), device) in guests {
            let MlsMessageBodyIn::Welcome(welcome) = read(&welcome) else { panic!("a welcome was written") };
            let staged = StagedWelcome::new_from_welcome(&provider, &join(), welcome, None).expect("it is for her");
            let group = staged.into_group(&provider).expect("it is in order");
            self.members.push(Member { device, provider, group });
        }
    }

    /// See [`Spent`].
    pub(super) fn round(&mut self, guest: Device) -> Spent {
        let stay = self.members.len() as f64;
        let (add, join) = self.enter(guest);
        let message = (0..TEXTS).map(|_| self.say()).sum::<Duration>();
        let remove = self.leave();
        let micros = |spent: Duration| spent.as_secs_f64() * 1e6;
        Spent {
            add: micros(add) / stay,
            join: micros(join),
            message: micros(message) / f64::from(TEXTS) / (stay + 1.0),
            remove: micros(remove) / stay,
        }
    }

    /// Somebody enters: what that takes of all members together, and of her.
    pub(super) fn enter(&mut self, device: Device) -> (Duration, Duration) {
        let (trust, suite, certificate) = (self.trust.clone(), self.suite, device.chain[0].clone());
        let mut guest = Duration::ZERO;
        let (provider, key_package) = spent(&mut guest, || key_package(&device, suite));
        let mut members = Duration::ZERO;
        let (commit, welcome) = spent(&mut members, || self.members[0].let_in(&key_package));
        for member in &mut self.members[1..] {
            spent(&mut members, || member.take(&commit, || verify(&certificate, &trust)));
        }
        // She knows the host, from whose device the invitation came.
        let others = self.members[1..].iter().map(|member| &member.device.chain[0]);
        let group = spent(&mut guest, || {
            let MlsMessageBodyIn::Welcome(welcome) = read(&welcome) else { panic!("a welcome was written") };
            let staged = StagedWelcome::new_from_welcome(&provider, &join(), welcome, None).expect("it is for her");
            others.for_each(|certificate| verify(certificate, &trust));
            staged.into_group(&provider).expect("it is in order")
        });
        self.members.push(Member { device, provider, group });
        (members, guest)
    }

    /// The last to enter is removed: what that takes of all others together.
    pub(super) fn leave(&mut self) -> Duration {
        let gone = self.members.pop().expect("a room has a member");
        let leaf = gone.group.own_leaf_index();
        let mut members = Duration::ZERO;
        let commit = spent(&mut members, || self.members[0].remove(leaf));
        for member in &mut self.members[1..] {
            spent(&mut members, || member.take(&commit, || ()));
        }
        members
    }

    /// The last to enter says a text, and all others read it.
    fn say(&mut self) -> Duration {
        let mut all = Duration::ZERO;
        let (speaker, others) = self.members.split_last_mut().expect("a room has a member");
        let text = spent(&mut all, || speaker.say());
        for member in others {
            spent(&mut all, || member.hear(&text));
        }
        all
    }

    /// Everybody, each for herself.
    pub(super) fn into_members(self) -> Vec<Member> {
        self.members
    }
}

impl Member {
    /// Seals a text.
    pub(super) fn say(&mut self) -> Vec<u8> {
        let Self { device, provider, group } = self;
        bytes(&group.create_message(provider, device, TEXT.as_bytes()).expect("she is in the room"))
    }

    /// Opens a text of another member.
    pub(super) fn hear(&mut self, text: &[u8]) {
        let read = self.group.process_message(&self.provider, private(text)).expect("it is of this epoch");
        let ProcessedMessageContent::ApplicationMessage(text) = read.into_content() else {
            panic!("a text was written")
        };
        assert_eq!(text.into_bytes(), TEXT.as_bytes(), "it is what was said");
    }

    /// The commit and the welcome.
    fn let_in(&mut self, key_package: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let guest = self.read_guest(key_package);
        let (commit, welcome) = self.commit(vec![guest], None);
        (commit, welcome.expect("somebody is let in"))
    }

    fn read_guest(&self, key_package: &[u8]) -> KeyPackage {
        let MlsMessageBodyIn::KeyPackage(guest) = read(key_package) else { panic!("a key package was written") };
        guest.validate(self.provider.crypto(), ProtocolVersion::Mls10).expect("it is in order")
    }

    fn remove(&mut self, leaf: LeafNodeIndex) -> Vec<u8> {
        self.commit(Vec::new(), Some(leaf)).0
    }

    fn commit(&mut self, adds: Vec<KeyPackage>, removed: Option<LeafNodeIndex>) -> (Vec<u8>, Option<Vec<u8>>) {
        let Self { device, provider, group } = self;
        let commit = group.commit_builder().propose_adds(adds).propose_removals(removed);
        let commit = commit.load_psks(provider.storage()).expect("there are none");
        let commit = commit.build(provider.rand(), provider.crypto(), device, |_| true).expect("it is in order");
        let commit = commit.stage_commit(provider).expect("the store is memory");
        let (message, welcome) = (bytes(commit.commit()), commit.to_welcome_msg().map(|welcome| bytes(&welcome)));
        group.merge_pending_commit(provider).expect("it is pending");
        (message, welcome)
    }

    fn take(&mut self, commit: &[u8], look: impl FnOnce()) {
        let read = self.group.process_message(&self.provider, private(commit)).expect("it is of this epoch");
        let ProcessedMessageContent::StagedCommitMessage(staged) = read.into_content() else {
            panic!("a commit was written")
        };
        look();
        self.group.merge_staged_commit(&self.provider, *staged).expect("it is in order");
    }
}

/// With where its keys are.
fn key_package(device: &Device, suite: Ciphersuite) -> (OpenMlsRustCrypto, Vec<u8>) {
    let provider = OpenMlsRustCrypto::default();
    let bundle = KeyPackage::builder()
        .leaf_node_capabilities(capabilities(suite))
        .build(suite, &provider, device, device.credential())
        .expect("the suite is there");
    let key_package = MlsMessageOut::from(bundle.key_package().clone());
    (provider, bytes(&key_package))
}

/// What one member does.
fn spent<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = thread_cpu();
    let done = work();
    *sum += thread_cpu() - start;
    done
}

fn verify(certificate: &CertificateDer, trust: &Arc<Trust>) {
    drop(
        verify_person(std::slice::from_ref(certificate), trust, UnixTime::now()).expect("the certificate is in order"),
    );
}

fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().expect("a message is short")
}

fn read(bytes: &[u8]) -> MlsMessageBodyIn {
    MlsMessageIn::tls_deserialize_exact(bytes).expect("it was written here").extract()
}

fn private(bytes: &[u8]) -> ProtocolMessage {
    let MlsMessageBodyIn::PrivateMessage(message) = read(bytes) else { panic!("it was written as a private one") };
    message.into()
}

fn capabilities(suite: Ciphersuite) -> Capabilities {
    Capabilities::new(None, Some(&[suite]), None, None, Some(&[CredentialType::X509]))
}

/// As our rooms are made (`messenger_engine::room`), but for our extensions.
fn create(suite: Ciphersuite) -> MlsGroupCreateConfig {
    let required = RequiredCapabilitiesExtension::new(&[], &[], &[CredentialType::X509]);
    let extensions = Extensions::from_vec(vec![Extension::RequiredCapabilities(required)]).expect("there is one");
    MlsGroupCreateConfig::builder()
        .ciphersuite(suite)
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .capabilities(capabilities(suite))
        .with_group_context_extensions(extensions)
        .use_ratchet_tree_extension(true)
        .padding_size(64)
        .max_past_epochs(2)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(16, 1024))
        .build()
}

fn join() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .padding_size(64)
        .max_past_epochs(2)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(16, 1024))
        .build()
}
