//! MAIL, RCPT, DATA (RFC 5321 section 3.3), one by one: which of them a server refuses says whether it is the mailbox that it
//! refuses, or us, or this mail.

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use super::super::Letter;

/// Why a server did not take a mail.
pub(super) enum Refusal {
    /// It has no such mailbox, or none that takes mail.
    Mailbox(Error),
    /// It does not offer what this mail needs.
    Unable(&'static str),
    /// Anything else: it passes, or does not, whatever the mailbox is.
    Other(Error),
}

/// Hands a mail over on a connection that is open.
pub(super) async fn hand_over(connection: &mut AsyncSmtpConnection, letter: &Letter) -> Result<(), Refusal> {
    let (envelope, bytes) = (letter.envelope(), letter.bytes());
    let offers = |extension| connection.server_info().supports_feature(extension);
    let international = envelope.to().iter().chain(envelope.from()).any(|one| !AsRef::<str>::as_ref(one).is_ascii());
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
    connection.command(Mail::new(envelope.from().cloned(), parameters)).await.map_err(Refusal::Other)?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(of_recipient)?;
    }
    connection.command(Data).await.map_err(Refusal::Other)?;
    connection.message(&bytes).await.map_err(Refusal::Other)?;
    Ok(())
}

fn of_recipient(error: Error) -> Refusal {
    let text = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let code = error.status().map(u16::from).unwrap_or_default();
    if is_about_mailbox(code, &text) { Refusal::Mailbox(error) } else { Refusal::Other(error) }
}

/// Whether an answer to RCPT says that there is no such mailbox, by its enhanced code (RFC 3463) or else its own. Policies
/// about the sender (5.7.x), full mailboxes (5.2.2), and senders whose address is bad (5.1.7, 5.1.8) say nothing of that.
fn is_about_mailbox(code: u16, text: &str) -> bool {
    let enhanced = text.split_ascii_whitespace().next().unwrap_or_default();
    let mut parts = enhanced.split('.').map(str::parse::<u16>);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(5)), Some(Ok(subject)), Some(Ok(detail)), None) => {
            (500..600).contains(&code) && matches!((subject, detail), (1, 0..=6 | 9 | 10) | (2, 0 | 1))
        }
        // 550: no such mailbox; 551: not here; 553: a name that cannot be (RFC 5321 section 4.2.2).
        _ => matches!(code, 550 | 551 | 553),
    }
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
            (450, "4.2.0 greylisted"),
            (450, "5.1.1 a code that contradicts itself"),
            (0, ""),
        ] {
            assert!(!is_about_mailbox(code, text), "{code} {text}");
        }
    }
}
