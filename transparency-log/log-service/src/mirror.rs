//! A mirror as a process.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use tlog_proof::{Cosigner, KeyKind, VerifierKey};
use tokio_util::sync::CancellationToken;
use transparency_log::limit::RateLimit;
use transparency_log::mirror::{Mirror, router};
use transparency_log::system_clock;

use crate::error::Failure;
use crate::keys;
use crate::running::{announce, bind};
use crate::serving::serve;
use crate::settings::{MirrorSettings, Read};

/// What people and programs are told when it answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The verifier key that logs and peers must know.
    pub key: String,
    /// Where it is reached on this machine: submission and monitoring prefix.
    pub url: String,
    /// The logs it copies.
    pub logs: Vec<Copied>,
}

/// A log, and where its copy is served.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// The log's origin.
    pub origin: String,
    /// Where checkpoint, tiles and entries lie.
    pub url: String,
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "This mirror is ready.\n  address  {}\n  key      {}", self.url, self.key)?;
        self.logs.iter().try_for_each(|log| writeln!(f, "  copies   {}\n           at {}", log.origin, log.url))?;
        writeln!(f, "Logs bring their entries here if they know address and key, as seen from them.")
    }
}

/// The mirror's verifier key; its key file is made if there is none.
///
/// # Errors
/// Name or key file cannot be used.
pub fn key(read: &Read<MirrorSettings>) -> Result<VerifierKey, Failure> {
    Ok(cosigner(read)?.vkey())
}

fn cosigner(read: &Read<MirrorSettings>) -> Result<Cosigner, Failure> {
    let folder = read.resolve(&read.settings.folder);
    let key = keys::open(&folder.join("mirror.pem"))?;
    Cosigner::new(&read.settings.name, key)
        .map_err(|error| Failure::usage(format!("name: {error}"), "give an address without scheme and spaces"))
}

/// Runs a mirror until `stop` is cancelled.
///
/// # Errors
/// It cannot start.
pub async fn run(path: &Path, json: bool, stop: CancellationToken) -> Result<(), Failure> {
    let read = Read::<MirrorSettings>::open(path)?;
    let settings = &read.settings;
    if settings.logs.is_empty() {
        let what = "expected at least one [[log]], found none";
        return Err(Failure::usage(what, "add the verifier key of each log it shall copy"));
    }
    if let Some(wrong) = settings.logs.iter().find(|log| log.key.kind() != KeyKind::Ed25519) {
        let what = format!("expected the key of a log, found {}, which is that of a witness", wrong.key);
        return Err(Failure::usage(what, "ask the log's operator for the log's verifier key"));
    }
    let cosigner = cosigner(&read)?;
    let (key, logs) = (cosigner.vkey().to_string(), settings.logs.iter().map(|log| log.key.clone()).collect());
    let bound = bind(&read, &settings.port, None).await?;
    let copies = read.resolve(&settings.folder).join("copies");
    let mirror = Mirror::open(&copies, cosigner, logs, system_clock()).map_err(|error| {
        Failure::new(error.to_string(), "stop the other mirror, make the folder writable, or restore the newest copy")
    })?;
    let logs = mirror.logs().into_iter();
    let logs = logs.map(|(origin, digest)| Copied { origin, url: format!("{}/{digest}", bound.url) }).collect();
    announce(&Ready { ready: true, key, url: bound.url, logs }, json);
    let limit = RateLimit::new(settings.port.requests_per_second, settings.port.burst);
    serve(bound.listener, bound.serving, router(mirror, limit), stop).await;
    Ok(())
}
