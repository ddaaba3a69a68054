//! A bucket on S3, or on what speaks its protocol, as settings describe it.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ObjectStorage, ProbeError};

/// How long a request is tried again by the store's client. A log tries everything again by itself, and says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest file of certificates that is read, in bytes.
const MAX_ROOTS_BYTES: u64 = 1 << 20;

/// The name of the file with the access key, in the folder of whoever uses the store.
pub const S3_KEYS_FILE: &str = "log-store-keys";

/// Where logs lie in an object store. Part of settings files; unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Place {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with. Nobody else may write there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The server's address, such as `https://s3.example.org`; without one, Amazon's of the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// A PEM file of certificate authorities, from the folder of whoever uses the store: the store's certificate must be of
    /// one of these. Without it, of one that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

impl S3Place {
    /// Whether it can be one: what is wrong, with expected and found, if it cannot.
    ///
    /// # Errors
    /// The bucket has no name, the prefix cannot stand in names of objects, or the endpoint is no address.
    pub fn check(&self) -> Result<(), String> {
        if self.bucket.is_empty() || self.bucket.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
            return Err(format!("bucket: expected the name of a bucket, found {:?}", self.bucket));
        }
        Path::parse(&self.prefix).map_err(|error| format!("prefix: {error}"))?;
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        // What stands before an @ would be a secret in a file that is no secret, and in messages.
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(|c: char| c == '@' || c.is_whitespace())) {
            return Err("endpoint: expected an address such as https://s3.example.org, found something else".to_owned());
        }
        // Nobody should believe that a store is authenticated when it is not.
        if self.roots.is_some() && endpoint.starts_with("http://") {
            return Err("roots: expected an endpoint that begins with https://, found one with http://".to_owned());
        }
        Ok(())
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.endpoint.as_deref().unwrap_or("Amazon S3");
        write!(f, "the bucket {} at {at}", self.bucket)
    }
}

/// The access key of an account at the store.
#[derive(Clone)]
pub struct S3Keys {
    id: String,
    secret: Zeroizing<String>,
}

/// Why the text of an access key was not understood. What stands there is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected two lines, access_key_id = … and secret_access_key = …, found something else{}",
    line.map(|line| format!(" in line {line}")).unwrap_or_default()
)]
pub struct S3KeysError {
    line: Option<usize>,
}

impl S3Keys {
    /// Reads `access_key_id = …` and `secret_access_key = …`, one a line; empty lines and those that begin with `#` count
    /// for nothing.
    ///
    /// # Errors
    /// One is missing, stands there twice, or something else does.
    pub fn parse(text: &str) -> Result<Self, S3KeysError> {
        let (mut id, mut secret) = (None, None);
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = S3KeysError { line: Some(number) };
            let (name, value) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())).ok_or(wrong)?;
            let place = match name {
                "access_key_id" => &mut id,
                "secret_access_key" => &mut secret,
                _ => return Err(wrong),
            };
            if value.is_empty() || place.replace(value).is_some() {
                return Err(wrong);
            }
        }
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(Self { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()) }),
            _ => Err(S3KeysError { line: None }),
        }
    }
}

/// Without the secret.
impl fmt::Debug for S3Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Keys").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ObjectStorage {
    /// Takes a place in a bucket, after trying whether its conditional writes are atomic. A relative path of certificates
    /// counts from `base`.
    ///
    /// Must be called within a multi-thread tokio runtime. A process-wide default of rustls's cryptography is set, where
    /// there is none: the client of the store takes no other.
    ///
    /// # Errors
    /// As [`ObjectStorage::open`]; or the file of certificates cannot be used.
    pub async fn on_s3(place: &S3Place, keys: &S3Keys, base: &std::path::Path) -> Result<Self, ProbeError> {
        Self::open(client(place, keys, base)?, &place.prefix).await
    }

    /// The same for reading alone: nothing is tried, and nothing is asked yet. Every write fails.
    ///
    /// # Errors
    /// The file of certificates cannot be used, or this cannot be a place.
    pub fn on_s3_to_read(place: &S3Place, keys: &S3Keys, base: &std::path::Path) -> Result<Self, ProbeError> {
        Self::open_to_read(client(place, keys, base)?, &place.prefix)
    }
}

fn client(place: &S3Place, keys: &S3Keys, base: &std::path::Path) -> Result<Arc<dyn ObjectStore>, ProbeError> {
    // Fails where there is one already, which does as well.
    let _there_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Whoever writes http:// says so; what a log holds is public, and the secret never leaves this machine.
    let in_clear = place.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut options = ClientOptions::new().with_allow_http(in_clear);
    if let Some(path) = place.roots.as_ref().map(|roots| base.join(roots)) {
        let roots = roots(&path).map_err(|reason| ProbeError::Roots { path, reason })?;
        options = options.with_no_system_certificates(true);
        options = roots.into_iter().fold(options, ClientOptions::with_root_certificate);
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&place.bucket)
        .with_region(&place.region)
        .with_access_key_id(&keys.id)
        .with_secret_access_key(keys.secret.as_str())
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(options)
        .with_retry(RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() });
    if let Some(endpoint) = &place.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(Arc::new(builder.build().map_err(ProbeError::Store)?))
}

/// The certificates in a file: one at least.
fn roots(path: &std::path::Path) -> Result<Vec<Certificate>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_ROOTS_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_ROOTS_BYTES {
        return Err(format!("expected at most {MAX_ROOTS_BYTES} bytes, found more"));
    }
    let found = Certificate::from_pem_bundle(&bytes).map_err(|error| error.to_string())?;
    if found.is_empty() { Err("expected certificates in PEM, found none".to_owned()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_and_an_address_without_secrets() {
        let place = |bucket: &str, prefix: &str, endpoint: Option<&str>| S3Place {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            region: us_east_1(),
            roots: None,
        };
        for good in [place("logs", "", None), place("logs", "a/b", Some("http://127.0.0.1:9000"))] {
            assert_eq!(good.check(), Ok(()));
        }
        for (bad, expected) in [
            (place("", "", None), "bucket"),
            (place("a/b", "", None), "bucket"),
            (place("logs", "a//b", None), "prefix"),
            (place("logs", "../a", None), "prefix"),
            (place("logs", "", Some("s3.example.org")), "endpoint"),
            (place("logs", "", Some("https://")), "endpoint"),
            (place("logs", "", Some("https://id:s3cret@s3.example.org")), "endpoint"),
        ] {
            let refused = bad.check().unwrap_err();
            assert!(refused.starts_with(expected) && !refused.contains("s3cret"), "{refused}");
        }
        let private = |endpoint| S3Place { roots: Some("ca.pem".into()), ..place("logs", "", endpoint) };
        assert_eq!(private(Some("https://s3.example.org")).check(), Ok(()));
        assert!(private(Some("http://s3.example.org")).check().unwrap_err().starts_with("roots"));
    }

    #[test]
    fn authorities_are_one_certificate_at_least_in_a_file_of_bounded_size() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ca.pem");
        let told = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            roots(&path).map(|found| found.len()).unwrap_err()
        };
        assert!(told(b"").contains("found none"));
        assert!(told(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").contains("found none"));
        assert!(told(&vec![b'a'; MAX_ROOTS_BYTES as usize + 1]).contains("found more"));
        assert!(roots(&place.path().join("none.pem")).map(drop).unwrap_err().contains("No such file"));
    }

    #[test]
    fn keys_are_two_lines_and_are_never_shown() {
        let keys = S3Keys::parse("# of the log\naccess_key_id = AKIA7\n\nsecret_access_key = s3cr=et\n").unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.as_str()), ("AKIA7", "s3cr=et"));
        assert!(!format!("{keys:?}").contains("s3cr"));
        for (text, line) in [
            ("", None),
            ("access_key_id = a\n", None),
            ("access_key_id = a\naccess_key_id = b\nsecret_access_key = c\n", Some(2)),
            ("access_key_id = \nsecret_access_key = c\n", Some(1)),
            ("secret s3cret\n", Some(1)),
            ("acces_key_id = a\n", Some(1)),
        ] {
            let refused = S3Keys::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(refused, S3KeysError { line }, "{text:?}");
            assert!(!refused.to_string().contains("s3cret"));
        }
    }
}
