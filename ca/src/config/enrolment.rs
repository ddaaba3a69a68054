//! What an operator may write about enrolment into a TOML file. Whatever is left out stays as it is by default.

use std::collections::BTreeMap;

use identity::Identifier;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::limits::Limit;
use super::{CaConfig, DirectMail, DirectTable, DkimTable, DnsTable, MailTableError, Mailer, Rate, RepliesTable};
use crate::external::{ExternalAccounts, ExternalKeyError};

/// The table `[enrolment]`. Unknown keys are refused: a slip of the pen must not pass silently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    /// URL of the terms of service, to which holders of accounts must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// URL of a page about the authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// Into how many parts the revocation list of people's certificates is cut, if not into one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl_shards: Option<u16>,
    /// Whether a request for a certificate may leave its order unnamed, as general ACME clients do: then it proves that
    /// somebody had the key at some time, not that whoever asks has it now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub accept_stale_requests: bool,
    /// Whether an account must be bound to one elsewhere. The names and keys of those are in a file of their own.
    pub require_external_account: bool,
    /// Other rates than the default ones, for everybody.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Rate>,
    /// Whom the domain name system is asked through, for CAA records and signatures of mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsTable>,
    /// The key that signs mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim: Option<DkimTable>,
    /// Replies by mail as a proof of control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replies: Option<RepliesTable>,
    /// How mails go straight to the recipients' servers, where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<DirectTable>,
    /// Other rates for some.
    #[serde(rename = "override", skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// Another rate for one account, address, domain or network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Which limit.
    pub limit: Limit,
    /// An account's id, an address, a domain, an IPv4 address or an IPv6 /64, as the limit counts.
    pub r#for: String,
    /// Its rate.
    pub rate: Rate,
}

/// Why the table cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum EnrolmentError {
    /// A key in `limits` that is no limit.
    #[error("expected one of the limits {expected}, found {found:?}")]
    Limit {
        /// All of them.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// An override for what its limit does not count by.
    #[error("{limit}: expected {expected}, found {found:?}")]
    For {
        /// The limit's name.
        limit: &'static str,
        /// By what it counts.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A URL that is none, or not https.
    #[error("{member}: expected an https URL, found {found:?}")]
    Url {
        /// Which.
        member: &'static str,
        /// What stands there.
        found: String,
    },
    /// Parts of the revocation list that are none, or too many.
    #[error("crl_shards: expected 1 to 1024, found {0}")]
    Shards(u16),
    /// A table about mail.
    #[error(transparent)]
    Mail(#[from] MailTableError),
    /// The list of accounts elsewhere.
    #[error("the accounts elsewhere: {0}")]
    External(#[from] ExternalKeyError),
    /// Accounts elsewhere are required, and none is known.
    #[error("accounts elsewhere are required, and none is listed: nobody could enrol")]
    NoExternal,
}

impl Enrolment {
    /// Whether nothing differs from the default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Takes it over into `config`. `external` is the text of the file with the accounts elsewhere, if there is one.
    ///
    /// # Errors
    /// See [`EnrolmentError`]; `config` is then to be thrown away.
    pub fn apply(&self, config: &mut CaConfig, external: Option<&str>) -> Result<(), EnrolmentError> {
        for (member, url) in [("terms", &self.terms), ("website", &self.website)] {
            if let Some(found) = url.as_ref().filter(|url| !is_https(url)) {
                return Err(EnrolmentError::Url { member, found: found.chars().take(200).collect() });
            }
        }
        config.crl_shards = match self.crl_shards {
            None => 1,
            Some(shards @ 1..=1024) => shards,
            Some(found) => return Err(EnrolmentError::Shards(found)),
        };
        config.require_possession = !self.accept_stale_requests;
        config.terms.clone_from(&self.terms);
        config.website.clone_from(&self.website);
        config.external = ExternalAccounts::parse(external.unwrap_or_default(), self.require_external_account)?;
        if self.require_external_account && config.external.is_empty() {
            return Err(EnrolmentError::NoExternal);
        }
        self.apply_mail(config)?;
        for (name, rate) in &self.limits {
            let limit = Limit::ALL.into_iter().find(|limit| limit.name() == name);
            let limit = limit.ok_or_else(|| EnrolmentError::Limit {
                expected: Limit::ALL.map(Limit::name).join(", "),
                found: name.clone(),
            })?;
            config.limits.set(limit, *rate);
        }
        for one in &self.overrides {
            config.limits.overrides.set(one.limit, &whose(one)?, one.rate);
        }
        Ok(())
    }
}

impl Enrolment {
    /// Where mails go that go straight to the recipients' servers. `config` has been [`apply`](Self::apply)d to; `host` is
    /// this server's name.
    ///
    /// # Errors
    /// No resolver is named, and the system has none.
    pub fn direct(&self, config: &CaConfig, host: &str) -> Result<Mailer, EnrolmentError> {
        let resolvers = match &config.dns {
            Some(resolvers) => resolvers.clone(),
            None => DnsTable { resolvers: vec!["system".to_owned()], agree: None }.resolvers()?,
        };
        let delivery = self.direct.clone().unwrap_or_default().delivery(host, &config.folder);
        Ok(Mailer::Direct(Box::new(DirectMail { delivery, resolvers, folder: config.folder.clone() })))
    }

    /// Replies count only if they can be verified, and the mails they answer must be signed (RFC 8823 section 3.1).
    fn apply_mail(&self, config: &mut CaConfig) -> Result<(), MailTableError> {
        config.dns = self.dns.as_ref().map(DnsTable::resolvers).transpose()?;
        config.dkim = self.dkim.as_ref().map(|table| table.key(&config.folder)).transpose()?;
        config.replies = self.replies.as_ref().map(RepliesTable::replies).transpose()?;
        match (&config.replies, &config.dns, &config.dkim) {
            (Some(_), None, _) => Err(MailTableError::Missing("dns")),
            (Some(_), _, None) => Err(MailTableError::Missing("dkim")),
            _ => Ok(()),
        }
    }
}

/// ASCII without blanks, as it goes into headers and pages.
fn is_https(url: &str) -> bool {
    url.len() <= 1000 && url.strip_prefix("https://").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_graphic()))
}

/// For whom an override is, in the spelling by which its limit counts.
fn whose(one: &Override) -> Result<String, EnrolmentError> {
    let wrong = |expected| EnrolmentError::For {
        limit: one.limit.name(),
        expected,
        found: one.r#for.chars().take(80).collect(),
    };
    match one.limit {
        Limit::MailsPerAccount | Limit::TextsPerAccount | Limit::OrdersPerAccount | Limit::WatchesPerAccount => {
            Ok(one.r#for.clone())
        }
        Limit::TextsPerNumber => match Identifier::parse(&one.r#for) {
            Ok(number) if number.numbering().is_some() => Ok(number.as_str().to_owned()),
            _ => Err(wrong("a phone number")),
        },
        Limit::TextsPerPrefix | Limit::TextsPerCountry => match super::phone::check_prefix(&one.r#for) {
            Ok(()) if one.r#for != "*" => Ok(one.r#for.clone()),
            _ => Err(wrong("a + and digits, as the limit counts")),
        },
        Limit::DatesPerAddress => match Identifier::parse(&one.r#for) {
            Ok(address) => Ok(address.as_str().to_owned()),
            Err(_) => Err(wrong("a mail address or a phone number")),
        },
        Limit::MailsPerAddress => match Identifier::parse(&one.r#for) {
            Ok(address) => Ok(address.as_str().to_owned()),
            Err(_) => Err(wrong("a mail address")),
        },
        Limit::MailsPerDomain => match Identifier::parse(&format!("a@{}", one.r#for)) {
            Ok(address) => address.domain().map(str::to_owned).ok_or_else(|| wrong("a domain")),
            Err(_) => Err(wrong("a domain")),
        },
        Limit::MailsPerIp | Limit::TextsPerIp | Limit::OrdersPerIp | Limit::AccountsPerIp => {
            let address = one.r#for.strip_suffix("/64").unwrap_or(&one.r#for);
            address.parse().map(crate::limit::network).map_err(|_| wrong("an IPv4 address or an IPv6 /64"))
        }
    }
}
