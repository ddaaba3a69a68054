//! Logging in at an issuer of OpenID, for a token that vouches for an address: the authorization code flow of a native
//! program (RFC 8252) with PKCE (RFC 7636), back to a loopback address. The browser is the person's own; no password comes
//! near this program.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Identifier;
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::callback;
use super::{Conversation, EnrolError, Step};
use crate::acme::messages::{Challenge, Issuer, ProofStatus};
use crate::acme::{AcmeClient, AcmeError};
use crate::https::{self, FetchError};

/// How long a person may take to log in.
const LOGIN: Duration = Duration::from_secs(600);
/// How often she is shown that she is waited for.
const SHOW: Duration = Duration::from_secs(15);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The issuer cannot be asked.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The issuer's configuration or answer.
    #[error("{issuer}: expected {expected}, found {found}")]
    Issuer {
        /// Who.
        issuer: String,
        /// What should have come.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// No port on this computer could be opened for the way back.
    #[error("no port on 127.0.0.1 can be opened for the browser's way back: {0}")]
    Loopback(#[from] std::io::Error),
    /// She did not log in, or was not let in.
    #[error("{issuer} did not let you in: {reason}")]
    Denied {
        /// Who.
        issuer: String,
        /// What it said.
        reason: String,
    },
    /// Nobody came back.
    #[error("nobody came back from {issuer} within {minutes} minutes")]
    Late {
        /// Who.
        issuer: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// This computer gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Token {
    id_token: String,
}

/// Has the person log in, and hands the token in.
pub(super) async fn answer(
    client: &mut AcmeClient,
    challenge: &Challenge,
    address: &Identifier,
    person: &mut dyn Conversation,
) -> Result<(), EnrolError> {
    let (Some(token), [first, ..]) = (&challenge.token, challenge.issuers.as_slice()) else {
        return Err(EnrolError::NoChallenge { expected: "token and issuers in oidc-00", found: "none".to_owned() });
    };
    let issuer = match person.issuer() {
        None => first,
        Some(asked) => {
            let is_it = |issuer: &&Issuer| issuer.issuer.trim_end_matches('/') == asked.trim_end_matches('/');
            challenge.issuers.iter().find(is_it).ok_or_else(|| EnrolError::NoIssuer {
                offered: challenge.issuers.iter().map(|one| one.issuer.as_str()).collect::<Vec<_>>().join(", "),
                asked: asked.to_owned(),
            })?
        }
    };
    // Ours, not the authority's word: a token that it could use for another account would have another nonce.
    let nonce = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{token}.{}", client.thumbprint())));
    let token = login(issuer, address, &nonce, person).await?;
    match client.challenge(&challenge.url, &json!({ "idToken": token.as_str() })).await {
        Ok(Challenge { status: ProofStatus::Valid, .. }) => Ok(()),
        Ok(other) => Err(EnrolError::Invalid { reason: format!("the challenge is {:?}", other.status).to_lowercase() }),
        Err(AcmeError::Refused { problem, .. }) if problem.is("tokenRefused") => {
            Err(EnrolError::TokenRefused { reason: problem.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

/// Has the person log in, and gives the ID token with this nonce. Whether it proves anything is for the authority to say.
async fn login(
    issuer: &Issuer,
    address: &Identifier,
    nonce: &str,
    person: &mut dyn Conversation,
) -> Result<Zeroizing<String>, LoginError> {
    let http = https::web_client();
    let discovery = discover(&http, issuer).await?;
    // RFC 8252 section 7.3: the address, not the name localhost; the port is whichever is free.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let redirect = format!("http://127.0.0.1:{}/callback", listener.local_addr()?.port());
    let (verifier, state) = (random()?, random()?);
    let url = authorization_url(issuer, &discovery, address, &redirect, nonce, &verifier, &state)?;
    person.step(Step::LogIn { issuer: issuer.issuer.clone(), url });
    let code = wait(&listener, issuer, &state, person).await?;
    person.step(Step::LoggedIn { issuer: issuer.issuer.clone() });
    redeem(&http, issuer, &discovery, &redirect, &code, &verifier).await
}

/// The issuer's own word on where it is asked (OpenID Connect Discovery section 4), never the authority's.
async fn discover(http: &reqwest::Client, issuer: &Issuer) -> Result<Discovery, LoginError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.issuer.trim_end_matches('/'));
    https::check_web_url(&url)?;
    let body = https::body(&url, https::get(http, &url).await?).await?;
    let found: Discovery = serde_json::from_slice(&body)
        .map_err(|e| unexpected(issuer, "its configuration (OpenID Connect Discovery)", &e.to_string()))?;
    if found.issuer != issuer.issuer {
        return Err(unexpected(issuer, "the configuration of this very issuer", &found.issuer));
    }
    https::check_web_url(&found.authorization_endpoint)?;
    https::check_web_url(&found.token_endpoint)?;
    Ok(found)
}

fn authorization_url(
    issuer: &Issuer,
    discovery: &Discovery,
    address: &Identifier,
    redirect: &str,
    nonce: &str,
    verifier: &str,
    state: &str,
) -> Result<String, LoginError> {
    let endpoint = &discovery.authorization_endpoint;
    let mut url = Url::parse(endpoint).map_err(|_| unexpected(issuer, "an authorization endpoint", endpoint))?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &issuer.client_id)
        .append_pair("redirect_uri", redirect)
        .append_pair("scope", "openid email")
        .append_pair("state", state)
        .append_pair("nonce", nonce)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)))
        .append_pair("code_challenge_method", "S256")
        .append_pair("login_hint", address.as_str());
    Ok(url.into())
}

/// Waits for the browser to come back with a code, and shows every now and then that it does.
async fn wait(
    listener: &TcpListener,
    issuer: &Issuer,
    state: &str,
    person: &mut dyn Conversation,
) -> Result<Zeroizing<String>, LoginError> {
    let answer = callback::await_answer(listener, state, &issuer.issuer);
    tokio::pin!(answer);
    let mut waited = Duration::ZERO;
    let denied = |reason| LoginError::Denied { issuer: issuer.issuer.clone(), reason };
    while waited < LOGIN {
        match tokio::time::timeout(SHOW, &mut answer).await {
            Ok(answer) => return answer?.map_err(denied),
            Err(_) => {
                waited += SHOW;
                person.step(Step::WaitingForLogIn { seconds: waited.as_secs() });
            }
        }
    }
    Err(LoginError::Late { issuer: issuer.issuer.clone(), minutes: LOGIN.as_secs() / 60 })
}

/// Code against token (RFC 6749 section 4.1.3), with the secret whose digest went ahead.
async fn redeem(
    http: &reqwest::Client,
    issuer: &Issuer,
    discovery: &Discovery,
    redirect: &str,
    code: &str,
    verifier: &str,
) -> Result<Zeroizing<String>, LoginError> {
    let url = &discovery.token_endpoint;
    let mut form = Url::parse("http://form").map_err(|e| unexpected(issuer, "a form", &e.to_string()))?;
    form.query_pairs_mut()
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect)
        .append_pair("client_id", &issuer.client_id)
        .append_pair("code_verifier", verifier);
    let request = http
        .post(url)
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(reqwest::header::ACCEPT, "application/json")
        .body(form.query().unwrap_or_default().to_owned());
    let response = request.send().await.map_err(|error| FetchError::from_reqwest(url, &error))?;
    let status = response.status();
    let body = https::body(url, response).await?;
    if !status.is_success() {
        // RFC 6749 section 5.2; it holds no secret of ours.
        let said = String::from_utf8_lossy(&body).chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(LoginError::Denied { issuer: issuer.issuer.clone(), reason: said });
    }
    let token: Token =
        serde_json::from_slice(&body).map_err(|_| unexpected(issuer, "an answer with an ID token", "another"))?;
    Ok(Zeroizing::new(token.id_token))
}

fn unexpected(issuer: &Issuer, expected: &'static str, found: &str) -> LoginError {
    let found = found.chars().filter(|c| !c.is_control()).take(200).collect();
    LoginError::Issuer { issuer: issuer.issuer.clone(), expected, found }
}

/// 256 random bits in base64url: as RFC 7636 section 4.1 recommends for a verifier.
fn random() -> Result<Zeroizing<String>, LoginError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|e| LoginError::Random(e.to_string()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}
