//! What covers the rest of the screen: pages, questions and their answers.

use identity::Identifier;
use identity::card::{Link, MAX_CARD_BYTES};
use jiff::civil::DateTime;
use messenger_engine::{Peer, RoomId, RoomSuite};

use super::editor::Editor;
use super::keeping::Past;
use super::locking::NewPassphrase;
use super::palette::{self, Entered};
use super::slash;
use super::{App, Effect, Entry, Pane};
use crate::keys::Action;
use crate::own_devices::SecretLink;
use crate::view;

/// The most that an answer to a question may have, in bytes: a contact card is the longest.
const MAX_ANSWER_BYTES: usize = MAX_CARD_BYTES;

/// What covers the rest.
#[derive(Debug, Clone)]
pub(crate) enum Cover {
    Help {
        scroll: usize,
    },
    Ask {
        question: Question,
        answer: Editor,
        wrong: Option<String>,
    },
    Confirm {
        entry: Entry,
    },
    /// One's own contact card.
    Card,
    /// By which a new device of one's own is added.
    Invitation {
        link: SecretLink,
    },
    /// A passphrase for the lock or the history, while it is chosen.
    NewPassphrase(NewPassphrase),
    /// Who may see and knock, who is blocked.
    Lists {
        scroll: usize,
    },
    /// Who is in a room.
    Members {
        room: RoomId,
        scroll: usize,
    },
    /// What was found in the history.
    Found {
        needle: String,
        found: Vec<Past>,
        scroll: usize,
    },
    /// Who somebody is, and by what that is known.
    Identity {
        who: Identifier,
        /// As it was when the page was opened.
        peer: Option<Box<Peer>>,
        scroll: usize,
    },
}

/// A question that takes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Contact,
    RoomName,
    Guest(RoomId),
    /// A command, out of all: which of those that fit is chosen.
    Command {
        chosen: usize,
    },
    /// What to look for in the conversation that is open.
    Find,
}

impl App {
    pub(super) fn ask(&mut self, question: Question) {
        self.cover = Some(Cover::Ask { question, answer: Editor::default(), wrong: None });
    }

    /// Asks whom to add, and proposes who is looked at.
    pub(super) fn ask_contact(&mut self) {
        let other = match &self.selected {
            Some(Entry::Person(who)) if !self.people.get(who).is_some_and(|person| person.contact) => who.to_string(),
            _ => String::new(),
        };
        self.cover = Some(Cover::Ask { question: Question::Contact, answer: Editor::with(other), wrong: None });
    }

    /// The link of a card came with the start, from a page or a mail perhaps: nothing is done before the person agrees. Of
    /// somebody who is in the list it opens the conversation.
    pub(crate) fn propose(&mut self, link: &Link) {
        let card = match link {
            Link::Card(card) => card,
            Link::Invitation(_) => {
                let words = "You opened an invitation for a new device of yours. This one has a certificate already: it is \
                             added by /devices and the link, typed here.";
                return self.said(words);
            }
        };
        let who = &card.identifier;
        if *who == self.me.identifier {
            return self.said("The card that you opened is your own.");
        }
        if self.people.get(who).is_some_and(|person| person.contact) {
            self.select(Entry::Person(who.clone()));
            self.pane = Pane::Message;
            return self.said(format!("{who}, whose card you opened, is among your contacts."));
        }
        let answer = Editor::with(card.to_string());
        self.cover = Some(Cover::Ask { question: Question::Contact, answer, wrong: None });
        self.touched = true;
        self.said(format!("Add {who}, as the card says that you opened? Enter or y adds, Esc or n does not."));
    }

    pub(super) fn act_on_cover(&mut self, action: Action, now: DateTime) -> Vec<Effect> {
        let rows = view::page_rows(self);
        if let Some(scroll) = self.cover.as_mut().and_then(Cover::scroll_mut) {
            match action {
                Action::ScrollUp => *scroll = scroll.saturating_sub(5),
                Action::ScrollDown => *scroll = (*scroll + 5).min(rows),
                _ => {}
            }
        }
        match (&mut self.cover, action) {
            (Some(Cover::Ask { question, answer, .. }), Action::Insert(text)) => {
                insert_answer(answer, &text);
                question.choose_first();
            }
            (Some(Cover::Ask { question, answer, .. }), Action::Edit(edit)) => {
                answer.edit(edit, usize::MAX);
                question.choose_first();
            }
            (Some(Cover::Ask { question: Question::Command { chosen }, answer, .. }), Action::NextChoice) => {
                *chosen = (*chosen + 1).min(palette::fitting(answer.text()).len().saturating_sub(1));
            }
            (Some(Cover::Ask { question: Question::Command { chosen }, .. }), Action::PreviousChoice) => {
                *chosen = chosen.saturating_sub(1);
            }
            (Some(Cover::Ask { question, answer, .. }), Action::Yes) => {
                let (question, answer) = (question.clone(), answer.text().to_owned());
                return self.answered(&question, &answer, now);
            }
            (Some(Cover::Confirm { entry }), Action::Yes) => {
                let entry = entry.clone();
                self.cover = None;
                return self.remove(entry);
            }
            (Some(Cover::Ask { .. }), Action::Help) => self.beneath = self.cover.replace(Cover::Help { scroll: 0 }),
            (_, Action::Close) => self.cover = self.beneath.take(),
            _ => {}
        }
        Vec::new()
    }

    /// The answer to a question: done, or what is wrong with it said in its place.
    fn answered(&mut self, question: &Question, text: &str, now: DateTime) -> Vec<Effect> {
        // Out of the way, as a command may open a page of its own.
        let asked = self.cover.take();
        let effects = match question {
            Question::Contact => slash::newcomer(text).and_then(|newcomer| self.add(newcomer)),
            Question::RoomName => slash::room_name(text).map(|name| self.create_room(name, RoomSuite::default())),
            Question::Guest(room) => slash::identifier(text).map(|who| self.invite(*room, &who)),
            Question::Find => self.find(text),
            Question::Command { chosen } => match palette::enter(text, *chosen) {
                Entered::Run(line) => slash::parse(&line).and_then(|command| self.run(command, now)),
                Entered::Complete(line) => {
                    let question = Question::Command { chosen: 0 };
                    self.cover = Some(Cover::Ask { question, answer: Editor::with(line), wrong: None });
                    return Vec::new();
                }
            },
        };
        match effects {
            Ok(effects) => effects,
            Err(problem) => {
                self.cover = asked;
                if let Some(Cover::Ask { wrong, .. }) = &mut self.cover {
                    *wrong = Some(problem);
                }
                Vec::new()
            }
        }
    }
}

impl Cover {
    /// How far down a page is scrolled, if it is one of several rows.
    fn scroll_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Help { scroll }
            | Self::Lists { scroll }
            | Self::Members { scroll, .. }
            | Self::Identity { scroll, .. }
            | Self::Found { scroll, .. } => Some(scroll),
            _ => None,
        }
    }
}

impl Question {
    /// What fits may be something else now.
    fn choose_first(&mut self) {
        if let Self::Command { chosen } = self {
            *chosen = 0;
        }
    }
}

/// Answers are one line of limited length; what does not fit is left out.
pub(super) fn insert_answer(answer: &mut Editor, text: &str) {
    let line = text.lines().next().unwrap_or_default();
    if answer.text().len() + line.len() <= MAX_ANSWER_BYTES {
        // Shorter than a message may be.
        let _ = answer.insert(line);
    }
}
