//! What went wrong, in two sentences: what happened, and what to try. And the exit code that says it to programs.

use std::process::ExitCode;

use device::acme::AcmeError;
use device::enrolment::{ChooseError, CodeShape, EnrolError, LoginError};
use device::evidence::EvidenceFailure;
use device::https::FetchError;
use device::logbook::FollowError;
use device::policy::UpdateError;
use device::watch::WatchError;
use device::{HomeError, KeyError};
use identity::rules::Rule;
use identity::verify::VerifyError;
use serde_json::Value;
use transparency_log::client::{ClientError, SourceError};
use transparency_log::monitor::AuditError;

use crate::clock;

/// How a command ends, as its exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; what was checked is good.
    Ok = 0,
    /// Something failed.
    Failed = 1,
    /// Verification refused, or the watch raised an alarm.
    Refused = 3,
    /// Somebody could not be reached.
    Unreachable = 4,
    /// The watch could not see.
    Blind = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended without what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What happened: one sentence without a full stop.
    pub(crate) what: String,
    /// What to try: whole sentences, or nothing.
    pub(crate) remedy: String,
}

/// What to try when there is no passphrase.
pub(crate) const PASSPHRASE: &str =
    "Say where it comes from: --passphrase ask, file:PATH, fd:NUMBER or credential:NAME (systemd).";

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { exit, what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn failed(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what, remedy)
    }

    /// As programs read it.
    pub(crate) fn object(&self) -> Value {
        command_line::Failure::new(self.exit as u8, &self.what, &self.remedy).object()
    }

    /// The operating system refused something no command can do without.
    pub(crate) fn system(error: std::io::Error) -> Self {
        Self::failed(format!("the system refused: {error}"), "Free some memory or file handles and try again.")
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let remedy = match &error {
            HomeError::NoFolder => "Set HOME, or say where with --home DIR or INPERSON_HOME.".to_owned(),
            HomeError::NotWritable { .. } => "Choose a folder you may write to with --home DIR or INPERSON_HOME.".to_owned(),
            HomeError::Write { .. } => "Check the free space there and try again; what was there before is unchanged.".to_owned(),
            HomeError::Read { .. } => "Check who owns the file and its permissions.".to_owned(),
            HomeError::TooLarge { .. } | HomeError::Corrupt { .. } => {
                "Move the file away and make it anew: trust add for a policy, enroll for a device.".to_owned()
            }
            HomeError::Permissions { path, .. } => {
                format!("If nobody else had it: chmod 600 {}. Otherwise enroll with --new.", path.display())
            }
            HomeError::Sealed { .. } => PASSPHRASE.to_owned(),
            HomeError::Keyring { .. } => {
                "Is a keyring running in this session (GNOME Keyring, KWallet, KeePassXC), and open? Otherwise enroll with --new --key file.".to_owned()
            }
            HomeError::Token { .. } => {
                "Is the token in, and its PIN where pin-source says? pkcs11-tool -O --module FILE shows what it holds.".to_owned()
            }
            HomeError::NeedsPlace { .. } => {
                "Say where: --key with another object= in its URI, or --key file, or --key keyring.".to_owned()
            }
            HomeError::Key(_) => "If the key lies in a token: a device's key is Ed25519, an account's P-256.".to_owned(),
            HomeError::NoDevice { identifier, .. } => format!("Get one: certtool enroll {identifier}"),
            HomeError::NoMailbox { identifier, .. } => format!("Get one: certtool enroll {identifier} --for mail"),
            HomeError::EnrolledAnew { .. } => "Nothing is lost: the newer certificate is in the folder.".to_owned(),
            HomeError::Fingerprint { .. } => {
                "Compare the fingerprint with the operator by phone or in person; do not trust this policy until both agree.".to_owned()
            }
            HomeError::Policy(_) => "Check the address: a homeserver serves its policy at /policy.".to_owned(),
        };
        let exit = if matches!(error, HomeError::Fingerprint { .. }) { Exit::Refused } else { Exit::Failed };
        Self::new(exit, error.to_string(), remedy)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let what = error.to_string();
        match error {
            FetchError::Unreachable { .. } => Self::new(
                Exit::Unreachable,
                what,
                "Check that this computer is online and that the address and port are right; if the server is yours, that homeserver is running.",
            ),
            // The clock first: it is wrong more often than somebody is in between.
            FetchError::Untrusted { url, reason } if is_about_time(&reason) => Self::new(
                Exit::Refused,
                format!("by this computer's clock the certificate of {url} does not count: {reason}"),
                format!(
                    "{} Otherwise the server's is wrong, or somebody is in between: ask its operator.",
                    clock::says()
                ),
            ),
            FetchError::Untrusted { .. } => Self::new(
                Exit::Refused,
                what,
                "Somebody may be in between, or the server was set up anew: ask its operator. The pinned policy is shown by certtool trust show.",
            ),
            FetchError::Status { .. } => Self::failed(what, "Check the address with the operator."),
            FetchError::TooLarge { .. } => {
                Self::failed(what, "This is not the server it should be: check the address.")
            }
            FetchError::BadUrl { .. } => {
                Self::failed(what, "Write the whole address, for instance https://chat.example.org:8443/policy.")
            }
        }
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        let what = error.to_string();
        match error {
            UpdateError::Fetch(error) => error.into(),
            UpdateError::NoAddress { .. } => {
                Self::failed(what, "Ask its operator, then: certtool trust update NAME --from URL.")
            }
            UpdateError::Refused { .. } => {
                Self::new(Exit::Refused, what, "It was not taken. Tell the operator by phone or in person.")
            }
        }
    }
}

impl From<EvidenceFailure> for Failure {
    fn from(error: EvidenceFailure) -> Self {
        match error {
            EvidenceFailure::Home(error) => error.into(),
            other => Self::failed(other.to_string(), "Nothing was written."),
        }
    }
}

impl From<AcmeError> for Failure {
    fn from(error: AcmeError) -> Self {
        match error {
            AcmeError::Fetch(error) => error.into(),
            AcmeError::Key(error) => error.into(),
            AcmeError::Refused { ref problem, .. } if problem.is("rateLimited") => Self::failed(
                error.to_string(),
                "Wait a while, then run the command again: it goes on where it stopped.",
            ),
            AcmeError::Refused { ref problem, .. } if problem.is("badCSR") => {
                Self::failed(error.to_string(), "Make a new key and certificate: certtool enroll ID --new.")
            }
            AcmeError::Refused { ref problem, .. } if problem.is("invalidProfile") => Self::failed(
                error.to_string(),
                "This authority makes no certificates of that kind: its operator may change that (http_port, for those for mail).",
            ),
            AcmeError::Refused { ref problem, .. } if problem.is("slotsExhausted") => {
                Self::failed(error.to_string(), "Run the command again then: it goes on where it stopped.")
            }
            AcmeError::Refused { .. } => {
                Self::failed(error.to_string(), "If the reason is not yours to mend, ask the authority's operator.")
            }
            AcmeError::Terms { ref url } => {
                Self::failed(error.to_string(), format!("Read them. If you agree: certtool enroll ID --agree-to {url}"))
            }
            AcmeError::Elsewhere => Self::failed(
                error.to_string(),
                "Ask the operator for a name and a key; then certtool enroll ID --external-account NAME --external-key file:PATH.",
            ),
            AcmeError::Protocol { .. } => Self::failed(
                error.to_string(),
                "Ask the operator whether this is the authority's address and which version it runs.",
            ),
        }
    }
}

impl From<ChooseError> for Failure {
    fn from(error: ChooseError) -> Self {
        let remedy = match &error {
            ChooseError::NoPolicy => {
                "Pin one first: certtool trust add URL --fingerprint HEX (the operator tells you both)."
            }
            ChooseError::NotPermitted { .. } => {
                "Pin the policy of an authority for this address, or check the spelling."
            }
            ChooseError::NoSuch { .. } => "certtool trust list shows the names.",
            ChooseError::Several { .. } => "Say which one with --authority NAME.",
        };
        Self::failed(error.to_string(), remedy)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let remedy = match &error {
            KeyError::Sign(_) => "Is the token in that holds the key? Then try again.",
            KeyError::Random(_) | KeyError::Parse { .. } | KeyError::Kind { .. } => {
                "Try again; if it stays so, this system cannot make such keys."
            }
        };
        Self::failed(error.to_string(), remedy)
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let remedy = match error.rule {
            Rule::ChainNotYetValid | Rule::ChainExpired => clock::says(),
            Rule::TrustBinding => {
                "If she has really changed, and told you so herself: certtool trust bind FILE.".to_owned()
            }
            Rule::ChainSignature => {
                "It was altered, or comes from another authority that has the same name as one you pinned. If it is another one and you trust it, pin its policy: certtool trust add.".to_owned()
            }
            Rule::ChainPath => "Pin the policy of its authority first, if you trust it: certtool trust add.".to_owned(),
            Rule::RevocationRevoked => {
                "It counts no more. If it is this device's own, certtool enroll ID makes a new key \
                                        and certificate."
                    .to_owned()
            }
            Rule::RevocationFresh => {
                "Of your own certificate certtool watch --once fetches a newer list; of others' the messenger does while it runs."
                    .to_owned()
            }
            _ => "Do not rely on this certificate. policies/rules.md explains the rule.".to_owned(),
        };
        Self::new(Exit::Refused, error.to_string(), remedy)
    }
}

impl From<EnrolError> for Failure {
    fn from(error: EnrolError) -> Self {
        let what = error.to_string();
        match error {
            EnrolError::Home(error) => error.into(),
            EnrolError::Key(error) => error.into(),
            EnrolError::Choose(error) => error.into(),
            EnrolError::Acme(error) => error.into(),
            EnrolError::Refused(error) => {
                let inner = Self::from(error);
                Self { what, ..inner }
            }
            EnrolError::Mismatch { .. } | EnrolError::NoCertificate { .. } => {
                Self::new(Exit::Refused, what, "It was not stored. Tell the authority's operator.")
            }
            EnrolError::NoCode | EnrolError::Unattended | EnrolError::CodeWrong { .. } => {
                Self::failed(what, "Run the command again with the code from the message: it goes on where it stopped.")
            }
            EnrolError::CodeMisshapen { expected, .. } => {
                let like = match expected {
                    CodeShape::Mailed => "ABCD-EFGH-IJKL-MNOP-QRST-UVWX",
                    CodeShape::Texted => "ABCDE-FGHIJ",
                };
                Self::failed(what, format!("Run the command again with the code as the message has it, like {like}."))
            }
            EnrolError::NoSubject => Self::failed(
                what,
                "Run the command again once the mail is there, and give its subject: it goes on where it stopped.",
            ),
            EnrolError::SubjectMisshapen { .. } => Self::failed(
                what,
                "Run the command again with the whole subject as the mail has it: ACME: and what follows.",
            ),
            EnrolError::NoReply { .. } => Self::failed(
                what,
                "Run the command again; if the reply was sent, press Ctrl-D instead of giving the subject: it waits on.",
            ),
            EnrolError::Login(LoginError::Fetch(FetchError::Untrusted { .. })) => Self::failed(
                what,
                "If your organisation certifies that server itself, its authority belongs into this computer's store (or into the file that SSL_CERT_FILE names). Otherwise somebody may be in between.",
            ),
            EnrolError::Login(_) => {
                Self::failed(what, "Run the command again, or without --challenge: it goes on where it stopped.")
            }
            EnrolError::TokenRefused { .. } => Self::failed(
                what,
                "Log in as who you want to be certified; or run the command again without --challenge, for a code.",
            ),
            EnrolError::NotSent { .. } => {
                Self::failed(what, "Run the command again later: it goes on where it stopped.")
            }
            EnrolError::CodeSpent { .. } => Self::failed(what, "Run the command again: a new message will be sent."),
            EnrolError::Invalid { .. } => Self::failed(what, "Run the command again: it makes a new order."),
            EnrolError::NoIssuer { .. } => Self::failed(what, "Leave --issuer out, or name one of these."),
            EnrolError::EarlierLeft { source, .. } => {
                let Self { exit, .. } = Self::from(*source);
                Self { exit, what, remedy: "Run the command again: it goes on with what is left.".to_owned() }
            }
            EnrolError::Revoked { identifier, for_mail } => {
                let option = if for_mail { " --for mail" } else { "" };
                Self::failed(
                    what,
                    format!(
                        "Make a new key and certificate: certtool enroll {identifier}{option} --new (in a token by another name: --key pkcs11:…)"
                    ),
                )
            }
            EnrolError::NoMail { .. } => Self::failed(what, "Give a mail address, or leave out --for mail."),
            EnrolError::Slow { .. } => {
                Self::failed(what, "Run the command again in a minute: it goes on where it stopped.")
            }
            EnrolError::NoChallenge { .. } => {
                Self::failed(what, "Leave --challenge out; or a newer certtool may know the authority's way.")
            }
        }
    }
}

impl From<FollowError> for Failure {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Home(error) => error.into(),
            FollowError::Audit(AuditError::Client(ClientError::Source(SourceError::Unreachable {
                ref path,
                ref reason,
            }))) if let Some(refusal) = refused_certificate(reason) => {
                FetchError::Untrusted { url: path.clone(), reason: refusal.to_owned() }.into()
            }
            FollowError::Audit(AuditError::Client(ClientError::Source(SourceError::Unreachable { path, reason }))) => {
                let reached: Self = FetchError::Unreachable { url: path, reason: innermost(&reason) }.into();
                let remedy = format!("{} The audit goes on where it stopped.", reached.remedy);
                Self { remedy, ..reached }
            }
            error if error.unreachable() => Self::new(
                Exit::Unreachable,
                error.to_string(),
                "Check that this computer is online and try again: the audit goes on where it stopped.",
            ),
            FollowError::Audit(error) => Self::new(
                Exit::Refused,
                format!("the log does not keep its promise: {error}"),
                "Keep this message and tell others who use the log; do not enrol there until it is explained.",
            ),
        }
    }
}

impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Self {
        let what = error.to_string();
        match error {
            WatchError::Home(error) => error.into(),
            WatchError::Choose(error) => error.into(),
            WatchError::Acme(error) => error.into(),
            WatchError::Follow(error) => error.into(),
            WatchError::Read { .. } => {
                Self::new(Exit::Refused, what, "Try again; if it stays so, the log withholds an entry: tell others.")
            }
            WatchError::Policy { .. } => Self::failed(what, "Ask the operator for a complete policy."),
        }
    }
}

/// Why the server's certificate was refused, if that is why a log could not be read: its client is given the connection
/// by us and knows nothing of TLS, so there is only its text.
fn refused_certificate(reason: &str) -> Option<&str> {
    let (_, refusal) = reason.split_once("invalid peer certificate: ")?;
    let ours = refusal.strip_prefix("Other(OtherError(").and_then(|rest| rest.strip_suffix("))"));
    Some(ours.unwrap_or(refusal))
}

/// What the system said, without the layers that handed it on, each of which repeats the address.
fn innermost(reason: &str) -> String {
    reason.rsplit(": ").next().unwrap_or(reason).to_owned()
}

/// Whether a refusal is one a wrong clock would explain.
fn is_about_time(reason: &str) -> bool {
    [Rule::ChainNotYetValid, Rule::ChainExpired].iter().any(|rule| reason.contains(rule.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_as_documented() {
        let documented = include_str!("../../docs/certtool.md");
        for (exit, number) in
            [(Exit::Ok, 0), (Exit::Failed, 1), (Exit::Refused, 3), (Exit::Unreachable, 4), (Exit::Blind, 5)]
        {
            assert_eq!(exit as u8, number);
            assert!(documented.contains(&format!("| {number} |")), "exit code {number} is not in docs/certtool.md");
        }
    }

    #[test]
    fn a_log_behind_a_refused_certificate_is_not_called_unreachable() {
        let failed = |reason: &str| {
            let source =
                SourceError::Unreachable { path: "https://localhost:1/log/checkpoint".into(), reason: reason.into() };
            Failure::from(FollowError::Audit(AuditError::Client(ClientError::Source(source))))
        };
        let url = "https://localhost:1/log/checkpoint";
        let away = failed(&format!(
            "error sending request for url ({url}): client error (Connect): tcp connect error: Connection refused (os error 111)"
        ));
        assert_eq!(away.exit, Exit::Unreachable);
        assert_eq!(away.what, format!("{url} cannot be reached: Connection refused (os error 111)"));
        assert!(away.remedy.contains("homeserver is running"), "{}", away.remedy);
        let refused = failed(
            "client error (Connect): invalid peer certificate: Other(OtherError(CHAIN-07: expected a, found b))",
        );
        assert_eq!(refused.exit, Exit::Refused);
        assert!(refused.what.ends_with("does not count: CHAIN-07: expected a, found b"), "{}", refused.what);
        assert!(refused.what.starts_with("by this computer's clock"), "{}", refused.what);
        assert!(refused.remedy.starts_with("This computer's clock says"), "{}", refused.remedy);
    }

    #[test]
    fn nobody_there_is_not_the_same_as_somebody_else() {
        let url = "https://localhost:1/policy".to_owned();
        let unreachable =
            Failure::from(FetchError::Unreachable { url: url.clone(), reason: "connection refused".into() });
        assert_eq!(unreachable.exit, Exit::Unreachable);
        assert!(unreachable.what.contains(&url));
        let untrusted =
            Failure::from(FetchError::Untrusted { url, reason: "CHAIN-07: expected …, found …".into() });
        assert_eq!(untrusted.exit, Exit::Refused);
        assert!(untrusted.remedy.contains("clock"), "{}", untrusted.remedy);
    }
}
