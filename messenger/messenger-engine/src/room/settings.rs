//! What every room is made with.

use std::time::Duration;

use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialType, Extension, ExtensionType, Extensions, GroupContext,
    MlsGroupCreateConfig, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, RequiredCapabilitiesExtension,
    SenderRatchetConfiguration, UnknownExtension,
};
use room_order::{Ballot, Leaf};

use super::error::GroupError;
use crate::MAX_ROOM_NAME_BYTES;

/// The suite of every room: ML-KEM-768 with X25519 against a recorder with a quantum computer, Ed25519 because a leaf's
/// key is the device certificate's key. Code point of draft-ietf-mls-pq-ciphersuites, provisional.
pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;

/// How many devices a room holds: texts go to every member directly.
pub const MAX_MEMBERS: usize = 32;

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

/// Who creates a room is its first leaf, and its first host.
pub(super) const FIRST_HOST: Ballot = Ballot { term: 0, leaf: Leaf(0) };

/// Bytes to which MLS pads a text before sealing it.
const PADDING_BYTES: usize = 64;

const OUR_EXTENSIONS: [ExtensionType; 2] =
    [ExtensionType::Unknown(ROOM_EXTENSION), ExtensionType::Unknown(HOST_EXTENSION)];

/// The suite's registered name.
pub fn suite_name(suite: Ciphersuite) -> String {
    suite.to_string()
}

fn ratchet() -> SenderRatchetConfiguration {
    // QUIC streams deliver in order; 16 covers a text of the past epoch overtaken by the rooms channel.
    SenderRatchetConfiguration::new(16, 1024)
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities::new(None, Some(&[SUITE]), Some(&OUR_EXTENSIONS), None, Some(&[CredentialType::X509]))
}

pub(super) fn create(name: &str) -> Result<MlsGroupCreateConfig, GroupError> {
    if name.len() > MAX_ROOM_NAME_BYTES {
        return Err(GroupError::Name { found: name.len() });
    }
    let extensions: Extensions<GroupContext> = Extensions::from_vec(vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &OUR_EXTENSIONS,
            &[],
            &[CredentialType::X509],
        )),
        Extension::Unknown(ROOM_EXTENSION, UnknownExtension(name.as_bytes().to_vec())),
        host_extension(FIRST_HOST),
    ])
    .map_err(GroupError::mls)?;
    Ok(MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
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
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .padding_size(PADDING_BYTES)
        .max_past_epochs(MAX_PAST_EPOCHS)
        .sender_ratchet_configuration(ratchet())
        .build()
}

/// The room's name as the group context has it.
pub(super) fn name(extensions: &Extensions<GroupContext>) -> Result<String, GroupError> {
    let UnknownExtension(bytes) = extensions.unknown(ROOM_EXTENSION).ok_or(GroupError::Name { found: 0 })?;
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() <= MAX_ROOM_NAME_BYTES => Ok(name.to_owned()),
        _ => Err(GroupError::Name { found: bytes.len() }),
    }
}

fn host_extension(Ballot { term, leaf }: Ballot) -> Extension {
    Extension::Unknown(HOST_EXTENSION, UnknownExtension([term.to_be_bytes(), leaf.0.to_be_bytes()].concat()))
}

/// The host of record as the group context has her.
pub(super) fn host(extensions: &Extensions<GroupContext>) -> Result<Ballot, GroupError> {
    let found = extensions.unknown(HOST_EXTENSION).map_or(&[][..], |UnknownExtension(bytes)| bytes);
    match found.split_first_chunk::<4>().map(|(term, leaf)| (*term, <[u8; 4]>::try_from(leaf))) {
        Some((term, Ok(leaf))) => Ok(Ballot { term: u32::from_be_bytes(term), leaf: Leaf(u32::from_be_bytes(leaf)) }),
        _ => Err(GroupError::rule("a host of record in 8 bytes", format!("{} bytes", found.len()))),
    }
}

/// The same extensions with another host of record.
pub(super) fn with_host(
    extensions: &Extensions<GroupContext>,
    ballot: Ballot,
) -> Result<Extensions<GroupContext>, GroupError> {
    let others = extensions.iter().filter(|extension| !is_host_extension(extension)).cloned();
    Extensions::from_vec(others.chain([host_extension(ballot)]).collect()).map_err(GroupError::mls)
}

/// The host of record after a change of extensions, which changes nothing else.
pub(super) fn next_host(now: &Extensions<GroupContext>, next: &Extensions<GroupContext>) -> Result<Ballot, GroupError> {
    let others = |extensions: &Extensions<GroupContext>| -> Vec<Extension> {
        extensions.iter().filter(|extension| !is_host_extension(extension)).cloned().collect()
    };
    if others(now) != others(next) {
        return Err(GroupError::rule("a change of the host alone", "one of other extensions"));
    }
    host(next)
}

fn is_host_extension(extension: &Extension) -> bool {
    extension.extension_type() == ExtensionType::Unknown(HOST_EXTENSION)
}
