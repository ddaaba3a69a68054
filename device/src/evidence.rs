//! Evidence of misbehaviour: gathered from a log, kept in the person's folder.
//!
//! Whatever is kept here was judged first ([`Evidence::judge`]): a file that proves nothing is not written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use identity::UnixTime;
use identity::evidence::{Claim, Evidence, LoggedEntry, Opened};
use identity::trust::TrustPolicy;
use sha2::{Digest, Sha256};
use tlog_proof::{Entry, Hash, HashReader, LogPolicy, PolicyVerdict, Proof, UnverifiedCheckpoint, prove_inclusion};
use transparency_log::client::{ClientError, LogClient, Source, VerifiedTree};
use transparency_log::monitor::{Duplicate, SplitView, View, compare};

use crate::{Home, HomeError, files};

/// Why no evidence was written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFailure {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The log cannot be read any more, or shows something else again.
    #[error(transparent)]
    Log(#[from] ClientError),
    /// It would prove nothing.
    #[error("it would prove nothing: {0}")]
    Nothing(String),
}

/// Puts a claim together with the policy by which it is to be judged.
pub fn evidence(home: &Home, policy: &TrustPolicy, claim: Claim, now: UnixTime) -> Result<Evidence, EvidenceFailure> {
    let pinned = home.pinned_policies()?.into_iter().find(|pinned| pinned.policy == *policy);
    let pinned = pinned.ok_or_else(|| EvidenceFailure::Nothing(format!("{} is not pinned any more", policy.name)))?;
    let evidence = Evidence::new(pinned.documents, claim, now);
    evidence.judge().map_err(|error| EvidenceFailure::Nothing(error.to_string()))?;
    Ok(evidence)
}

/// Most split views of one log that are kept: one proof convinces, and a fork that grows is another one at every look.
const MAX_SPLIT_VIEWS: usize = 16;

/// Keeps a claim as a file in the folder `evidence`, and says where. What is proven there already is not written again:
/// a fork is there at every look from now on, and its checkpoints are cosigned anew all the time.
pub fn keep(home: &Home, policy: &TrustPolicy, claim: Claim, now: UnixTime) -> Result<PathBuf, EvidenceFailure> {
    let evidence = evidence(home, policy, claim, now)?;
    let kind = match &evidence.claim {
        Claim::Certificate { .. } => "certificate".to_owned(),
        Claim::Entries { .. } => "entries".to_owned(),
        Claim::SplitView { older, .. } => format!("split-view-{}", short(log_of(older).as_bytes())),
    };
    let end = format!("-{kind}-{}.json", contradiction(policy, &evidence.claim));
    let _lock = home.lock()?;
    if let Some(there) = there(home, &end, &format!("-{kind}-"))? {
        return Ok(there);
    }
    let path = home.folder().join(format!("evidence/{}{end}", now.as_secs()));
    files::write_atomic(&path, &evidence.to_bytes())?;
    Ok(path)
}

/// The file that makes another one needless: one of the same contradiction, or, where there are enough split views of
/// the log, the first of them.
fn there(home: &Home, end: &str, kind: &str) -> Result<Option<PathBuf>, HomeError> {
    let files = files::files(&home.folder().join("evidence"))?;
    let named =
        |path: &&PathBuf, part: &str| path.file_name().is_some_and(|name| name.to_string_lossy().contains(part));
    if let Some(same) = files.iter().find(|path| named(path, end)) {
        return Ok(Some(same.clone()));
    }
    let alike: Vec<_> = files.iter().filter(|path| named(path, kind)).collect();
    let enough = kind.contains("split-view") && alike.len() >= MAX_SPLIT_VIEWS;
    Ok(alike.first().filter(|_| enough).map(|path| (*path).clone()))
}

fn log_of(checkpoint: &str) -> String {
    UnverifiedCheckpoint::parse(checkpoint).map(|note| note.claimed().origin.clone()).unwrap_or_default()
}

fn short(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..4])
}

/// Names what a claim is about, and not how it is told: the same fault found again has the same name.
fn contradiction(policy: &TrustPolicy, claim: &Claim) -> String {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    part(policy.name.as_bytes());
    match claim {
        Claim::Certificate { chain, refused, .. } => {
            chain.iter().for_each(|der| part(&der.0));
            part(refused.as_ref().map_or("", |refused| &refused.rule).as_bytes());
        }
        Claim::Entries { entries, .. } => {
            for logged in entries {
                part(&logged.entry.0);
                part(&Proof::parse(&logged.proof).map_or(0, |proof| proof.index).to_be_bytes());
            }
        }
        // The smaller tree, and what the larger one has in its place.
        Claim::SplitView { older, beginning, .. } => {
            let tree = UnverifiedCheckpoint::parse(older).map(|note| note.claimed().to_body());
            part(tree.unwrap_or_default().as_bytes());
            part(beginning.as_bytes());
        }
    }
    hex::encode(&digest.finalize()[..8])
}

/// The split view as a claim.
pub fn claim(split: &SplitView) -> Claim {
    let SplitView { older, newer, beginning, proof } = split.clone();
    Claim::SplitView { older, newer, beginning, proof }
}

/// Whether the log now shows a tree that contradicts a checkpoint it signed before; `None` if it does not.
pub async fn split_view(
    older: &str,
    source: &Arc<impl Source + 'static>,
    policy: &LogPolicy,
) -> Result<Option<Claim>, EvidenceFailure> {
    let note = UnverifiedCheckpoint::parse(older).map_err(|error| EvidenceFailure::Nothing(error.to_string()))?;
    let older = policy.check_log(&note).map_err(|error| EvidenceFailure::Nothing(error.to_string()))?;
    let client = LogClient::new(Arc::clone(source), policy.clone());
    let verdict = client.checkpoint().await?;
    if older.size == 0 {
        return Ok(None);
    }
    let tree = client.tree(&verdict).await?;
    match compare(&tree, &verdict.checkpoint, &older).await? {
        View::Split(split) => Ok(Some(claim(&split))),
        View::Agrees { .. } | View::Ahead { .. } => Ok(None),
    }
}

/// A label that stands in the log twice.
pub async fn duplicate(
    found: &Duplicate,
    source: &Arc<impl Source + 'static>,
    policy: &LogPolicy,
) -> Result<Claim, EvidenceFailure> {
    let log = Reader::open(source, policy).await?;
    let mut entries = Vec::new();
    for index in [found.first, found.second] {
        entries.push(log.entry(index, None).await?);
    }
    Ok(Claim::Entries { label: None, entries })
}

/// The log at its newest checkpoint.
pub(crate) struct Reader<S> {
    client: LogClient<Arc<S>>,
    verdict: PolicyVerdict,
    tree: VerifiedTree<Arc<S>>,
}

impl<S: Source + 'static> Reader<S> {
    pub(crate) async fn open(source: &Arc<S>, policy: &LogPolicy) -> Result<Self, EvidenceFailure> {
        let client = LogClient::new(Arc::clone(source), policy.clone());
        let verdict = client.checkpoint().await?;
        let tree = client.tree(&verdict).await?;
        Ok(Self { client, verdict, tree })
    }

    /// An entry with the proof of its place.
    pub(crate) async fn entry(&self, index: u64, opened: Option<Opened>) -> Result<LoggedEntry, EvidenceFailure> {
        use futures_util::StreamExt as _;
        let mut entries = self.client.entries(&self.verdict, index..index + 1).await?;
        let (_, bytes) =
            entries.next().await.ok_or_else(|| EvidenceFailure::Nothing(format!("no entry {index}")))??;
        Entry::decode(&bytes).map_err(|error| EvidenceFailure::Nothing(error.to_string()))?;
        let size = self.verdict.checkpoint.size;
        let path = proven(&self.tree, |reader| prove_inclusion(reader, index, size)).await?;
        let checkpoint = self.verdict.checkpoint.text().to_owned();
        let proof = Proof { extra: None, index, path, checkpoint }.to_string();
        Ok(LoggedEntry { entry: bytes.into(), proof, opened })
    }
}

/// The hashes fetched so far; what is missing is asked for by the error.
struct Fetched<'a>(&'a HashMap<(u8, u64), Hash>);

impl HashReader for Fetched<'_> {
    type Error = (u8, u64);

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, (u8, u64)> {
        self.0.get(&(level, index)).copied().ok_or((level, index))
    }
}

/// Runs a prover until it has every hash it wants.
async fn proven<S: Source + 'static>(
    tree: &VerifiedTree<S>,
    mut prove: impl FnMut(&mut Fetched<'_>) -> Result<Vec<Hash>, (u8, u64)>,
) -> Result<Vec<Hash>, ClientError> {
    let mut fetched = HashMap::new();
    loop {
        match prove(&mut Fetched(&fetched)) {
            Ok(proof) => return Ok(proof),
            Err((level, index)) => {
                fetched.insert((level, index), tree.subtree(level, index).await?);
            }
        }
    }
}
