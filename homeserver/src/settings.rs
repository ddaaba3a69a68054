//! What `homeserver.toml` remembers: the options of the first start, as decided then.
//!
//! Some of them are part of the server's name or of the trust policy that people have pinned; those cannot change any
//! more. The rest is remembered anew whenever it is given.

mod addresses;
mod elsewhere;
mod names;
mod suggest;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ca::config::{Enrolment, OpenIdIssuer, PhoneTable};
use ca::store::PostgresStore;
use serde::{Deserialize, Serialize};
use transparency_log::storage::S3Place;

use crate::error::StartError;
use crate::foreign::Foreign;
use crate::options::{DIRECT, Options, Smtp};

pub use elsewhere::{GivenUp, LogElsewhere};
pub use names::is_shard_name;
pub(crate) use names::{check_name, check_permitted};

/// The name of the file in the folder.
pub const FILE: &str = "homeserver.toml";

/// All of it with comments, to be edited.
pub const SAMPLE: &str = include_str!("../homeserver.sample.toml");

/// The largest settings file that is read (bytes).
const MAX_BYTES: usize = 64 * 1024;

const HEAD: &str = "\
# Settings of this home server, written at its first start. Options given to `homeserver up` later are remembered here.
# domain, ports, permit_domains, permit_phones and log_year are part of the trust policy that people have pinned: they stay.
";

/// The settings of one home server. Unknown keys are refused: a slip of the pen must not pass silently.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name under which people reach it.
    pub domain: String,
    /// The address it listens on.
    pub listen: IpAddr,
    /// Its TCP port.
    pub https_port: u16,
    /// Its TCP port for plain HTTP: revocation lists and issuing certificates, as certificates for mail name them. Without it,
    /// none are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<u16>,
    /// Its UDP port.
    pub directory_port: u16,
    /// A second UDP port, by which devices tell what router they are behind; 0 for none. Without it, the next one if it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation_port: Option<u16>,
    /// The sender of its mails.
    pub mail_from: String,
    /// Mail domains whose people may enrol; `*` permits all.
    pub permit_domains: Vec<String>,
    /// What the phone numbers that may enrol begin with; `*` permits all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permit_phones: Vec<String>,
    /// Mail domains, among `permit_domains`, whose directory this is by their SRV record: it has a certificate for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directory_names: Vec<String>,
    /// The year in which its log began; part of the log's origin.
    pub log_year: i16,
    /// The mail server's URL, which may hold a password, or `direct` for the recipients' own servers; without one, mails land
    /// in the outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<String>,
    /// Certificates by which the mail server's is verified, in place of the web's authorities; a relative path begins in the
    /// folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_roots: Option<PathBuf>,
    /// Where the passphrase of the keys comes from: `file:PATH`, `fd:NUMBER`, `credential:NAME` or `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_passphrase: Option<String>,
    /// The database that this authority's front ends share, which may hold a password: `postgres://…`. Without it, the
    /// authority's database is a file in its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The log elsewhere that this server's authority submits to; without it the log is in this process. (A table, so it
    /// stands behind what is none.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_elsewhere: Option<LogElsewhere>,
    /// Terms, accounts elsewhere, rate limits: written by hand, kept as it is.
    #[serde(default, skip_serializing_if = "Enrolment::is_default")]
    pub enrolment: Enrolment,
    /// How codes get to phone numbers: written by hand, kept as it is.
    #[serde(default, skip_serializing_if = "PhoneTable::is_default")]
    pub phone: PhoneTable,
    /// Who vouches for the addresses of which domains: written by hand, kept as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openid: Vec<OpenIdIssuer>,
    /// An object store for the logs in this process: written by hand, kept as it is. Without one, they lie in the server's
    /// folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_store: Option<S3Place>,
    /// Other home servers' policies, by which their people may use this directory: written by hand, kept as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<Foreign>,
}

impl Settings {
    /// The settings of a first start. Ports may still be 0: [`crate::ports`] finds free ones.
    pub fn first(options: &Options, year: i16) -> Result<Self, StartError> {
        let domain = options.domain.clone().unwrap_or_else(|| "localhost".to_owned());
        check_name(&domain)?;
        let mut settings = Self {
            mail_from: format!("in-person@{domain}"),
            domain,
            listen: IpAddr::from([127, 0, 0, 1]),
            https_port: options.https_port.unwrap_or(8443),
            // Whoever has another port for the one, say as several run here, does not expect a certain one for the other.
            http_port: options.http_port.or(Some(if options.https_port.is_some() { 0 } else { 8446 })),
            directory_port: options.directory_port.unwrap_or(8444),
            observation_port: None,
            permit_domains: vec!["*".to_owned()],
            permit_phones: options.permit_phones.clone(),
            directory_names: Vec::new(),
            log_year: year,
            smtp: None,
            smtp_roots: None,
            key_passphrase: None,
            database: None,
            log_elsewhere: LogElsewhere::read(options)?,
            enrolment: Enrolment::default(),
            phone: PhoneTable::default(),
            openid: Vec::new(),
            log_store: None,
            foreign: Vec::new(),
        };
        if !options.permit_domains.is_empty() {
            settings.permit_domains = options.permit_domains.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        }
        settings.take(options);
        Ok(settings)
    }

    /// Remembered settings with newly given options.
    ///
    /// # Errors
    /// An option contradicts what is part of the pinned trust policy.
    pub fn with(mut self, options: &Options) -> Result<Self, StartError> {
        fixed("--domain", &self.domain, options.domain.as_ref())?;
        fixed("--https-port", &self.https_port, options.https_port.as_ref().filter(|&&port| port != 0))?;
        if let Some(kept) = &self.http_port {
            fixed("--http-port", kept, options.http_port.as_ref().filter(|&&port| port != 0))?;
        } else {
            self.http_port = options.http_port;
        }
        fixed("--directory-port", &self.directory_port, options.directory_port.as_ref().filter(|&&port| port != 0))?;
        let permitted = options.permit_domains.join(", ").to_ascii_lowercase();
        fixed("--permit-domain", &self.permit_domains.join(", "), Some(&permitted).filter(|text| !text.is_empty()))?;
        let phones = options.permit_phones.join(", ");
        fixed("--permit-phone", &self.permit_phones.join(", "), Some(&phones).filter(|text| !text.is_empty()))?;
        if let (Some(given), kept) = (LogElsewhere::read(options)?, &self.log_elsewhere)
            && kept.as_ref().is_none_or(|kept| kept.policy != given.policy)
        {
            let kept = kept.as_ref().map_or_else(|| "the log of this server".to_owned(), LogElsewhere::origin);
            fixed("--log-policy", &kept, Some(&format!("another policy, of {}", given.origin())))?;
        }
        self.take(options);
        Ok(self)
    }

    /// What may change at any start.
    fn take(&mut self, options: &Options) {
        if let Some(listen) = options.listen {
            self.listen = listen;
        }
        if let (Some(log), Some(submission)) = (&mut self.log_elsewhere, &options.log_submission) {
            log.submission.clone_from(submission);
        }
        if let Some(port) = options.observation_port {
            self.observation_port = Some(port);
        }
        if let Some(from) = &options.mail_from {
            self.mail_from.clone_from(from);
        }
        if let Some(source) = &options.key_passphrase {
            self.key_passphrase = Some(source.to_string());
        }
        match &options.smtp {
            Some(Smtp::Url(url)) => self.smtp = Some(url.clone()),
            Some(Smtp::Direct) => self.smtp = Some(DIRECT.to_owned()),
            Some(Smtp::Outbox) => self.smtp = None,
            Some(Smtp::Neither(_)) | None => {}
        }
        if let Some(path) = &options.smtp_roots {
            // It was given from where this was started, and is read again from wherever the next start is.
            self.smtp_roots = Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        }
    }

    /// Reads what [`Settings::to_toml`] wrote.
    ///
    /// # Errors
    /// It is no TOML, a key is missing, unknown or of the wrong kind; the message names line and key.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("expected at most {MAX_BYTES} bytes, found {}", bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| format!("expected UTF-8 text: {error}"))?;
        // Only message and place: the quoted line that the error's Display carries may hold the mail password.
        let settings: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", suggest::with_suggestion(error.message()))
        })?;
        check_name(&settings.domain).map_err(|error| error.to_string())?;
        if let Some(log) = &settings.log_elsewhere {
            log.log_policy().map_err(|reason| format!("[log_elsewhere]: {reason}"))?;
            let names = log.name.iter().chain(log.given_up.iter().filter_map(|log| log.name.as_ref()));
            if let Some(name) = names.into_iter().find(|name| !is_shard_name(name)) {
                return Err(format!(
                    "[log_elsewhere]: expected a name of small letters, digits and hyphens, found {name:?}"
                ));
            }
            if settings.log_store.is_some() {
                let reason = "expected [log_elsewhere] or [log_store], found both: a log elsewhere has its own store";
                return Err(reason.to_owned());
            }
        }
        if let Some(url) = &settings.database {
            if settings.log_elsewhere.is_none() {
                // Each front end would begin a log of its own under the one name.
                return Err("database: expected [log_elsewhere] beside it, found none: a log has one writer".to_owned());
            }
            PostgresStore::check(url).map_err(|error| format!("database: {error}"))?;
        }
        if let Some(name) = settings.directory_names.iter().find(|name| !settings.permit_domains.contains(name)) {
            let permitted = settings.permit_domains.join(", ");
            return Err(format!(
                "directory_names: expected domains that stand in permit_domains ({permitted}), found {name}"
            ));
        }
        if let Some(store) = &settings.log_store {
            store.check().map_err(|reason| format!("[log_store]: {reason}"))?;
        }
        Ok(settings)
    }

    /// The text of `homeserver.toml`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).expect("strings, numbers and lists of strings can be written as TOML");
        format!("{HEAD}{body}")
    }
}

/// Without the mail server's URL.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("domain", &self.domain)
            .field("https_port", &self.https_port)
            .finish_non_exhaustive()
    }
}

fn fixed<T: PartialEq + std::fmt::Display>(
    option: &'static str,
    kept: &T,
    given: Option<&T>,
) -> Result<(), StartError> {
    match given {
        Some(given) if given != kept => {
            Err(StartError::Fixed { option, kept: kept.to_string(), given: given.to_string() })
        }
        _ => Ok(()),
    }
}

/// The database that front ends share, if the settings in this folder name one.
///
/// # Errors
/// There are settings, and they are not in order.
pub fn shared_database(folder: &Path) -> Result<Option<String>, StartError> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let settings = Settings::parse(&read(&path)?).map_err(|reason| StartError::Settings { path, reason })?;
    Ok(settings.database)
}

/// The bytes of a file of settings.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    let unreadable = |source| StartError::folder(path, source);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
