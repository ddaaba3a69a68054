//! The set-up on a screen of its own, before the messenger's.

use std::future::Future;
use std::io::stdout;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use identity::card::Link;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::page::{Face, Page, Turn};
use super::{Outcome, draw, run};
use crate::app::editor::{Edit, Editor};
use crate::cli::Options;
use crate::failure::Failure;
use crate::keys::{self, Action, Place};
use crate::run::ended_by_signal;
use crate::run::screen::{Ours, Typing, terminal_failure};
use crate::view::theme::Theme;

/// An answer is an address, a code, a card: no book.
const MAX_ANSWER: usize = 4096;
/// Up and Down mean nothing in one line.
const ONE_LINE: usize = usize::MAX;

/// Asks what is to be set up, and gives the terminal back.
pub(crate) async fn set_up(options: &Options, opened: Option<&Link>, theme: Theme) -> Result<Outcome, Failure> {
    let _ours = Ours::take("In Person").map_err(terminal_failure)?;
    let screen = Terminal::new(CrosstermBackend::new(stdout())).map_err(terminal_failure)?;
    let mut face = Screen { screen, theme, input: Typing::begin(), typed: Editor::default(), asked: None };
    run(options, opened, &mut face).await
}

struct Screen {
    screen: Terminal<CrosstermBackend<std::io::Stdout>>,
    theme: Theme,
    input: Typing,
    typed: Editor,
    /// The question that what is typed answers.
    asked: Option<String>,
}

impl Face for Screen {
    async fn turn<T>(&mut self, page: &Page, work: impl Future<Output = T>) -> Result<Turn<T>, Failure> {
        if self.asked != page.question {
            self.asked.clone_from(&page.question);
            self.typed = Editor::with(page.proposal.clone());
        }
        let mut work = std::pin::pin!(work);
        loop {
            let (theme, typed) = (self.theme, &self.typed);
            self.screen.draw(|frame| draw::draw(frame, page, typed, theme)).map_err(terminal_failure)?;
            let input = tokio::select! {
                biased;
                done = &mut work => return Ok(Turn::Done(done)),
                input = self.input.next() => input,
                () = ended_by_signal() => None,
            };
            let turn = match input {
                None => Some(Turn::Leave),
                Some(Input::Key(key)) if leaves(key) => Some(Turn::Leave),
                Some(Input::Key(key)) => keys::action(key, Place::Asking).and_then(|action| self.act(action, page)),
                Some(Input::Paste(text)) if page.question.is_some() => {
                    self.insert(&text);
                    None
                }
                Some(_) => None,
            };
            if let Some(turn) = turn {
                return Ok(turn);
            }
        }
    }
}

/// Ctrl-Q and Ctrl-C, as in the messenger.
fn leaves(key: KeyEvent) -> bool {
    key.modifiers == KeyModifiers::CONTROL && matches!(key.code, KeyCode::Char('q' | 'c'))
}

impl Screen {
    fn act<T>(&mut self, action: Action, page: &Page) -> Option<Turn<T>> {
        match action {
            Action::Close => {
                self.asked = None;
                return Some(Turn::Back);
            }
            _ if page.question.is_none() => {}
            Action::Yes => {
                self.asked = None;
                return Some(Turn::Typed(self.typed.take()));
            }
            Action::Insert(text) => self.insert(&text),
            Action::Edit(edit) if !matches!(edit, Edit::Up | Edit::Down) => self.typed.edit(edit, ONE_LINE),
            _ => {}
        }
        None
    }

    /// A card or a code may be pasted with the line ends of the mail it stood in.
    fn insert(&mut self, text: &str) {
        let line: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        if self.typed.text().len() + line.len() <= MAX_ANSWER {
            let _ = self.typed.insert(&line);
        }
    }
}
