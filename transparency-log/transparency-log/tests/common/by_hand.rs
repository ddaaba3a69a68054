//! A log without a sequencer, whose every message a test can make and alter.

use std::convert::Infallible;

use tlog_proof::{
    AddCheckpoint, AddEntries, Checkpoint, Frontier, Hash, HashReader, NoteSigner, Package, leaf_hash, packages,
    prove_consistency, prove_subtree, sign_checkpoint,
};
use transparency_log::testing::key;

use super::{ORIGIN, entry};

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

/// Its entries, in their order.
pub(crate) struct ByHand {
    pub(crate) entries: Vec<Vec<u8>>,
}

struct Leaves<'a>(&'a [Vec<u8>]);

impl HashReader for Leaves<'_> {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let width = 1_usize << level;
        let mut tree = Frontier::new();
        let first = index as usize * width;
        self.0[first..first + width].iter().for_each(|entry| tree.push(leaf_hash(entry)));
        Ok(tree.root())
    }
}

impl ByHand {
    pub(crate) fn new(size: u64) -> Self {
        Self::of(0..size)
    }

    /// Of other entries.
    pub(crate) fn of(numbers: std::ops::Range<u64>) -> Self {
        Self { entries: numbers.map(entry).collect() }
    }

    /// Its checkpoint of so many entries.
    pub(crate) fn signed(&self, size: usize) -> String {
        let mut tree = Frontier::new();
        self.entries[..size].iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size: size as u64, root: tree.root() };
        sign_checkpoint(&checkpoint, &signer())
    }

    /// A request to cosign so many entries after `old`.
    pub(crate) fn add_checkpoint(&self, old: u64, size: usize) -> String {
        let Ok(proof) = prove_consistency(&mut Leaves(&self.entries), old, size as u64);
        AddCheckpoint { old, proof, checkpoint: self.signed(size) }.to_string()
    }

    /// A request with the entries from `start` on, each package changed.
    pub(crate) fn upload(&self, start: u64, end: u64, change: impl Fn(&mut Package)) -> Vec<u8> {
        let mut body = AddEntries { origin: ORIGIN.into(), start, end, ticket: vec![] }.encode().unwrap();
        for range in packages(start, end) {
            let Ok(proof) = prove_subtree(&mut Leaves(&self.entries), range.subtree().unwrap(), end);
            let entries = self.entries[range.start as usize..range.end as usize].to_vec();
            let mut package = Package { entries, proof };
            change(&mut package);
            body.extend_from_slice(&package.encode().unwrap());
        }
        body
    }
}
