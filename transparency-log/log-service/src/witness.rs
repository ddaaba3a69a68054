//! A witness as a process.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use tlog_proof::{KeyKind, VerifierKey};
use tokio_util::sync::CancellationToken;
use transparency_log::limit::RateLimit;
use transparency_log::witness::router;
use transparency_log::{Witness, WitnessKeys, system_clock};

use crate::error::Failure;
use crate::keys;
use crate::running::{announce, bind};
use crate::serving::serve;
use crate::settings::{Read, WitnessSettings};

/// What people and programs are told when it answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The verifier key that logs and peers must know.
    pub key: String,
    /// Every key it cosigns with, the first of which is `key`.
    pub keys: Vec<String>,
    /// Where it is reached on this machine: the submission prefix.
    pub url: String,
    /// The origins of the logs it cosigns.
    pub logs: Vec<String>,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "This witness is ready.\n  address  {}", self.url)?;
        self.keys.iter().try_for_each(|key| writeln!(f, "  key      {key}"))?;
        self.logs.iter().try_for_each(|log| writeln!(f, "  cosigns  {log}"))?;
        writeln!(f, "Logs that want its cosignature need address and key, as seen from them.")
    }
}

/// The witness's verifier keys, Ed25519 first; key files are made where there are none.
///
/// # Errors
/// Name or key files cannot be used.
pub fn keys_of(read: &Read<WitnessSettings>) -> Result<Vec<VerifierKey>, Failure> {
    Ok(signers(read)?.vkeys())
}

fn signers(read: &Read<WitnessSettings>) -> Result<WitnessKeys, Failure> {
    keys::open_witness(&read.resolve(&read.settings.folder), &read.settings.name)
}

/// Runs a witness until `stop` is cancelled.
///
/// # Errors
/// It cannot start.
pub async fn run(path: &Path, json: bool, stop: CancellationToken) -> Result<(), Failure> {
    let read = Read::<WitnessSettings>::open(path)?;
    let settings = &read.settings;
    if settings.logs.is_empty() {
        return Err(Failure::usage(
            "expected at least one [[log]], found none",
            "add the verifier key of each log it shall cosign",
        ));
    }
    if let Some(wrong) = settings.logs.iter().find(|log| log.key.kind() != KeyKind::Ed25519) {
        let what = format!("expected the key of a log, found {}, which is that of a witness", wrong.key);
        return Err(Failure::usage(what, "ask the log's operator for the log's verifier key"));
    }
    let signers = signers(&read)?;
    let key = signers.vkey().to_string();
    let keys = signers.vkeys().iter().map(ToString::to_string).collect();
    let logs = settings.logs.iter().map(|log| log.key.clone()).collect();
    let state = read.resolve(&settings.folder).join("state");
    let witness = Witness::open(&state, signers, logs, system_clock())
        .map_err(|error| Failure::new(error.to_string(), "stop the other witness, or make the folder writable"))?;
    let known = witness.status().map_err(|error| {
        Failure::new(
            format!("the witness's state is damaged: {error}"),
            "do not start it from an older state: use a new name and key",
        )
    })?;
    let bound = bind(&read, &settings.port, None).await?;
    let logs = known.into_iter().map(|log| log.origin).collect();
    announce(&Ready { ready: true, key, keys, url: bound.url, logs }, json);
    let limit = RateLimit::new(settings.port.requests_per_second, settings.port.burst);
    serve(bound.listener, bound.serving, router(witness, limit), stop).await;
    Ok(())
}
