//! What an audit found.

use tlog_proof::{Cosigned, Entry, Frontier, Hash, PolicyVerdict};

use super::Cursor;
use super::labels::{Labels, Uneven};
use super::objects::NamedObjects;

/// Most duplicates that are reported one by one.
pub(super) const MAX_DUPLICATES: usize = 1000;

/// How far an audit has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Index of the first entry of this audit.
    pub start: u64,
    /// Entries of the log that were looked at, those before `start` included.
    pub done: u64,
    /// Entries that the checkpoint has.
    pub size: u64,
}

/// Entries by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// People's certificates.
    pub certificates: u64,
    /// Blinded signatures.
    pub signatures: u64,
    /// Services' certificates.
    pub services: u64,
    /// Objects by hash: CRLs, issuing certificates, trust policies, audit heads.
    pub objects: u64,
}

impl Counts {
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Certificate { .. } => self.certificates += 1,
            Entry::Signature { .. } => self.signatures += 1,
            Entry::Service { .. } => self.services += 1,
            Entry::Object { .. } => self.objects += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.certificates + self.signatures + self.services + self.objects
    }
}

/// A label that stands in the log twice: the authority misbehaved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The label.
    pub label: [u8; 32],
    /// Index of the entry that had it first.
    pub first: u64,
    /// Index of the entry that has it again.
    pub second: u64,
}

/// What an audit found. The log is append-only and well-formed; whether `duplicates` is empty and the
/// times in `cosigned_by` are recent enough is for the caller to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditReport {
    /// The log.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root, recomputed from the entries.
    pub root: Hash,
    /// The checkpoint that was audited, as it was signed and cosigned: to be held against the log later.
    pub checkpoint: String,
    /// Index of the first entry that this audit looked at.
    pub start: u64,
    /// The entries that this audit looked at, by kind.
    pub counts: Counts,
    /// Who cosigned the checkpoint, and when.
    pub cosigned_by: Vec<Cosigned>,
    /// Labels found twice among the entries that this audit looked at; at most 1,000.
    pub duplicates: Vec<Duplicate>,
    /// The objects that these entries name: for [`super::look`].
    pub objects: NamedObjects,
    /// From where the next audit goes on.
    pub cursor: Cursor,
}

/// Counts while an audit runs.
pub(super) struct Tally {
    start: u64,
    counts: Counts,
    /// Labels that agree in what is kept of them are looked at again (see `duplicates`).
    pub(super) labels: Labels,
    pub(super) duplicates: Vec<Duplicate>,
    objects: NamedObjects,
}

/// The label of an entry.
pub(super) type Label = [u8; 32];

impl Tally {
    /// For the entries from `start` to below `size`, of whose labels `most` may be kept at once.
    pub(super) fn new(start: u64, size: u64, most: u64) -> Self {
        let labels = Labels::new(size.saturating_sub(start), most);
        let objects = NamedObjects::from(start);
        Self { start, counts: Counts::default(), labels, duplicates: Vec::new(), objects }
    }

    /// Index of the first entry looked at.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn add(&mut self, index: u64, entry: &Entry) -> Result<(), Uneven> {
        self.counts.add(entry);
        self.objects.add(index, entry);
        entry.label().map_or(Ok(()), |label| self.labels.add(label))
    }

    pub(super) fn report(self, verdict: PolicyVerdict, frontier: Frontier) -> AuditReport {
        let origin = verdict.checkpoint.origin.clone();
        AuditReport {
            size: frontier.size(),
            root: frontier.root(),
            checkpoint: verdict.checkpoint.text().to_owned(),
            start: self.start,
            counts: self.counts,
            cosigned_by: verdict.cosigned,
            duplicates: self.duplicates,
            objects: self.objects,
            cursor: Cursor::new(origin.clone(), frontier),
            origin,
        }
    }
}
