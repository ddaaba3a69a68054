//! Doors to the readers of what comes from outside, for `tests/fuzz`.
//!
//! They are there under `cfg(fuzzing)`, which cargo-fuzz sets, and in this crate's own tests, which throw random bytes at
//! them. Each takes whatever bytes there are; what must hold for all of them is asserted.
#![allow(clippy::missing_panics_doc, reason = "a panic is what is looked for")]

use identity::profile::Profile;
use identity::{Identifier, UnixTime};
use serde_json::Value;

use crate::jws::{KeyName, PublicKey, UnverifiedJws};
use crate::reply::fields::{Fields, one_address};
use crate::reply::lmtp::{Incoming, MAX_MESSAGE_BYTES, Next, Session};
use crate::reply::message::UnverifiedReply;
use crate::shards::signer;
use crate::sms::{self, ReceiptShape, Secrets, Template, Values};
use crate::{csr, oidc, reply};

/// The time for everything that asks for one.
const NOW: u64 = 1_795_435_200;

/// A mail that claims to be a reply to a challenge, its DKIM signatures, and a key record.
pub fn mail(bytes: &[u8]) {
    if let Ok(UnverifiedReply { said: Ok(said), .. }) = UnverifiedReply::parse(bytes) {
        let from = Fields::parse(bytes).ok().and_then(|fields| fields.text("From")).unwrap_or_default();
        assert_eq!(one_address(&from), Some(said.from), "one writer, whoever reads");
    }
    if let Ok(fields) = Fields::parse(bytes) {
        let whole = fields.with_only(|_| true);
        assert!(whole.starts_with(bytes), "nothing is lost or moved");
        reply::dkim::look(&fields, bytes);
    }
}

/// A mail server's side of an LMTP connection, line by line.
pub fn commands(bytes: &[u8]) {
    let mut session = Session::new("ca.example", "acme@ca.example");
    let mut incoming: Option<Incoming> = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(mail) = &mut incoming {
            if mail.line(line) {
                let mail = incoming.take().map(Incoming::finish);
                assert!(mail.is_some_and(|mail| mail.is_err() || mail.is_ok_and(|m| m.len() <= MAX_MESSAGE_BYTES)));
                session.reset();
            }
            continue;
        }
        let (answer, next) = session.command(line.trim_ascii_end());
        let text = answer.to_string();
        assert!(text.ends_with("\r\n") && text.split("\r\n").all(|l| !l.contains(['\r', '\n'])), "{text:?}");
        assert!((200..600).contains(&answer.code()));
        match next {
            Next::Command => {}
            Next::Message { recipients } => {
                assert!((1..=16).contains(&recipients));
                incoming = Some(Incoming::default());
            }
            Next::Close => return,
        }
    }
}

/// What an SMSC sends, and what is asked of a signer of labels.
pub fn frames(bytes: &[u8]) {
    sms::look_at_smpp(bytes);
    signer::look(bytes);
}

/// A signed request, a key, and a request for a certificate.
pub fn request(bytes: &[u8]) {
    if let Ok(request) = UnverifiedJws::parse(bytes)
        && let KeyName::Itself(key) = request.key()
    {
        let key = key.clone();
        same_key(&key);
        let _ = request.verify(&key);
    }
    if let Ok(jwk) = serde_json::from_slice::<Value>(bytes)
        && let Ok(key) = PublicKey::from_jwk(&jwk)
    {
        same_key(&key);
    }
    let alice = Identifier::parse("alice@example.org").expect("an address");
    let possession = csr::Possession { order: "https://ca.example/acme/order/1", required: false };
    let _ = csr::verify(bytes, &alice, Profile::device(), possession);
}

fn same_key(key: &PublicKey) {
    let written: Value = serde_json::from_str(&key.to_jwk()).expect("a JWK is JSON");
    assert!(PublicKey::from_jwk(&written).as_ref() == Ok(key), "a key has one spelling");
    assert!(!key.to_spki().is_empty());
}

/// An ID token, and after a line's end the issuer's keys.
pub fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (token, keys) = text.split_once('\n').unwrap_or((text, ""));
    let alice = Identifier::parse("alice@example.org").expect("an address");
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOW));
    oidc::look(token, keys.as_bytes(), &alice, now);
}

/// A provider's template, filled; and after a byte zero what the provider answers or reports.
pub fn text_message(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (template, answer) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(text) = std::str::from_utf8(template) else { return };
    let _ = Secrets::parse(text);
    let Ok(template) = toml::from_str::<Template>(text) else { return };
    let secrets = Secrets::parse("key = s&cr=t\n").expect("a file of secrets");
    let values = Values {
        to: "+4915112345678",
        from: "In Person",
        text: "a \"b\" & c=d {to}\n",
        receipt: "https://ca.example/r?x=1&y=2",
        url: "http://127.0.0.1:1",
        secrets: &secrets,
    };
    if let Ok(filled) = template.fill(&values) {
        let body = filled.body.filter(|(kind, _)| *kind == "application/x-www-form-urlencoded");
        if let Some((_, body)) = body {
            assert_eq!(body.split('&').count(), template.form.len(), "as many pairs as the template has: {}", *body);
        }
    }
    if let Some(expected) = &template.accepted {
        let _ = expected.holds(answer);
    }
    if let Some(shape) = &template.receipt {
        read_receipt(shape, answer);
    }
}

fn read_receipt(shape: &ReceiptShape, answer: &[u8]) {
    let query = String::from_utf8_lossy(answer);
    let _ = shape.read(&query, answer);
    let _ = shape.read("", answer);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            for door in [mail, commands, frames, request, token, text_message] {
                door(&bytes);
            }
        }

        #[test]
        fn whatever_text_comes_nothing_panics(text in "[{}\"':=.,@<>;a-zA-Z0-9 \r\n\\[\\]\\PC]{0,300}") {
            for door in [mail, commands, frames, request, token, text_message] {
                door(text.as_bytes());
            }
        }
    }
}
