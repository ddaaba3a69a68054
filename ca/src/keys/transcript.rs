//! The record of what was done with the root's and the issuing keys: a text that people keep and compare, beside the keys.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use identity::UnixTime;
use identity::certificate::Certificate;
use sha2::{Digest as _, Sha256};

use super::KeysError;

/// The name of the file in the folder of keys.
pub(super) const FILE: &str = "transcript.txt";

/// Appends what was done, and the facts by which it can be compared; on disk when this returns.
pub(super) fn append(folder: &Path, now: UnixTime, what: &str, facts: &[(&str, String)]) -> Result<(), KeysError> {
    let path = folder.join(FILE);
    let mut text = format!("{}  {what}  (ca {})\n", time(now), env!("CARGO_PKG_VERSION"));
    for (name, value) in facts {
        let _ = writeln!(text, "    {name}: {value}");
    }
    let io = |source| KeysError::Io { path: path.clone(), source };
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

/// What of a certificate is worth comparing.
pub(super) fn facts(certificate: &Certificate) -> Vec<(&'static str, String)> {
    let tbs = certificate.tbs();
    vec![
        ("subject", tbs.subject().to_string()),
        ("certificate, SHA-256", digest(certificate.der())),
        ("key, SHA-256", digest(&tbs.spki_der())),
        ("serial number", tbs.serial_hex()),
        ("valid", format!("{} to {}", time(tbs.not_before()), time(tbs.not_after()))),
    ]
}

pub(super) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(super) fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
