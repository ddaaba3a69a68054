//! One conversation: what was said since the program started, how far each text got, and the draft.
//!
//! It lives in memory only and is bounded; when the program ends it is gone. Where a history is kept, what it holds of earlier
//! runs can be shown in front.

use std::collections::VecDeque;

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::{DeliveryState, Missing};

use super::editor::Editor;
use super::files::Transfer;
use super::remarks::{About, Remarks};

/// Lines kept per conversation; the oldest go first.
pub(super) const MAX_LINES: usize = 2_000;

/// How far a text of one's own got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Sending,
    Delivered,
    /// It is nowhere but here, and why.
    NotDelivered(String),
    /// It left, and its acknowledgement was lost: why.
    Unknown(String),
    /// Of an earlier run: the program ended before it heard how far the text got.
    Interrupted,
    /// Of an earlier run, from the history: over long ago.
    Past {
        delivered: bool,
    },
    /// In a room: who has it, who has not, and how many others there were when it was sent.
    Room {
        delivered: usize,
        missing: Vec<Missing>,
        others: usize,
    },
}

impl State {
    /// From the engine's words.
    pub(crate) fn new(state: DeliveryState, reason: Option<String>) -> Self {
        let reason = || reason.unwrap_or_else(|| "no reason was given".to_owned());
        match state {
            DeliveryState::Sending => Self::Sending,
            DeliveryState::Delivered => Self::Delivered,
            DeliveryState::NotDelivered => Self::NotDelivered(reason()),
            DeliveryState::Unknown => Self::Unknown(reason()),
        }
    }

    /// Whether sending again makes sense.
    pub(crate) fn failed(&self) -> bool {
        match self {
            Self::NotDelivered(_) | Self::Unknown(_) | Self::Interrupted => true,
            Self::Room { delivered, missing, others } => *delivered == 0 && *others > 0 && missing.len() >= *others,
            Self::Sending | Self::Delivered | Self::Past { .. } => false,
        }
    }

    /// Whether the other side's answer is still awaited.
    pub(crate) fn pending(&self) -> bool {
        match self {
            Self::Sending => true,
            Self::Room { delivered, missing, others } => delivered + missing.len() < *others,
            _ => false,
        }
    }
}

/// One thing in a conversation.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// Something I wrote.
    Mine { id: u64, text: String, at: DateTime, state: State, about: About },
    /// Something another person, or a program of hers, wrote.
    Theirs { from: Identifier, text: String, at: DateTime, bot: bool, about: About },
    /// Something that happened: who came, who left.
    Note { text: String, at: DateTime },
    /// A file or a folder, on its way or where it was to go.
    File { file: Box<Transfer>, at: DateTime },
}

/// A text that came back into the input because it was not delivered, or nobody knows whether it was.
#[derive(Debug, Clone)]
pub(crate) struct Returned {
    pub(crate) id: u64,
    pub(crate) text: String,
    pub(crate) reason: String,
    /// Whether it may have arrived.
    pub(crate) unknown: bool,
}

/// The lines, the draft and what has not been read.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) lines: VecDeque<Line>,
    pub(crate) draft: Editor,
    pub(crate) returned: Option<Returned>,
    pub(crate) unread: usize,
    pub(crate) remarks: Remarks,
    /// Rows that the view is scrolled up from the end.
    pub(crate) scroll: usize,
    /// The first entry of the history that is shown here: what comes before is not shown yet, and 0 if nothing does.
    pub(crate) before: Option<i64>,
    /// Whether a notification told of what came, and nobody looked since.
    pub(crate) announced: bool,
}

impl Line {
    /// Whether it is a text that was not delivered, or is under way.
    fn is_at_stake(&self) -> bool {
        matches!(self, Self::Mine { state, .. } if state.failed() || state.pending())
    }
}

impl Conversation {
    /// Adds a line at the end; when there are too many, the oldest is forgotten that is not nowhere but here.
    pub(crate) fn push(&mut self, line: Line) {
        if self.lines.len() == MAX_LINES {
            let oldest = self.lines.iter().position(|line| !line.is_at_stake());
            self.lines.remove(oldest.unwrap_or(0));
        }
        self.lines.push_back(line);
    }

    /// Adds a note.
    pub(crate) fn note(&mut self, text: impl Into<String>, at: DateTime) {
        self.push(Line::Note { text: text.into(), at });
    }

    /// Records how far text `id` got. A text that failed goes back into the input, unless something is being written there.
    pub(crate) fn progress(&mut self, id: u64, state: State) {
        let Some(Line::Mine { text, state: known, .. }) = self.find(id) else { return };
        let unknown = matches!(state, State::Unknown(_) | State::Interrupted);
        let reason = match &state {
            State::NotDelivered(reason) | State::Unknown(reason) => Some(reason.clone()),
            State::Interrupted => Some("it may have arrived before the program ended".to_owned()),
            State::Room { missing, .. } if state.failed() => missing.first().map(|first| first.reason.clone()),
            _ => None,
        };
        *known = state;
        let text = text.clone();
        match reason {
            Some(reason) if self.draft.is_empty() => {
                self.draft = Editor::with(text.clone());
                self.returned = Some(Returned { id, text, reason, unknown });
            }
            Some(_) => {}
            // It got there after all: what came back of it is not needed any more.
            None => {
                if self
                    .returned
                    .as_ref()
                    .is_some_and(|returned| returned.id == id && returned.text == self.draft.text())
                {
                    self.draft.take();
                    self.returned = None;
                }
            }
        }
    }

    /// The text written so far, and the number it failed under if it is one that came back unchanged. The failed line goes,
    /// unless the text is another one now and the other side may have seen the first.
    pub(crate) fn take_draft(&mut self) -> (String, Option<u64>) {
        let text = self.draft.take();
        let returned = self.returned.take();
        if let Some(returned) = &returned
            && (!returned.unknown || returned.text == text)
        {
            self.remove(returned.id);
        }
        let id = returned.filter(|returned| returned.text == text).map(|returned| returned.id);
        (text, id)
    }

    /// Takes the oldest text that failed out of the conversation, to be sent again.
    pub(crate) fn take_failed(&mut self) -> Option<(u64, String)> {
        let failed = self.lines.iter().find_map(|line| match line {
            Line::Mine { id, text, state, .. } if state.failed() => Some((*id, text.clone())),
            _ => None,
        })?;
        self.remove(failed.0);
        Some(failed)
    }

    /// To be called after every edit: an emptied input is no returned text any more.
    pub(crate) fn edited(&mut self) {
        if self.draft.is_empty() {
            self.returned = None;
        }
    }

    /// Whether a text of one's own has this number.
    pub(crate) fn is_mine(&self, wanted: u64) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Mine { id, .. } if *id == wanted))
    }

    /// Texts that exist nowhere but here: a draft, and those that were not delivered or are under way.
    pub(crate) fn at_stake(&self) -> usize {
        let draft = usize::from(!self.draft.is_empty() && self.returned.is_none());
        draft + self.lines.iter().filter(|line| line.is_at_stake()).count()
    }

    /// Whether anything here can be sent again.
    pub(crate) fn has_failed(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Mine { state, .. } if state.failed()))
    }

    fn find(&mut self, wanted: u64) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| matches!(line, Line::Mine { id, .. } if *id == wanted))
    }

    fn remove(&mut self, wanted: u64) {
        self.lines.retain(|line| !matches!(line, Line::Mine { id, .. } if *id == wanted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime {
        jiff::civil::date(2026, 11, 23).at(10, 42, 0, 0)
    }

    fn sent(texts: &[&str]) -> Conversation {
        let mut conversation = Conversation::default();
        for (id, text) in (1..).zip(texts) {
            conversation.push(Line::Mine {
                id,
                text: (*text).to_owned(),
                at: now(),
                state: State::Sending,
                about: About::default(),
            });
        }
        conversation
    }

    #[test]
    fn a_failed_text_comes_back_and_goes_again_under_its_number() {
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, State::NotDelivered("bob is not online".to_owned()));
        assert_eq!(conversation.draft.text(), "hi");
        assert_eq!(conversation.at_stake(), 1);
        assert_eq!(conversation.take_draft(), ("hi".to_owned(), Some(1)));
        assert!(conversation.lines.is_empty());
    }

    #[test]
    fn a_text_that_was_changed_is_a_new_one() {
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, State::NotDelivered("gone".to_owned()));
        conversation.draft.insert("!").unwrap();
        assert_eq!(conversation.take_draft(), ("hi!".to_owned(), None));
        assert!(conversation.lines.is_empty());
    }

    #[test]
    fn a_text_that_may_have_arrived_comes_back_too_and_its_line_stays_if_another_is_written() {
        let unknown = || State::Unknown("the connection was lost".to_owned());
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, unknown());
        assert_eq!(conversation.take_draft(), ("hi".to_owned(), Some(1)));
        assert!(conversation.lines.is_empty());
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, unknown());
        conversation.draft.insert("!").unwrap();
        assert_eq!(conversation.take_draft(), ("hi!".to_owned(), None));
        assert!(matches!(&conversation.lines[0], Line::Mine { id: 1, state: State::Unknown(_), .. }));
    }

    #[test]
    fn a_failure_does_not_overwrite_what_is_being_written() {
        let mut conversation = sent(&["one", "two"]);
        conversation.draft.insert("three").unwrap();
        conversation.progress(1, State::NotDelivered("gone".to_owned()));
        assert_eq!(conversation.draft.text(), "three");
        assert_eq!(conversation.take_failed(), Some((1, "one".to_owned())));
        assert_eq!(conversation.take_failed(), None);
    }

    #[test]
    fn a_late_acknowledgement_empties_the_returned_draft() {
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, State::NotDelivered("gone".to_owned()));
        conversation.progress(1, State::Delivered);
        assert!(conversation.draft.is_empty());
        assert_eq!(conversation.at_stake(), 0);
    }

    #[test]
    fn the_oldest_lines_are_forgotten() {
        let mut conversation = Conversation::default();
        for n in 0..MAX_LINES + 5 {
            conversation.note(n.to_string(), now());
        }
        assert_eq!(conversation.lines.len(), MAX_LINES);
        assert!(matches!(&conversation.lines[0], Line::Note { text, .. } if text == "5"));
    }

    #[test]
    fn no_flood_takes_what_is_nowhere_else() {
        let mut conversation = sent(&["hi"]);
        conversation.progress(1, State::NotDelivered("gone".to_owned()));
        let at_stake = conversation.at_stake();
        for n in 0..2 * MAX_LINES {
            conversation.note(n.to_string(), now());
        }
        assert_eq!((conversation.lines.len(), conversation.at_stake()), (MAX_LINES, at_stake));
        assert!(conversation.has_failed());
    }
}
