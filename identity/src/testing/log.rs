//! A log in memory, with one witness.

use std::{convert::Infallible, sync::Mutex};

use ed25519_dalek::SigningKey;
use tlog_proof::{
    Checkpoint, Cosigner, Entry, Hash, HashReader, NoteSigner, Proof, leaf_hash, node_hash, prove_inclusion, root,
    sign_checkpoint,
};

use super::bytes;

/// The name of its witness's key.
pub const WITNESS: &str = "witness.example.org/w1";

/// A Merkle tree with the keys of its log and of a witness.
pub struct MemoryLog {
    origin: String,
    signer: NoteSigner,
    witness: Cosigner,
    tree: Mutex<Tree>,
}

/// Complete subtrees: row 0 holds the leaves, each row above the parents of pairs.
#[derive(Default)]
struct Tree(Vec<Vec<Hash>>);

impl Tree {
    fn push(&mut self, leaf: Hash) -> u64 {
        let mut hash = leaf;
        for level in 0.. {
            if self.0.len() == level {
                self.0.push(Vec::new());
            }
            let row = &mut self.0[level];
            row.push(hash);
            match &**row {
                [.., left, right] if row.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => break,
            }
        }
        self.0[0].len() as u64
    }
}

impl HashReader for Tree {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)][index as usize])
    }
}

impl MemoryLog {
    pub(super) fn new(origin: &str, seed: u64) -> Self {
        let key = |what| SigningKey::from_bytes(&bytes(seed, what, 0));
        Self {
            origin: origin.to_owned(),
            signer: NoteSigner::new(origin, key("log")).expect("the name can stand in a note"),
            witness: Cosigner::new(WITNESS, key("witness")).expect("the name can stand in a note"),
            tree: Mutex::default(),
        }
    }

    /// C2SP tlog-policy: this log, this witness.
    pub fn policy_text(&self) -> String {
        format!("log {}\nwitness w1 {}\nquorum w1\n", self.signer.vkey(), self.witness.vkey())
    }

    /// Appends an entry; the checkpoint in the proof is cosigned at `time`, in seconds since the epoch.
    pub fn append(&self, entry: &Entry, time: u64) -> Proof {
        let mut tree = self.tree.lock().expect("no test panicked in here");
        let size = tree.push(leaf_hash(&entry.encode()));
        let Ok(root) = root(&mut *tree, size);
        let Ok(path) = prove_inclusion(&mut *tree, size - 1, size);
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let mut text = sign_checkpoint(&checkpoint, &self.signer);
        text.push_str(&self.witness.cosign(&checkpoint.to_body(), time));
        Proof { extra: None, index: size - 1, path, checkpoint: text }
    }
}
