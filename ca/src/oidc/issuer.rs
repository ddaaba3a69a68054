//! An issuer's keys: fetched (OpenID Connect Discovery section 4), kept for an hour, and fetched anew when a token names one
//! that is not among them, but not more often than once a minute, however many such tokens come. Keys older than the hour
//! prove nothing any more: whoever keeps us from the issuer must not keep a withdrawn key good.

use std::sync::Arc;

use identity::UnixTime;
use reqwest::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::OpenIdIssuer;
use super::keys::KeySet;
use crate::web;

/// How long keys count, seconds.
const KEEP: u64 = 3600;
/// Between two requests, seconds.
const PAUSE: u64 = 60;

/// An issuer and its keys as far as they are known.
pub(super) struct Source {
    pub(super) config: OpenIdIssuer,
    client: Client,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, u64)>,
    /// When it was asked last, with or without success.
    asked: Option<u64>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    pub(super) fn new(config: OpenIdIssuer, client: Client) -> Self {
        Self { config, client, known: Mutex::default() }
    }

    /// The keys, from memory if they are not older than an hour.
    pub(super) async fn keys(&self, now: UnixTime) -> Result<Arc<KeySet>, String> {
        self.keys_since(now.as_secs().saturating_sub(KEEP), now.as_secs()).await
    }

    /// The keys, for one that was not among them a moment ago.
    pub(super) async fn newer_keys(&self, now: UnixTime) -> Result<Arc<KeySet>, String> {
        self.keys_since(now.as_secs().saturating_sub(PAUSE), now.as_secs()).await
    }

    async fn keys_since(&self, since: u64, now: u64) -> Result<Arc<KeySet>, String> {
        // Held over the request: whoever comes meanwhile takes what it brings.
        let mut known = self.known.lock().await;
        let young = known.keys.as_ref().filter(|(_, fetched)| *fetched > since).map(|(keys, _)| Arc::clone(keys));
        if let Some(keys) = young {
            return Ok(keys);
        }
        if known.asked.is_some_and(|asked| asked.saturating_add(PAUSE) > now) {
            let old = known.keys.as_ref().filter(|(_, fetched)| *fetched > now.saturating_sub(KEEP));
            return old.map(|(keys, _)| Arc::clone(keys)).ok_or_else(|| "it did not answer a moment ago".to_owned());
        }
        known.asked = Some(now);
        let keys = Arc::new(self.fetch().await.inspect_err(|reason| {
            tracing::warn!(issuer = self.config.issuer, reason, "no keys of an issuer of OpenID");
        })?);
        known.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let issuer = &self.config.issuer;
        let discovery = self.get(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))).await?;
        let discovery: Discovery =
            serde_json::from_slice(&discovery).map_err(|e| format!("its configuration does not read: {e}"))?;
        if discovery.issuer != *issuer {
            return Err("its configuration is another issuer's".into());
        }
        KeySet::parse(&self.get(&discovery.jwks_uri).await?)
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let url = web::url(url).map_err(|e| e.to_string())?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = web::send(self.client.get(url), &host).await.map_err(|e| e.to_string())?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(format!("{host} answers {}", answer.status)) }
    }
}
