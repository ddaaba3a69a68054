//! What the operator of a log elsewhere must be told before it takes this authority's entries.

use std::fmt;
use std::path::PathBuf;

use identity::UnixTime;
use serde::Serialize;

use crate::error::StartError;
use crate::folder::Folder;
use crate::founding::{self, Founded};
use crate::genesis;
use crate::log;
use crate::options::Options;

/// Three things for the log's settings, and one for its policy. All of them are public.
#[derive(Debug, Clone, Serialize)]
pub struct Introduction {
    /// The DNS name in the certificate that the log will be shown.
    pub name: String,
    /// The trust policy by which that certificate is verified.
    pub trust_policy: PathBuf,
    /// SHA-256 of the SubjectPublicKeyInfo of the key that it is for.
    pub key: String,
    /// The verifier key of this server's witness.
    pub witness: String,
    /// Where it cosigns.
    pub witness_url: String,
}

/// A piece of the settings of `transparency-log serve`.
impl fmt::Display for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# For the settings of transparency-log serve; send the trust policy's file along.")?;
        writeln!(f, "[[authority]]")?;
        writeln!(f, "name = {:?}", self.name)?;
        writeln!(f, "trust_policy = {:?}", self.trust_policy.display().to_string())?;
        writeln!(f, "key = {:?}", self.key)?;
        writeln!(f, "# This server's witness can cosign that log. For its policy:")?;
        writeln!(f, "# witness {} {} {}", self.name, self.witness, self.witness_url)
    }
}

/// Makes what is missing in the folder, as the first start would, and says who this authority is.
///
/// # Errors
/// As [`Homeserver::start`](crate::Homeserver::start), and [`StartError::OwnLog`].
pub fn introduce(options: &Options) -> Result<Introduction, StartError> {
    options.check()?;
    let folder = Folder::open(&options.folder)?;
    let now = UnixTime::now();
    let settled = founding::settle(&folder, options, now)?.for_many();
    let settings = &settled.settings;
    if settings.log_elsewhere.is_none() {
        return Err(StartError::OwnLog);
    }
    let Founded { signers, .. } = settled.found(&folder, now)?;
    let component = log::component(&folder, settings)?;
    Ok(Introduction {
        name: component.name().to_owned(),
        trust_policy: folder.join(genesis::FILE),
        key: component.key_digest(),
        witness: signers.witness.vkey().to_string(),
        witness_url: format!("{}/witness", settings.base_url()),
    })
}
