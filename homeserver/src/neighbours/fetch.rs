//! What a neighbour's trust policy says about its witness and its log.

use identity::trust::{Fingerprint, PolicyUpdate, TrustPolicy};
use reqwest::{Client, StatusCode};
use transparency_log::client::self_proving_http;

use super::Neighbour;
use crate::error::StartError;

/// Largest policy or update that is read (bytes).
const MAX_BYTES: usize = 1 << 20;

/// No more versions of a policy are followed at once.
const MAX_VERSIONS: usize = 64;

/// How long one answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What was found at a neighbour's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The policy has the expected fingerprint; this follows from it.
    Neighbour(Neighbour),
    /// A policy with this fingerprint, which nobody has compared yet.
    Uncompared(Fingerprint),
}

/// Fetches the trust policy at `url` and reads from it who its witness is. Nothing is believed before the fingerprint
/// is the `expected` one; later versions are believed because the first one's root signed them.
///
/// # Errors
/// It cannot be fetched, has another fingerprint, or names no witness of its operator's.
pub async fn by_fingerprint(url: &str, expected: Option<Fingerprint>) -> Result<Found, StartError> {
    let base = url.trim_end_matches('/').trim_end_matches("/policy");
    let http = self_proving_http();
    let refused = |reason: String| StartError::Witness { reason };
    let address = format!("{base}/policy");
    let genesis = first(&http, base).await.map_err(refused)?;
    let found = genesis.fingerprint();
    match expected {
        None => return Ok(Found::Uncompared(found)),
        Some(expected) if expected != found => {
            return Err(refused(format!("{address}: expected the fingerprint {expected}, found {found}")));
        }
        Some(_) => {}
    }
    let newest = follow(&http, base, genesis).await.map_err(refused)?;
    let mut neighbour = neighbour(base, &newest).map_err(|reason| refused(format!("{address}: {reason}")))?;
    neighbour.fingerprint = Some(found.to_string());
    Ok(Found::Neighbour(neighbour))
}

async fn first(http: &Client, base: &str) -> Result<TrustPolicy, String> {
    let address = format!("{base}/policy");
    let genesis = get(http, &address).await?;
    let genesis = genesis.ok_or_else(|| format!("{address} is missing: is it a home server?"))?;
    TrustPolicy::parse(&genesis).map_err(|error| format!("{address}: {error}"))
}

/// The first version, which has this fingerprint.
pub(super) async fn genesis(http: &Client, base: &str, expected: Fingerprint) -> Result<TrustPolicy, String> {
    let genesis = first(http, base).await?;
    let found = genesis.fingerprint();
    if found == expected { Ok(genesis) } else { Err(format!("expected the fingerprint {expected}, found {found}")) }
}

/// The newest version, each verified by the one before it.
pub(crate) async fn follow(http: &Client, base: &str, genesis: TrustPolicy) -> Result<TrustPolicy, String> {
    let mut current = genesis;
    for _ in 0..MAX_VERSIONS {
        let address = format!("{base}/policy/{}", current.number + 1);
        let Some(bytes) = get(http, &address).await? else { break };
        let update = PolicyUpdate::parse(&bytes).map_err(|error| format!("{address}: {error}"))?;
        current = update.verify(&current).map_err(|error| format!("{address}: {error}"))?.take_confirmed();
    }
    Ok(current)
}

fn neighbour(base: &str, policy: &TrustPolicy) -> Result<Neighbour, String> {
    let logs = policy.log_policy().map_err(|error| error.to_string())?;
    let own =
        logs.witnesses.iter().find(|witness| policy.operator_witnesses.iter().any(|name| name == witness.vkey.name()));
    let own = own.ok_or("expected a policy that names a witness of its operator's, found none")?;
    let log = policy.authorities.first().map(|authority| authority.log.as_str());
    let log = logs.logs.iter().find(|known| Some(known.vkey.name()) == log);
    let url = own.url.clone().unwrap_or_else(|| format!("{base}/witness"));
    let log = log.map(|log| log.vkey.to_string());
    let (key, server) = (own.vkey.to_string(), Some(base.to_owned()));
    Ok(Neighbour { key, url, mirror: false, log, server, fingerprint: None })
}

/// The body; `None` where there is nothing.
async fn get(http: &Client, url: &str) -> Result<Option<Vec<u8>>, String> {
    get_at_most(http, url, MAX_BYTES).await
}

/// As [`get`], of what may have so many bytes.
pub(crate) async fn get_at_most(http: &Client, url: &str, most: usize) -> Result<Option<Vec<u8>>, String> {
    let failed = |error: reqwest::Error| {
        let reason = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
        format!("{url} cannot be fetched: {}", reason.map(ToString::to_string).unwrap_or_default())
    };
    let mut response = http.get(url).timeout(PATIENCE).send().await.map_err(failed)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(format!("{url} answered {status} instead of 200")),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > most {
            return Err(format!("{url} answered with more than {} MiB", most >> 20));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}
