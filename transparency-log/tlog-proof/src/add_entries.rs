//! What is said to a mirror and what it answers (C2SP tlog-mirror, "add-entries"); without HTTP.
//!
//! A request is an [`AddEntries`] header followed by packages, one for each bundle of 256 entries that the
//! upload touches ([`packages`]). Everything is read piece by piece from a stream: a parser that says
//! [`None`] wants more bytes, and never more than the limits here. A [`Package`] is nothing but bytes
//! until [`Package::verify`] has proven it against the checkpoint that the upload ends at.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::add_checkpoint::{MAX_PROOF_HASHES, MessageError, bounded_text, next_line, syntax};
use crate::decimal;
use crate::frontier::Frontier;
use crate::hash::{Hash, leaf_hash};
use crate::merkle::MerkleError;
use crate::subtree::{Subtree, verify_subtree};
use crate::tile::TILE_WIDTH;

/// The content type of a request.
pub const ENTRIES_CONTENT_TYPE: &str = "application/octet-stream";

/// The content type of a [`MirrorInfo`].
pub const INFO_CONTENT_TYPE: &str = "text/x.tlog.mirror-info";

/// Packages that a client should send in one request at most.
pub const PACKAGES_PER_REQUEST: u64 = 32;

/// Longest header, in bytes.
pub const MAX_HEADER_BYTES: usize = 2 + 0xffff + 8 + 8 + 2 + 0xffff;

/// Longest package, in bytes.
pub const MAX_PACKAGE_BYTES: usize = 256 * (2 + 0xffff) + 1 + MAX_PROOF_HASHES * 32;

/// The header of a request: which entries follow, and up to which checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddEntries {
    /// The log's origin.
    pub origin: String,
    /// The index of the first entry that follows.
    pub start: u64,
    /// The size of the pending checkpoint that the upload leads to.
    pub end: u64,
    /// What the mirror said last to find that checkpoint again; empty at first.
    pub ticket: Vec<u8>,
}

/// Where one package stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageRange {
    /// The index of its first entry.
    pub start: u64,
    /// The index after its last entry.
    pub end: u64,
}

/// The entries of a package and the proof that the log contains them. Nobody has checked it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The entries, in their order.
    pub entries: Vec<Vec<u8>>,
    /// The proof of the subtree from the bundle's beginning to the package's end.
    pub proof: Vec<Hash>,
}

/// Entries proven to stand in a log. Only [`Package::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPackage {
    range: PackageRange,
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
}

/// A mirror's account of itself, in a `202 Accepted` or a `409 Conflict`. Its text form is the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorInfo {
    /// The size of a pending checkpoint to upload to.
    pub size: u64,
    /// The index of the first entry that the mirror lacks.
    pub next: u64,
    /// To be sent back with the next request.
    pub ticket: Vec<u8>,
}

/// Why a package does not stand in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Another number of entries than its place demands.
    #[error("expected {expected} entries, found {found}")]
    Count {
        /// The number of entries.
        expected: u64,
        /// What was given.
        found: usize,
    },
    /// Another number of leaf hashes before it than its place demands.
    #[error("expected the {expected} leaf hashes of the bundle before the package, found {found}")]
    Preceding {
        /// The number of leaf hashes.
        expected: u64,
        /// What was given.
        found: usize,
    },
    /// Its proof does not lead to the checkpoint.
    #[error("subtree proof: {0}")]
    Proof(#[from] MerkleError),
}

/// The packages of an upload of `start .. end`, cut at multiples of 256; none where it is empty.
pub fn packages(start: u64, end: u64) -> impl Iterator<Item = PackageRange> {
    let mut next = start;
    std::iter::from_fn(move || {
        let start = next;
        let bundle_end = (start / TILE_WIDTH).checked_add(1)?.checked_mul(TILE_WIDTH).unwrap_or(end);
        next = bundle_end.min(end);
        (start < next).then_some(PackageRange { start, end: next })
    })
}

impl PackageRange {
    /// The subtree that the package's proof is about: from the beginning of its bundle. `None` for a range
    /// that is empty or crosses a bundle's end.
    pub fn subtree(&self) -> Option<Subtree> {
        let within = self.start < self.end && self.start / TILE_WIDTH == (self.end - 1) / TILE_WIDTH;
        within.then(|| Subtree::new(self.start / TILE_WIDTH * TILE_WIDTH, self.end)).flatten()
    }

    fn count(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

impl AddEntries {
    /// The bytes of the header; `None` where origin or ticket have more than 65,535 bytes.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut header = u16::try_from(self.origin.len()).ok()?.to_be_bytes().to_vec();
        header.extend_from_slice(self.origin.as_bytes());
        header.extend_from_slice(&self.start.to_be_bytes());
        header.extend_from_slice(&self.end.to_be_bytes());
        header.extend_from_slice(&u16::try_from(self.ticket.len()).ok()?.to_be_bytes());
        header.extend_from_slice(&self.ticket);
        Some(header)
    }

    /// Reads a header from the front of a stream and takes it off `bytes`; [`None`] while there is less
    /// than a whole one.
    ///
    /// # Errors
    /// When the origin is not UTF-8 or empty, or the upload ends before it starts.
    pub fn parse(bytes: &mut &[u8]) -> Result<Option<Self>, MessageError> {
        let mut rest = *bytes;
        let Some((origin, start, end, ticket)) = header_fields(&mut rest) else { return Ok(None) };
        let origin = std::str::from_utf8(origin).map_err(|_| MessageError::Characters)?;
        if origin.is_empty() || start > end {
            let found = format!("{origin:.80} {start} {end}");
            return Err(syntax("an origin and an upload that starts before its end", &found));
        }
        *bytes = rest;
        Ok(Some(Self { origin: origin.to_owned(), start, end, ticket: ticket.to_owned() }))
    }
}

fn header_fields<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], u64, u64, &'a [u8])> {
    let origin = length_prefixed(rest)?;
    let start = u64::from_be_bytes(*rest.split_off(..8)?.first_chunk()?);
    let end = u64::from_be_bytes(*rest.split_off(..8)?.first_chunk()?);
    Some((origin, start, end, length_prefixed(rest)?))
}

/// A field led by its length as a big-endian `u16`.
fn length_prefixed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(*rest.split_off(..2)?.first_chunk()?);
    rest.split_off(..usize::from(length))
}

impl Package {
    /// The bytes of the package; `None` where it has more than 63 hashes or an entry of more than 65,535
    /// bytes.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut package = Vec::new();
        for entry in &self.entries {
            package.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
            package.extend_from_slice(entry);
        }
        let count = u8::try_from(self.proof.len()).ok().filter(|count| usize::from(*count) <= MAX_PROOF_HASHES)?;
        package.push(count);
        self.proof.iter().for_each(|hash| package.extend_from_slice(hash.as_bytes()));
        Some(package)
    }

    /// Reads the package at `range` from the front of a stream and takes it off `bytes`; [`None`] while
    /// there is less than a whole one.
    ///
    /// # Errors
    /// When it has more than 63 hashes, or the range more than 256 entries.
    pub fn parse(bytes: &mut &[u8], range: PackageRange) -> Result<Option<Self>, MessageError> {
        if range.subtree().is_none() {
            return Err(syntax("1 to 256 entries of one bundle", &format!("{}..{}", range.start, range.end)));
        }
        let mut rest = *bytes;
        let Some(entries) = (0..range.count()).map(|_| length_prefixed(&mut rest)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let Some(count) = rest.split_off_first() else { return Ok(None) };
        if usize::from(*count) > MAX_PROOF_HASHES {
            return Err(syntax("at most 63 hashes", &count.to_string()));
        }
        let Some(proof) = rest.split_off(..usize::from(*count) * 32) else { return Ok(None) };
        let proof = proof.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect();
        *bytes = rest;
        Ok(Some(Self { entries: entries.into_iter().map(<[u8]>::to_vec).collect(), proof }))
    }

    /// Checks that the entries stand at `range` in the tree of `size` leaves with this `root`.
    ///
    /// `preceding` are the leaf hashes of the bundle's entries before the package: those from the last
    /// multiple of 256 to `range.start`.
    ///
    /// # Errors
    /// When there are more or fewer entries or preceding hashes, or the proof does not lead to the root.
    pub fn verify(
        self,
        range: PackageRange,
        preceding: &[Hash],
        size: u64,
        root: &Hash,
    ) -> Result<VerifiedPackage, PackageError> {
        let count = PackageError::Count { expected: range.count(), found: self.entries.len() };
        let subtree = range.subtree().filter(|_| self.entries.len() as u64 == range.count()).ok_or(count)?;
        let expected = range.start - subtree.start();
        if preceding.len() as u64 != expected {
            return Err(PackageError::Preceding { expected, found: preceding.len() });
        }
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut tree = Frontier::new();
        preceding.iter().chain(&leaves).for_each(|leaf| tree.push(*leaf));
        verify_subtree(subtree, &tree.root(), size, root, &self.proof)?;
        Ok(VerifiedPackage { range, entries: self.entries, leaves })
    }
}

impl VerifiedPackage {
    /// Where the entries stand.
    pub fn range(&self) -> PackageRange {
        self.range
    }

    /// The entries.
    pub fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }

    /// Their leaf hashes.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }
}

impl MirrorInfo {
    /// Reads the body.
    ///
    /// # Errors
    /// When it is too large or not the three lines.
    pub fn parse(body: impl AsRef<[u8]>) -> Result<Self, MessageError> {
        let mut rest = bounded_text(body.as_ref(), 2 * 21 + 0xffff_usize.div_ceil(3) * 4 + 1)?;
        let mut number = |expected| {
            let line = next_line(&mut rest)?;
            decimal::parse(line).ok_or_else(|| syntax(expected, line))
        };
        let size = number("a tree size in decimal")?;
        let next = number("an index in decimal")?;
        let line = next_line(&mut rest)?;
        let ticket = STANDARD.decode(line).ok().filter(|ticket| ticket.len() <= 0xffff && rest.is_empty());
        let ticket = ticket.ok_or_else(|| syntax("a ticket in base64 as the last line", line))?;
        Ok(Self { size, next, ticket })
    }
}

impl fmt::Display for MirrorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.size, self.next, STANDARD.encode(&self.ticket))
    }
}

impl FromStr for MirrorInfo {
    type Err = MessageError;

    fn from_str(body: &str) -> Result<Self, MessageError> {
        Self::parse(body)
    }
}
