//! Who else shows a log, and what it shows: mirrors, witnesses, copies at other addresses.

use std::sync::Arc;

use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tlog_proof::{LogPolicy, PolicyError, VerifiedCheckpoint};

use super::views::{View, compare, compare_sources, shown};
use crate::client::{ClientError, HttpSource, Source, SourceError, VerifiedTree};

/// Somebody who shows logs: the address below which one log's `checkpoint` lies, or the prefix of a mirror or a witness,
/// which show each log below the SHA-256 of its origin (C2SP tlog-mirror; our witnesses do the same).
#[derive(Debug, Clone)]
pub struct OtherSource {
    http: Client,
    url: String,
}

impl OtherSource {
    /// Nothing is asked yet. Nobody needs to authenticate `url`: what it shows is signed by the log.
    pub fn new(http: Client, url: &str) -> Self {
        Self { http, url: url.trim_end_matches('/').to_owned() }
    }

    /// Where it shows the log `origin`, and the newest checkpoint there, of which the log's signature alone is checked.
    ///
    /// # Errors
    /// When it does not answer, or shows nothing that this log has signed at either place.
    pub async fn of_log(
        &self,
        policy: &LogPolicy,
        origin: &str,
    ) -> Result<(HttpSource, VerifiedCheckpoint), ClientError> {
        let below = format!("{}/{}", self.url, hex::encode(Sha256::digest(origin)));
        let [direct, prefixed] = [&self.url, &below].map(|url| HttpSource::new(self.http.clone(), url));
        match shown(&direct, policy, origin).await {
            // What counts then is whether this log's lies below.
            Err(at_first) if is_no_view(&at_first) => match shown(&prefixed, policy, origin).await {
                Ok(seen) => Ok((prefixed, seen)),
                Err(ClientError::Source(SourceError::NotFound { .. })) => Err(at_first),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
            Ok(seen) => Ok((direct, seen)),
        }
    }
}

/// Whether what lies at an address is nothing of the log's: nothing at all, a page for people, or another log's
/// checkpoint. One that names the log and is not signed by it is something else.
fn is_no_view(error: &ClientError) -> bool {
    match error {
        ClientError::Source(error) => matches!(error, SourceError::NotFound { .. }),
        // Malformed, or another log's of the policy.
        ClientError::Checkpoint(_) => true,
        ClientError::Policy(error) => matches!(error, PolicyError::UnknownLog { .. }),
        _ => false,
    }
}

/// A log as it is read here: from where, the newest tree, and its checkpoint.
pub type Here<'a, S> = (&'a Arc<S>, &'a VerifiedTree<S>, &'a VerifiedCheckpoint);

/// Holds what another source shows against the log's newest tree. A checkpoint that is ahead is asked about once more,
/// for the log may have grown meanwhile: [`View::Ahead`] comes back only where the log still shows less than the other.
///
/// # Errors
/// When the log cannot be read any more.
pub async fn hold_against<S: Source + 'static, T: Source + ?Sized + 'static>(
    here: Here<'_, S>,
    (other, seen): (&Arc<T>, &VerifiedCheckpoint),
    policy: &LogPolicy,
) -> Result<View, ClientError> {
    match held(here, seen, policy).await? {
        // One that serves no tiles, as witnesses do not, can say no more than that there is more.
        (View::Ahead { size }, again) => {
            Ok(compare_sources((here.0, &again), (other, seen)).await.unwrap_or(View::Ahead { size }))
        }
        (settled, _) => Ok(settled),
    }
}

/// The same for a checkpoint that somebody has seen, and of which nothing more is at hand.
///
/// # Errors
/// When the log cannot be read any more.
pub async fn hold_seen<S: Source + 'static>(
    here: Here<'_, S>,
    seen: &VerifiedCheckpoint,
    policy: &LogPolicy,
) -> Result<View, ClientError> {
    Ok(held(here, seen, policy).await?.0)
}

/// The view, and the checkpoint that the log showed last.
async fn held<S: Source + 'static>(
    (source, tree, newest): Here<'_, S>,
    seen: &VerifiedCheckpoint,
    policy: &LogPolicy,
) -> Result<(View, VerifiedCheckpoint), ClientError> {
    let view = compare(tree, newest, seen).await?;
    if !matches!(view, View::Ahead { .. }) {
        return Ok((view, newest.clone()));
    }
    let again = shown(&**source, policy, &newest.origin).await?;
    if again.size < seen.size {
        return Ok((view, again));
    }
    let grown = VerifiedTree::open(Arc::clone(source), &again).await?;
    Ok((compare(&grown, &again, seen).await?, again))
}
