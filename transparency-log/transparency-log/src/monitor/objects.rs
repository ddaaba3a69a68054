//! The objects that entries name by their hash (docs/spec/log.md, "What is served"): whoever runs the log has to serve each
//! of them, whole and as it was logged. What an authority signs in the dark, nobody can hold against it.
//!
//! An audit collects what the entries name while it reads them; [`look`] fetches it afterwards, no more than a [`Budget`]
//! allows, and a durable [`ObjectCursor`] says where the next one goes on. What was missing once is asked for again each
//! time.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut, stream};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tlog_proof::{Entry, ObjectKind};

use super::AuditError;
use crate::client::{ClientError, Source, SourceError, VerifiedTree};

/// Objects that are remembered while a log is read; the others are looked for once more.
const MAX_NAMED: usize = 1 << 18;

/// Objects under way at the same time, of at most 4 MiB each.
const AT_ONCE: usize = 4;

/// Most objects that are remembered as missing. While there are so many, none after them is looked at.
const MAX_MISSING: usize = 1000;

/// An object that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedObject {
    /// Index of the entry.
    pub index: u64,
    /// What it is.
    pub kind: ObjectKind,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

impl NamedObject {
    fn of(index: u64, entry: &Entry) -> Option<Self> {
        match *entry {
            Entry::Object { kind, hash } => Some(Self { index, kind, hash }),
            _ => None,
        }
    }

    fn path(&self) -> String {
        format!("object/{}", hex::encode(self.hash))
    }
}

impl fmt::Display for NamedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ObjectKind::Crl => "a revocation list",
            ObjectKind::IssuingCertificate => "an issuing CA's certificate",
            ObjectKind::TrustPolicy => "a trust policy",
            ObjectKind::AuditHead => "the head of an audit trail",
        };
        write!(f, "{} ({what}, entry {})", self.path(), self.index)
    }
}

/// The objects that one audit has met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedObjects {
    /// Index of the first entry looked at.
    start: u64,
    /// Index after the last entry up to which `named` is complete.
    end: u64,
    named: Vec<NamedObject>,
}

impl NamedObjects {
    pub(super) fn from(start: u64) -> Self {
        Self { start, end: start, named: Vec::new() }
    }

    /// The entry after the last one.
    pub(super) fn add(&mut self, index: u64, entry: &Entry) {
        if index != self.end {
            return;
        }
        if let Some(named) = NamedObject::of(index, entry) {
            if self.named.len() == MAX_NAMED {
                return;
            }
            self.named.push(named);
        }
        self.end = index + 1;
    }
}

/// How far the objects of a log were looked at. Kept beside the cursor of the entries, and never ahead of that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectCursor {
    /// Index of the first entry whose object was not looked at.
    next: u64,
    /// Indexes of entries whose objects were missing or altered.
    #[serde(default)]
    missing: Vec<u64>,
}

/// What one call may fetch. What it leaves the next one fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most objects.
    pub objects: u64,
    /// No further object once so many bytes are there.
    pub bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { objects: 4096, bytes: 256 << 20 }
    }
}

/// An object that is not what its entry says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectFault {
    /// It is not served.
    #[error("{0} is withheld")]
    Withheld(NamedObject),
    /// Something else is.
    #[error("{object} was altered: its SHA-256 is {}", hex::encode(found))]
    Altered {
        /// What it should be.
        object: NamedObject,
        /// The SHA-256 of what is served.
        found: [u8; 32],
    },
    /// Something larger than any object is.
    #[error("{object} was altered: expected at most {expected} bytes, found more")]
    TooLarge {
        /// What it should be.
        object: NamedObject,
        /// The limit.
        expected: usize,
    },
}

impl ObjectFault {
    /// Whether nothing is served, as opposed to something else.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Withheld(_))
    }

    fn object(&self) -> &NamedObject {
        match self {
            Self::Withheld(object) | Self::Altered { object, .. } | Self::TooLarge { object, .. } => object,
        }
    }
}

/// What was found of the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many were fetched and are what their entries say.
    pub good: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are not: at most 1,000, those found by earlier calls included.
    pub faults: Vec<ObjectFault>,
    /// How many entries were not looked at yet: the next call goes on with them.
    pub left: u64,
    /// Why the source could not be asked for one, if it could not: nothing is known of that one.
    pub silent: Option<String>,
    /// From where the next call goes on: to be kept.
    pub cursor: ObjectCursor,
}

/// Fetches the objects of a verified tree from `cursor` on and holds them against their entries. `met` is what an audit of
/// the same tree has met on its way, so that its entries need not be read again.
///
/// # Errors
/// When entries that were not met have to be read, and cannot be or do not verify.
pub async fn look<S: Source + 'static>(
    source: &S,
    tree: &Arc<VerifiedTree<S>>,
    cursor: ObjectCursor,
    met: &NamedObjects,
    budget: Budget,
) -> Result<Looked, AuditError> {
    let size = tree.checkpoint().size;
    let mut search = Search { source, budget, known: HashSet::new(), looked: Looked::default() };
    let mut again = Vec::new();
    for &index in cursor.missing.iter().filter(|index| **index < size).take(MAX_MISSING) {
        let bytes = tree.entry(index).await?;
        let entry = Entry::decode(&bytes).map_err(|error| AuditError::Entry { index, error })?;
        again.extend(NamedObject::of(index, &entry));
    }
    let asked = search.through(again, u64::MAX).await;
    // Those that were not asked for yet stay; those that are missing still are found among the faults.
    let mut missing: Vec<u64> = cursor.missing.iter().copied().filter(|index| *index >= asked).collect();
    let mut next = cursor.next.min(size);
    let gap = next.min(met.start)..met.start.min(size);
    if search.goes_on() && !gap.is_empty() {
        next = search.gap(tree, gap).await?;
    }
    if search.goes_on() && next >= met.start {
        let named = met.named.iter().copied().filter(|named| named.index >= next).collect();
        next = search.through(named, met.end.max(next)).await;
    }
    let mut looked = search.looked;
    missing.extend(looked.faults.iter().map(|fault| fault.object().index));
    missing.sort_unstable();
    missing.dedup();
    looked.left = size.saturating_sub(next);
    looked.cursor = ObjectCursor { next, missing };
    Ok(looked)
}

/// A search under way.
struct Search<'a, S> {
    source: &'a S,
    budget: Budget,
    /// What was found to be good: a list that did not change is logged again under the same hash.
    known: HashSet<[u8; 32]>,
    looked: Looked,
}

impl<S: Source> Search<'_, S> {
    fn goes_on(&self) -> bool {
        let Looked { good, bytes, faults, silent, .. } = &self.looked;
        silent.is_none()
            && faults.len() < MAX_MISSING
            && good + (faults.len() as u64) < self.budget.objects
            && *bytes < self.budget.bytes
    }

    /// Reads the entries of an earlier audit once more; gives the index from which on objects are left.
    async fn gap(&mut self, tree: &Arc<VerifiedTree<S>>, gap: std::ops::Range<u64>) -> Result<u64, AuditError>
    where
        S: 'static,
    {
        let scan = tree.scan(gap.clone()).map_err(ClientError::from)?;
        pin_mut!(scan);
        while let Some(scanned) = scan.next().await {
            let bundle = scanned?.bundle;
            let mut named = Vec::new();
            for (index, bytes) in (bundle.first..).zip(&bundle.entries).filter(|(index, _)| gap.contains(index)) {
                let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
                named.extend(NamedObject::of(index, &entry));
            }
            let end = (bundle.first + bundle.entries.len() as u64).min(gap.end);
            let reached = self.through(named, end).await;
            if !self.goes_on() {
                return Ok(reached);
            }
        }
        Ok(gap.end)
    }

    /// Fetches these as long as it goes on; gives the index of the first that is left, `end` if none is.
    async fn through(&mut self, named: Vec<NamedObject>, end: u64) -> u64 {
        let source = self.source;
        let mut asked = HashSet::new();
        let mut wanted = named;
        wanted.retain(|named| !self.known.contains(&named.hash) && asked.insert(named.hash));
        let answers =
            stream::iter(wanted).map(|named| async move { (named, source.get(&named.path()).await) }).buffered(AT_ONCE);
        pin_mut!(answers);
        while let Some((named, answer)) = answers.next().await {
            if !self.goes_on() || !self.judge(named, answer) {
                return named.index;
            }
        }
        end
    }

    /// Whether the source answered.
    fn judge(&mut self, object: NamedObject, answer: Result<Vec<u8>, SourceError>) -> bool {
        match answer {
            Ok(bytes) => {
                let found: [u8; 32] = Sha256::digest(&bytes).into();
                self.looked.bytes += bytes.len() as u64;
                if found == object.hash {
                    self.known.insert(found);
                    self.looked.good += 1;
                } else {
                    self.looked.faults.push(ObjectFault::Altered { object, found });
                }
            }
            Err(SourceError::NotFound { .. }) => self.looked.faults.push(ObjectFault::Withheld(object)),
            Err(SourceError::TooLarge { expected, .. }) => {
                self.looked.faults.push(ObjectFault::TooLarge { object, expected });
            }
            Err(error @ SourceError::Unreachable { .. }) => {
                self.looked.silent = Some(error.to_string());
                return false;
            }
        }
        true
    }
}
