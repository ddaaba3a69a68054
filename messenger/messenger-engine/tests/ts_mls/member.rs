//! The member's part of the peer protocol (docs/spec/peer.md, section 4) for a program that speaks MLS alone: statements
//! about the order of commits are made here, groups are not looked into.
//!
//! It takes part in no election, and hosts no room.

use std::collections::BTreeSet;

use messenger_engine::room::{DeviceKey, MyLeaf, Statement, code, commit_name, digest, is_signed, sign};
use messenger_engine::wire::{Acknowledged, QuotedAck, Signature, SignedHead, SignedInvitation, Whereabouts};
use room_order::{AllRules, Leaf, is_quorum};
use serde_json::{Value, json};

use crate::program::Program;

/// A group, as the program says.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) room: [u8; 16],
    pub(crate) epoch: u64,
    leaf: u32,
    authenticator: Vec<u8>,
    /// Whether this device is in it no more.
    pub(crate) removed: bool,
    /// The key of each leaf.
    pub(crate) members: Vec<(Leaf, DeviceKey)>,
    /// The room's extension of the group's context that names the host: her term and leaf.
    host: [u8; 8],
    pub(crate) standing: Vec<u8>,
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_default()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

impl Group {
    pub(crate) fn of(told: &Value) -> Self {
        let member = |one: &Value| (Leaf(one["leaf"].as_u64().unwrap() as u32), DeviceKey(array(&one["key"])));
        Self {
            room: array(&told["room"]),
            epoch: told["epoch"].as_u64().unwrap(),
            leaf: told["leaf"].as_u64().unwrap() as u32,
            authenticator: bytes(&told["authenticator"]),
            removed: told["removed"].as_bool().unwrap(),
            members: told["members"].as_array().unwrap().iter().map(member).collect(),
            host: array(&told["extensions"]["ff02"]),
            standing: bytes(&told["extensions"]["ff03"]),
        }
    }

    /// What people compare.
    pub(crate) fn code(&self) -> String {
        code(&digest(&self.authenticator))
    }

    fn is_by<T: Statement>(&self, leaf: u32, statement: &T, signature: &Signature) -> bool {
        let by = self.members.iter().find(|(at, _)| at.0 == leaf);
        by.is_some_and(|(_, device)| is_signed(statement, signature, *device))
    }
}

/// A room that the program is in.
pub(crate) struct Member {
    program: Program,
    leaf: MyLeaf,
    pub(crate) group: Group,
    /// The name of the epoch.
    epoch: [u8; 32],
    /// A commit of its own by which it enters: until that is decided it is not in this epoch, and knows of it what the host said.
    enters_by: Option<[u8; 32]>,
}

impl Member {
    /// Enters by a welcome into the epoch of this name.
    pub(crate) fn welcomed(mut program: Program, leaf: MyLeaf, welcome: &[u8], epoch: [u8; 32]) -> Self {
        let told = program.ask(&json!({ "do": "welcome", "welcome": hex::encode(welcome) })).unwrap();
        Self { program, leaf, group: Group::of(&told), epoch, enters_by: None }
    }

    /// makes a commit by which it enters, and hands that out.
    pub(crate) fn approaching(
        mut program: Program,
        leaf: MyLeaf,
        device: &Value,
        (info, invitation): (&[u8], &SignedInvitation),
    ) -> (Self, Vec<u8>) {
        let mut wish = device.clone();
        wish["do"] = "external".into();
        wish["group_info"] = hex::encode(info).into();
        wish["authenticated_data"] = hex::encode(invitation.to_bytes()).into();
        let told = program.ask(&wish).unwrap();
        let (mut group, commit) = (Group::of(&told), bytes(&told["commit"]));
        let mine = group.leaf;
        group.members.retain(|(leaf, _)| leaf.0 != mine);
        let enters_by = Some(commit_name(&commit).0);
        (Self { program, leaf, group, epoch: invitation.invited.parent, enters_by }, commit)
    }

    /// Whether it is in.
    pub(crate) fn is_in(&self) -> bool {
        self.enters_by.is_none()
    }

    /// acknowledges what the host of record offers, if the program can follow it.
    pub(crate) fn offered(&mut self, head: &SignedHead, commit: &[u8]) -> Option<QuotedAck> {
        let SignedHead { head, signature } = head;
        let host = [head.term.to_be_bytes(), head.leaf.to_be_bytes()].concat();
        let rightful = head.parent == self.epoch && host == self.group.host;
        if !rightful || commit_name(commit).0 != head.commit || !self.group.is_by(head.leaf, head, signature) {
            return None;
        }
        self.program.ask(&json!({ "do": "stage", "commit": hex::encode(commit) })).unwrap();
        let acknowledged = Acknowledged { head: head.clone(), from: self.group.leaf };
        Some(QuotedAck { from: self.group.leaf, signature: sign(&acknowledged, &self.leaf).unwrap() })
    }

    /// follows what a quorum has acknowledged. Whether it was this epoch's.
    pub(crate) fn told_to_go(&mut self, head: &SignedHead, commit: &[u8], acks: &[QuotedAck]) -> bool {
        let SignedHead { head, signature } = head;
        let proven = |ack: &&QuotedAck| {
            let acknowledged = Acknowledged { head: head.clone(), from: ack.from };
            self.group.is_by(ack.from, &acknowledged, &ack.signature)
        };
        let from: BTreeSet<Leaf> = acks.iter().filter(proven).map(|ack| Leaf(ack.from)).collect();
        let members = self.group.members.iter().map(|(leaf, _)| *leaf).collect();
        let decided = is_quorum::<AllRules>(&from, &members) && self.group.is_by(head.leaf, head, signature);
        if head.parent != self.epoch || !decided || commit_name(commit).0 != head.commit {
            return false;
        }
        let told = match self.enters_by {
            None => self.program.ask(&json!({ "do": "merge", "commit": hex::encode(commit) })).unwrap(),
            Some(mine) if mine == head.commit => self.program.ask(&json!({ "do": "enter" })).unwrap(),
            Some(_) => return false,
        };
        (self.group, self.epoch, self.enters_by) = (Group::of(&told), head.commit, None);
        true
    }

    /// in which epoch it is.
    pub(crate) fn whereabouts(&self) -> Option<(Whereabouts, Signature)> {
        let Group { room, epoch, authenticator, removed, .. } = &self.group;
        let here = Whereabouts { room: *room, number: *epoch, epoch: self.epoch, digest: digest(authenticator) };
        let signature = sign(&here, &self.leaf).unwrap();
        (!removed && self.is_in()).then_some((here, signature))
    }

    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, String> {
        let sealed = self.program.ask(&json!({ "do": "seal", "plaintext": hex::encode(plaintext) }));
        sealed.map(|answer| bytes(&answer["message"]))
    }

    pub(crate) fn open(&mut self, message: &[u8]) -> Vec<u8> {
        let opened = self.program.ask(&json!({ "do": "open", "message": hex::encode(message) })).unwrap();
        bytes(&opened["plaintext"])
    }
}
