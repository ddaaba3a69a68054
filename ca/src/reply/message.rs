//! What a reply says (RFC 8823 section 3.2): who it is from, which challenge it answers, and the digest. Nothing in it is
//! to be believed yet.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use identity::Identifier;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use thiserror::Error;

use super::fields::{Fields, FieldsError, one_address};
use crate::token::{PART1_BYTES, TokenPart1};

/// The lines around the digest.
const BEGIN: &str = "-----BEGIN ACME RESPONSE-----";
const END: &str = "-----END ACME RESPONSE-----";
/// base64url, with or without padding: some programs add it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Field names by which a mail says that it came over a list (section 3.2, item 6).
const LIST: &str = "List-";

/// Why a mail is no reply to a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoReply {
    /// Its header is not well formed.
    #[error(transparent)]
    Fields(#[from] FieldsError),
    /// Its subject names no challenge.
    #[error("expected the subject of the mail that it answers, Re: ACME: and the token, found another")]
    Subject,
    /// It was written by a program (RFC 3834), or is a report (RFC 3464): a vacation message, a bounce.
    #[error("expected a mail written by a person, found one that a program sent by itself")]
    Automatic,
    /// It came over a mailing list.
    #[error("expected a mail straight from its writer, found one that came over a mailing list")]
    List,
    /// Its `From` is not one plain address.
    #[error("expected one plain address in the field From, found none or several")]
    From,
    /// It has no digest.
    #[error(
        "expected in plain text, between the lines BEGIN ACME RESPONSE and END ACME RESPONSE, a digest; found none"
    )]
    Digest,
}

/// A reply that parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedReply {
    /// The token of its subject, by which the challenge is found.
    pub token: TokenPart1,
    /// Who wrote it, as it says, and what; or why it does not say so.
    pub said: Result<Said, NoReply>,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who wrote it.
    pub from: Identifier,
    /// SHA-256 of the key authorization.
    pub digest: [u8; 32],
}

impl UnverifiedReply {
    /// Reads a mail whose lines end with CRLF.
    ///
    /// # Errors
    /// It belongs to no challenge, so that nobody can be told. What is wrong with one that does stands in `said`.
    pub fn parse(mail: &[u8]) -> Result<Self, NoReply> {
        let fields = Fields::parse(mail)?;
        let parsed = MessageParser::default().parse(mail).ok_or(NoReply::Subject)?;
        let token = parsed.subject().and_then(token).ok_or(NoReply::Subject)?;
        // A program may quote the subject: nobody has answered yet, and nobody is told.
        if is_automatic(&fields) {
            return Err(NoReply::Automatic);
        }
        Ok(Self { token, said: said(&fields, &parsed) })
    }
}

fn said(fields: &Fields<'_>, parsed: &Message<'_>) -> Result<Said, NoReply> {
    let is_list = |name: &str| name.get(..LIST.len()).is_some_and(|head| head.eq_ignore_ascii_case(LIST));
    if fields.iter().any(|field| is_list(field.name)) {
        return Err(NoReply::List);
    }
    let from = fields.text("From").and_then(|value| one_address(&value)).ok_or(NoReply::From)?;
    let digest = plain_text(parsed).and_then(|text| digest(&text)).ok_or(NoReply::Digest)?;
    Ok(Said { from, digest })
}

fn is_automatic(fields: &Fields<'_>) -> bool {
    let auto = fields.text("Auto-Submitted").is_some_and(|value| !value.to_ascii_lowercase().starts_with("no"));
    let kind = fields.text("Content-Type").unwrap_or_default().to_ascii_lowercase();
    auto || kind.starts_with("multipart/report")
}

/// The token after the last `ACME:`, before which programs put `Re:` in many languages. White space in it is from folding
/// (section 3.1, item 1).
fn token(subject: &str) -> Option<TokenPart1> {
    let (_, token) = subject.rsplit_once("ACME:")?;
    let token: String = token.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = LENIENT.decode(token).ok()?;
    <[u8; PART1_BYTES]>::try_from(bytes).ok().map(TokenPart1::from_bytes)
}

/// The part in plain text: the mail itself, or one of the alternatives it offers (section 3.2, item 7).
fn plain_text(parsed: &Message<'_>) -> Option<String> {
    let is = |part: &mail_parser::MessagePart<'_>, kind: &str, sub: &str| {
        part.content_type().is_some_and(|c| {
            c.ctype().eq_ignore_ascii_case(kind) && c.subtype().is_some_and(|s| s.eq_ignore_ascii_case(sub))
        })
    };
    let root = parsed.parts.first()?;
    let text = |part: &mail_parser::MessagePart<'_>| match &part.body {
        PartType::Text(text) if part.content_type().is_none() || is(part, "text", "plain") => Some(text.to_string()),
        _ => None,
    };
    match &root.body {
        PartType::Multipart(parts) if is(root, "multipart", "alternative") => {
            parts.iter().filter_map(|at| parsed.parts.get(usize::try_from(*at).ok()?)).find_map(text)
        }
        _ => text(root),
    }
}

/// The digest between its two lines, in which line ends do not count.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != BEGIN).skip(1);
    let mut packed = String::new();
    loop {
        let line = lines.next()?;
        if line == END {
            break;
        }
        packed.push_str(line);
        if packed.len() > 128 {
            return None;
        }
    }
    packed.retain(|c| !c.is_whitespace());
    LENIENT.decode(packed).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj";

    fn mail(head: &str, body: &str) -> Vec<u8> {
        format!("From: Alice <alice@example.org>\nSubject: Re: ACME: {TOKEN}\n{head}\n\n{body}")
            .replace('\n', "\r\n")
            .into()
    }

    fn block() -> String {
        format!("Here it is.\n{BEGIN}\n{}\n{END}\n-- \nAlice\n", LENIENT.encode([7; 32]))
    }

    fn said(head: &str, body: &str) -> Result<Said, NoReply> {
        UnverifiedReply::parse(&mail(head, body)).unwrap().said
    }

    #[test]
    fn a_reply_names_its_challenge_its_writer_and_the_digest() {
        let reply = UnverifiedReply::parse(&mail("Date: x", &block())).unwrap();
        assert_eq!(reply.token.to_string(), TOKEN);
        let said = reply.said.unwrap();
        assert_eq!((said.from.as_str(), said.digest), ("alice@example.org", [7; 32]));
    }

    #[test]
    fn folding_padding_encodings_and_alternatives_do_not_matter() {
        let packed = LENIENT.encode([7; 32]);
        let folded = format!("{BEGIN}\n{}\n{}=\n{END}\n", &packed[..20], packed[20..].trim_end_matches('='));
        assert!(said("X: y", &folded).is_ok());
        let quoted = block().replace("=\n", "=3D\n").replace("-----BEGIN", "=2D----BEGIN");
        assert!(said("Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable", &quoted).is_ok());
        let both =
            format!("--b\nContent-Type: text/html\n\n<p>no</p>\n--b\nContent-Type: text/plain\n\n{}\n--b--\n", block());
        assert!(said("Content-Type: multipart/alternative; boundary=b", &both).is_ok());
        for subject in [
            format!("AW: Re: ACME:\r\n {}\r\n {}", &TOKEN[..20], &TOKEN[20..]),
            format!("=?utf-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(format!("Re: ACME: {TOKEN}"))),
        ] {
            let text = String::from_utf8(mail("X: y", &block())).unwrap();
            let text = text.replace(&format!("Re: ACME: {TOKEN}"), &subject);
            assert_eq!(UnverifiedReply::parse(text.as_bytes()).unwrap().token.to_string(), TOKEN, "{subject}");
        }
    }

    #[test]
    fn programs_lists_and_mails_without_a_digest_are_told_apart() {
        for automatic in ["Auto-Submitted: auto-replied", "Content-Type: multipart/report; boundary=b"] {
            assert_eq!(UnverifiedReply::parse(&mail(automatic, &block())), Err(NoReply::Automatic));
        }
        assert!(said("Auto-Submitted: no", &block()).is_ok());
        assert_eq!(said("List-Id: <a.example>", &block()), Err(NoReply::List));
        assert_eq!(said("Content-Type: text/html", &block()), Err(NoReply::Digest));
        for body in ["", &block().replace(END, ""), &block().replace("BwcH", "Bw!H"), &format!("> {}", block())] {
            let expected = if body.starts_with("> Here") { Ok(()) } else { Err(NoReply::Digest) };
            assert_eq!(said("X: y", body).map(|_| ()), expected, "{body}");
        }
        let other = String::from_utf8(mail("X: y", &block())).unwrap().replace(&TOKEN[..4], "");
        assert_eq!(UnverifiedReply::parse(other.as_bytes()), Err(NoReply::Subject));
        let other = String::from_utf8(mail("X: y", &block())).unwrap().replace("Alice <alice@example.org>", "a@b, c@d");
        assert_eq!(UnverifiedReply::parse(other.as_bytes()).unwrap().said, Err(NoReply::From));
    }
}
