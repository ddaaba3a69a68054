//! What `homeserver.toml` remembers: the options of the first start, as decided then.
//!
//! Some of them are part of the server's name or of the trust policy that people have pinned; those cannot change any
//! more. The rest is remembered anew whenever it is given.

mod elsewhere;
mod suggest;

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ca::config::{Enrolment, OpenIdIssuer, PhoneTable};
use ca::store::PostgresStore;
use directory::Observation;
use identity::Identifier;
use serde::{Deserialize, Serialize};
use transparency_log::storage::S3Place;

use crate::error::StartError;
use crate::foreign::Foreign;
use crate::options::{DIRECT, Options, Smtp};

pub use elsewhere::LogElsewhere;

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
    /// Terms, accounts elsewhere, rate limits: written by hand, kept as it is. (A table, so it stands last.)
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

    /// The first log's origin line.
    #[must_use]
    pub fn origin(&self) -> String {
        if let Some(log) = &self.log_elsewhere {
            return log.origin();
        }
        self.shard_origin(&self.log_year.to_string())
    }

    /// The origin line of the log of this name.
    #[must_use]
    pub fn shard_origin(&self, name: &str) -> String {
        format!("{}:{}/log/{name}", self.domain, self.https_port)
    }

    /// The name of a later log of this server; none if it is no such log's origin.
    #[must_use]
    pub fn shard_name<'a>(&self, origin: &'a str) -> Option<&'a str> {
        let name = origin.strip_prefix(&self.shard_origin(""))?;
        is_shard_name(name).then_some(name)
    }

    /// Whether a log of this origin is this server's, or could become so.
    #[must_use]
    pub fn is_own_log(&self, origin: &str) -> bool {
        self.origin() == origin || self.shard_name(origin).is_some()
    }

    /// The name of the witness in this process.
    #[must_use]
    pub fn witness(&self) -> String {
        format!("{}/witness", self.domain)
    }

    /// The address below which everything HTTPS is found, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://{}:{}", self.domain, self.https_port)
    }

    /// Where the directory's second port is.
    #[must_use]
    pub(crate) fn observation(&self) -> Observation {
        match self.observation_port {
            None => Observation::Beside,
            Some(0) => Observation::Off,
            Some(port) => Observation::At(port),
        }
    }

    /// Host and port of the directory. `localhost` may resolve to an address that nobody listens on (`::1`), so a
    /// server for this machine alone names the address itself.
    #[must_use]
    pub fn directory_address(&self) -> String {
        if self.domain == "localhost" && self.listen.is_loopback() {
            return std::net::SocketAddr::new(self.listen, self.directory_port).to_string();
        }
        format!("{}:{}", self.domain, self.directory_port)
    }

    /// Where mails go: a mail server's address without what may be a password.
    #[must_use]
    pub fn mails(&self) -> String {
        let url = match self.smtp.as_deref() {
            None => return "outbox".into(),
            Some(DIRECT) => return "the recipients' own servers".into(),
            Some(url) => url,
        };
        let (scheme, rest) = url.split_once("://").unwrap_or(("smtp", url));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{scheme}://{host}")
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

/// What a later log can be called: it names a folder, and stands in an address beside the first log's own paths.
#[must_use]
pub fn is_shard_name(name: &str) -> bool {
    let of_the_first = ["checkpoint", "tile", "object", "entry", "certificate", "add-entries"];
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && !of_the_first.contains(&name)
}

/// A DNS name in lower-case letters, digits, hyphens and dots (RFC 1123 section 2.1): what a certificate can carry.
pub(crate) fn check_name(name: &str) -> Result<(), StartError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() <= 253 && !numeric && name.split('.').all(label) {
        return Ok(());
    }
    Err(StartError::Domain { found: name.chars().take(80).collect() })
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

/// What can stand after the @ of an address that may enrol, or `*`. Case does not matter.
pub(crate) fn check_permitted(domain: &str) -> Result<(), StartError> {
    let lower = domain.to_ascii_lowercase();
    let possible = Identifier::parse(&format!("a@{lower}")).is_ok_and(|address| address.domain() == Some(&lower));
    if domain == "*" || possible {
        return Ok(());
    }
    Err(StartError::Permitted { found: domain.chars().take(80).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { https_port: Some(9443), ..Options::default() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let settings = Settings::first(&options(), 2026).unwrap();
        assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()));
        assert_eq!(settings.origin(), "localhost:9443/log/2026");
        assert_eq!(settings.directory_address(), "127.0.0.1:8444");
    }

    #[test]
    fn the_sample_is_understood() {
        let settings = Settings::parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(settings.base_url(), "https://chat.example.org:8443");
        assert_eq!(settings.directory_address(), "chat.example.org:8444");
    }

    #[test]
    fn unknown_missing_and_misspelt_keys_are_refused_by_line_without_quoting_it() {
        let text = Settings::first(&options(), 2026).unwrap().to_toml();
        let unknown = Settings::parse(format!("{text}smpt = \"smtp://u:s3cret@h\"\n").as_bytes()).unwrap_err();
        assert!(unknown.contains("`smpt`; did you mean `smtp`?") && unknown.starts_with("line 1"), "{unknown}");
        assert!(!unknown.contains("s3cret"));
        assert!(Settings::parse(b"domain = \"localhost\"\n").unwrap_err().contains("missing field"));
        assert!(Settings::parse(&[0xff; 9]).unwrap_err().contains("UTF-8"));
        assert!(Settings::parse(&vec![b'#'; MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn what_people_have_pinned_stays_and_the_rest_may_change() {
        let settings = Settings::first(&options(), 2026).unwrap();
        let other = Options { domain: Some("elsewhere.example".into()), ..Options::default() };
        assert!(settings.clone().with(&other).unwrap_err().to_string().contains("--domain"));
        let zero = Options { https_port: Some(0), smtp: Some(Smtp::Url("smtp://h".into())), ..Options::default() };
        let changed = settings.clone().with(&zero).unwrap();
        assert_eq!((changed.https_port, changed.smtp.as_deref()), (9443, Some("smtp://h")));
        let back = changed.with(&Options { smtp: Some(Smtp::Outbox), ..Options::default() }).unwrap();
        assert_eq!(back, settings);
    }

    #[test]
    fn a_directory_is_named_by_domains_that_may_enrol() {
        let text = |names: &str, more: &str| {
            let settings = Settings::first(&Options { permit_domains: vec!["example.org".into()], ..options() }, 2026);
            settings.unwrap().to_toml().replace("\nlog_year", &format!("\ndirectory_names = [{names}]\nlog_year"))
                + more
        };
        let foreign = "[[foreign]]\npolicy = \"beta.json\"\nfingerprint = \"00\"\ndomains = [\"example.net\"]\n";
        let settings = Settings::parse(text("\"example.org\"", foreign).as_bytes()).unwrap();
        assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()), "kept as it is");
        assert_eq!((settings.directory_names.len(), settings.foreign.len()), (1, 1));
        let refused = Settings::parse(text("\"example.net\"", "").as_bytes()).unwrap_err();
        assert!(refused.contains("permit_domains (example.org), found example.net"), "{refused}");
        let refused = Settings::parse(text("", &format!("{foreign}domain = \"x\"\n")).as_bytes()).unwrap_err();
        assert!(refused.contains("unknown field `domain`"), "{refused}");
    }

    #[test]
    fn a_store_is_for_logs_in_this_process_alone() {
        let settings = Settings::first(&options(), 2026).unwrap();
        let store = "[log_store]\nbucket = \"logs\"\nprefix = \"home\"\n";
        let with_store = Settings::parse(format!("{}{store}", settings.to_toml()).as_bytes()).unwrap();
        assert_eq!(Settings::parse(with_store.to_toml().as_bytes()), Ok(with_store), "kept as it is");
        let sample = std::str::from_utf8(include_bytes!("../homeserver.sample.toml")).unwrap();
        let (before, elsewhere) = sample.split_once("# [log_elsewhere]").unwrap();
        let (elsewhere, after) = elsewhere.split_once("\n\n").unwrap();
        let both = format!("{before}[log_elsewhere]{}\n\n{after}", elsewhere.replace("\n# ", "\n"));
        let refused = Settings::parse(both.as_bytes()).unwrap_err();
        assert!(refused.contains("found both"), "{refused}");
        let refused = |store: &str| Settings::parse(format!("{}{store}", settings.to_toml()).as_bytes()).unwrap_err();
        assert!(refused(&store.replace("home", "a//b")).starts_with("[log_store]: prefix"));
        assert!(refused(&format!("{store}secret = \"s3cret\"\n")).contains("unknown field `secret`"));
    }

    #[test]
    fn a_shared_database_needs_a_log_elsewhere_and_a_url() {
        let sample = SAMPLE.replace("# database =", "database =");
        let (sample, _log_store) = sample.split_once("# An object store").unwrap();
        let alone = Settings::parse(sample.as_bytes()).unwrap_err();
        assert!(alone.contains("expected [log_elsewhere] beside it"), "{alone}");
        let (before, elsewhere) = sample.split_once("# [log_elsewhere]").unwrap();
        let (elsewhere, after) = elsewhere.split_once("\n\n").unwrap();
        let both = format!("{before}[log_elsewhere]{}\n\n{after}", elsewhere.replace("\n# ", "\n"));
        let settings = Settings::parse(both.as_bytes()).unwrap();
        assert!(settings.database.as_ref().is_some_and(|url| url.starts_with("postgres://")));
        assert_eq!(Settings::parse(settings.to_toml().as_bytes()), Ok(settings.clone()), "kept as it is");
        assert!(!format!("{settings:?}").contains("PASSWORD"));
        let wrong = both.replace("postgres://", "mysql://");
        let refused = Settings::parse(wrong.as_bytes()).unwrap_err();
        assert!(refused.starts_with("database: ") && !refused.contains("PASSWORD"), "{refused}");
    }

    #[test]
    fn a_domain_is_a_name_not_an_address() {
        for bad in ["", "Example.org", "a..b", "-a.org", "127.0.0.1", "a b", "exa_mple.org"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for good in ["localhost", "chat.example.org", "xn--bcher-kva.example"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
    }
}
