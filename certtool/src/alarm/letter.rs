//! The mail (RFC 5322) that says what a watch found. Date, sender and Message-ID are the mail program's to add.

use identity::{Identifier, UnixTime};

use super::News;
use crate::output::harmless;
use crate::text;

/// Longest line without its end (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;

pub(super) fn write(to: &[Identifier], news: &News<'_>, now: UnixTime) -> String {
    let to: Vec<_> = to.iter().map(Identifier::as_str).collect();
    // Whose certificates it is about may not be ASCII, so it stands in the body alone.
    let mut letter = format!(
        "To: {}\nSubject: In Person: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
        to.join(",\n "),
        news.kind.subject(),
    );
    for line in harmless(&news.text).lines() {
        let mut rest = line;
        while rest.len() > MAX_LINE {
            let cut = rest.floor_char_boundary(MAX_LINE);
            letter.push_str(&rest[..cut]);
            letter.push('\n');
            rest = &rest[cut..];
        }
        letter.push_str(rest);
        letter.push('\n');
    }
    letter.push_str(&format!("\nSeen by certtool watch at {}.\n", text::time(now)));
    letter
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn nothing_found_can_become_a_header_or_a_line_too_long() {
        let alice = Identifier::parse("alice@example.org").unwrap();
        let news = News {
            kind: Kind::Alarm,
            identifier: &alice,
            authority: "Example\r\nBcc: everybody@example.org",
            title: "x\ny".to_owned(),
            text: format!("Bcc: all\r\n{}", "ä".repeat(1000)),
            json: String::new(),
            about: String::new(),
        };
        let letter = write(&[alice.clone(), Identifier::parse("b@example.org").unwrap()], &news, UnixTime::now());
        let (head, body) = letter.split_once("\n\n").unwrap();
        assert!(head.starts_with("To: alice@example.org,\n b@example.org\nSubject: In Person: "), "{head}");
        assert_eq!(head.lines().count(), 7, "{head}");
        assert!(head.is_ascii() && body.lines().all(|line| line.len() <= MAX_LINE));
        assert!(body.contains("alarm") || body.contains("Bcc: all"));
    }
}
