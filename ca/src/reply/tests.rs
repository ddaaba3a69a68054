//! Whatever comes in, nothing panics, and what is said stays within the protocol.

use proptest::prelude::*;

use super::fields::Fields;
use super::lmtp::{Incoming, Next, Session};
use super::message::UnverifiedReply;

const MAIL: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from:to:subject; bh=AA==; b=AA==\r\n\
    From: \"Alice, A.\" <alice@example.org>\r\nTo: acme@ca.example\r\n\
    Subject: Re: ACME:\r\n AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\n-----BEGIN ACME RESPONSE-----\r\n\
    BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=3D\r\n-----END ACME RESPONSE-----\r\n--b--\r\n";

/// A mail with some bytes replaced, some left out, and some put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (0..MAIL.len(), 0..40_usize, prop::collection::vec(any::<u8>(), 0..12));
    prop::collection::vec(change, 0..6).prop_map(|changes| {
        let mut mail = MAIL.as_bytes().to_vec();
        for (at, length, bytes) in changes {
            let at = at.min(mail.len());
            let end = (at + length).min(mail.len());
            mail.splice(at..end, bytes);
        }
        mail
    })
}

fn read(mail: &[u8]) {
    let _ = UnverifiedReply::parse(mail);
    if let Ok(fields) = Fields::parse(mail) {
        let whole = fields.with_only(|_| true);
        assert!(whole.starts_with(mail) || whole == mail, "nothing is lost or moved");
    }
    // What the verifier of signatures is given.
    let _ = mail_auth::AuthenticatedMessage::parse(mail);
}

#[test]
fn the_mail_that_is_damaged_is_a_good_one() {
    let reply = UnverifiedReply::parse(MAIL.as_bytes()).unwrap();
    assert_eq!(reply.said.unwrap().digest, [7; 32]);
}

proptest! {
    #[test]
    fn any_bytes_can_be_a_mail(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&bytes);
    }

    #[test]
    fn a_damaged_mail_is_read_or_refused(mail in damaged()) {
        read(&mail);
    }

    #[test]
    fn any_lines_can_be_commands(
        lines in prop::collection::vec("(LHLO|MAIL FROM:|RCPT TO:|DATA|RSET|)[ <>@a-z:=\\PC]{0,40}", 0..30),
        raw in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut session = Session::new("ca.example", "a@ca.example");
        for line in lines.iter().map(|line| line.as_bytes()).chain([raw.as_slice()]) {
            let (answer, next) = session.command(line);
            let text = answer.to_string();
            prop_assert!(text.ends_with("\r\n") && text.trim_end_matches("\r\n").split("\r\n").all(|l| !l.contains(['\r', '\n'])));
            prop_assert!((200..600).contains(&answer.code()));
            match next {
                Next::Message { recipients } => prop_assert!((1..=16).contains(&recipients)),
                Next::Close => break,
                Next::Command => {}
            }
        }
    }

    #[test]
    fn a_mail_ends_where_its_dot_stands_and_nowhere_else(parts in prop::collection::vec("[.a\r\n]{0,6}", 0..40)) {
        let text = parts.concat();
        let mut incoming = Incoming::default();
        for line in text.as_bytes().split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")) {
            prop_assert_eq!(incoming.line(line), line == b".\r\n");
        }
        if let Ok(mail) = incoming.finish() {
            prop_assert!(mail.is_empty() || mail.ends_with(b"\r\n"));
            prop_assert_eq!(mail.iter().filter(|b| **b == b'\n').count(), mail.iter().filter(|b| **b == b'\r').count());
        }
    }
}
