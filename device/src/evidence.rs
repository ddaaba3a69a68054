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
use tlog_proof::{
    Entry, Hash, HashReader, LogPolicy, PolicyVerdict, Proof, UnverifiedCheckpoint, prove_consistency, prove_inclusion,
};
use transparency_log::client::{ClientError, LogClient, Source, VerifiedTree};
use transparency_log::monitor::Duplicate;

use crate::{Home, HomeError};

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

/// Keeps a claim as a file in the folder `evidence`, and says where.
pub fn keep(home: &Home, policy: &TrustPolicy, claim: Claim, now: UnixTime) -> Result<PathBuf, EvidenceFailure> {
    let evidence = evidence(home, policy, claim, now)?;
    let kind = match evidence.claim {
        Claim::Certificate { .. } => "certificate",
        Claim::Entries { .. } => "entries",
        Claim::SplitView { .. } => "split-view",
    };
    let text = String::from_utf8(evidence.to_bytes()).expect("JSON is UTF-8");
    let digest = hex::encode(&Sha256::digest(&text)[..4]);
    let file = format!("evidence/{}-{kind}-{digest}.json", now.as_secs());
    home.write_text(&file, &text)?;
    Ok(home.folder().join(file))
}

/// Whether the log now shows a tree that contradicts a checkpoint it signed before; `None` if it does not.
pub async fn split_view(
    older: &str,
    source: &Arc<impl Source + 'static>,
    policy: &LogPolicy,
) -> Result<Option<Claim>, EvidenceFailure> {
    let note = UnverifiedCheckpoint::parse(older).map_err(|error| EvidenceFailure::Nothing(error.to_string()))?;
    let (size, root) = (note.claimed().size, note.claimed().root);
    let client = LogClient::new(Arc::clone(source), policy.clone());
    let verdict = client.checkpoint().await?;
    if size == 0 || size > verdict.checkpoint.size {
        return Ok(None);
    }
    let tree = client.tree(&verdict).await?;
    let beginning = tree.frontier(size).await?.root();
    if beginning == root {
        return Ok(None);
    }
    let proof = proven(&tree, |reader| prove_consistency(reader, size, verdict.checkpoint.size)).await?;
    Ok(Some(Claim::SplitView {
        older: older.to_owned(),
        newer: verdict.checkpoint.text().to_owned(),
        beginning: beginning.to_string(),
        proof: proof.iter().map(Hash::to_string).collect(),
    }))
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
