//! Talking with the person during an enrolment: what happens, and the code that is asked for.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use device::enrolment::{Conversation, Step, Typed};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use identity::{Identifier, IdentifierKind};

use crate::output::Output;
use crate::text;

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
}

impl<'a> Person<'a> {
    pub(crate) fn new(output: &'a Output, code: Option<String>) -> Self {
        Self { output, code, typed: false }
    }
}

impl Conversation for Person<'_> {
    fn step(&mut self, step: Step) {
        let text = match step {
            Step::Asking { authority, url } => format!("Asking {authority} at {url}"),
            Step::Resuming => "Going on with the order from before".to_owned(),
            Step::CodeSent { to, earlier, failed, account } => {
                // A code from the command line is from an earlier mail, which a new one makes worthless.
                let too_old = !earlier && self.code.take().is_some();
                let mut sent = match (earlier, failed) {
                    (true, _) => format!("A code was sent to {to} before; it is still good"),
                    (false, None) => format!("A code was sent to {to}"),
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
            Step::Proven => "The address is proven to be yours".to_owned(),
            Step::Issuing => "Waiting for the log and the signature".to_owned(),
            Step::Verifying => "Verifying what came".to_owned(),
        };
        self.output.step(&text);
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        if let Some(code) = self.code.take() {
            return async { Typed::Code(code) }.boxed();
        }
        let prompt = io::stdin().is_terminal();
        self.typed = prompt;
        // Reading a line blocks: done beside, so that nothing else stands still.
        let line = tokio::task::spawn_blocking(move || read_line(prompt));
        async move { line.await.unwrap_or(Typed::Nothing) }.boxed()
    }

    fn asks_again(&self) -> bool {
        self.typed
    }
}

/// What a person is told when the message before did not leave the authority.
fn not_handed_over(reason: &str, to: &Identifier) -> String {
    format!("The last message could not be handed over: {reason}; sending another to {to}")
}

/// One line from standard input. Empty lines are skipped in a pipe; at a terminal one asks for another message.
fn read_line(prompt: bool) -> Typed {
    loop {
        if prompt {
            eprint!("Code (empty line: send another): ");
            let _ = io::stderr().flush();
        }
        let mut line = String::new();
        match io::stdin().lock().take(MAX_LINE).read_line(&mut line) {
            Ok(0) | Err(_) => return Typed::Nothing,
            Ok(_) if !line.trim().is_empty() => return Typed::Code(line.trim().to_owned()),
            Ok(_) if prompt => return Typed::SendAgain,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_was_not_handed_over_is_not_called_sent() {
        let to = Identifier::parse("alice@example.org").unwrap();
        let told = not_handed_over("the mail server refused", &to);
        assert_eq!(
            told,
            "The last message could not be handed over: the mail server refused; sending another to alice@example.org"
        );
    }
}
