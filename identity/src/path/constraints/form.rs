//! Names and constraints by their form, and whether one lies within the other.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Tag, Tagged, asn1::Utf8StringRef};
use x509_cert::{
    ext::pkix::{constraints::name::GeneralSubtree, name::GeneralName},
    name::Name,
};

use super::{
    super::{PathCertificate, name::NameKey},
    host,
    mail::{MailConstraint, Mailbox},
};
use crate::oid;

/// `emailAddress` in a subject (RFC 2985 section 5.2.1).
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// One base of a subtree.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Mail(MailConstraint),
    Dns(String),
    Uri(String),
    /// Address and mask, of equal length.
    Ip(Vec<u8>, Vec<u8>),
    Directory(NameKey, String),
    /// A form that nobody constrains in practice: names of it are refused where it is constrained.
    Other(Kind),
}

/// The forms that constraints tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Mail,
    Dns,
    Uri,
    Ip,
    Directory,
    OtherName(ObjectIdentifier),
    EdiParty,
    RegisteredId,
}

/// Reads one subtree; an error says what stands there instead of one that can be understood.
pub(super) fn read(subtree: &GeneralSubtree) -> Result<Form, String> {
    // Minimum must be zero and maximum absent.
    if subtree.minimum != 0 || subtree.maximum.is_some() {
        return Err("a subtree with minimum or maximum".to_owned());
    }
    Ok(match &subtree.base {
        GeneralName::Rfc822Name(text) => Form::Mail(MailConstraint::read(text.as_str())?),
        GeneralName::DnsName(text) if text.as_str().is_empty() => Form::Dns(String::new()),
        // Section 4.2.1.10 knows no leading period here.
        GeneralName::DnsName(text) => Form::Dns(host::canonical(text.as_str())?),
        GeneralName::UniformResourceIdentifier(text) => Form::Uri(match text.as_str() {
            "" => String::new(),
            text => match text.strip_prefix('.') {
                Some(domain) => format!(".{}", host::canonical(domain)?),
                None => host::canonical(text)?,
            },
        }),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            if ![8, 32].contains(&bytes.len()) {
                return Err(format!("an iPAddress constraint of {} bytes", bytes.len()));
            }
            let (address, mask) = bytes.split_at(bytes.len() / 2);
            // RFC 4632: a mask is ones, then zeros.
            let mut bits = mask.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
            if bits.by_ref().skip_while(|bit| *bit == 1).any(|bit| bit == 1) {
                return Err("an iPAddress constraint whose mask has gaps".to_owned());
            }
            Form::Ip(address.to_vec(), mask.to_vec())
        }
        GeneralName::DirectoryName(name) => Form::Directory(NameKey::new(name), name.to_string()),
        other => Form::Other(kind_of(other)),
    })
}

fn kind_of(name: &GeneralName) -> Kind {
    match name {
        GeneralName::Rfc822Name(_) => Kind::Mail,
        // RFC 9598 section 6: the constraints on rfc822Name hold for it.
        GeneralName::OtherName(other) if other.type_id == oid::SMTP_UTF8_MAILBOX => Kind::Mail,
        GeneralName::OtherName(other) => Kind::OtherName(other.type_id),
        GeneralName::DnsName(_) => Kind::Dns,
        GeneralName::DirectoryName(_) => Kind::Directory,
        GeneralName::EdiPartyName(_) => Kind::EdiParty,
        GeneralName::UniformResourceIdentifier(_) => Kind::Uri,
        GeneralName::IpAddress(_) => Kind::Ip,
        GeneralName::RegisteredId(_) => Kind::RegisteredId,
    }
}

/// A name of a certificate, ready for comparison.
pub(super) struct Named {
    kind: Kind,
    value: Value,
    text: String,
}

enum Value {
    Mail(Mailbox),
    /// Of a dNSName or in a URI.
    Host(String),
    Ip(Vec<u8>),
    Directory(NameKey),
    /// Of a form or a spelling that cannot be compared: refused under any constraint of its kind.
    Incomparable,
}

/// All names of a certificate: subject (section 4.2.1.10: if it is not empty), its emailAddress attributes, and the
/// subjectAltName.
pub(super) fn names(certificate: &PathCertificate) -> Vec<Named> {
    let subject = certificate.certificate().tbs().subject();
    let mut names = Vec::new();
    if !certificate.subject.is_empty() {
        let (value, text) = (Value::Directory(certificate.subject.clone()), subject.to_string());
        names.push(Named { kind: Kind::Directory, value, text });
    }
    names.extend(addresses(subject));
    names.extend(certificate.extensions.names.iter().map(named));
    names
}

/// Section 4.2.1.10 asks for them where there is no subjectAltName; a reader of the subject does not look there, so we
/// always do.
fn addresses(subject: &Name) -> impl Iterator<Item = Named> {
    subject.iter().filter(|attribute| attribute.oid == EMAIL_ADDRESS).map(|attribute| {
        let text = String::from_utf8_lossy(attribute.value.value()).into_owned();
        let textual = [Tag::Ia5String, Tag::Utf8String, Tag::PrintableString].contains(&attribute.value.tag());
        let mailbox = if textual { Mailbox::read(&text) } else { None };
        Named { kind: Kind::Mail, value: mailbox.map_or(Value::Incomparable, Value::Mail), text }
    })
}

fn named(name: &GeneralName) -> Named {
    let kind = kind_of(name);
    let mailbox = |text: &str| Mailbox::read(text).map_or(Value::Incomparable, Value::Mail);
    let (value, text) = match name {
        GeneralName::Rfc822Name(text) => (mailbox(text.as_str()), text.as_str().to_owned()),
        GeneralName::OtherName(other) if kind == Kind::Mail => match Utf8StringRef::try_from(&other.value) {
            Ok(text) => (mailbox(text.as_str()), text.as_str().to_owned()),
            Err(_) => (Value::Incomparable, "an SmtpUTF8Mailbox that is no UTF8String".to_owned()),
        },
        GeneralName::DnsName(text) => {
            // A wildcard stands for its siblings: see `within`.
            let host = text.as_str().strip_prefix("*.").unwrap_or(text.as_str());
            let wild = if host.len() < text.as_str().len() { "*." } else { "" };
            let value = host::canonical(host).map_or(Value::Incomparable, |host| Value::Host(format!("{wild}{host}")));
            (value, text.as_str().to_owned())
        }
        GeneralName::UniformResourceIdentifier(text) => {
            // RFC 5280: a URI without a host name is refused under any constraint on URIs.
            let value = host::of_uri(text.as_str()).map_or(Value::Incomparable, Value::Host);
            (value, text.as_str().to_owned())
        }
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes().to_vec();
            let text = hex::encode(&bytes);
            (if [4, 16].contains(&bytes.len()) { Value::Ip(bytes) } else { Value::Incomparable }, text)
        }
        GeneralName::DirectoryName(name) => (Value::Directory(NameKey::new(name)), name.to_string()),
        GeneralName::OtherName(other) => (Value::Incomparable, format!("otherName {}", other.type_id)),
        GeneralName::EdiPartyName(_) => (Value::Incomparable, "ediPartyName".to_owned()),
        GeneralName::RegisteredId(id) => (Value::Incomparable, id.to_string()),
    };
    Named { kind, value, text }
}

impl Form {
    fn kind(&self) -> Kind {
        match self {
            Self::Mail(_) => Kind::Mail,
            Self::Dns(_) => Kind::Dns,
            Self::Uri(_) => Kind::Uri,
            Self::Ip(..) => Kind::Ip,
            Self::Directory(..) => Kind::Directory,
            Self::Other(kind) => *kind,
        }
    }

    /// Whether this constraint is about names of this form.
    pub(super) fn constrains(&self, name: &Named) -> bool {
        self.kind() == name.kind
    }

    /// Whether a name lies within a permitted subtree. In doubt it does not.
    pub(super) fn permits(&self, name: &Named) -> bool {
        match (self, &name.value) {
            (Self::Mail(constraint), Value::Mail(mailbox)) => constraint.permits(mailbox),
            (Self::Dns(base), Value::Host(name)) => base.is_empty() || host::is_within(name, base),
            (Self::Uri(base), Value::Host(name)) => !base.is_empty() && host::fits(name, base),
            (Self::Ip(base, mask), Value::Ip(address)) => same_network(base, mask, address),
            (Self::Directory(base, _), Value::Directory(name)) => name.is_within(base),
            _ => false,
        }
    }

    /// Whether a name lies within an excluded subtree. In doubt it does: an empty base, which RFC 5280 does not define for
    /// mailboxes and URIs, excludes all of them; a wildcard lies within what any of its names lies within.
    pub(super) fn excludes(&self, name: &Named) -> bool {
        match (self, &name.value) {
            (Self::Mail(constraint), Value::Mail(mailbox)) => constraint.excludes(mailbox),
            (Self::Dns(base), Value::Host(name)) => {
                let sibling = name.strip_prefix("*.").is_some_and(|domain| host::is_within(base, domain));
                base.is_empty() || sibling || host::is_within(name, base)
            }
            (Self::Uri(base), Value::Host(name)) => base.is_empty() || host::fits(name, base),
            _ => self.permits(name),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(constraint) => constraint.fmt(f),
            Self::Dns(text) | Self::Uri(text) | Self::Directory(_, text) => f.write_str(text),
            Self::Ip(address, mask) => write!(f, "{}/{}", hex::encode(address), hex::encode(mask)),
            Self::Other(kind) => write!(f, "{kind:?}"),
        }
    }
}

impl Named {
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Mail => "rfc822Name",
            Kind::Dns => "dNSName",
            Kind::Uri => "URI",
            Kind::Ip => "iPAddress",
            Kind::Directory => "directoryName",
            Kind::OtherName(_) => "otherName",
            Kind::EdiParty => "ediPartyName",
            Kind::RegisteredId => "registeredID",
        }
    }

    pub(super) fn is_comparable(&self) -> bool {
        !matches!(self.value, Value::Incomparable)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn same_network(base: &[u8], mask: &[u8], address: &[u8]) -> bool {
    base.len() == address.len()
        && base.iter().zip(mask).zip(address).all(|((base, mask), address)| base & mask == address & mask)
}
