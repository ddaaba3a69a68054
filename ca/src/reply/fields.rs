//! The header of a mail, taken apart to the byte.
//!
//! Programs differ in what they make of a header that is not well formed: one sees the first of two `From`, another the
//! last, a third takes `From :` for one. Whoever signs, checks and reads must see the same, so what could be seen
//! differently is refused here before anybody looks.

use identity::Identifier;
use thiserror::Error;

/// Fields of a header. Mails on a long way through lists and filters have some sixty.
const MAX_FIELDS: usize = 256;
/// Those that RFC 5322 section 3.6 allows once, as far as anything here depends on them, and those of RFC 2045.
const ONCE: [&str; 13] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// As it stands there.
    pub name: &'a str,
    /// What follows the colon, with folding and the last CRLF.
    pub value: &'a [u8],
    /// All of it.
    pub raw: &'a [u8],
}

/// Why a header is not looked at further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FieldsError {
    /// A line that is no field and continues none.
    #[error("expected a field's name and a colon at the beginning of each line of the header, found something else")]
    NoField,
    /// More than any mail needs.
    #[error("expected at most {MAX_FIELDS} fields in the header, found more")]
    TooMany,
    /// Twice what may stand there once.
    #[error("expected the field {0} once, found it several times")]
    Repeated(&'static str),
}

/// A header taken apart, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields<'a> {
    fields: Vec<Field<'a>>,
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Takes a mail apart whose lines end with CRLF.
    ///
    /// # Errors
    /// See [`FieldsError`].
    pub fn parse(mail: &'a [u8]) -> Result<Self, FieldsError> {
        let (mut fields, mut rest) = (Vec::new(), mail);
        while !rest.is_empty() && !rest.starts_with(b"\r\n") {
            if fields.len() == MAX_FIELDS {
                return Err(FieldsError::TooMany);
            }
            let (raw, after) = rest.split_at(end_of_field(rest));
            fields.push(field(raw)?);
            rest = after;
        }
        for name in ONCE {
            if fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count() > 1 {
                return Err(FieldsError::Repeated(name));
            }
        }
        Ok(Self { fields, body: rest.strip_prefix(b"\r\n").unwrap_or(rest) })
    }

    /// All fields, as they stand there.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter()
    }

    /// The fields of this name.
    pub fn named<'n>(&self, name: &'n str) -> impl Iterator<Item = &Field<'a>> + use<'_, 'a, 'n> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first field of this name, as text without folding.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let value = String::from_utf8_lossy(self.named(name).next()?.value);
        Some(value.replace("\r\n", "").trim().to_owned())
    }

    /// The mail without the fields that `leave` does not want.
    #[must_use]
    pub fn with_only(&self, leave: impl Fn(&Field<'a>) -> bool) -> Vec<u8> {
        let kept = self.fields.iter().filter(|field| leave(field)).flat_map(|field| field.raw.iter().copied());
        kept.chain(*b"\r\n").chain(self.body.iter().copied()).collect()
    }
}

/// A field goes on in lines that begin with white space (RFC 5322 section 2.2.3).
fn end_of_field(rest: &[u8]) -> usize {
    let mut end = 0;
    loop {
        end += rest[end..].iter().position(|b| *b == b'\n').map_or(rest.len() - end, |at| at + 1);
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

fn field(raw: &[u8]) -> Result<Field<'_>, FieldsError> {
    let colon = raw.iter().position(|b| *b == b':').ok_or(FieldsError::NoField)?;
    let name = std::str::from_utf8(&raw[..colon]).map_err(|_| FieldsError::NoField)?;
    // RFC 5322 section 3.6.8. The obsolete syntax permits blanks before the colon; nobody writes them honestly.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(FieldsError::NoField);
    }
    Ok(Field { name, value: &raw[colon + 1..], raw })
}

/// The one address of a `From` field: `alice@example.org`, `Alice <alice@example.org>`, `"Alice A." <…>`. Lists, groups,
/// comments and whatever else could be read in two ways is none.
#[must_use]
pub fn one_address(value: &str) -> Option<Identifier> {
    let plain = without_quoted(value)?;
    let plain = plain.trim();
    let address = match plain.split_once('<') {
        None => plain,
        Some((name, rest)) if !name.contains(['@', ',', ';', ':', '(', ')', '>']) => rest.strip_suffix('>')?,
        Some(_) => return None,
    };
    let sound = address.contains('@') && !address.contains(['<', '>', ',', ';', ':', '(', ')', ' ', '\t', '"']);
    Identifier::parse(address).ok().filter(|_| sound)
}

/// The text without its quoted strings (RFC 5322 section 3.2.4).
fn without_quoted(value: &str) -> Option<String> {
    let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
    for character in value.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            other => out.push(other),
        }
    }
    (!quoted && !escaped).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_apart_and_put_together_again() {
        let mail = b"From: a@example.org\r\nSubject: one\r\n two\r\nX-y:\r\n\r\nbody\r\n";
        let fields = Fields::parse(mail).unwrap();
        assert_eq!(fields.text("subject").unwrap(), "one two");
        assert_eq!(fields.iter().map(|field| field.name).collect::<Vec<_>>(), ["From", "Subject", "X-y"]);
        assert_eq!(fields.with_only(|_| true), mail);
        assert_eq!(fields.with_only(|field| field.name == "X-y"), b"X-y:\r\n\r\nbody\r\n");
        assert_eq!(Fields::parse(b"a: b").unwrap().with_only(|_| true), b"a: b\r\n");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let repeated = |name| Err(FieldsError::Repeated(name));
        assert_eq!(Fields::parse(b"From: a@b\r\nfrom: c@d\r\n\r\n"), repeated("From"));
        assert_eq!(Fields::parse(b"Subject: a\r\nSUBJECT: b\r\n\r\n"), repeated("Subject"));
        for bad in [&b"From : a@b\r\n\r\n"[..], b" folded: first\r\n\r\n", b"none\r\n\r\n", b": x\r\n", b"\xff: x\r\n"]
        {
            assert_eq!(Fields::parse(bad), Err(FieldsError::NoField), "{bad:?}");
        }
        assert_eq!(Fields::parse(&b"a: b\r\n".repeat(257)), Err(FieldsError::TooMany));
    }

    #[test]
    fn an_address_stands_alone_or_in_angle_brackets() {
        let good = [
            "alice@example.org",
            "Alice <alice@example.org>",
            "\"A, \\\"<mallory@evil.example>\\\"\" <Alice@Example.ORG>",
            "=?UTF-8?Q?Alice?= <alice@example.org>",
        ];
        for good in good {
            assert_eq!(one_address(good).unwrap().as_str(), "alice@example.org", "{good}");
        }
        let bad = [
            "",
            "alice@example.org, mallory@evil.example",
            "alice@example.org <mallory@evil.example>",
            "<alice@example.org> <mallory@evil.example>",
            "friends: alice@example.org;",
            "alice@example.org (mallory@evil.example)",
            "\"alice <alice@example.org>",
            "<@evil.example:alice@example.org>",
            "+14155550123",
        ];
        for bad in bad {
            assert_eq!(one_address(bad), None, "{bad}");
        }
    }
}
