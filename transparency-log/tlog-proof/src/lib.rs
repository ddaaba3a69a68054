//! Transparency log formats and proofs, as pure functions over bytes.
//!
//! **What it does.** Reads, writes and verifies the C2SP formats that a log, its witnesses, mirrors and
//! verifiers exchange: [signed notes](note), [checkpoints](checkpoint), [cosignatures](cosignature) with
//! Ed25519 and ML-DSA-44, [tiles](tile), [proofs](proof) and [policies](policy); what is said to a
//! witness ([`add_checkpoint`], [`sign_subtree`]) and to a mirror ([`add_entries`]); the RFC 6962
//! [Merkle tree](merkle) and its [subtrees](subtree) below them; and the [entries](entry) that our own
//! log holds, and how they are [submitted](submission) to it.
//!
//! **What it never does.** No I/O, no clock, no randomness, no panic on any input. Nothing it parses
//! counts as verified: parsing gives `Unverified…` values, only verification gives [`VerifiedCheckpoint`]
//! and [`Cosigned`].
//!
//! The versions of the specifications are pinned in `docs/spec/log.md`.
//!
//! ```
//! use tlog_proof::{Checkpoint, Frontier, NoteSigner, UnverifiedCheckpoint, leaf_hash, sign_checkpoint};
//!
//! let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
//! let signer = NoteSigner::new("log.example/2026", key)?;
//! let mut tree = Frontier::new();
//! tree.push(leaf_hash(b"an entry"));
//! let checkpoint = Checkpoint { origin: "log.example/2026".into(), size: tree.size(), root: tree.root() };
//!
//! let text = sign_checkpoint(&checkpoint, &signer);
//! let verified = UnverifiedCheckpoint::parse(&text)?.verify_log(&signer.vkey())?;
//! assert_eq!(verified.size, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

/// The example of the README is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod add_checkpoint;
pub mod add_entries;
pub mod checkpoint;
pub mod cosignature;
mod decimal;
pub mod entry;
pub mod frontier;
pub mod hash;
pub mod merkle;
mod mldsa;
pub mod note;
pub mod policy;
mod policy_text;
pub mod proof;
pub mod prove;
pub mod sign_subtree;
pub mod submission;
pub mod subtree;
pub mod tile;
pub mod vkey;

pub use add_checkpoint::{AddCheckpoint, MessageError, format_size, parse_cosignatures, parse_size};
pub use add_entries::{AddEntries, MirrorInfo, Package, PackageError, PackageRange, VerifiedPackage, packages};
pub use checkpoint::{Checkpoint, CheckpointError, UnverifiedCheckpoint, VerifiedCheckpoint, sign_checkpoint};
pub use cosignature::{Cosigned, Cosigner, SubtreeCosigner, verify_subtree_cosignature};
pub use entry::{Entry, EntryError, MAX_ENTRY_BYTES, MAX_OBJECT_BYTES, ObjectKind};
pub use frontier::Frontier;
pub use hash::{Hash, HashError, empty_root, leaf_hash, node_hash};
pub use merkle::{MerkleError, root_from_inclusion, verify_consistency, verify_inclusion};
pub use note::{NoteError, NoteSignature, NoteSigner, UnverifiedNote};
pub use policy::{Group, LogKey, LogPolicy, PolicyError, PolicyVerdict, Quorum, WitnessKey};
pub use policy_text::{PolicyTextError, PolicyTextReason};
pub use proof::{Proof, ProofError};
pub use prove::{HashReader, prove_consistency, prove_inclusion, root};
pub use sign_subtree::SignSubtree;
pub use subtree::{Subtree, prove_subtree, subtree_hash, verify_subtree};
pub use tile::{BundlePath, TILE_WIDTH, TileError, TilePath, TilePyramid, decode_bundle, encode_bundle};
pub use vkey::{KeyKind, VerifierKey, VkeyError};
