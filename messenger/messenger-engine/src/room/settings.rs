//! What every room is made with.

use std::time::Duration;

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType, Extensions, GroupContext,
    MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, RequiredCapabilitiesExtension,
    SenderRatchetConfiguration, UnknownExtension, WireFormatPolicy,
};
use room_order::{Ballot, Leaf};

use super::error::GroupError;
use super::standing::Standing;
use crate::MAX_ROOM_NAME_BYTES;
use crate::api::RoomSuite;

/// Of each suite the one that MLS knows. All sign with Ed25519, because a leaf's key is the device certificate's key.
const SUITES: [(RoomSuite, Ciphersuite); 2] = [
    // ML-KEM-768 with X25519; a code point of draft-ietf-mls-pq-ciphersuites, provisional.
    (RoomSuite::Hybrid, Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519),
    // The one that every implementation has (RFC 9420 section 17.1).
    (RoomSuite::Classical, Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519),
];

/// How many devices a room holds: each looks at every commit and opens every text, and a welcome with so many post-quantum
/// leaves is one frame.
pub const MAX_MEMBERS: usize = 250;

/// How long the keys of a past epoch are kept for texts that were under way when it ended.
pub const PAST_EPOCH_LIFE: Duration = Duration::from_secs(10);

/// How many past epochs at most.
pub(super) const MAX_PAST_EPOCHS: usize = 2;

/// Our group context extension, from the private-use range (RFC 9420 section 17.3): the room's name in UTF-8, so that
/// all members agree on it.
const ROOM_EXTENSION: u16 = 0xff01;

/// Our group context extension, as the other: the host of record (rule R-03), as the term and her leaf, each of four bytes,
/// the highest first.
const HOST_EXTENSION: u16 = 0xff02;

/// Our group context extension, as the others: how the room stands beside that, in CBOR (rules ).
const STANDING_EXTENSION: u16 = 0xff03;

/// The version of rooms that have the three of them (since 2), credentials to the RFC's byte (since 3), members who renew
/// their keys by commits of their own (since 4), guests who enter by commits of theirs, texts with an order that are answered
/// and reacted to, and letters that are passed on (all since 5), hubs where they are large (since 6), and circulars that say who
/// is writing and files that are offered to all (since 7): an invitation names it, so that nobody enters a room whose rules her
/// program does not know.
pub const ROOM_VERSION: u16 = 7;

/// Who creates a room is its first leaf, and its first host.
pub(super) const FIRST_HOST: Ballot = Ballot { term: 0, leaf: Leaf(0) };

/// Bytes to which MLS pads a text before sealing it.
const PADDING_BYTES: usize = 64;

const OUR_EXTENSIONS: [ExtensionType; 3] = [
    ExtensionType::Unknown(ROOM_EXTENSION),
    ExtensionType::Unknown(HOST_EXTENSION),
    ExtensionType::Unknown(STANDING_EXTENSION),
];

/// What our extensions of a group's context say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// What the room is called.
    pub(super) name: String,
    /// The host of record.
    pub(super) host: Ballot,
    /// How it stands beside that.
    pub(super) standing: Standing,
}

impl RoomSuite {
    /// The one of this number (RFC 9420 section 17.1), if rooms can be made with it.
    pub fn of(number: u16) -> Option<Self> {
        SUITES.iter().find(|(_, mls)| u16::from(*mls) == number).map(|(suite, _)| *suite)
    }

    /// The one whose registered name this is, as events have it.
    pub fn named(name: &str) -> Option<Self> {
        SUITES.map(|(suite, _)| suite).into_iter().find(|suite| suite.name() == name)
    }

    /// Its registered name.
    pub fn name(self) -> String {
        suite_name(self.mls())
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.mls().into()
    }

    pub(super) fn mls(self) -> Ciphersuite {
        match self {
            Self::Hybrid => SUITES[0].1,
            Self::Classical => SUITES[1].1,
        }
    }
}

/// The suite's registered name.
pub fn suite_name(suite: Ciphersuite) -> String {
    suite.to_string()
}

fn ratchet() -> SenderRatchetConfiguration {
    // QUIC streams deliver in order; 16 covers a text of the past epoch overtaken by the rooms channel.
    SenderRatchetConfiguration::new(16, 1024)
}

pub(super) fn capabilities() -> Capabilities {
    let suites = SUITES.map(|(_, mls)| mls);
    Capabilities::new(None, Some(&suites), Some(&OUR_EXTENSIONS), None, Some(&[CredentialType::X509]))
}

/// Whether a leaf's program knows all that our rooms ask of it.
///
/// # Errors
/// [`GroupError::Rule`].
pub(super) fn check_capabilities(capabilities: &Capabilities) -> Result<(), GroupError> {
    match OUR_EXTENSIONS.iter().all(|extension| capabilities.extensions().contains(extension)) {
        true => Ok(()),
        false => Err(GroupError::rule("a program that knows roles in rooms", "a former version, or another program")),
    }
}

pub(super) fn create(context: &Context, suite: RoomSuite) -> Result<MlsGroupCreateConfig, GroupError> {
    let required = RequiredCapabilitiesExtension::new(&OUR_EXTENSIONS, &[], &[CredentialType::X509]);
    let extensions = with(std::iter::once(&Extension::RequiredCapabilities(required)), context)?;
    Ok(MlsGroupCreateConfig::builder()
        .ciphersuite(suite.mls())
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .capabilities(capabilities())
        .with_group_context_extensions(extensions)
        .use_ratchet_tree_extension(true)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(MAX_PAST_EPOCHS)
        .sender_ratchet_configuration(ratchet())
        .build())
}

pub(super) fn join() -> MlsGroupJoinConfig {
    join_with(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
}

/// The same for messages in another form: official vectors have commits in the clear.
pub(super) fn join_with(wire_format: WireFormatPolicy) -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(wire_format)
        .use_ratchet_tree_extension(true)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(MAX_PAST_EPOCHS)
        .sender_ratchet_configuration(ratchet())
        .build()
}

/// What a group's context says.
///
/// # Errors
/// [`GroupError`], also for a room of a former version of the program.
pub(super) fn read(extensions: &Extensions<GroupContext>) -> Result<Context, GroupError> {
    let required = extensions.required_capabilities();
    if !required.is_some_and(|required| OUR_EXTENSIONS.iter().all(|ours| required.extension_types().contains(ours))) {
        return Err(GroupError::rule("a room with roles", "one of a former version of the program"));
    }
    let ours = |number| extensions.unknown(number).map_or(&[][..], |UnknownExtension(bytes)| bytes);
    let standing = Standing::from_bytes(ours(STANDING_EXTENSION))?;
    Ok(Context { name: name(ours(ROOM_EXTENSION))?, host: host(ours(HOST_EXTENSION))?, standing })
}

/// What it says after a change, which changes nothing else.
///
/// # Errors
/// [`GroupError`].
pub(super) fn next(now: &Extensions<GroupContext>, next: &Extensions<GroupContext>) -> Result<Context, GroupError> {
    match others(now.iter()).eq(others(next.iter())) {
        true => read(next),
        false => Err(GroupError::rule("a change of the room's own extensions alone", "one of others")),
    }
}

/// The same extensions with another context of ours.
///
/// # Errors
/// [`GroupError::Name`].
pub(super) fn with<'a>(
    extensions: impl Iterator<Item = &'a Extension>,
    context: &Context,
) -> Result<Extensions<GroupContext>, GroupError> {
    let Context { name: called, host: Ballot { term, leaf }, standing } = context;
    name(called.as_bytes())?;
    let ours = [
        (ROOM_EXTENSION, called.as_bytes().to_vec()),
        (HOST_EXTENSION, [term.to_be_bytes(), leaf.0.to_be_bytes()].concat()),
        (STANDING_EXTENSION, standing.to_bytes()),
    ];
    let ours = ours.map(|(number, bytes)| Extension::Unknown(number, UnknownExtension(bytes)));
    Extensions::from_vec(others(extensions).cloned().chain(ours).collect()).map_err(GroupError::mls)
}

fn others<'a>(extensions: impl Iterator<Item = &'a Extension>) -> impl Iterator<Item = &'a Extension> {
    extensions.filter(|extension| !OUR_EXTENSIONS.contains(&extension.extension_type()))
}

fn name(bytes: &[u8]) -> Result<String, GroupError> {
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() <= MAX_ROOM_NAME_BYTES => Ok(name.to_owned()),
        _ => Err(GroupError::Name { found: bytes.len() }),
    }
}

/// The term and her leaf.
fn host(bytes: &[u8]) -> Result<Ballot, GroupError> {
    match bytes.split_first_chunk::<4>().map(|(term, leaf)| (*term, <[u8; 4]>::try_from(leaf))) {
        Some((term, Ok(leaf))) => Ok(Ballot { term: u32::from_be_bytes(term), leaf: Leaf(u32::from_be_bytes(leaf)) }),
        _ => Err(GroupError::rule("a host of record in 8 bytes", format!("{} bytes", bytes.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::DeviceKey;

    fn context() -> Context {
        Context { name: "tea".into(), host: FIRST_HOST, standing: Standing::of_creator(DeviceKey([7; 32])) }
    }

    fn extensions(required: &[ExtensionType]) -> Extensions<GroupContext> {
        let required = RequiredCapabilitiesExtension::new(required, &[], &[CredentialType::X509]);
        with(std::iter::once(&Extension::RequiredCapabilities(required)), &context()).unwrap()
    }

    #[test]
    fn a_context_says_what_was_put_into_it_and_a_change_of_others_is_refused() {
        let now = extensions(&OUR_EXTENSIONS);
        assert_eq!(read(&now), Ok(context()));
        let later = Context { name: "coffee".into(), ..context() };
        assert_eq!(next(&now, &with(now.iter(), &later).unwrap()), Ok(later));
        let others = next(&now, &extensions(&OUR_EXTENSIONS[..2])).unwrap_err();
        assert!(others.to_string().contains("a change of the room's own extensions alone"), "{others}");
    }

    /// Rooms and programs of former versions know two extensions.
    #[test]
    fn former_versions_are_refused_by_their_capabilities() {
        let former = read(&extensions(&OUR_EXTENSIONS[..2])).unwrap_err();
        assert!(former.to_string().contains("found one of a former version"), "{former}");
        let of = |extensions| Capabilities::new(None, None, Some(extensions), None, None);
        let former = check_capabilities(&of(&OUR_EXTENSIONS[..2])).unwrap_err();
        assert!(former.to_string().contains("expected a program that knows roles"), "{former}");
        assert_eq!(check_capabilities(&capabilities()), Ok(()));
    }
}
