//! MAIL, RCPT, DATA (RFC 5321 section 3.3), one by one: which of them a server refuses says whether it is the mailbox that it
//! refuses, or us, or this mail. A recipient's own server and a mail server of ours are judged alike.

use std::fmt::Display;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use super::{Letter, MailError};

/// Why a server did not take a mail.
pub(super) enum Refusal {
    /// It has no such mailbox, or none that takes mail.
    Mailbox(Error),
    /// It does not offer what this mail needs.
    Unable(&'static str),
    /// Anything else, and at which step: it passes, or does not, whatever the mailbox is.
    Other(Step, Error),
}

/// What a server is told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Sender,
    Recipient,
    Mail,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Sender => "this authority's sender address",
            Self::Recipient => "this authority's mail for that address",
            Self::Mail => "this authority's mail",
        }
    }
}

impl Refusal {
    /// The same for the operator, with the server's codes and what to look at after a step that it refused. Its words can quote
    /// the address; they are not repeated.
    pub(super) fn by(self, server: impl Display, look_at: impl Fn(Step) -> &'static str) -> MailError {
        let unreachable = |reason: &dyn Display| MailError::Unreachable(format!("{server}: {reason}"));
        match self {
            Self::Mailbox(error) => {
                // Under the name by which operators leave out what names others' servers (docs/operations/ca.md).
                tracing::info!(target: "ca::mail::direct", %server, codes = codes(&error), "a server refused a mailbox for good");
                MailError::Refused
            }
            Self::Unable(reason) => unreachable(&reason),
            Self::Other(step, error) if error.is_permanent() => {
                unreachable(&format!("it refuses {} ({}){}", step.name(), codes(&error), look_at(step)))
            }
            Self::Other(_, error) if error.is_transient() => {
                unreachable(&format!("it asks to come back later ({})", codes(&error)))
            }
            Self::Other(_, error) => unreachable(&error),
        }
    }
}

/// Hands a mail over on a connection that is open.
pub(super) async fn hand_over(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Refusal> {
    let (envelope, bytes) = (letter.envelope(), letter.bytes());
    let addresses: Vec<_> = envelope.to().iter().chain(envelope.from()).collect();
    begin(connection, envelope.from(), &addresses, &bytes).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(of_recipient)?;
    }
    connection.command(Data).await.map_err(|error| Refusal::Other(Step::Mail, error))?;
    connection.message(&bytes).await.map_err(|error| Refusal::Other(Step::Mail, error))?;
    Ok(())
}

/// Whether it would take mails of this sender. None is sent.
pub(super) async fn try_sender(connection: &mut AsyncSmtpConnection, sender: &Address) -> Result<(), Refusal> {
    begin(connection, Some(sender), &[sender], b"").await?;
    // Whether it forgets the sender now or with the connection is of no account.
    let _ = connection.command(Rset).await;
    Ok(())
}

async fn begin(
    connection: &mut AsyncSmtpConnection,
    sender: Option<&Address>,
    addresses: &[&Address],
    bytes: &[u8],
) -> Result<(), Refusal> {
    let offers = |extension| connection.server_info().supports_feature(extension);
    let international = addresses.iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii());
    let mut parameters = Vec::new();
    match (international, offers(Extension::SmtpUtfEight)) {
        (true, true) => parameters.push(MailParameter::SmtpUtfEight),
        (true, false) => return Err(Refusal::Unable("it takes no addresses beyond ASCII (SMTPUTF8)")),
        (false, _) => {}
    }
    match (bytes.is_ascii(), offers(Extension::EightBitMime)) {
        (false, true) => parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime)),
        (false, false) => return Err(Refusal::Unable("it takes no mail beyond ASCII (8BITMIME)")),
        (true, _) => {}
    }
    let mail = Mail::new(sender.cloned(), parameters);
    connection.command(mail).await.map_err(|error| Refusal::Other(Step::Sender, error))?;
    Ok(())
}

fn of_recipient(error: Error) -> Refusal {
    let code = error.status().map(u16::from).unwrap_or_default();
    if is_about_mailbox(code, &words(&error)) {
        Refusal::Mailbox(error)
    } else {
        Refusal::Other(Step::Recipient, error)
    }
}

fn words(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// An answer's code and, if it has one, its enhanced code.
pub(super) fn codes(error: &Error) -> String {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    match enhanced(&words(error)) {
        Some((class, subject, detail)) => format!("{code} {class}.{subject}.{detail}"),
        None => code,
    }
}

/// The enhanced code (RFC 3463) at the beginning of an answer; qmail puts it at the end, as `(#5.7.1)`.
fn enhanced(text: &str) -> Option<(u16, u16, u16)> {
    let begin = text.split_ascii_whitespace().next().unwrap_or_default();
    let end = text.rsplit_once("(#").and_then(|(_, end)| end.split_once(')')).map(|(code, _)| code);
    [Some(begin), end].into_iter().flatten().find_map(|code| {
        let mut parts = code.split('.').map(|part| part.parse::<u16>().ok());
        let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
        (parts.next().is_none() && (class, subject, detail) < (10, 0, 0)).then_some((class, subject, detail))
    })
}

/// Whether an answer to RCPT says that there is no such mailbox, by its enhanced code or else its own. Policies about the
/// sender (5.7.x), full mailboxes (5.2.2), and senders whose address is bad (5.1.7, 5.1.8) say nothing of that.
fn is_about_mailbox(code: u16, text: &str) -> bool {
    match enhanced(text) {
        Some((5, subject, detail)) => {
            (500..600).contains(&code) && matches!((subject, detail), (1, 0..=6 | 9 | 10) | (2, 0 | 1))
        }
        Some((4, ..)) => false,
        // 550: no such mailbox; 551: not here; 553: a name that cannot be (RFC 5321 section 4.2.2). Servers that relay for some
        // alone say the same to others ("550 relay not permitted").
        _ => matches!(code, 550 | 551 | 553) && !is_about_relaying(text),
    }
}

fn is_about_relaying(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["relay", "authenticat", "rcpthosts"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_mailbox_is_final() {
        for (code, text) in [
            (550, "5.1.1 The email account does not exist"),
            (550, "5.1.10 RESOLVER.ADR.RecipientNotFound"),
            (550, "5.2.1 mailbox disabled"),
            (550, "No such user here"),
            (551, "User not local"),
            (553, "5.1.3 bad address syntax"),
            (550, ""),
            (550, "sorry, no mailbox here by that name. (#5.1.1)"),
        ] {
            assert!(is_about_mailbox(code, text), "{code} {text}");
        }
        for (code, text) in [
            (550, "5.7.1 Service unavailable; client host is listed"),
            (550, "5.7.26 unauthenticated mail"),
            (554, "5.7.1 rejected for policy reasons"),
            (552, "5.2.2 mailbox full"),
            (550, "5.1.8 sender's domain does not exist"),
            (554, "no"),
            (550, "relay not permitted"),
            (550, "Authentication required"),
            (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
            (450, "4.2.0 greylisted"),
            (450, "5.1.1 a code that contradicts itself"),
            (0, ""),
        ] {
            assert!(!is_about_mailbox(code, text), "{code} {text}");
        }
    }
}
