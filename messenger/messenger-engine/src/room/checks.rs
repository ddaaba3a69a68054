//! What openmls leaves to the application: who may be a leaf, which messages are taken at all.

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    LeafNode, LeafNodeIndex, Member, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut, ProtocolMessage,
};

use super::credential::{self, Credentials, DeviceKey, Person};
use super::error::GroupError;
use super::settings::MAX_MEMBERS;
use crate::time::Now;

pub(super) fn verify_leaf(leaf: &LeafNode, credentials: &dyn Credentials, now: Now) -> Result<Person, GroupError> {
    Ok(credential::verify(leaf.credential(), leaf.signature_key().as_slice(), credentials, now)?)
}

pub(super) fn verify_members(
    members: impl Iterator<Item = Member>,
    credentials: &dyn Credentials,
    now: Now,
) -> Result<Vec<(LeafNodeIndex, Person)>, GroupError> {
    let members: Vec<_> = members.collect();
    if members.len() > MAX_MEMBERS {
        return Err(GroupError::rule("a room of at most 250 devices", members.len().to_string()));
    }
    members
        .into_iter()
        .map(|member| {
            Ok((member.index, credential::verify(&member.credential, &member.signature_key, credentials, now)?))
        })
        .collect()
}

/// Of the members who are known those whose leaves would not be taken now.
pub(super) fn lapsed(
    known: &[(LeafNodeIndex, Person)],
    members: impl Iterator<Item = Member>,
    credentials: &dyn Credentials,
    now: Now,
) -> Vec<(DeviceKey, String)> {
    let device = |index| known.iter().find(|(leaf, _)| *leaf == index).map(|(_, person)| person.device);
    let refused = members.filter_map(|member| {
        let refused = credential::verify(&member.credential, &member.signature_key, credentials, now).err()?;
        Some((device(member.index)?, refused.to_string()))
    });
    refused.collect()
}

pub(super) fn expect_host(
    members: &[(LeafNodeIndex, Person)],
    leaf: LeafNodeIndex,
    host: DeviceKey,
) -> Result<(), GroupError> {
    match members.iter().find(|(index, _)| *index == leaf) {
        Some((_, person)) if person.device == host => Ok(()),
        Some((_, person)) => Err(GroupError::rule("the inviting device as host", person.identifier.to_string())),
        None => Err(GroupError::rule("a host in the leaf that the group's context names", "an empty one")),
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<MlsMessageBodyIn, GroupError> {
    MlsMessageIn::tls_deserialize_exact(bytes).map(MlsMessageIn::extract).map_err(GroupError::mls)
}

pub(super) fn protocol_message(bytes: &[u8]) -> Result<ProtocolMessage, GroupError> {
    match parse(bytes)? {
        MlsMessageBodyIn::PrivateMessage(message) => Ok(message.into()),
        _ => Err(GroupError::rule("a PrivateMessage", "another MLS message")),
    }
}

pub(super) fn bytes(message: &MlsMessageOut) -> Result<Vec<u8>, GroupError> {
    message.tls_serialize_detached().map_err(GroupError::mls)
}
