//! Sends requests and reads answers.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::holder::{Holder, Nobody};
use super::jws::{self, Payload, Sender};
use super::messages::{
    AcmeIdentifier, Authorization, Challenge, Directory, EndProofsAnswer, EraseAnswer, Order, Problem, WatchAnswers,
};
use super::patience::{self, Patience};
use crate::https::{self, FetchError};
use crate::keys::{AccountKey, KeyError};

/// How often a request is repeated whose nonce the server refused (RFC 8555 section 6.5).
pub(super) const NONCE_TRIES: usize = 5;

/// The longest address of terms that a person is asked to agree to.
const MAX_TERMS_BYTES: usize = 2048;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// No answer, or none that may be trusted.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The account's key did not sign the request.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The authority refused, and said why.
    #[error("the authority at {url} refused: {problem}{}", patience::come_back(*status, *retry_after))]
    Refused {
        /// What was asked.
        url: String,
        /// Its HTTP status.
        status: StatusCode,
        /// Its reason.
        problem: Problem,
        /// When it asks to come back; longer than this program waits by itself.
        retry_after: Option<Duration>,
    },
    /// The answer is not what the protocol wants.
    #[error("{url} does not speak ACME as expected: expected {expected}, found {found}")]
    Protocol {
        /// What was asked.
        url: String,
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// An account would be made, and its holder has not agreed to the terms.
    #[error("the authority makes accounts for those who agree to its terms, {url}")]
    Terms {
        /// Where they are.
        url: String,
    },
    /// An account would be made, and has to be bound to one elsewhere.
    #[error(
        "the authority makes accounts for those who have one elsewhere (RFC 8555 section 7.3.4), and none was given"
    )]
    Elsewhere,
}

impl AcmeError {
    /// The authority's reason, if it gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }
}

/// A connection to one authority as one account.
#[derive(Debug)]
pub struct AcmeClient {
    http: reqwest::Client,
    directory_url: String,
    directory: Directory,
    key: AccountKey,
    account: Option<String>,
    nonce: Option<String>,
}

/// An answer: its `Location`, how long to wait before asking again, and its body.
pub(super) struct Answer {
    url: String,
    location: Option<String>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl AcmeClient {
    /// Fetches the directory object and finds the account of `key`; makes it where nobody has to be asked for that.
    pub async fn connect(http: reqwest::Client, directory_url: &str, key: AccountKey) -> Result<Self, AcmeError> {
        Self::join(http, directory_url, key, &mut Nobody).await
    }

    /// The same; an account that is not there yet is made for `holder`.
    pub async fn join(
        http: reqwest::Client,
        directory_url: &str,
        key: AccountKey,
        holder: &mut dyn Holder,
    ) -> Result<Self, AcmeError> {
        let response = https::get(&http, directory_url).await?;
        let body = https::body(directory_url, response).await?;
        let directory = parse(directory_url, "a directory object", &body)?;
        let mut client =
            Self { http, directory_url: directory_url.to_owned(), directory, key, account: None, nonce: None };
        client.find_or_make_account(holder).await?;
        Ok(client)
    }

    /// URL of the account.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or_default()
    }

    /// Thumbprint of the account's key (RFC 7638).
    pub fn thumbprint(&self) -> String {
        jws::thumbprint(&self.key)
    }

    /// RFC 8555 section 7.3. Asked for one that is there first (section 7.3.1): then nobody needs to agree to anything. It
    /// can be repeated at will.
    async fn find_or_make_account(&mut self, holder: &mut dyn Holder) -> Result<(), AcmeError> {
        let url = self.directory.new_account.clone();
        let is_missing = |error: &AcmeError| error.problem().is_some_and(|problem| problem.is("accountDoesNotExist"));
        let answer = match self.post(&url, Payload::Json(&json!({ "onlyReturnExisting": true }))).await {
            Err(error) if is_missing(&error) => {
                let asked = self.new_account(&url, holder).await?;
                self.post(&url, Payload::Json(&asked)).await?
            }
            found => found?,
        };
        self.account = Some(answer.location(&url)?);
        Ok(())
    }

    /// What asks for a new account.
    async fn new_account(&self, url: &str, holder: &mut dyn Holder) -> Result<Value, AcmeError> {
        let mut asked = json!({});
        match holder.elsewhere() {
            Some(external) => asked["externalAccountBinding"] = jws::bind(external, &self.key, url),
            None if self.directory.meta.external_account_required => return Err(AcmeError::Elsewhere),
            None => {}
        }
        if let Some(terms) = &self.directory.meta.terms_of_service {
            let is_address = |url: reqwest::Url| ["https", "http"].contains(&url.scheme());
            if terms.len() > MAX_TERMS_BYTES || !reqwest::Url::parse(terms).is_ok_and(is_address) {
                return Err(AcmeError::Protocol {
                    url: self.directory_url.clone(),
                    expected: "termsOfService to be the address of a page",
                    found: terms.chars().take(80).collect(),
                });
            }
            if !holder.agrees(terms).await {
                return Err(AcmeError::Terms { url: terms.clone() });
            }
            asked["termsOfServiceAgreed"] = true.into();
        }
        Ok(asked)
    }

    /// Orders a certificate of the given profile, in place of the one that `replaces` identifies; gives the order's URL.
    pub async fn new_order(
        &mut self,
        identifier: &AcmeIdentifier,
        profile: &str,
        replaces: Option<&str>,
    ) -> Result<(String, Order), AcmeError> {
        let url = self.directory.new_order.clone();
        let mut payload = json!({ "identifiers": [identifier], "profile": profile });
        // RFC 9773 section 5: only where the directory offers renewal information.
        if let (Some(id), Some(_)) = (replaces, &self.directory.renewal_info) {
            payload["replaces"] = id.into();
        }
        let answer = self.post(&url, Payload::Json(&payload)).await?;
        Ok((answer.location(&url)?, answer.json("an order")?))
    }

    /// Asks for a proof of control without an order (section 7.4.1): one that was made within the hour, is under way, or is to
    /// be made. `None` at an authority that has no such thing.
    pub async fn new_authorization(&mut self, identifier: &AcmeIdentifier) -> Result<Option<Authorization>, AcmeError> {
        let Some(url) = self.directory.new_authz.clone() else { return Ok(None) };
        let payload = json!({ "identifier": identifier, "fresh": true });
        self.post(&url, Payload::Json(&payload)).await?.json("an authorisation").map(Some)
    }

    /// Reads an order, and how long to wait before reading it again.
    pub async fn order(&mut self, url: &str) -> Result<(Order, Option<Duration>), AcmeError> {
        let answer = self.post(url, Payload::Nothing).await?;
        Ok((answer.json("an order")?, answer.retry_after))
    }

    /// Reads an authorisation.
    pub async fn authorization(&mut self, url: &str) -> Result<Authorization, AcmeError> {
        self.post(url, Payload::Nothing).await?.json("an authorisation")
    }

    /// Answers a challenge with `payload`.
    pub async fn challenge(&mut self, url: &str, payload: &Value) -> Result<Challenge, AcmeError> {
        self.post(url, Payload::Json(payload)).await?.json("a challenge")
    }

    /// Reads a challenge.
    pub async fn read_challenge(&mut self, url: &str) -> Result<Challenge, AcmeError> {
        self.post(url, Payload::Nothing).await?.json("a challenge")
    }

    /// Hands in the certificate request (PKCS#10 DER).
    pub async fn finalize(&mut self, url: &str, csr: &[u8]) -> Result<Order, AcmeError> {
        use base64::Engine;
        let csr = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(csr);
        self.post(url, Payload::Json(&json!({ "csr": csr }))).await?.json("an order")
    }

    /// Fetches a certificate chain in PEM. Nothing about it is verified here.
    pub async fn certificate(&mut self, url: &str) -> Result<Vec<u8>, AcmeError> {
        Ok(self.post(url, Payload::Nothing).await?.body)
    }

    /// Revokes a certificate (section 7.6).
    pub async fn revoke(&mut self, payload: &Value) -> Result<(), AcmeError> {
        let url = self.directory.revoke_cert.clone().ok_or_else(|| AcmeError::Protocol {
            url: self.directory_url.clone(),
            expected: "a directory object with revokeCert",
            found: "none".to_owned(),
        })?;
        self.post(&url, Payload::Json(payload)).await.map(|_| ())
    }

    /// Asks for the proofs of the identifier's labels and the entries under them.
    pub async fn watch(&mut self, identifier: &str) -> Result<WatchAnswers, AcmeError> {
        let url = self.directory.inperson_watch.clone().or_else(|| self.directory.meta.inperson_watch.clone());
        let url = url.ok_or_else(|| AcmeError::Protocol {
            url: self.directory_url.clone(),
            expected: "a directory object with inpersonWatch",
            found: "none".to_owned(),
        })?;
        self.post(&url, Payload::Json(&json!({ "identifier": identifier }))).await?.json("the answer to a watch")
    }

    /// Has the openings of the identifier's ended certificates erased; gives their number.
    pub async fn erase(&mut self, identifier: &str) -> Result<u64, AcmeError> {
        let url = self.directory.inperson_erase.clone().ok_or_else(|| AcmeError::Protocol {
            url: self.directory_url.clone(),
            expected: "a directory object with inpersonErase",
            found: "none".to_owned(),
        })?;
        let answer = self.post(&url, Payload::Json(&json!({ "identifier": identifier }))).await?;
        Ok(answer.json::<EraseAnswer>("the answer to an erasure")?.erased)
    }

    /// Ends every other account's proof of control of the identifier; gives their number. Nothing at an authority that does
    /// not know of it.
    pub async fn end_proofs(&mut self, identifier: &str) -> Result<u64, AcmeError> {
        let Some(url) = self.directory.inperson_end_proofs.clone() else { return Ok(0) };
        let answer = self.post(&url, Payload::Json(&json!({ "identifier": identifier }))).await?;
        Ok(answer.json::<EndProofsAnswer>("the number of proofs that were ended")?.ended)
    }

    async fn post(&mut self, url: &str, payload: Payload<'_>) -> Result<Answer, AcmeError> {
        let (mut tries, mut patience) = (1, Patience::new());
        loop {
            let error = match self.post_once(url, payload).await {
                Err(error) => error,
                done => return done,
            };
            if tries < NONCE_TRIES && error.problem().is_some_and(|problem| problem.is("badNonce")) {
                tries += 1;
                continue;
            }
            let Some(wait) = patience.grant(&error) else { return Err(error) };
            tracing::info!(%error, ?wait, "the authority asks for patience");
            tokio::time::sleep(wait).await;
        }
    }

    async fn post_once(&mut self, url: &str, payload: Payload<'_>) -> Result<Answer, AcmeError> {
        let nonce = match self.nonce.take() {
            Some(nonce) => nonce,
            None => fetch_nonce(&self.http, &self.directory.new_nonce).await?,
        };
        let sender = match &self.account {
            Some(account) => Sender::Account(account),
            None => Sender::Key,
        };
        let body = jws::sign(&self.key, sender, &nonce, url, payload)?;
        let (nonce, answer) = send(&self.http, url, body).await?;
        self.nonce = nonce;
        answer
    }
}

/// Sends a signed request: the next nonce, and the answer or refusal. RFC 8555 section 6.5: every answer, also a refusal,
/// brings a nonce.
pub(super) async fn send(
    http: &reqwest::Client,
    url: &str,
    body: String,
) -> Result<(Option<String>, Result<Answer, AcmeError>), AcmeError> {
    let request = http.post(url).header(CONTENT_TYPE, "application/jose+json").body(body);
    let response = request.send().await.map_err(|error| FetchError::from_reqwest(url, &error))?;
    Ok((replay_nonce(&response), read(url, response).await))
}

/// A first nonce (RFC 8555 section 7.2).
pub(super) async fn fetch_nonce(http: &reqwest::Client, url: &str) -> Result<String, AcmeError> {
    let response = http.head(url).send().await.map_err(|error| FetchError::from_reqwest(url, &error))?;
    replay_nonce(&response).ok_or_else(|| AcmeError::Protocol {
        url: url.to_owned(),
        expected: "a Replay-Nonce header",
        found: format!("none, with status {}", response.status()),
    })
}

impl Answer {
    fn location(&self, url: &str) -> Result<String, AcmeError> {
        self.location.clone().ok_or_else(|| AcmeError::Protocol {
            url: url.to_owned(),
            expected: "a Location header",
            found: "none".to_owned(),
        })
    }

    pub(super) fn json<T: DeserializeOwned>(&self, expected: &'static str) -> Result<T, AcmeError> {
        parse(&self.url, expected, &self.body)
    }
}

pub(super) fn parse<T: DeserializeOwned>(url: &str, expected: &'static str, body: &[u8]) -> Result<T, AcmeError> {
    serde_json::from_slice(body).map_err(|error| AcmeError::Protocol {
        url: url.to_owned(),
        expected,
        found: error.to_string(),
    })
}

fn replay_nonce(response: &Response) -> Option<String> {
    Some(response.headers().get("replay-nonce")?.to_str().ok()?.to_owned())
}

async fn read(url: &str, response: Response) -> Result<Answer, AcmeError> {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header(LOCATION).map(str::to_owned);
    let retry_after = patience::told(response.headers());
    let body = https::body(url, response).await?;
    if status.is_success() {
        return Ok(Answer { url: url.to_owned(), location, retry_after, body });
    }
    let problem = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Problem { detail: format!("HTTP status {status}"), ..Problem::default() });
    Err(AcmeError::Refused { url: url.to_owned(), status, problem, retry_after })
}

#[cfg(test)]
mod tests;
