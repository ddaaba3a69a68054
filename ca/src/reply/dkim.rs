//! Whether the domain in a mail's `From` has signed it (RFC 6376), as RFC 8823 section 3.2 wants it: by exactly that domain,
//! and with every field that matters among what is signed. The signature itself is verified by `mail-auth`.
//!
//! Stricter than DKIM alone where a reply would otherwise be worth less than it seems: a signature over part of the body
//! (`l=`), one with SHA-1, one of a domain that is only testing (`t=y`), one by a third party (`atps=`) count as none. The
//! RFC has the signer name fields in `h=` that the mail does not have; many do not. A field that is not there cannot be
//! altered, and one that was added later is one that is there and not signed: so it is enough that all that are there are
//! signed.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Instant;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use thiserror::Error;

use super::fields::{Field, Fields};
use crate::dns::{Dns, DnsError};

const NAME: &str = "DKIM-Signature";
/// Signatures that are looked at. Each may cost a question to the domain name system.
const MAX_SIGNATURES: usize = 4;
/// What has to be signed if it is there (RFC 8823 section 3.2, item 9), and what decides how the body is read.
const SIGNED: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "In-Reply-To",
    "References",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];
/// Fields of that list that few sign and that change nothing here: the structure of the mail is in `Content-Type`.
const OPTIONAL: [&str; 1] = ["MIME-Version"];

/// Why a mail does not count as signed by its domain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unsigned {
    /// There is no signature by this domain.
    #[error("expected a DKIM signature by {0}, found none")]
    None(String),
    /// The signature does not parse, or is of a kind that does not count.
    #[error("expected a DKIM signature over the whole mail with rsa-sha256 or ed25519-sha256, found one {0}")]
    Kind(&'static str),
    /// A field that matters could have been put in or changed after signing.
    #[error("expected the field {0} among what the DKIM signature covers, found it outside")]
    NotCovered(&'static str),
    /// The key is not published, revoked, or of a domain that is only testing.
    #[error("expected the key of the DKIM signature at {name}, found {found}")]
    Key {
        /// Where it should be.
        name: String,
        /// What is there.
        found: &'static str,
    },
    /// The signature is wrong.
    #[error("the DKIM signature does not fit the mail: {0}")]
    Wrong(String),
    /// It could not be found out now.
    #[error("the key of the DKIM signature could not be had: {0}")]
    Later(#[from] DnsError),
}

impl Unsigned {
    /// The same without names, for the log: the domain may be one person's.
    pub(super) fn nameless(&self) -> String {
        match self {
            Self::None(_) => "expected a DKIM signature by the address's domain, found none".into(),
            Self::Key { found, .. } => format!("expected the key of the DKIM signature at its name, found {found}"),
            Self::Wrong(_) => "the DKIM signature does not fit the mail".into(),
            Self::Later(_) => "the key of the DKIM signature could not be had".into(),
            Self::Kind(_) | Self::NotCovered(_) => self.to_string(),
        }
    }
}

/// Checks that `domain` has signed the mail.
pub(crate) async fn signed_by(dns: &Dns, fields: &Fields<'_>, domain: &str) -> Result<(), Unsigned> {
    let (mut why, mut later) = (Unsigned::None(domain.to_owned()), None);
    let mut asked = 0;
    for field in fields.named(NAME) {
        let tags = String::from_utf8_lossy(field.value).into_owned();
        let Some(tags) = Tags::parse(&tags) else { continue };
        if !tags.folded("d").is_some_and(|d| d.eq_ignore_ascii_case(domain)) {
            continue;
        }
        if asked == MAX_SIGNATURES {
            break;
        }
        asked += 1;
        match acceptable(&tags, fields) {
            Ok(()) => match verify(dns, fields, field, &tags, domain).await {
                Ok(()) => return Ok(()),
                Err(Unsigned::Later(error)) => later = Some(error),
                Err(other) => why = other,
            },
            Err(other) => why = other,
        }
    }
    // Where none is good, and one may yet be, the sender's server is to try again.
    Err(later.map_or(why, Unsigned::Later))
}

/// What can be said without the key.
fn acceptable(tags: &Tags<'_>, fields: &Fields<'_>) -> Result<(), Unsigned> {
    let algorithm = tags.folded("a").unwrap_or_default().to_ascii_lowercase();
    if !["rsa-sha256", "ed25519-sha256"].contains(&algorithm.as_str()) {
        return Err(Unsigned::Kind("with another algorithm"));
    }
    if tags.get("l").is_some() {
        return Err(Unsigned::Kind("that covers only the beginning of the body (l=)"));
    }
    if tags.get("atps").is_some() {
        return Err(Unsigned::Kind("for a third party (atps=)"));
    }
    let covered = tags.folded("h").unwrap_or_default();
    let is_covered = |name: &str| covered.split(':').any(|h| h.eq_ignore_ascii_case(name));
    let is_there = |name: &str| fields.named(name).next().is_some();
    let left_out = SIGNED.into_iter().find(|name| is_there(name) && !is_covered(name) && !OPTIONAL.contains(name));
    left_out.map_or(Ok(()), |name| Err(Unsigned::NotCovered(name)))
}

/// Signatures and a key record as they come, for [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn look(fields: &Fields<'_>, mail: &[u8]) {
    for field in fields.named(NAME) {
        let tags = String::from_utf8_lossy(field.value).into_owned();
        if let Some(tags) = Tags::parse(&tags) {
            let _ = acceptable(&tags, fields);
        }
        let _ = DomainKey::parse(field.value);
    }
    // What the verifier is given.
    let _ = AuthenticatedMessage::parse(mail);
}

async fn verify(
    dns: &Dns,
    fields: &Fields<'_>,
    signature: &Field<'_>,
    tags: &Tags<'_>,
    domain: &str,
) -> Result<(), Unsigned> {
    let selector = tags.folded("s").unwrap_or_default();
    let name = format!("{selector}._domainkey.{domain}").to_ascii_lowercase();
    let key = key(dns, &name).await?;
    // The others are taken out: each is judged alone.
    let alone = fields.with_only(|f| !f.name.eq_ignore_ascii_case(NAME) || std::ptr::eq(f.raw, signature.raw));
    let message = AuthenticatedMessage::parse(&alone).ok_or(Unsigned::Kind("that does not parse"))?;
    let Some(resolver) = dns.any() else { return Err(Unsigned::None(domain.to_owned())) };
    let verifier = MessageAuthenticator(resolver.clone());
    let known = OneKey { name: format!("{name}."), key };
    let verdicts = verifier.verify_dkim(Parameters::new(&message).with_txt_cache(&known)).await;
    let mut why = Unsigned::Kind("that does not parse");
    for verdict in verdicts {
        match verdict.result() {
            DkimResult::Pass => return Ok(()),
            DkimResult::Neutral(error)
            | DkimResult::Fail(error)
            | DkimResult::PermError(error)
            | DkimResult::TempError(error) => why = Unsigned::Wrong(error.to_string()),
            DkimResult::None => {}
        }
    }
    Err(why)
}

/// The one key record of this name (RFC 6376 section 3.6.2.2: where there are several, the result is undefined).
async fn key(dns: &Dns, name: &str) -> Result<Txt, Unsigned> {
    let none = |found| Unsigned::Key { name: name.to_owned(), found };
    let records = match dns.txt(name).await {
        Err(DnsError::Name(_)) => return Err(none("no name that could be asked for")),
        found => found?,
    };
    let [record] = records.as_slice() else {
        return Err(none(if records.is_empty() { "nothing" } else { "several records" }));
    };
    let text = String::from_utf8_lossy(record).into_owned();
    let tags = Tags::parse(&text).ok_or_else(|| none("something that is no key"))?;
    if tags.get("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y")) {
        return Err(none("a key that the domain is only testing (t=y)"));
    }
    // RFC 6376 section 3.6.1: keys of other services, and for other hashes, are to be ignored. The verifier does not look.
    let lists = |tag: &str, wanted: &[&str]| {
        let is_wanted = |entry: &str| wanted.iter().any(|wanted| entry.trim().eq_ignore_ascii_case(wanted));
        tags.get(tag).is_none_or(|list| list.split(':').any(is_wanted))
    };
    if !lists("s", &["*", "email"]) {
        return Err(none("a key that is not for mail (s=)"));
    }
    if !lists("h", &["sha256"]) {
        return Err(none("a key that is not for SHA-256 (h=)"));
    }
    DomainKey::parse(record).map(Txt::from).map_err(|_| none("a key that is revoked or cannot be used"))
}

/// The answers that the verifier gets: the one key, which enough resolvers agreed on, and nothing else. It never asks by
/// itself.
struct OneKey {
    name: String,
    key: Txt,
}

impl ResolverCache<Box<str>, Txt> for OneKey {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let ours: Box<str> = self.name.clone().into_boxed_str();
        let other = || Txt::Error(mail_auth::Error::NotAligned);
        Some(if ours.borrow() == name { self.key.clone() } else { other() })
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// A tag list (RFC 6376 section 3.2).
struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// None if a tag has no value or stands there twice.
    fn parse(text: &'a str) -> Option<Self> {
        let mut tags: Vec<(&str, &str)> = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            if tags.iter().any(|(known, _)| *known == name) {
                return None;
            }
            tags.push((name, value));
        }
        Some(Self(tags))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Without the white space that may stand between the parts of some values.
    fn folded(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.chars().filter(|c| !c.is_ascii_whitespace()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(signature: &str, more: &str) -> Result<(), Unsigned> {
        let mail = format!("DKIM-Signature: {signature}\r\nFrom: a@example.org\r\nSubject: x\r\n{more}\r\nbody\r\n");
        let fields = Fields::parse(mail.as_bytes()).unwrap();
        let value = String::from_utf8_lossy(fields.named(NAME).next().unwrap().value).into_owned();
        acceptable(&Tags::parse(&value).unwrap(), &fields)
    }

    #[test]
    fn all_that_is_there_must_be_covered_and_what_is_not_need_not() {
        let signature = "v=1; a=rsa-sha256; d=example.org; s=x; h=from:\r\n Subject : Date; bh=x; b=y";
        assert_eq!(judged(signature, ""), Ok(()));
        assert_eq!(judged(signature, "Date: today\r\nMIME-Version: 1.0\r\n"), Ok(()));
        for name in ["To", "Reply-To", "Content-Type", "In-Reply-To"] {
            assert_eq!(judged(signature, &format!("{name}: x\r\n")), Err(Unsigned::NotCovered(name)));
        }
    }

    #[test]
    fn what_signs_less_than_it_seems_does_not_count() {
        for bad in [
            "a=rsa-sha256; h=from:subject; l=0",
            "a=rsa-sha256; h=from:subject; l=400",
            "a=rsa-sha1; h=from:subject",
            "h=from:subject",
            "a=rsa-sha256; h=from:subject; atps=example.org",
        ] {
            assert!(matches!(judged(bad, ""), Err(Unsigned::Kind(_))), "{bad}");
        }
        assert!(Tags::parse("d=example.org; d=evil.example").is_none());
        assert!(Tags::parse("d").is_none());
    }
}
