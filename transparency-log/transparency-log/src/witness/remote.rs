//! A witness elsewhere, asked over HTTP (C2SP tlog-witness).

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tlog_proof::add_checkpoint::{AddCheckpoint, SIZE_CONTENT_TYPE, parse_size};
use tlog_proof::{Hash, VerifierKey};

use super::{WitnessError, Witnessing};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer that is read, in bytes: some cosignatures, ML-DSA-44 ones included, or a mirror's ticket.
const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// Most characters of a refusal that are repeated.
const MAX_REASON: usize = 200;

/// The client of one foreign witness.
///
/// **Trust.** What it answers is verified by the log under the witness's key, as every verifier will. Whoever sits on
/// the way, or the witness itself, can only refuse.
#[derive(Debug, Clone)]
pub struct RemoteWitness {
    vkey: VerifierKey,
    prefix: String,
    url: String,
    http: Client,
}

impl RemoteWitness {
    /// Asks the witness with this key at its submission prefix, such as `https://witness.example`.
    pub fn new(http: Client, vkey: VerifierKey, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let url = format!("{prefix}/add-checkpoint");
        Self { vkey, prefix, url, http }
    }

    /// The key that its cosignatures verify with.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    async fn ask(&self, body: String) -> Result<String, WitnessError> {
        let request = self.http.post(&self.url).timeout(PATIENCE).body(body);
        let response = request.send().await;
        let kind = response.as_ref().ok().and_then(|response| response.headers().get(header::CONTENT_TYPE));
        let is_size = kind.is_some_and(|kind| kind == SIZE_CONTENT_TYPE);
        let (status, body) = read_answer(&self.url, response).await?;
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::CONFLICT if is_size => Err(match parse_size(&body) {
                Ok(size) => WitnessError::Conflict { size },
                Err(_) => WitnessError::Unreachable(format!("{}: expected a size, found {:?}", self.url, cut(&body))),
            }),
            status if status.is_client_error() => {
                Err(WitnessError::Refused { status: status.as_u16(), reason: cut(&body) })
            }
            status => Err(WitnessError::Unreachable(format!("{}: expected the answer 200, found {status}", self.url))),
        }
    }
}

impl RemoteWitness {
    /// Where our witnesses and every mirror (C2SP tlog-mirror, "Monitoring") show what they hold.
    async fn shown(&self, origin: &str) -> Result<Option<String>, WitnessError> {
        let url = format!("{}/{}/checkpoint", self.prefix, hex::encode(Sha256::digest(origin)));
        let response = self.http.get(&url).timeout(PATIENCE).send().await;
        let (status, text) = read_answer(&url, response).await?;
        Ok((status == StatusCode::OK).then_some(text))
    }
}

/// Status and bounded text of an answer.
pub(crate) async fn read_answer(
    url: &str,
    answer: Result<Response, reqwest::Error>,
) -> Result<(StatusCode, String), WitnessError> {
    let unreachable = |error: &reqwest::Error| {
        let reason = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        WitnessError::Unreachable(format!("{url}: {}", reason.map(ToString::to_string).unwrap_or_default()))
    };
    let mut response = answer.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let account = format!("{url}: expected at most {MAX_ANSWER_BYTES} bytes, found more");
            return Err(WitnessError::Unreachable(account));
        }
        body.extend_from_slice(&chunk);
    }
    let text =
        String::from_utf8(body).map_err(|_| WitnessError::Unreachable(format!("{url}: the answer is no text")))?;
    Ok((status, text))
}

/// A stranger's words, short and on one line.
fn cut(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}

impl Witnessing for RemoteWitness {
    fn name(&self) -> &str {
        self.vkey.name()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>> {
        self.ask(AddCheckpoint { old, proof, checkpoint }.to_string()).boxed()
    }

    fn newest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        let origin = origin.to_owned();
        async move { self.shown(&origin).await }.boxed()
    }
}
