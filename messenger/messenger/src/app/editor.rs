//! The text being written: a cursor that moves by what a person calls a character (grapheme clusters).

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::bidi;
use crate::text;

/// The longest text that is sent in one message, in bytes of UTF-8.
pub(crate) const MAX_TEXT_BYTES: usize = messenger_engine::MAX_TEXT_BYTES;

/// A piece of editing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    Left,
    Right,
    WordLeft,
    WordRight,
    Up,
    Down,
    LineStart,
    LineEnd,
    Backspace,
    Delete,
    DeleteWord,
    DeleteToStart,
}

/// Text and cursor. What is typed or pasted is kept as it is; it is made harmless when it is drawn.
#[derive(Debug, Default, Clone)]
pub(crate) struct Editor {
    text: String,
    cursor: usize,
}

/// The text as rows of a given width, and where the cursor stands in them.
pub(crate) struct Layout {
    pub(crate) rows: Vec<String>,
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl Editor {
    /// The text and a cursor at its end.
    pub(crate) fn with(text: String) -> Self {
        Self { cursor: text.len(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Empties it and returns what was written.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts at the cursor. Carriage returns become line ends, tabs spaces, and other control characters are left out.
    ///
    /// # Errors
    /// The number of bytes it would have had; nothing is inserted then.
    pub(crate) fn insert(&mut self, new: &str) -> Result<(), usize> {
        let new: String = new.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
        let new: String = new.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        let total = self.text.len() + new.len();
        if total > MAX_TEXT_BYTES {
            return Err(total);
        }
        self.text.insert_str(self.cursor, &new);
        self.cursor += new.len();
        Ok(())
    }

    /// Moves or deletes. `columns` is the width at which rows are laid out, for moving up and down.
    pub(crate) fn edit(&mut self, edit: Edit, columns: usize) {
        match edit {
            Edit::Left => self.cursor = self.before(),
            Edit::Right => self.cursor = self.after(),
            Edit::WordLeft => self.cursor = self.word_before(),
            Edit::WordRight => self.cursor = self.word_after(),
            Edit::Up => self.vertical(columns, -1),
            Edit::Down => self.vertical(columns, 1),
            Edit::LineStart => self.cursor = self.line_start(),
            Edit::LineEnd => {
                self.cursor += self.text[self.cursor..].find('\n').unwrap_or(self.text.len() - self.cursor);
            }
            Edit::Backspace => self.delete(self.before(), self.cursor),
            Edit::Delete => self.delete(self.cursor, self.after()),
            Edit::DeleteWord => self.delete(self.word_before(), self.cursor),
            Edit::DeleteToStart => self.delete(self.line_start(), self.cursor),
        }
    }

    /// Rows of at most `columns`, one column of which is left for the cursor.
    pub(crate) fn layout(&self, columns: usize) -> Layout {
        let ranges = text::wrap(&self.text, columns.saturating_sub(1));
        let row = ranges.iter().rposition(|row| row.start <= self.cursor).unwrap_or(0);
        let shown = |row: Range<usize>| {
            // Replacements have other lengths: the cursor's place is that of what stands before it.
            let before = text::harmless(&self.text[row.start..self.cursor.clamp(row.start, row.end)]);
            let whole = text::harmless(&self.text[row]);
            let cursor = before.len();
            bidi::row_with_cursor(&whole, 0..whole.len(), cursor)
        };
        let mut rows = Vec::with_capacity(ranges.len());
        let mut column = 0;
        for (n, range) in ranges.into_iter().enumerate() {
            let (text, at) = shown(range);
            rows.push(text);
            if n == row {
                column = at;
            }
        }
        Layout { rows, row, column: column.min(columns.saturating_sub(1)) }
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let mut words = self.text[..self.cursor].unicode_word_indices();
        words.next_back().map_or(0, |(at, _)| at)
    }

    fn word_after(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let end = rest.unicode_word_indices().next().map(|(at, word)| at + word.len());
        self.cursor + end.unwrap_or(rest.len())
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn vertical(&mut self, columns: usize, step: isize) {
        let ranges = text::wrap(&self.text, columns.saturating_sub(1));
        let row = ranges.iter().rposition(|row| row.start <= self.cursor).unwrap_or(0);
        let Some(target) = row.checked_add_signed(step).filter(|row| *row < ranges.len()) else {
            self.cursor = if step < 0 { 0 } else { self.text.len() };
            return;
        };
        let column = text::width(&self.text[ranges[row].start..self.cursor]);
        let range = ranges[target].clone();
        let mut used = 0;
        let mut cursor = range.end;
        for (at, grapheme) in self.text[range.clone()].grapheme_indices(true) {
            if used >= column {
                cursor = range.start + at;
                break;
            }
            used += text::width(grapheme);
        }
        // The end of a wrapped row is the start of the next one: stay on the row that was aimed at.
        if cursor == range.end && ranges.get(target + 1).is_some_and(|next| next.start == cursor) {
            cursor =
                self.text[..cursor].grapheme_indices(true).next_back().map_or(cursor, |(at, _)| at.max(range.start));
        }
        self.cursor = cursor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(text: &str, edits: &[Edit]) -> Editor {
        let mut editor = Editor::with(text.to_owned());
        for edit in edits {
            editor.edit(*edit, 20);
        }
        editor
    }

    #[test]
    fn deletes_what_a_person_sees_as_one() {
        assert_eq!(typed("ok👨\u{200d}👩\u{200d}👧", &[Edit::Backspace]).text(), "ok");
        assert_eq!(typed("e\u{301}", &[Edit::Left, Edit::Delete]).text(), "");
        assert_eq!(typed("two words", &[Edit::DeleteWord]).text(), "two ");
        assert_eq!(typed("a\nbc", &[Edit::DeleteToStart]).text(), "a\n");
    }

    #[test]
    fn moves_between_rows() {
        let mut editor = typed("abc\ndefg", &[Edit::Up]);
        editor.insert("|").unwrap();
        assert_eq!(editor.text(), "abc|\ndefg");
        let mut editor = typed("abc\nd", &[Edit::LineStart, Edit::Up, Edit::Right, Edit::Down]);
        editor.insert("|").unwrap();
        assert_eq!(editor.text(), "abc\nd|");
    }

    #[test]
    fn pasted_escape_sequences_lose_their_teeth() {
        let mut editor = Editor::default();
        editor.insert("a\x1b[31m\r\nb\tc\x07").unwrap();
        assert_eq!(editor.text(), "a[31m\nb    c");
    }

    #[test]
    fn too_much_is_refused_whole() {
        let mut editor = Editor::with("x".to_owned());
        assert_eq!(editor.insert(&"y".repeat(MAX_TEXT_BYTES)), Err(MAX_TEXT_BYTES + 1));
        assert_eq!(editor.text(), "x");
    }

    #[test]
    fn the_cursor_stays_in_view() {
        let layout = Editor::with("日本語日本語".to_owned()).layout(6);
        assert_eq!(layout.rows, ["日本", "語日", "本語"]);
        assert_eq!((layout.row, layout.column), (2, 4));
    }

    #[test]
    fn the_cursor_goes_with_the_writing() {
        let layout = Editor::with("שלום".to_owned()).layout(20);
        assert_eq!((layout.rows, layout.column), (vec!["םולש".to_owned()], 0));
        let layout = typed("say שלום", &[Edit::Left]).layout(20);
        assert_eq!((layout.rows, layout.column), (vec!["say םולש".to_owned()], 4));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}", edits in proptest::collection::vec(0usize..12, 0..30), columns in 0usize..12) {
            const ALL: [Edit; 12] = [Edit::Left, Edit::Right, Edit::WordLeft, Edit::WordRight, Edit::Up, Edit::Down,
                Edit::LineStart, Edit::LineEnd, Edit::Backspace, Edit::Delete, Edit::DeleteWord, Edit::DeleteToStart];
            let mut editor = Editor::default();
            editor.insert(&text).unwrap();
            for edit in edits {
                editor.edit(ALL[edit], columns);
                editor.layout(columns);
            }
        }
    }
}
