//! What is told when the server answers: where everything is.

use std::fmt;
use std::path::PathBuf;

use identity::trust::TrustPolicy;
use serde::Serialize;

use crate::folder::Folder;
use crate::server::OUTBOX;
use crate::settings::{LogElsewhere, Settings};

/// Where everything is: what people and programs are told when the server answers.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// SHA-256 of the genesis trust policy, hexadecimal.
    pub fingerprint: String,
    /// Where the policy is served.
    pub policy: String,
    /// The ACME directory (RFC 8555 section 7.1.1).
    pub acme: String,
    /// The log's address; checkpoint and tiles lie below it (C2SP tlog-tiles).
    pub log: String,
    /// Where what certificates for mail name is, by plain HTTP; none if no such certificates are made.
    pub plain: Option<String>,
    /// Host and UDP port of the directory.
    pub directory: String,
    /// Its second UDP port, by which devices tell what router they are behind; none if it has none.
    pub observation_port: Option<u16>,
    /// Where mails go, without what may be a password.
    pub mails: String,
    /// The Maildir where mails land; none if a mail server is configured.
    pub outbox: Option<PathBuf>,
}

impl Ready {
    pub(crate) fn new(
        folder: &Folder,
        settings: &Settings,
        policy: &TrustPolicy,
        observation_port: Option<u16>,
    ) -> Self {
        let base = settings.base_url();
        Self {
            ready: true,
            fingerprint: policy.fingerprint().to_string(),
            policy: format!("{base}/policy"),
            acme: format!("{base}/acme/directory"),
            log: settings.log_elsewhere.as_ref().map_or_else(|| format!("{base}/log"), LogElsewhere::url),
            plain: settings.plain_url(),
            directory: settings.directory_address(),
            observation_port,
            mails: settings.mails(),
            outbox: settings.smtp.is_none().then(|| folder.join(OUTBOX)),
        }
    }
}

/// For people: addresses, the fingerprint, where mails land, what to type next.
impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "This home server is ready.")?;
        writeln!(f, "  policy       {}", self.policy)?;
        writeln!(f, "  fingerprint  {}", self.fingerprint)?;
        writeln!(f, "  enrolment    {} (ACME)", self.acme)?;
        writeln!(f, "  log          {}", self.log)?;
        if let Some(plain) = &self.plain {
            writeln!(f, "  plain HTTP   {plain} (revocation lists, for certificates for mail)")?;
        }
        match self.observation_port {
            Some(port) => writeln!(f, "  directory    {} (UDP; and UDP port {port})", self.directory)?,
            None => writeln!(f, "  directory    {} (UDP)", self.directory)?,
        }
        match &self.outbox {
            Some(outbox) => writeln!(f, "  mails        land in {}", outbox.join("new").display())?,
            None => writeln!(f, "  mails        go out through {}", self.mails)?,
        }
        writeln!(f, "Next, on each person's device:")?;
        writeln!(f, "  certtool trust add {} --fingerprint {}", self.policy, self.fingerprint)?;
        writeln!(f, "  certtool enroll you@example.org")
    }
}
