//! Search in the conversation that is open: in memory, as conversations are; what is not there any more, or never was in this
//! run, in the history, where one is kept.

use super::conversation::{Conversation, Line};
use super::keeping::Deed;
use super::{App, Effect, Entry};
use crate::view;

/// What was looked for last, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    pub(crate) needle: String,
    /// The line it stands in.
    pub(super) at: usize,
}

impl App {
    /// Looks for `needle`, from the newest text to the oldest; the same again goes on from where it was found.
    pub(super) fn find(&mut self, needle: &str) -> Result<Vec<Effect>, String> {
        let needle = needle.trim();
        if needle.is_empty() {
            self.found = None;
            return Err("What are you looking for? /find bread".to_owned());
        }
        let nothing = || "There is no conversation to look into: choose somebody first.".to_owned();
        let entry = self.selected.clone().ok_or_else(nothing)?;
        let hits = self.conversation(&entry).ok_or_else(nothing)?.lines_with(needle);
        let before = self.found.take().filter(|found| found.entry == entry && found.needle == needle);
        let earlier = before.and_then(|before| hits.iter().rposition(|at| *at < before.at));
        if hits.is_empty() && self.keeps_history(&entry) {
            return Ok(vec![Effect::History(Deed::Find { entry, needle: needle.to_owned() })]);
        }
        let newest = hits.len().checked_sub(1).ok_or_else(|| format!("{needle:?} stands nowhere here."))?;
        let n = earlier.unwrap_or(newest);
        let at = hits[n];
        self.found = Some(Found { entry: entry.clone(), needle: needle.to_owned(), at });
        let scroll = view::scroll_to(self, at);
        self.conversation_mut(&entry).scroll = scroll;
        self.said(format!("{} of {}, the newest first. Ctrl-F, Enter: the one before.", hits.len() - n, hits.len()));
        Ok(Vec::new())
    }

    /// What is to be marked in the conversation that is open.
    pub(crate) fn needle(&self) -> Option<&str> {
        let found = self.found.as_ref().filter(|found| Some(&found.entry) == self.selected.as_ref())?;
        Some(&found.needle)
    }
}

impl Conversation {
    /// The lines that hold `needle`, whatever its case, oldest first.
    fn lines_with(&self, needle: &str) -> Vec<usize> {
        let needle = needle.to_lowercase();
        let holds = |line: &Line| match line {
            Line::Mine { text, .. } | Line::Theirs { text, .. } | Line::Note { text, .. } => {
                text.to_lowercase().contains(&needle)
            }
            Line::File { file, .. } => file.name.to_lowercase().contains(&needle),
        };
        self.lines.iter().enumerate().filter(|(_, line)| holds(line)).map(|(at, _)| at).collect()
    }
}

#[cfg(test)]
mod tests {
    use messenger_engine::Event;

    use crate::app::Notice;
    use crate::app::tests::{app, now, typed, who};

    #[test]
    fn goes_from_the_newest_to_the_oldest_and_around() {
        let mut app = app(&["bob"]);
        for n in 0..100 {
            let text = if n % 40 == 0 { format!("Bread {n}") } else { format!("cheese {n}") };
            app.hear(Event::Message { id: n, from: who("bob"), text, bot: false, reply_to: None }, now());
        }
        let scroll = |app: &crate::app::App| app.conversation(app.selected.as_ref().unwrap()).unwrap().scroll;
        let mut seen = Vec::new();
        for expected in ["1 of 3", "2 of 3", "3 of 3", "1 of 3"] {
            typed(&mut app, "/find BREAD");
            assert!(matches!(&app.notice, Some(Notice::Said(text)) if text.starts_with(expected)), "{:?}", app.notice);
            seen.push(scroll(&app));
        }
        assert!(seen[0] < seen[1] && seen[1] < seen[2] && seen[3] == seen[0], "{seen:?}");
        assert_eq!(app.needle(), Some("BREAD"));
        typed(&mut app, "/find wine");
        assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("nowhere")), "{:?}", app.notice);
        assert_eq!(app.needle(), None);
    }
}
