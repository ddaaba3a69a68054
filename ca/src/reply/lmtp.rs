//! LMTP (RFC 2033), the server's side, without I/O: lines in, answers out.
//!
//! It takes mail for one address from a mail server beside it. Lines end with CRLF and with nothing else: a server that took
//! a bare LF for a line's end could be made to see two mails where the one before it saw one.

use std::fmt;

/// The largest mail that is taken, in bytes: a reply is a few kilobytes, with what mail programs add to it.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The longest command line (RFC 5321 section 4.5.3.1.4, with room for parameters), CRLF included.
pub const MAX_COMMAND_BYTES: usize = 1024;
/// The longest line of a mail. RFC 5322 section 2.1.1 says 998 and CRLF; some programs do not keep to it.
pub const MAX_TEXT_LINE_BYTES: usize = 8192;
/// Recipients of one mail. All would be the same address.
const MAX_RECIPIENTS: usize = 16;
/// Commands that are refused before the connection is closed.
const MAX_ERRORS: u8 = 10;

/// An answer: a code, and lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl Answer {
    /// An answer of one line: a code, and a text that begins with an enhanced status code (RFC 2034).
    #[must_use]
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, lines: vec![text.into()] }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }
}

impl fmt::Display for Answer {
    /// As it goes over the wire, CRLF included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        self.lines.iter().enumerate().try_for_each(|(at, line)| {
            let separator = if at == last { ' ' } else { '-' };
            write!(f, "{}{separator}{line}\r\n", self.code)
        })
    }
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another command.
    Command,
    /// The mail itself; then one answer for each recipient (RFC 2033 section 4.2).
    Message {
        /// How many those are.
        recipients: usize,
    },
    /// The end of the connection.
    Close,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// Our name.
    host: String,
    /// The address that mail is taken for, in lower case.
    address: String,
    greeted: bool,
    has_sender: bool,
    recipients: usize,
    errors: u8,
}

impl Session {
    /// A new connection to `host`, which takes mail for `address`.
    #[must_use]
    pub fn new(host: &str, address: &str) -> Self {
        let address = address.to_ascii_lowercase();
        Self { host: host.to_owned(), address, greeted: false, has_sender: false, recipients: 0, errors: 0 }
    }

    /// What is said first.
    #[must_use]
    pub fn greeting(&self) -> Answer {
        Answer::new(220, format!("{} LMTP", self.host))
    }

    /// Answers one command line, given without its CRLF.
    pub fn command(&mut self, line: &[u8]) -> (Answer, Next) {
        let Ok(line) = std::str::from_utf8(line) else { return self.refused(500, "5.5.2 not UTF-8") };
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let go_on = |answer| (answer, Next::Command);
        match verb.to_ascii_uppercase().as_str() {
            "LHLO" => go_on(self.hello()),
            "HELO" | "EHLO" => self.refused(500, "5.5.1 this is LMTP: begin with LHLO (RFC 2033)"),
            "NOOP" => go_on(Answer::new(250, "2.0.0 ok")),
            "VRFY" => go_on(Answer::new(252, "2.5.0 try it and see")),
            "QUIT" => (Answer::new(221, "2.0.0 goodbye"), Next::Close),
            "RSET" => {
                self.reset();
                go_on(Answer::new(250, "2.0.0 ok"))
            }
            "MAIL" | "RCPT" | "DATA" if !self.greeted => self.refused(503, "5.5.1 LHLO comes first"),
            "MAIL" => self.sender(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => self.data(rest),
            _ => self.refused(500, "5.5.1 not a command known here"),
        }
    }

    /// After a mail, whether it was taken or not.
    pub const fn reset(&mut self) {
        self.has_sender = false;
        self.recipients = 0;
    }

    fn hello(&mut self) -> Answer {
        self.reset();
        self.greeted = true;
        let lines = [
            self.host.clone(),
            "PIPELINING".into(),
            "ENHANCEDSTATUSCODES".into(),
            "8BITMIME".into(),
            "SMTPUTF8".into(),
            format!("SIZE {MAX_MESSAGE_BYTES}"),
        ];
        Answer { code: 250, lines: lines.into() }
    }

    /// Whoever it is from: that is told by the mail's own signature, not by its envelope.
    fn sender(&mut self, rest: &str) -> (Answer, Next) {
        if self.has_sender {
            return self.refused(503, "5.5.1 there is a sender already");
        }
        let Some((_, parameters)) = path(rest, "FROM:") else {
            return self.refused(501, "5.5.4 expected MAIL FROM:<address>");
        };
        for parameter in parameters.split_ascii_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_uppercase().as_str() {
                "SIZE" if value.parse().is_ok_and(|bytes: u64| bytes <= MAX_MESSAGE_BYTES as u64) => {}
                "SIZE" => return self.refused(552, "5.3.4 too large"),
                "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH" => {}
                _ => return self.refused(555, "5.5.4 a parameter not known here"),
            }
        }
        self.has_sender = true;
        (Answer::new(250, "2.1.0 ok"), Next::Command)
    }

    fn recipient(&mut self, rest: &str) -> (Answer, Next) {
        if !self.has_sender {
            return self.refused(503, "5.5.1 MAIL comes first");
        }
        let Some((address, _)) = path(rest, "TO:") else {
            return self.refused(501, "5.5.4 expected RCPT TO:<address>");
        };
        if address.to_ascii_lowercase() != self.address {
            return self.refused(550, "5.1.1 no such mailbox here");
        }
        if self.recipients == MAX_RECIPIENTS {
            return self.refused(452, "4.5.3 too many recipients");
        }
        self.recipients += 1;
        (Answer::new(250, "2.1.5 ok"), Next::Command)
    }

    fn data(&mut self, rest: &str) -> (Answer, Next) {
        match self.recipients {
            _ if !rest.trim().is_empty() => self.refused(501, "5.5.4 DATA has no parameters"),
            0 => self.refused(503, "5.5.1 no valid recipients"),
            recipients => (Answer::new(354, "go on; end with a dot alone on its line"), Next::Message { recipients }),
        }
    }

    fn refused(&mut self, code: u16, text: &str) -> (Answer, Next) {
        self.errors += 1;
        if self.errors >= MAX_ERRORS {
            return (Answer::new(421, "4.7.0 too many errors"), Next::Close);
        }
        (Answer::new(code, text), Next::Command)
    }
}

/// `FROM:<path>` and what follows it. A source route (`<@a,@b:c@d>`) is taken off, as RFC 5321 appendix C wants.
fn path<'a>(text: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let head = text.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let (path, parameters) = text[head.len()..].trim_start().strip_prefix('<')?.split_once('>')?;
    let address = if path.starts_with('@') { path.split_once(':')?.1 } else { path };
    Some((address, parameters))
}

/// Why a mail is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// More than [`MAX_MESSAGE_BYTES`].
    TooLarge,
    /// A line ends otherwise than with CRLF.
    BareLineEnd,
}

impl Fault {
    /// What is answered for each recipient.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::TooLarge => Answer::new(552, "5.3.4 too large"),
            Self::BareLineEnd => Answer::new(554, "5.6.0 every line has to end with CR and LF"),
        }
    }
}

/// A mail that is coming in, line by line.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    fault: Option<Fault>,
}

impl Incoming {
    /// Takes a line with the LF that ends it. Answers whether it was the last, the dot alone.
    ///
    /// After a fault nothing is kept, but the mail is listened to up to its end: its sender would take what follows for
    /// commands otherwise.
    pub fn line(&mut self, line: &[u8]) -> bool {
        if line == b".\r\n" {
            return true;
        }
        let Some(text) = line.strip_suffix(b"\r\n").filter(|text| !text.contains(&b'\r') && !text.contains(&b'\n'))
        else {
            self.fail(Fault::BareLineEnd);
            return false;
        };
        let text = text.strip_prefix(b".").unwrap_or(text);
        if self.bytes.len() + text.len() + 2 > MAX_MESSAGE_BYTES {
            self.fail(Fault::TooLarge);
        }
        if self.fault.is_none() {
            self.bytes.extend_from_slice(text);
            self.bytes.extend_from_slice(b"\r\n");
        }
        false
    }

    /// Of a part of a line that is longer than [`MAX_TEXT_LINE_BYTES`].
    pub fn overlong(&mut self) {
        self.fail(Fault::TooLarge);
    }

    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.bytes = Vec::new();
    }

    /// The mail, dots and all undone.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        self.fault.map_or(Ok(self.bytes), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(lines: &[&str]) -> Vec<u16> {
        let mut session = Session::new("ca.example", "acme@ca.example");
        lines.iter().map(|line| session.command(line.as_bytes()).0.code()).collect()
    }

    #[test]
    fn a_mail_is_announced_and_taken_for_each_recipient() {
        let mut session = Session::new("ca.example", "acme@ca.example");
        assert_eq!(session.greeting().to_string(), "220 ca.example LMTP\r\n");
        let hello = session.command(b"lhlo mx.example").0.to_string();
        assert!(hello.starts_with("250-ca.example\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"), "{hello}");
        assert!(hello.ends_with("\r\n250 SIZE 262144\r\n"), "{hello}");
        for line in ["MAIL FROM:<> BODY=8BITMIME SIZE=900", "RCPT TO:<ACME@ca.example>", "RCPT TO:<acme@CA.example>"] {
            let (answer, next) = session.command(line.as_bytes());
            assert_eq!((answer.code(), next), (250, Next::Command), "{line}");
        }
        let (answer, next) = session.command(b"DATA");
        assert_eq!((answer.code(), next), (354, Next::Message { recipients: 2 }));
        session.reset();
        assert_eq!(session.command(b"DATA").0.code(), 503);
        assert_eq!(session.command(b"quit").1, Next::Close);
    }

    #[test]
    fn what_is_out_of_turn_or_for_others_is_refused() {
        assert_eq!(codes(&["EHLO a", "MAIL FROM:<a@b>"]), [500, 503]);
        assert_eq!(codes(&["LHLO a", "RCPT TO:<acme@ca.example>", "DATA"]), [250, 503, 503]);
        assert_eq!(codes(&["LHLO a", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"]), [250, 250, 503]);
        assert_eq!(codes(&["LHLO a", "MAIL FROM:<a@b>", "RCPT TO:<bob@ca.example>", "DATA"]), [250, 250, 550, 503]);
        assert_eq!(codes(&["LHLO a", "MAIL FROM:<a@b> SIZE=262145"]), [250, 552]);
        assert_eq!(codes(&["LHLO a", "MAIL FROM:<a@b> NEW=1", "MAIL a@b", "BDAT 7"]), [250, 555, 501, 500]);
        let routed = ["LHLO a", "MAIL FROM:<@x,@y:a@b>", "RCPT TO:<@x:acme@ca.example>"];
        assert_eq!(codes(&routed), [250, 250, 250]);
    }

    #[test]
    fn too_many_errors_and_too_many_recipients_end_it() {
        let mut session = Session::new("h", "a@h");
        let last = (0..10).map(|_| session.command(b"\xff")).last().unwrap();
        assert_eq!((last.0.code(), last.1), (421, Next::Close));
        let mut session = Session::new("h", "a@h");
        session.command(b"LHLO x");
        session.command(b"MAIL FROM:<>");
        let codes: Vec<_> = (0..17).map(|_| session.command(b"RCPT TO:<a@h>").0.code()).collect();
        assert_eq!((codes[15], codes[16]), (250, 452));
    }

    fn incoming(lines: &[&[u8]]) -> Result<Vec<u8>, Fault> {
        let mut incoming = Incoming::default();
        for line in lines {
            assert!(!incoming.line(line));
        }
        assert!(incoming.line(b".\r\n"));
        incoming.finish()
    }

    #[test]
    fn dots_are_undone_and_only_crlf_ends_a_line() {
        assert_eq!(incoming(&[b"a\r\n", b"..\r\n", b".b\r\n", b"\r\n"]), Ok(b"a\r\n.\r\nb\r\n\r\n".to_vec()));
        // No end of the mail for us, and so none that the server before us did not see either.
        for bare in [&b".\n"[..], b"a\n", b"a\rb\r\n", b".\r\r\n"] {
            assert_eq!(incoming(&[bare]), Err(Fault::BareLineEnd), "{bare:?}");
        }
    }

    #[test]
    fn a_large_mail_is_refused_without_being_kept() {
        let line = [&[b'x'; 998][..], b"\r\n"].concat();
        let mut large = Incoming::default();
        for _ in 0..300 {
            large.line(&line);
        }
        assert!(large.bytes.is_empty());
        assert_eq!(large.finish(), Err(Fault::TooLarge));
    }
}
