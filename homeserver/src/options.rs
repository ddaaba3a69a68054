//! What can be given to `homeserver up`. Whatever is given is remembered in the folder (see [`crate::settings`]), but for
//! what is said about this start alone.

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use key_store::PassphraseSource;

use crate::error::StartError;
use crate::settings;

/// The options of `homeserver up`. An option that is absent keeps its remembered value, or at the first start takes
/// its default.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Where everything lives: keys, database, log, mails. Made at the first start
    #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
    pub folder: PathBuf,

    /// The name under which people reach this server [default: localhost]
    #[arg(long, value_name = "NAME")]
    pub domain: Option<String>,

    /// The address to listen on; 0.0.0.0 for all of them [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub listen: Option<IpAddr>,

    /// The TCP port for enrolment, log and policy; 0 takes a free one and keeps it [default: 8443]
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,

    /// The TCP port for what certificates for mail name: revocation lists and issuing certificates, by plain HTTP; 0 takes a
    /// free one. Fixed once it is there, as certificates name it [default: 8446, or a free one where --https-port is given]
    #[arg(long, value_name = "PORT")]
    pub http_port: Option<u16>,

    /// The UDP port of the directory; 0 takes a free one and keeps it [default: 8444]
    #[arg(long, value_name = "PORT")]
    pub directory_port: Option<u16>,

    /// A second UDP port of the directory, by which devices tell what router they are behind; 0 for none [default: the
    /// next port, if it is free]
    #[arg(long, value_name = "PORT")]
    pub observation_port: Option<u16>,

    /// The mail server that sends the codes, as smtps://USER:PASSWORD@HOST, smtp://HOST?tls=required or
    /// smtp://HOST?tls=none; "direct" delivers to the recipients' own servers, "outbox" lets mails land in the folder
    /// [default: outbox]
    #[arg(long, value_name = "URL", env = "INPERSON_SMTP", hide_env_values = true)]
    pub smtp: Option<Smtp>,

    /// Certificates in PEM by which the mail server's is verified, in place of the web's authorities: for a server whose
    /// certificate is by an authority of your own
    #[arg(long, value_name = "FILE")]
    pub smtp_roots: Option<PathBuf>,

    /// The sender of the mails; in-person@DOMAIN if none was ever given
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,

    /// A mail domain whose people may enrol, repeatable; "*" permits all. Part of the trust policy: fixed at the first
    /// start [default: *]
    #[arg(long = "permit-domain", value_name = "DOMAIN")]
    pub permit_domains: Vec<String>,

    /// What the phone numbers that may enrol begin with, like +49, repeatable; "*" permits all. Codes go out as the
    /// table "phone" of homeserver.toml says, else into the outbox. Part of the trust policy: fixed at the first start
    /// [default: none]
    #[arg(long = "permit-phone", value_name = "PREFIX")]
    pub permit_phones: Vec<String>,

    /// Have certificates logged in a log elsewhere (`transparency-log serve`), whose C2SP tlog-policy this file holds, and
    /// run none here. Part of the trust policy: fixed at the first start
    #[arg(long, value_name = "FILE")]
    pub log_policy: Option<PathBuf>,

    /// The https address at which that log takes entries
    #[arg(long, value_name = "URL")]
    pub log_submission: Option<String>,

    /// The key name of a witness in that policy that you run yourself, repeatable: people are told where nobody else has
    /// seen a certificate
    #[arg(long = "log-operator-witness", value_name = "NAME", requires = "log_policy")]
    pub log_operator_witnesses: Vec<String>,

    /// Where the passphrase of the authority's keys comes from, if they are sealed: file:PATH, fd:NUMBER, credential:NAME
    /// (systemd), ask
    #[arg(long, value_name = "SOURCE")]
    pub key_passphrase: Option<PassphraseSource>,

    /// Start although the clock is more than 60 days ahead of the log: the server really was off that long. Counts for
    /// this start alone
    #[arg(long)]
    pub clock_is_right: bool,

    /// A test mode for authors of ACME clients: every other nonce is refused, every other order wants a new proof,
    /// addresses are odd. Counts for this start alone
    #[arg(long, hide = true)]
    pub acme_chaos: bool,
}

/// What stands in place of a URL where mails go to the recipients' own servers.
pub(crate) const DIRECT: &str = "direct";

/// Where mails go. The URL may hold a password, so this type shows none of it, and it takes any text: an error of the
/// command line's parser would repeat what was given.
#[derive(Clone, PartialEq, Eq)]
pub enum Smtp {
    /// Into a Maildir in the folder.
    Outbox,
    /// To the mail server with this URL.
    Url(String),
    /// To the recipients' own servers.
    Direct,
    /// Something else, as far as it may be shown; [`Options::check`] refuses it.
    Neither(String),
}

impl std::str::FromStr for Smtp {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "outbox" => Self::Outbox,
            DIRECT => Self::Direct,
            url if url.starts_with("smtp://") || url.starts_with("smtps://") => Self::Url(url.to_owned()),
            other => Self::Neither(showable(other)),
        })
    }
}

/// What may be shown of a URL, or of what was meant as one: nobody knows where in it a password stands, so it is a scheme that
/// is known alone.
fn showable(text: &str) -> String {
    let known = ["smtp", "smtps", "smpt", "smpts", "http", "https", "imap", "imaps"];
    match text.split_once("://") {
        Some((scheme, _)) if known.contains(&scheme) => format!("{scheme}://…"),
        _ => "something else".to_owned(),
    }
}

impl Options {
    /// What can be said about the options alone, before anything is made.
    ///
    /// # Errors
    /// The name is no DNS name, the mail server's URL is none, the file for its certificate holds none, the sender is no
    /// mail address, a permitted domain is no mail domain, or a prefix of phone numbers is none.
    pub fn check(&self) -> Result<(), StartError> {
        if let Some(domain) = &self.domain {
            settings::check_name(domain)?;
        }
        match &self.smtp {
            Some(Smtp::Neither(found)) => return Err(StartError::Smtp { found: found.clone() }),
            Some(Smtp::Url(url)) => ca::check_smtp_url(url).map_err(|error| {
                let why = if let ca::MailError::Config { found, .. } = error { found } else { error.to_string() };
                StartError::Smtp { found: format!("{}: {why}", showable(url)) }
            })?,
            Some(Smtp::Direct | Smtp::Outbox) | None => {}
        }
        if let Some(path) = &self.smtp_roots {
            ca::check_roots(path).map_err(|error| StartError::SmtpRoots { reason: error.to_string() })?;
        }
        if let Some(from) = &self.mail_from {
            ca::config::check_sender(from).map_err(|_| StartError::Sender { found: from.clone() })?;
        }
        for domain in &self.permit_domains {
            settings::check_permitted(domain)?;
        }
        for prefix in &self.permit_phones {
            ca::config::check_prefix(prefix).map_err(|_| StartError::PermittedPhone { found: prefix.clone() })?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct => "Direct",
            Self::Outbox => "Outbox",
            Self::Url(_) => "Url(…)",
            Self::Neither(_) => "Neither",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_never_work_is_refused_before_anything_is_made() {
        let permitting = |domain: &str| Options { permit_domains: vec![domain.into()], ..Options::default() };
        for good in ["*", "example.org", "Example.ORG", "xn--bcher-kva.example"] {
            assert!(permitting(good).check().is_ok(), "{good}");
        }
        for bad in ["", "a b", "*.example.org", "localhost", "a@example.org"] {
            assert!(matches!(permitting(bad).check(), Err(StartError::Permitted { .. })), "{bad}");
        }
        let calling = |prefix: &str| Options { permit_phones: vec![prefix.into()], ..Options::default() };
        assert!(calling("*").check().is_ok() && calling("+49").check().is_ok());
        for bad in ["", "49", "+", "+49-", "*49"] {
            assert!(matches!(calling(bad).check(), Err(StartError::PermittedPhone { .. })), "{bad}");
        }
        let from = |sender: &str| Options { mail_from: Some(sender.into()), ..Options::default() };
        assert!(from("ca@example.org").check().is_ok());
        assert!(from("In Person <ca@example.org>").check().is_ok());
        assert!(matches!(from("nope").check(), Err(StartError::Sender { .. })));
    }

    #[test]
    fn every_mistake_in_the_mail_servers_url_is_one_of_usage_and_shown_without_its_password() {
        for (url, shown) in [
            ("http://ca:s3cret@h", "http://…"),
            ("mail.example.org", "something else"),
            ("s3cret.example", "something else"),
            ("mys3cret://h", "something else"),
            ("smtps://ca:s3cret@h?tls=maybe", "smtps://…: a URL with an unknown option"),
            ("smtps://ca:s3cret@h:0", "smtps://…"),
            ("smtps://ca:s3cret@", "smtps://…"),
            ("smtps://s3cret@h", "smtps://…: a name without a password"),
            ("smtps://ca:s3cret", "smtps://…: a URL with an impossible port"),
            ("smtps://ca%40example.org:s3cret%40mail.example.org", "smtps://…"),
            ("smtps://ca@example.org:s3cret", "smtps://…"),
            ("smtp://ca:s3cret mail.example.org", "smtp://…"),
            ("ca:s3cret", "something else"),
            ("s3cret", "something else"),
            ("S3cret://h", "something else"),
        ] {
            let error = Options { smtp: url.parse().ok(), ..Options::default() }.check().unwrap_err();
            let said = error.to_string();
            assert!(error.is_usage() && said.contains(&format!("found {shown}")) && !said.contains("cret"), "{said}");
        }
        for good in ["smtps://ca%40example.org:pass@h", "smtp://h?tls=required", "smtp://[::1]:25", "direct", "outbox"]
        {
            assert!(Options { smtp: good.parse().ok(), ..Options::default() }.check().is_ok(), "{good}");
        }
    }

    #[test]
    fn a_file_that_holds_no_certificates_is_one_of_usage() {
        let place = tempfile::tempdir().unwrap();
        let empty = place.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        for (path, found) in
            [(empty, "expected certificates in PEM, found none"), (place.path().join("none.pem"), "none.pem")]
        {
            let error = Options { smtp_roots: Some(path), ..Options::default() }.check().unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        for url in ["smtps://ca:s3cret@mail.example.org", "smpts://ca:s3cret@mail.example.org"] {
            let options = Options { smtp: url.parse().ok(), ..Options::default() };
            assert!(!format!("{options:?}").contains("s3cret"));
            assert!(options.check().err().is_none_or(|error| !error.to_string().contains("s3cret")));
        }
    }
}
