//! Why a home server does not start: what was expected, what was found, and what to try.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use command_line::Failure;

/// Why a home server does not start. Nothing is lost by any of these; what was lost before is said where it is known.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder, or a file in it, cannot be made, read or written.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of secrets can be read by more than its owner.
    #[error("{}: expected a file of secrets that only its owner can read (mode 0600), found mode {mode:04o}", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another process holds the folder's lock.
    #[error("another home server{} is running on {}", holder.as_ref().map(|id| format!(" (process {id})")).unwrap_or_default(), folder.display())]
    Running {
        /// The folder.
        folder: PathBuf,
        /// The other's process id, as it wrote it down.
        holder: Option<String>,
    },
    /// The settings file cannot be understood.
    #[error("cannot understand {}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Line, key, what was expected and found.
        reason: String,
    },
    /// An option contradicts what people have pinned.
    #[error(
        "{option} cannot change any more: expected {kept}, as in the trust policy that people have pinned, found {given}"
    )]
    Fixed {
        /// The option.
        option: &'static str,
        /// Its remembered value.
        kept: String,
        /// The one given now.
        given: String,
    },
    /// `--domain` is no DNS name.
    #[error("--domain: expected a DNS name in lower case such as chat.example.org, found {found:?}")]
    Domain {
        /// What was given.
        found: String,
    },
    /// `--smtp` is neither a URL of a mail server nor "direct" nor "outbox".
    #[error("--smtp: expected smtp://…, smtps://…, direct or outbox, found {found}")]
    Smtp {
        /// What was given, as far as no password can stand in it.
        found: String,
    },
    /// The file of `--smtp-roots` holds no certificates.
    #[error("--smtp-roots: {reason}")]
    SmtpRoots {
        /// What was expected and found, and where.
        reason: String,
    },
    /// `--mail-from` is no mail address.
    #[error("--mail-from: expected a mail address such as ca@example.org, found {found:?}")]
    Sender {
        /// What was given.
        found: String,
    },
    /// `--permit-domain` is no mail domain.
    #[error("--permit-domain: expected a mail domain such as example.org, or *, found {found:?}")]
    Permitted {
        /// What was given.
        found: String,
    },
    /// `--permit-phone` is no beginning of phone numbers.
    #[error("--permit-phone: expected + and digits such as +49, or *, found {found:?}")]
    PermittedPhone {
        /// What was given.
        found: String,
    },
    /// A port cannot be bound.
    #[error("cannot listen on {protocol} {address}: {source}")]
    Port {
        /// TCP or UDP.
        protocol: &'static str,
        /// Address and port.
        address: SocketAddr,
        /// The option that changes the port.
        option: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The clock says a time before the stored certificates were made.
    #[error("the clock is wrong: expected a time after {made}, when this server's certificates were made, found {now}")]
    Clock {
        /// When the certificates were made.
        made: String,
        /// What the clock says.
        now: String,
    },
    /// The clock says a time long after the log was last cosigned.
    #[error(
        "the clock may be wrong: it says {now}, but this server's log was last cosigned at {cosigned}, more than 60 days before"
    )]
    ClockAhead {
        /// When the log was last cosigned.
        cosigned: String,
        /// What the clock says.
        now: String,
    },
    /// A stored key or policy is damaged.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which.
        what: String,
        /// Expected and found.
        reason: String,
    },
    /// The passphrase of the authority's keys is not to be had, or the wrong one, or a token does not give its key.
    #[error("the authority's keys cannot be opened: {reason}")]
    Unlocking {
        /// Expected and found; never the passphrase.
        reason: String,
    },
    /// A policy to be signed is not in order.
    #[error("{} cannot be the next trust policy: {reason}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// `--log-policy` is not that of a log elsewhere.
    #[error("--log-policy {}: {reason}", path.display())]
    LogPolicy {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// The log elsewhere does not take this authority's entries.
    #[error("the log at {submission} does not take this authority's entries: {reason}")]
    LogElsewhere {
        /// Where entries are submitted.
        submission: String,
        /// Its own words, or why there are none.
        reason: String,
    },
    /// The trust policy names a further log elsewhere.
    #[error(
        "cannot go over to the log {found}: a server whose log is elsewhere stays with the one that it was introduced to"
    )]
    NextElsewhere {
        /// The further log's origin.
        found: String,
    },
    /// A backup was restored here, and has not caught up.
    #[error("{} was restored from a backup, and it is not certain yet how far its log got: nothing is signed before", folder.display())]
    NotCaughtUp {
        /// The folder.
        folder: PathBuf,
    },
    /// A new authority would take an old one's place.
    #[error("there is an authority in {} already", folder.display())]
    Founded {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no log elsewhere to be introduced to.
    #[error("this server's log is its own: nobody need be told of it")]
    OwnLog,
    /// A draft cannot leave out what does not stand in the policy.
    #[error("nothing was drafted: expected {what} in the trust policy, found it nowhere")]
    Strike {
        /// What was to be struck.
        what: String,
    },
    /// A further log cannot be prepared.
    #[error("no log was prepared: {reason}")]
    Shard {
        /// Expected and found.
        reason: String,
    },
    /// A witness elsewhere cannot be added.
    #[error("no witness was added: {reason}")]
    Witness {
        /// Expected and found.
        reason: String,
    },
    /// No witness of that name is known here.
    #[error("expected the name of a witness that was added, found {found:?}")]
    UnknownWitness {
        /// What was given.
        found: String,
    },
    /// The object store that is to hold the logs cannot be used, or would let a log fork.
    #[error("the logs cannot lie in {place}: {reason}")]
    LogStore {
        /// The bucket, and the store's address.
        place: String,
        /// What was expected and found.
        reason: String,
    },
    /// The label key lies elsewhere, and a first trust policy has to name it.
    #[error("a first start needs the public half of the label key, and {reason}")]
    Signer {
        /// Why there is no word of its signer.
        reason: String,
    },
    /// One of the parts does not open.
    #[error("the {part} does not start: {reason}")]
    Part {
        /// Which.
        part: &'static str,
        /// Its own words.
        reason: String,
    },
}

impl StartError {
    /// `path` cannot be used because of `source`.
    pub(crate) fn folder(path: &Path, source: io::Error) -> Self {
        Self::Folder { path: path.to_path_buf(), source }
    }

    /// `part` does not start because of `error` and what caused it.
    pub(crate) fn part(part: &'static str, error: &dyn std::error::Error) -> Self {
        Self::Part { part, reason: in_full(error) }
    }

    /// The operating system lets nobody wait for signals.
    #[must_use]
    pub fn signals(error: &io::Error) -> Self {
        Self::part("waiting for signals", error)
    }

    /// Whether the command line is wrong, as opposed to the world.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Domain { .. }
                | Self::Smtp { .. }
                | Self::SmtpRoots { .. }
                | Self::Sender { .. }
                | Self::Permitted { .. }
                | Self::PermittedPhone { .. }
                | Self::LogPolicy { .. }
                | Self::OwnLog
        )
    }

    /// What to try.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "make room on the disk and start again".into()
            }
            Self::Folder { .. } => {
                "give another folder with --folder, or make this one writable for the account that runs homeserver"
                    .into()
            }
            Self::Readable { path, .. } => {
                format!("chmod 600 {}; and get new secrets if somebody else may have read these", path.display())
            }
            Self::Running { .. } => {
                "stop the other one first, or give this one its own --folder (and its own ports)".into()
            }
            Self::Settings { path, .. } => format!("mend {}, or restore it from a backup", path.display()),
            Self::Fixed { option, .. } => format!("leave {option} away, or start a new server in another --folder"),
            Self::Domain { .. } => {
                "give the name under which people reach this machine; localhost for this machine alone".into()
            }
            Self::SmtpRoots { .. } => {
                "give the PEM file with the certificate of the authority that has certified your mail server".into()
            }
            Self::Smtp { .. } => "write it like smtps://USER:PASSWORD@mail.example.org, with %40 for an @ in USER".into(),
            Self::Sender { .. } => "give the address from which your mail server lets this server send".into(),
            Self::Permitted { .. } => {
                "give what stands after the @ in your people's addresses; domains outside ASCII in their xn-- form"
                    .into()
            }
            Self::PermittedPhone { .. } => "give what your people's numbers begin with, like +49 or +4915".into(),
            Self::Port { option, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                format!(
                    "stop the program that uses it, or start a new server with {option} and another port (0 takes a free one)"
                )
            }
            Self::Port { option, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                format!(
                    "ports below 1024 need a privilege: give {option} a port above, or the CAP_NET_BIND_SERVICE capability"
                )
            }
            Self::Port { .. } => "give --listen an address of this machine, or 0.0.0.0 for all of them".into(),
            Self::LogStore { .. } => {
                "look at [log_store] and the file log-store-keys, at the bucket and at the store's own log; a store whose conditional writes are not atomic cannot hold a log: take another one, or leave [log_store] away before the first start".into()
            }
            Self::Clock { .. } => "set the clock (timedatectl set-ntp true) and start again".into(),
            Self::ClockAhead { .. } => {
                "set the clock (timedatectl set-ntp true) and start again; if the server really was off that long, start it once with --clock-is-right. Nothing has been changed"
                    .into()
            }
            Self::Damaged { .. } => "restore the folder from a backup; nothing in it has been changed".into(),
            Self::Unlocking { .. } => {
                "look at what --key-passphrase names (key_passphrase in homeserver.toml), or at the token; nothing was made or changed"
                    .into()
            }
            Self::Policy { .. } => "begin with what homeserver policy draft prints; nothing was signed".into(),
            Self::LogPolicy { .. } => {
                "save what transparency-log serve --show-policy prints, with the log's URL in it".into()
            }
            Self::LogElsewhere { .. } => {
                "see that the log runs, and that its operator has added what homeserver introduce prints; then start again"
                    .into()
            }
            Self::NextElsewhere { .. } => {
                "sign a version of the trust policy without that log (homeserver policy draft), or begin a new server with homeserver introduce in another --folder"
                    .into()
            }
            Self::NotCaughtUp { .. } => "ca restore --again says what is missing".into(),
            Self::Founded { .. } => "give a new one another --folder; this one starts with homeserver up".into(),
            Self::OwnLog => "for a log elsewhere, begin in a new --folder with --log-policy and --log-submission".into(),
            Self::Strike { .. } => "homeserver policy draft without --strike-… shows what stands in it; homeserver shard list shows the logs".into(),
            Self::Shard { .. } => "homeserver shard list shows the logs so far; nothing was signed".into(),
            Self::Witness { .. } => {
                "ask its operator for the address and for the fingerprint of its trust policy (or the witness's key)".into()
            }
            Self::UnknownWitness { .. } => "homeserver witness list shows them".into(),
            Self::Signer { .. } => {
                "start the signer first (ca vrf-signer); later starts do without it. Nothing has been lost".into()
            }
            Self::Part { .. } => "the reason above names what to mend".into(),
        }
    }
}

/// Exit code 2 if the command line is wrong, as the parser's own refusals have it; 1 if anything else is.
impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(if error.is_usage() { 2 } else { 1 }, &error, error.remedy())
    }
}

/// An error and what caused it.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        // Some errors already carry their cause in their own words.
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = deeper.source();
    }
    reason
}
