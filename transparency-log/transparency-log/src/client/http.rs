//! Reading a log over HTTP.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, StatusCode};

use super::source::{Source, SourceError, size_limit};

/// How long one resource may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a resource is asked for before its source counts as failed.
const ATTEMPTS: u32 = 3;

/// A log served at a URL prefix.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: Client,
    prefix: String,
}

impl HttpSource {
    /// Reads from `prefix`, such as `https://log.example/2026`, through a client whose TLS settings are
    /// the caller's: a log need not be authenticated to be read.
    pub fn new(client: Client, prefix: &str) -> Self {
        Self { client, prefix: prefix.trim_end_matches('/').to_owned() }
    }

    async fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/{path}", self.prefix);
        let unreachable = |error: reqwest::Error| SourceError::Unreachable { path: url.clone(), reason: chain(&error) };
        let response = self.client.get(&url).timeout(PATIENCE).send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(SourceError::NotFound { path: path.to_owned() }),
            status => {
                let reason = format!("expected the answer 200, found {status}");
                return Err(SourceError::Unreachable { path: url, reason });
            }
        }
        read_bounded(response, path, unreachable).await
    }
}

/// The body, unless it is larger than such a resource can be.
async fn read_bounded(
    mut response: Response,
    path: &str,
    unreachable: impl Fn(reqwest::Error) -> SourceError,
) -> Result<Vec<u8>, SourceError> {
    let expected = size_limit(path);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(&unreachable)? {
        if body.len() + chunk.len() > expected {
            return Err(SourceError::TooLarge { path: path.to_owned(), expected });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes: reqwest alone says only that sending failed.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Source for HttpSource {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        let path = path.to_owned();
        async move {
            let mut pause = Duration::from_millis(100);
            for _ in 1..ATTEMPTS {
                match self.fetch(&path).await {
                    Err(SourceError::Unreachable { .. }) => tokio::time::sleep(pause).await,
                    settled => return settled,
                }
                pause *= 4;
            }
            self.fetch(&path).await
        }
        .boxed()
    }
}
