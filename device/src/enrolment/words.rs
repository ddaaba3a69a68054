//! What happens during an enrolment, in words for whoever watches: the same in every program.

use super::Step;

/// `1 try`, `2 tries`.
fn tries(left: u32) -> String {
    if left == 1 { "1 try".to_owned() } else { format!("{left} tries") }
}

impl Step {
    /// In a sentence without a full stop; what is to be copied stands on lines of its own. What an authority said is in it
    /// as it came: whoever shows it must make it harmless.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Asking { authority, url } => format!("Asking {authority} at {url}"),
            Self::Revoked => "The certificate here is revoked; making a new key and certificate".to_owned(),
            Self::Resuming => "Going on with the order from before".to_owned(),
            Self::CodeSent { to, earlier: true, .. } => format!("A code was sent to {to} before; it is still good"),
            Self::CodeSent { to, failed: None, .. } => format!("A code is being sent to {to}"),
            Self::CodeSent { to, failed: Some(reason), .. } => {
                format!("Sending another message to {to}, for of the last one the authority says: {reason}")
            }
            Self::CodeWrong { tries_left: Some(left) } => format!("That is not the code; {} left", tries(*left)),
            Self::CodeWrong { tries_left: None } => "That is not the code".to_owned(),
            Self::CodeMisshapen { expected, found } => {
                format!("Expected a code of {expected}, found {found}; no try was spent")
            }
            Self::ReplyAsked { to, from, earlier } => {
                let sent = if *earlier { "was sent before" } else { "was sent" };
                format!(
                    "A mail from {from} {sent} to {to}. Its subject begins with ACME:\nGive that subject here, and reply to the mail with what is shown then"
                )
            }
            Self::SubjectMisshapen { found } => {
                format!("Expected the subject, ACME: and 22 or more letters and digits, found {found}")
            }
            Self::ReplyReady { to, subject, text } => format!(
                "Reply to the mail (to {to}, subject {subject}) in plain text, with these three lines:\n\n{text}\n"
            ),
            Self::AwaitingReply => {
                "Waiting for your reply to arrive there; Ctrl-C, and it can be waited for later".to_owned()
            }
            Self::ReplyDelayed { reason } => {
                format!("The authority met with a fault of its own: {reason}. Your reply is still waited for")
            }
            Self::ReplyRefused { reason } => format!("A reply arrived that proves nothing: {reason}. Another one may"),
            Self::LogIn { issuer, url } => {
                format!("Open this in your own browser, to log in at {issuer}:\n\n  {url}\n")
            }
            Self::WaitingForLogIn { seconds } => format!("Waiting for you to log in ({seconds} s)"),
            Self::LoggedIn { issuer } => format!("Back from {issuer}"),
            Self::Proven => "The address is proven to be yours".to_owned(),
            Self::Issuing => "Waiting for the log and the signature".to_owned(),
            Self::Verifying => "Verifying what came".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;

    #[test]
    fn a_mail_that_was_not_handed_over_is_not_called_sent_and_the_reason_is_said_once() {
        let to = Identifier::parse("alice@example.org").unwrap();
        let failed = Some("the message could not be handed over".to_owned());
        let told = Step::CodeSent { to, earlier: false, failed, account: String::new() }.words();
        assert!(told.contains("another message to alice@example.org") && !told.contains("was sent"), "{told}");
        assert_eq!(told.matches("could not be handed over").count(), 1, "{told}");
    }

    #[test]
    fn what_is_left_is_counted() {
        let told = |left| Step::CodeWrong { tries_left: Some(left) }.words();
        assert_eq!(told(1), "That is not the code; 1 try left");
        assert_eq!(told(2), "That is not the code; 2 tries left");
    }
}
