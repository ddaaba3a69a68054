//! Talking with the person during an enrolment: what happens, and the code that is asked for.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use device::acme::{ExternalAccount, Holder};
use device::enrolment::{Aside, Conversation, Step, Typed, Way};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use identity::IdentifierKind;
use indicatif::ProgressBar;
use serde_json::json;

use crate::browser;
use crate::output::{Output, harmless};
use crate::progress::spinner;

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
        let answer = tokio::task::spawn_blocking(move || says_yes(&question));
        async move { answer.await.unwrap_or(false) }.boxed()
    }

    fn elsewhere(&self) -> Option<&ExternalAccount> {
        self.elsewhere.as_ref()
    }
}

/// Asks a person at the terminal; anything but a yes is none.
pub(crate) fn says_yes(question: &str) -> bool {
    asked(question).is_some_and(|said| is_yes(&said))
}

/// What a person at the terminal answers, if it is anything.
pub(crate) fn asked(question: &str) -> Option<String> {
    match read_line(Some(question)) {
        Typed::Code(said) => Some(said),
        _ => None,
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
        let text = match &step {
            Step::CodeSent { to, earlier, account, .. } => {
                // A code from the command line is from an earlier mail, which a new one makes worthless.
                let too_old = !earlier && self.code.take().is_some();
                let from_before = if too_old { "; the one given is from before" } else { "" };
                let sent = step.words() + from_before;
                let named = self.output.verbose() && to.kind() == IdentifierKind::Email;
                if named { format!("{sent}. The mail names your account key: {account}") } else { sent }
            }
            Step::LogIn { issuer, url } => {
                self.output.event(&json!({ "login": { "issuer": issuer, "url": url } }));
                if browser::open(url) {
                    format!("Your browser opens, to log in at {issuer}:\n\n  {url}\n")
                } else {
                    step.words()
                }
            }
            step => step.words(),
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
