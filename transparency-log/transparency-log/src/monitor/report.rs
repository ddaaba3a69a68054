//! What an audit found.

use std::collections::HashSet;

use tlog_proof::{Cosigned, Entry, Frontier, Hash, PolicyVerdict};

use super::Cursor;

/// Most duplicates that are reported one by one.
const MAX_DUPLICATES: usize = 1000;

/// Most labels that room is made for beforehand: a checkpoint may claim any size.
const MAX_FORESEEN: u64 = 1 << 24;

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
    /// From where the next audit goes on.
    pub cursor: Cursor,
}

/// Counts while an audit runs.
pub(super) struct Tally {
    start: u64,
    counts: Counts,
    /// The first eight bytes of every label: nine bytes of memory for each entry instead of fifty. Labels
    /// that agree in these are looked at again (see `duplicates`).
    labels: HashSet<u64>,
    /// Labels that may stand in the log twice, each with the index of the later entry.
    pub(super) suspects: Vec<(Label, u64)>,
    pub(super) duplicates: Vec<Duplicate>,
}

/// The label of an entry.
pub(super) type Label = [u8; 32];

impl Tally {
    /// For the entries from `start` to below `size`.
    pub(super) fn new(start: u64, size: u64) -> Self {
        let foreseen = size.saturating_sub(start).min(MAX_FORESEEN) as usize;
        let labels = HashSet::with_capacity(foreseen);
        Self { start, counts: Counts::default(), labels, suspects: Vec::new(), duplicates: Vec::new() }
    }

    /// Index of the first entry looked at.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn add(&mut self, index: u64, entry: &Entry) {
        self.counts.add(entry);
        let Some(label) = entry.label() else { return };
        let seen = !self.labels.insert(beginning(label));
        if seen && self.suspects.len() < MAX_DUPLICATES {
            self.suspects.push((*label, index));
        }
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
            cursor: Cursor::new(origin.clone(), frontier),
            origin,
        }
    }
}

fn beginning(label: &Label) -> u64 {
    let (beginning, _) = label.split_first_chunk().expect("32 bytes begin with eight");
    u64::from_be_bytes(*beginning)
}
