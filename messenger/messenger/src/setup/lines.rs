//! The set-up line by line: the same pages as sentences, each said once.

use std::future::Future;

use command_line::{announce, complain};
use identity::card::Link;
use tokio::sync::mpsc;

use super::page::{Face, Note, Page, Turn};
use super::{Outcome, run};
use crate::cli::Options;
use crate::failure::Failure;
use crate::lines::Line;
use crate::text::harmless;

const HINT: &str =
    "Each question is answered by a line. /back goes to the question before, /quit leaves; the next start goes on.";

/// Asks what is to be set up.
pub(crate) async fn set_up(
    options: &Options,
    opened: Option<&Link>,
    typed: &mut mpsc::Receiver<Line>,
) -> Result<Outcome, Failure> {
    let mut face = Lines { typed, said: Page::default() };
    say(HINT)?;
    run(options, opened, &mut face).await
}

struct Lines<'a> {
    typed: &'a mut mpsc::Receiver<Line>,
    /// What was said of the page that is shown.
    said: Page,
}

impl Lines<'_> {
    /// Says what is new on the page.
    fn show(&mut self, page: &Page) -> Result<(), Failure> {
        let same = (self.said.title, &self.said.words) == (page.title, &page.words);
        if !same {
            let (step, of) = page.step;
            say(&format!("Step {step} of {of}: {}.", page.title))?;
            page.words.iter().try_for_each(|words| say(words))?;
        }
        let known = if same && page.notes.starts_with(&self.said.notes) { self.said.notes.len() } else { 0 };
        for note in &page.notes[known..] {
            match note {
                Note::Said(words) => say(words)?,
                Note::Wrong(words) => say(&format!("Attention: {words}"))?,
            }
        }
        self.said = page.clone();
        Ok(())
    }

    fn prompt(page: &Page) -> Result<(), Failure> {
        let Some(question) = &page.question else { return Ok(()) };
        let proposal = if page.proposal.is_empty() { String::new() } else { format!(" [{}]", page.proposal) };
        write(&format!("{}{}: ", harmless(question), harmless(&proposal)))
    }
}

impl Face for Lines<'_> {
    async fn turn<T>(&mut self, page: &Page, work: impl Future<Output = T>) -> Result<Turn<T>, Failure> {
        self.show(page)?;
        Self::prompt(page)?;
        let mut work = std::pin::pin!(work);
        loop {
            let line = tokio::select! {
                biased;
                done = &mut work => return Ok(Turn::Done(done)),
                // What is typed while nothing is asked answers the next question.
                line = self.typed.recv(), if page.question.is_some() => line,
                () = crate::run::ended_by_signal() => None,
            };
            match line {
                // Nobody is there to be asked.
                None => return Ok(Turn::Leave),
                Some(Err(found)) => complain!("That line has {found} bytes: that is no answer."),
                Some(Ok(line)) => {
                    let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                    return Ok(match line.trim() {
                        "/back" => Turn::Back,
                        "/quit" => Turn::Leave,
                        "" if !page.proposal.is_empty() => Turn::Typed(page.proposal.clone()),
                        _ => Turn::Typed(line),
                    });
                }
            }
        }
    }
}

fn say(words: &str) -> Result<(), Failure> {
    write(&format!("{}\n", harmless(words)))
}

fn write(words: &str) -> Result<(), Failure> {
    announce(format_args!("{words}"))
        .map_err(|error| Failure::new(format!("nobody hears what the messenger says: {error}"), "another terminal"))
}
