//! Reading the mails that a home server sent: a Maildir of RFC 5322 messages, and the code inside.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::await_sight;
use crate::{Context, Failure};

/// A Maildir (`new`, `cur`, `tmp`).
#[derive(Debug, Clone)]
pub struct Maildir(PathBuf);

/// A mail as it was delivered.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Its file in the Maildir.
    pub file: PathBuf,
    /// The whole message, decoded to text.
    pub text: String,
}

impl Maildir {
    /// The Maildir in this folder, which need not exist yet.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// All mails to `address`, oldest first.
    ///
    /// Only those with a code: others (about another device) come at times of their own.
    #[must_use]
    pub fn to(&self, address: &str) -> Vec<Mail> {
        let mut found: Vec<_> = ["new", "cur"]
            .iter()
            .filter_map(|part| std::fs::read_dir(self.0.join(part)).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let mail = Mail::parse(entry.path(), &std::fs::read(entry.path()).ok()?);
                let arrived = entry.metadata().and_then(|meta| meta.modified()).ok()?;
                (mail.recipient() == Some(address) && mail.code().is_ok()).then_some((arrived, mail))
            })
            .collect();
        found.sort_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.file.cmp(&b.file)));
        found.into_iter().map(|(_, mail)| mail).collect()
    }

    /// Waits until more than `seen` mails to `address` have arrived, and returns the newest.
    ///
    /// # Errors
    /// None arrives before the deadline.
    pub fn await_mail(&self, address: &str, seen: usize, deadline: Duration) -> Result<Mail, Failure> {
        await_sight(&format!("a mail to {address} in {}", self.0.display()), deadline, || {
            let mut mails = self.to(address);
            if mails.len() > seen { mails.pop() } else { None }
        })
    }
}

impl Mail {
    fn parse(file: PathBuf, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        Self { file, text: decoded(&text) }
    }

    /// The value of a header field, unfolded (RFC 5322 section 2.2.3).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\n\n").next()?;
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        unfolded.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The body, without the header.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.split_once("\n\n").map_or("", |(_, body)| body)
    }

    /// The code that stands alone on a line: six groups of four base32 characters. In a text message it stands first: two
    /// groups of five.
    ///
    /// # Errors
    /// There is no such line.
    pub fn code(&self) -> Result<String, Failure> {
        let texted = self.body().split_once(" is your In Person code").map(|(code, _)| code);
        let code = texted.or_else(|| self.body().lines().map(str::trim).find(|line| is_code(line)));
        Ok(code.context(format!("expected a code alone on a line, found none in:\n{}", self.text))?.to_owned())
    }

    fn recipient(&self) -> Option<&str> {
        let head = self.text.split("\n\n").next()?;
        let to = head
            .lines()
            .find(|line| line.len() > 3 && line.is_char_boundary(3) && line[..3].eq_ignore_ascii_case("to:"))?;
        Some(to[3..].trim().trim_start_matches('<').trim_end_matches('>'))
    }
}

fn is_code(line: &str) -> bool {
    let groups: Vec<&str> = line.split('-').collect();
    let sound =
        |group: &&str| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    groups.len() == 6 && groups.iter().all(sound)
}

/// The text with its body's transfer encoding (RFC 2045 section 6) taken off.
fn decoded(text: &str) -> String {
    let Some((head, body)) = text.split_once("\n\n") else { return text.to_owned() };
    let lower = head.to_ascii_lowercase();
    if lower.contains("content-transfer-encoding: quoted-printable") {
        return format!("{head}\n\n{}", unquoted(body));
    }
    if lower.contains("content-transfer-encoding: base64") {
        let packed: String = body.split_whitespace().collect();
        let bytes = data_encoding::BASE64.decode(packed.as_bytes()).unwrap_or_default();
        return format!("{head}\n\n{}", String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
    }
    text.to_owned()
}

/// Quoted-printable (RFC 2045 section 6.7) undone.
fn unquoted(body: &str) -> String {
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let pair = (first == b'=').then(|| tail.get(..2)).flatten();
        if let Some(byte) = pair.and_then(|pair| data_encoding::HEXUPPER.decode(pair).ok()) {
            bytes.extend(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "ABCD-EFGH-2345-JKLM-NPQR-STUV";

    fn mail(head: &str, body: &str) -> Mail {
        Mail::parse(PathBuf::new(), format!("{head}\r\n\r\n{body}").as_bytes())
    }

    #[test]
    fn a_code_is_found_alone_on_its_line_only() {
        let found =
            mail("To: alice@example.org\r\nSubject: a\r\n code", &format!("Type {CODE}x or\r\n\r\n    {CODE}\r\n"));
        assert_eq!(found.code().unwrap(), CODE);
        assert_eq!(found.recipient(), Some("alice@example.org"));
        assert_eq!(found.header("subject").unwrap(), "a code");
        assert!(mail("To: a@b", "no code here").code().is_err());
    }

    #[test]
    fn transfer_encodings_are_taken_off() {
        let quoted = mail("Content-Transfer-Encoding: quoted-printable", "caf=C3=A9 =\r\nau lait");
        assert_eq!(quoted.body(), "café au lait");
        let packed = mail("Content-Transfer-Encoding: base64", "aGVs\r\nbG8=");
        assert_eq!(packed.body(), "hello");
    }
}
