//! OpenID Connect: an organisation's own log-in vouches for the addresses of its domains.
//!
//! The person's device talks to the issuer; what comes here is the ID token alone, and nothing in it is believed before
//! its signature and every claim that matters were checked ([`token`]). The token is bound to the account by its nonce.
//! This is a relying party of two hundred lines over the JWS of ACME, because the crates that offer one bring key types
//! and a cryptography of their own (RSA with a known timing leak among them).

mod issuer;
mod keys;
mod token;

use std::path::{Path, PathBuf};

use identity::{Identifier, UnixTime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::web::{self, WebError};
use issuer::Source;
pub(crate) use token::TokenError;
use token::{Expected, UnverifiedToken};

/// An issuer, and whom it may vouch for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenIdIssuer {
    /// Its identifier, exactly as its tokens have it: `https://login.example.org`.
    pub issuer: String,
    /// What it knows the devices of this authority by: a public client with loopback redirects and PKCE (RFC 8252).
    pub client_id: String,
    /// Mail domains whose addresses it may vouch for, in canonical form. There is no `*`: an issuer that lets anybody
    /// in has not verified everybody's address.
    pub domains: Vec<String>,
    /// Certificates (PEM) by which it is verified, in place of the web's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
}

impl OpenIdIssuer {
    /// The same, with a relative path of certificates that begins at `folder`.
    #[must_use]
    pub fn beside(self, folder: &Path) -> Self {
        Self { roots: self.roots.map(|roots| folder.join(roots)), ..self }
    }
}

/// Why an issuer cannot be used.
#[derive(Debug, Error)]
pub enum OpenIdError {
    /// A setting.
    #[error("{member} of {issuer:?}: expected {expected}")]
    Setting {
        /// Which issuer.
        issuer: String,
        /// Which setting.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// Its address or its certificates.
    #[error(transparent)]
    Web(#[from] WebError),
}

/// Why a token proves nothing here.
#[derive(Debug, Error)]
pub(crate) enum VouchError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The issuer cannot be asked for its keys now.
    #[error("the issuer's keys cannot be had at the moment: {0}")]
    Unreachable(String),
}

/// All issuers.
pub(crate) struct Issuers(Vec<Source>);

impl Issuers {
    pub(crate) fn open(configured: &[OpenIdIssuer]) -> Result<Self, OpenIdError> {
        let sources = configured.iter().map(|config| {
            let wrong = |member, expected| OpenIdError::Setting { issuer: config.issuer.clone(), member, expected };
            web::url(&config.issuer)?;
            if config.issuer.contains(['?', '#']) {
                return Err(wrong("issuer", "a URL without query and fragment"));
            }
            if config.client_id.is_empty() || config.client_id.len() > 255 {
                return Err(wrong("client_id", "1 to 255 characters"));
            }
            let canonical = |domain: &String| {
                Identifier::parse(&format!("a@{domain}")).is_ok_and(|address| address.domain() == Some(domain))
            };
            if config.domains.is_empty() || !config.domains.iter().all(canonical) {
                return Err(wrong("domains", "at least one mail domain, in lower case, xn-- where it is not ASCII"));
            }
            Ok(Source::new(config.clone(), web::client(config.roots.as_deref())?))
        });
        sources.collect::<Result<_, _>>().map(Self)
    }

    /// Those that may vouch for this address.
    pub(crate) fn of(&self, address: &Identifier) -> impl Iterator<Item = &OpenIdIssuer> {
        self.0.iter().map(|source| &source.config).filter(|config| vouches(config, address))
    }

    /// Whether a token proves that its bearer controls `address`: Ok, or why not.
    pub(crate) async fn check(
        &self,
        text: &str,
        address: &Identifier,
        nonce: &str,
        now: UnixTime,
    ) -> Result<(), VouchError> {
        let token = UnverifiedToken::parse(text)?;
        let source = self.0.iter().find(|s| s.config.issuer == token.issuer() && vouches(&s.config, address));
        let source = source.ok_or_else(|| TokenError::Claim {
            claim: "iss",
            expected: "an issuer that vouches for this domain".into(),
            found: token.issuer().chars().take(200).collect(),
        })?;
        let Source { config, .. } = source;
        let expected = Expected { issuer: &config.issuer, client_id: &config.client_id, nonce, address, now };
        let keys = source.keys(now).await.map_err(VouchError::Unreachable)?;
        match token.verify(&keys, &expected) {
            // The issuer may have new keys (OpenID Connect Core section 10.1.1).
            Err(TokenError::UnknownKey { .. }) => {
                let newer = source.newer_keys(now).await.map_err(VouchError::Unreachable)?;
                Ok(token.verify(&newer, &expected)?)
            }
            other => Ok(other?),
        }
    }
}

/// A token and keys as they come, for [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn look(token: &str, keys: &[u8], address: &Identifier, now: UnixTime) {
    let keys = keys::KeySet::parse(keys).unwrap_or_default();
    let Ok(token) = UnverifiedToken::parse(token) else { return };
    let expected = Expected { issuer: token.issuer(), client_id: "device", nonce: "nonce", address, now };
    let _ = token.verify(&keys, &expected);
}

fn vouches(config: &OpenIdIssuer, address: &Identifier) -> bool {
    address.domain().is_some_and(|domain| config.domains.iter().any(|listed| listed == domain))
}
