//! Talking with the person during an enrolment: what happens, and the code that is asked for.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use device::acme::{ExternalAccount, Holder};
use device::enrolment::{Aside, Conversation, Step, Typed, Way};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use identity::{Identifier, IdentifierKind};
use indicatif::ProgressBar;
use serde_json::json;

use crate::browser;
use crate::output::{Output, harmless};
use crate::progress::spinner;
use crate::text;

const CODE: &str = "Code (empty line: send another): ";
/// No line that could hold a code is longer.
const MAX_LINE: u64 = 1024;

/// The person at the terminal, or a program at the other end of a pipe.
#[derive(Debug)]
pub(crate) struct Person<'a> {
    output: &'a Output,
    /// The code given on the command line; used once.
    code: Option<String>,
    /// Whether the code asked for last came from a person at a terminal.
    typed: bool,
    way: Way,
    issuer: Option<String>,
    /// The terms that she agreed to on the command line, by their address.
    agreed: Option<String>,
    elsewhere: Option<ExternalAccount>,
    /// A sign of life while a reply is waited for.
    waiting: Option<ProgressBar>,
}

impl<'a> Person<'a> {
    pub(crate) fn new(output: &'a Output, code: Option<String>) -> Self {
        Self { output, code, typed: false, way: Way::Code, issuer: None, agreed: None, elsewhere: None, waiting: None }
    }

    /// With another way to prove that the address is hers.
    pub(crate) fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// Logging in there, if it is by a log-in.
    pub(crate) fn at(self, issuer: Option<String>) -> Self {
        Self { issuer, ..self }
    }

    /// With what a new account may take.
    pub(crate) fn joining(self, agreed: Option<String>, elsewhere: Option<ExternalAccount>) -> Self {
        Self { agreed, elsewhere, ..self }
    }
}

impl Holder for Person<'_> {
    fn agrees<'a>(&'a mut self, terms: &'a str) -> BoxFuture<'a, bool> {
        if let Some(agreed) = &self.agreed {
            let same = agreed == terms;
            return async move { same }.boxed();
        }
        if !io::stdin().is_terminal() {
            return async { false }.boxed();
        }
        // With the address, also where nothing else is shown: nobody agrees to what she does not see.
        let question = format!(
            "Whoever makes an account here must agree to these terms:\n\n  {}\n\nHave you read them, and do you agree? [y/N] ",
            harmless(terms)
        );
        let line = tokio::task::spawn_blocking(move || read_line(Some(&question)));
        async move { matches!(line.await, Ok(Typed::Code(said)) if is_yes(&said)) }.boxed()
    }

    fn elsewhere(&self) -> Option<&ExternalAccount> {
        self.elsewhere.as_ref()
    }
}

fn is_yes(said: &str) -> bool {
    ["y", "yes"].iter().any(|yes| said.eq_ignore_ascii_case(yes))
}

impl Conversation for Person<'_> {
    fn step(&mut self, step: Step) {
        if let Some(waiting) = self.waiting.take() {
            waiting.finish_and_clear();
        }
        let is_waiting = matches!(step, Step::AwaitingReply | Step::ReplyDelayed { .. } | Step::ReplyRefused { .. });
        if let Step::ReplyReady { to, subject, text } = &step {
            self.output.event(&json!({ "reply": { "to": to, "subject": subject, "text": text } }));
        }
        let text = match step {
            Step::Asking { authority, url } => format!("Asking {authority} at {url}"),
            Step::Revoked => "The certificate here is revoked; making a new key and certificate".to_owned(),
            Step::Resuming => "Going on with the order from before".to_owned(),
            Step::CodeSent { to, earlier, failed, account } => {
                // A code from the command line is from an earlier mail, which a new one makes worthless.
                let too_old = !earlier && self.code.take().is_some();
                let mut sent = match (earlier, failed) {
                    (true, _) => format!("A code was sent to {to} before; it is still good"),
                    (false, None) => format!("A code is being sent to {to}"),
                    (false, Some(reason)) => not_handed_over(&reason, &to),
                };
                if too_old {
                    sent.push_str("; the one given is from before");
                }
                let named = self.output.verbose() && to.kind() == IdentifierKind::Email;
                if named { format!("{sent}. The mail names your account key: {account}") } else { sent }
            }
            Step::CodeWrong { tries_left } => match tries_left {
                Some(left) => format!("That is not the code; {} left", text::count(left.into(), "try", "tries")),
                None => "That is not the code".to_owned(),
            },
            Step::CodeMisshapen { expected, found } => {
                format!("Expected a code of {expected}, found {found}; no try was spent")
            }
            Step::ReplyAsked { to, from, earlier } => {
                let sent = if earlier { "was sent before" } else { "was sent" };
                format!(
                    "A mail from {from} {sent} to {to}. Its subject begins with ACME:\nGive that subject here, and reply to the mail with what is shown then"
                )
            }
            Step::SubjectMisshapen { found } => {
                format!("Expected the subject, ACME: and 22 or more letters and digits, found {found}")
            }
            Step::ReplyReady { to, subject, text } => format!(
                "Reply to the mail (to {to}, subject {subject}) in plain text, with these three lines:\n\n{text}\n"
            ),
            Step::AwaitingReply => {
                "Waiting for your reply to arrive there; Ctrl-C, and it can be waited for later".to_owned()
            }
            Step::ReplyDelayed { reason } => {
                format!("The authority met with a fault of its own: {reason}. Your reply is still waited for")
            }
            Step::ReplyRefused { reason } => format!("A reply arrived that proves nothing: {reason}. Another one may"),
            Step::LogIn { issuer, url } => {
                self.output.event(&json!({ "login": { "issuer": issuer, "url": url } }));
                let opened = if browser::open(&url) { "Your browser opens" } else { "Open this in your own browser" };
                format!("{opened}, to log in at {issuer}:\n\n  {url}\n")
            }
            Step::WaitingForLogIn { seconds } => format!("Waiting for you to log in ({seconds} s)"),
            Step::LoggedIn { issuer } => format!("Back from {issuer}"),
            Step::Proven => "The address is proven to be yours".to_owned(),
            Step::Issuing => "Waiting for the log and the signature".to_owned(),
            Step::Verifying => "Verifying what came".to_owned(),
        };
        self.output.step(&text);
        if is_waiting {
            self.waiting = Some(spinner(self.output, "waiting for the reply"));
        }
    }

    fn way(&self) -> Way {
        self.way
    }

    fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn subject(&mut self) -> BoxFuture<'_, Typed> {
        self.ask("Subject (empty line: send another mail): ")
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        self.ask(CODE)
    }

    fn aside(&self) -> Aside {
        let output = self.output.clone();
        Box::new(move |reason| {
            output.warning(&not_left(reason));
            if io::stdin().is_terminal() {
                put(CODE);
            }
        })
    }

    fn asks_again(&self) -> bool {
        self.typed
    }
}

impl Person<'_> {
    fn ask(&mut self, question: &'static str) -> BoxFuture<'_, Typed> {
        if let Some(code) = self.code.take() {
            return async { Typed::Code(code) }.boxed();
        }
        let prompt = io::stdin().is_terminal();
        self.typed = prompt;
        // Reading a line blocks: done beside, so that nothing else stands still.
        let line = tokio::task::spawn_blocking(move || read_line(prompt.then_some(question)));
        async move { line.await.unwrap_or(Typed::Nothing) }.boxed()
    }
}

/// What a person is told when the message before did not leave the authority.
fn not_handed_over(reason: &str, to: &Identifier) -> String {
    format!("Sending another message to {to}, for of the last one the authority says: {reason}")
}

/// What a person is told while she waits for a message that did not leave.
fn not_left(reason: &str) -> String {
    format!("the message with the code did not leave the authority: {reason}")
}

fn put(question: &str) {
    let _ = write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush());
}

/// One line from standard input. Empty lines are skipped in a pipe; at a terminal one asks for another message.
fn read_line(prompt: Option<&str>) -> Typed {
    loop {
        if let Some(question) = prompt {
            put(question);
        }
        let mut line = String::new();
        match io::stdin().lock().take(MAX_LINE).read_line(&mut line) {
            Ok(0) | Err(_) => return Typed::Nothing,
            Ok(_) if !line.trim().is_empty() => return Typed::Code(line.trim().to_owned()),
            Ok(_) if prompt.is_some() => return Typed::SendAgain,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_was_not_handed_over_is_not_called_sent_and_the_reason_is_said_once() {
        let to = Identifier::parse("alice@example.org").unwrap();
        let told = not_handed_over("the message could not be handed over", &to);
        assert!(told.contains("another message to alice@example.org") && !told.contains("was sent"), "{told}");
        assert_eq!(told.matches("could not be handed over").count(), 1, "{told}");
    }
}
