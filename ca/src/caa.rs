//! Whether the owner of a mail domain lets this authority certify addresses under it: CAA `issuemail` (RFC 9495), found by
//! climbing the tree of RFC 8659.
//!
//! Whatever cannot be found out, or not be understood though it is critical, is a refusal. Parameters narrow a permission
//! (RFC 8657): `validationmethods` to certain challenges, `accounturi` to one account; one that is not known permits
//! nothing, as it can only have been meant to narrow.

use thiserror::Error;

use crate::dns::{CaaRecord, Dns, DnsError};

/// Property tags whose meaning is known. All but the first say nothing about mail.
const UNDERSTOOD: [&str; 7] = ["issuemail", "issue", "issuewild", "iodef", "contactemail", "contactphone", "issuevmc"];
/// The one that counts here.
const ISSUEMAIL: &str = "issuemail";

/// Why no certificate may be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CaaError {
    /// The records could not be had.
    #[error("the CAA records of {domain} could not be had: {reason}")]
    Unknown { domain: String, reason: DnsError },
    /// A property must be understood and is not.
    #[error("the CAA records of {at} have the critical property {tag:?}, which is not known here")]
    Critical { at: String, tag: String },
    /// Others may, we may not.
    #[error("the CAA records of {at} permit this authority ({authority}) no certificates for mail addresses: {found}")]
    Forbidden { at: String, authority: String, found: String },
}

impl CaaError {
    /// In a word, without names: for the log.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "the records could not be had",
            Self::Critical { .. } => "a critical property that is not known here",
            Self::Forbidden { .. } => "this authority is not permitted",
        }
    }
}

/// For whom and how, as far as it is settled: both narrow a permission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// URL of the account.
    pub(crate) account: &'a str,
    /// The challenge by which control was proven; none before that.
    pub(crate) proven_by: Option<&'a str>,
}

/// Asks whether `authority` (a domain) may certify addresses under `domain`.
pub(crate) async fn check(dns: &Dns, domain: &str, authority: &str, asked: Asked<'_>) -> Result<(), CaaError> {
    let mut at = domain;
    loop {
        let records = dns.caa(at).await;
        let records = records.map_err(|reason| CaaError::Unknown { domain: domain.to_owned(), reason })?;
        // RFC 8659 section 3: the first name that has any records decides, the root is not asked.
        if !records.is_empty() {
            return permits(&records, at, authority, asked);
        }
        match at.split_once('.') {
            Some((_, parent)) => at = parent,
            None => return Ok(()),
        }
    }
}

fn permits(records: &[CaaRecord], at: &str, authority: &str, asked: Asked<'_>) -> Result<(), CaaError> {
    if let Some(unknown) = records.iter().find(|r| r.critical && !UNDERSTOOD.contains(&r.tag.as_str())) {
        return Err(CaaError::Critical { at: at.to_owned(), tag: unknown.tag.chars().take(40).collect() });
    }
    let mail: Vec<_> = records.iter().filter(|record| record.tag == ISSUEMAIL).collect();
    if mail.is_empty() || mail.iter().any(|record| names(&record.value, authority, asked)) {
        return Ok(());
    }
    let found = mail.iter().map(|record| String::from_utf8_lossy(&record.value).chars().take(80).collect::<String>());
    let found = found.take(5).collect::<Vec<_>>().join(", ");
    Err(CaaError::Forbidden { at: at.to_owned(), authority: authority.to_owned(), found })
}

/// Whether a value names the authority for what is asked (RFC 8659 section 4.2). One that is malformed names nobody.
fn names(value: &[u8], authority: &str, asked: Asked<'_>) -> bool {
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
    let issuer = parts.next().unwrap_or_default();
    issuer.eq_ignore_ascii_case(authority) && parts.filter(|part| !part.is_empty()).all(|part| fits(part, asked))
}

fn fits(parameter: &str, asked: Asked<'_>) -> bool {
    let Some((tag, value)) = parameter.split_once('=') else { return false };
    let (tag, value) = (tag.trim_end_matches([' ', '\t']), value.trim_start_matches([' ', '\t']));
    match tag.to_ascii_lowercase().as_str() {
        "accounturi" => value == asked.account,
        "validationmethods" => asked.proven_by.is_none_or(|by| value.split(',').any(|method| method.trim() == by)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { account: "https://ca.example/acct/1", proven_by: Some("email-reply-00") };

    fn record(critical: bool, tag: &str, value: &str) -> CaaRecord {
        CaaRecord { critical, tag: tag.into(), value: value.into() }
    }

    fn judged(records: &[CaaRecord]) -> Result<(), CaaError> {
        permits(records, "example.org", "ca.example", ASKED)
    }

    #[test]
    fn without_issuemail_nothing_is_restricted() {
        assert_eq!(judged(&[record(false, "issue", ";")]), Ok(()));
        assert_eq!(judged(&[record(true, "issue", "other.example"), record(true, "iodef", "mailto:a@b")]), Ok(()));
        assert_eq!(judged(&[record(false, "newer", "x")]), Ok(()));
    }

    #[test]
    fn who_is_named_may_and_nobody_else() {
        for good in ["ca.example", " CA.Example ", "ca.example;", "\tca.example \t; ;"] {
            assert_eq!(judged(&[record(false, "issuemail", good)]), Ok(()), "{good:?}");
        }
        assert_eq!(
            judged(&[record(false, "issuemail", "other.example"), record(false, "issuemail", "ca.example")]),
            Ok(())
        );
        for bad in [
            "",
            ";",
            "other.example",
            "ca.example.",
            "sub.ca.example",
            "ca.example other.example",
            "%%%%%",
            "ca .example",
        ] {
            let refused = judged(&[record(false, "issuemail", bad)]);
            assert!(matches!(refused, Err(CaaError::Forbidden { .. })), "{bad:?}: {refused:?}");
        }
        let refused = permits(
            &[CaaRecord { critical: false, tag: "issuemail".into(), value: vec![0xff] }],
            "example.org",
            "ca.example",
            ASKED,
        );
        assert!(matches!(refused, Err(CaaError::Forbidden { .. })));
    }

    #[test]
    fn what_is_critical_must_be_understood() {
        let refused = judged(&[record(true, "newer", "x"), record(false, "issuemail", "ca.example")]);
        assert_eq!(refused, Err(CaaError::Critical { at: "example.org".into(), tag: "newer".into() }));
    }

    #[test]
    fn parameters_narrow_a_permission() {
        let with = |parameters: &str| judged(&[record(false, "issuemail", &format!("ca.example; {parameters}"))]);
        assert_eq!(with("validationmethods=email-code-00,email-reply-00"), Ok(()));
        assert_eq!(with("AccountUri = https://ca.example/acct/1 ;validationmethods=email-reply-00"), Ok(()));
        for bad in
            ["validationmethods=email-code-00", "accounturi=https://ca.example/acct/2", "policy=ev", "accounturi", "=x"]
        {
            assert!(with(bad).is_err(), "{bad}");
        }
        // Before anything is proven, only what cannot become true any more is a reason to refuse.
        let early = Asked { proven_by: None, ..ASKED };
        let records = [record(false, "issuemail", "ca.example; validationmethods=email-code-00")];
        assert_eq!(permits(&records, "example.org", "ca.example", early), Ok(()));
    }
}
