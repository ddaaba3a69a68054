//! Text from elsewhere, made harmless for a terminal, and measured in columns.
//!
//! Whatever another person's device sends is only ever drawn after [`harmless`] or [`harmless_line`]: no control
//! character, escape sequence, bidirectional override or invisible tag reaches the terminal. What is replaced stays
//! visible (`␛`, `�`), so that nobody is shown less than she was sent.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use std::ops::Range;

/// How many combining marks one character may carry before the rest is dropped: a stack of a thousand would
/// paint over its neighbours' lines.
const MAX_MARKS: usize = 5;

/// Text of several lines: line ends are kept as `\n`, tabs become four spaces, the rest is [replaced](replacement).
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\t' => out.push_str("    "),
            c => {
                marks = if is_mark(c) { marks + 1 } else { 0 };
                if marks <= MAX_MARKS {
                    out.push(replacement(c));
                }
            }
        }
    }
    out
}

/// Text for one line (names, reasons): as [`harmless`], and line ends become `␊`.
pub(crate) fn harmless_line(text: &str) -> String {
    harmless(text).replace('\n', "\u{240A}")
}

/// Whether `c` is drawn as it is.
pub(crate) fn is_harmless(c: char) -> bool {
    replacement(c) == c
}

/// What is drawn for `c`: itself, a control picture (U+2400…), or U+FFFD for what [misleads](file_transfer::misleads).
fn replacement(c: char) -> char {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{FFFD}',
        c if file_transfer::misleads(c) => '\u{FFFD}',
        c => c,
    }
}

/// Combining marks: what takes no column and is neither a joiner nor a variation selector.
fn is_mark(c: char) -> bool {
    let joins = matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    !joins && !c.is_control() && unicode_width::UnicodeWidthChar::width(c) == Some(0)
}

/// Columns that `text` takes on the terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `columns`, with `…` in the last one if something was cut off.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = used + width(grapheme);
        if next + 1 > columns {
            break;
        }
        out.push_str(grapheme);
        used = next;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// As [`fit`], but cut out of the middle: of an address, both ends tell whose it is.
pub(crate) fn fit_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns || columns < 4 {
        return fit(text, columns);
    }
    let tail_columns = (columns - 1) * 2 / 3;
    let mut tail = Vec::new();
    let mut used = 0;
    for grapheme in text.graphemes(true).rev() {
        used += width(grapheme);
        if used > tail_columns {
            break;
        }
        tail.push(grapheme);
    }
    tail.reverse();
    let tail = tail.concat();
    fit(text, columns - width(&tail)) + &tail
}

/// `text` without at least its first `columns`, and how many columns that is: a wide character is not cut in two.
pub(crate) fn without_first(text: &str, columns: usize) -> (&str, usize) {
    let mut left_out = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if left_out >= columns {
            return (&text[at..], left_out);
        }
        left_out += width(grapheme);
    }
    ("", left_out)
}

/// `text` cut or filled with spaces to exactly `columns`.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let mut out = fit(text, columns);
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(&out))));
    out
}

/// The rows that `text` takes at `columns`, as ranges of bytes: broken after spaces where possible, within words
/// where not. A row may carry one space beyond the edge. Line ends belong to no row.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut at = 0;
    for line in text.split('\n') {
        wrap_line(line, at, columns.max(1), &mut rows);
        at += line.len() + 1;
    }
    rows
}

fn wrap_line(line: &str, offset: usize, columns: usize, rows: &mut Vec<Range<usize>>) {
    let mut start = 0;
    let mut used = 0;
    // Where the row may end, and the columns up to there.
    let mut space: Option<(usize, usize)> = None;
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = width(grapheme);
        if used + wide > columns && grapheme == " " {
            rows.push(offset + start..offset + at + 1);
            (start, used, space) = (at + 1, 0, None);
            continue;
        }
        while used + wide > columns && at > start {
            let (end, before) = space.take().unwrap_or((at, used));
            rows.push(offset + start..offset + end);
            start = end;
            used -= before;
        }
        used += wide;
        if grapheme == " " {
            space = Some((at + 1, used));
        }
    }
    rows.push(offset + start..offset + line.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, columns: usize) -> Vec<&str> {
        wrap(text, columns).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn what_is_left_out_at_the_left_is_counted_in_columns() {
        assert_eq!(without_first("abc", 1), ("bc", 1));
        assert_eq!(without_first("日本語", 1), ("本語", 2));
        assert_eq!(without_first("日本語", 4), ("語", 4));
        assert_eq!(without_first("ab", 5), ("", 2));
    }

    #[test]
    fn hostile_corpus_is_harmless() {
        let corpus = [
            ("clear screen", "\x1b[2J\x1b[H", "␛[2J␛[H"),
            ("title and clipboard", "\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
            ("c1 csi", "\u{9b}31m", "\u{FFFD}31m"),
            ("device control", "\x1bP+q\x1b\\", "␛P+q␛\\"),
            ("overwriting", "paid\rnot ", "paid\nnot "),
            ("backspaces", "a\x08b", "a␈b"),
            ("delete", "\x7f", "␡"),
            ("nul", "a\0b", "a␀b"),
            ("right-to-left override", "\u{202e}gpj.exe", "\u{FFFD}gpj.exe"),
            ("isolate", "\u{2066}a\u{2069}", "\u{FFFD}a\u{FFFD}"),
            ("marks", "\u{200e}\u{200f}\u{61c}", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("zero width", "bo\u{200b}b", "bo\u{FFFD}b"),
            ("tags", "a\u{e0041}", "a\u{FFFD}"),
            ("hangul filler", "\u{3164}", "\u{FFFD}"),
            ("line separators", "a\u{2028}b\u{2029}c\u{85}d", "a\nb\nc\nd"),
            ("crlf", "a\r\nb", "a\nb"),
            ("tab", "a\tb", "a    b"),
            ("family emoji stays", "👨\u{200d}👩\u{200d}👧", "👨\u{200d}👩\u{200d}👧"),
            ("persian stays", "می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("accents stay", "e\u{301}", "e\u{301}"),
        ];
        for (name, sent, drawn) in corpus {
            assert_eq!(harmless(sent), drawn, "{name}");
        }
    }

    #[test]
    fn stacks_of_marks_are_cut() {
        let stack = format!("a{}b", "\u{301}".repeat(1000));
        assert_eq!(harmless(&stack).chars().count(), 2 + MAX_MARKS);
    }

    #[test]
    fn names_stay_on_one_line() {
        assert_eq!(harmless_line("a\nb\r\nc"), "a␊b␊c");
    }

    #[test]
    fn rows_break_after_spaces() {
        assert_eq!(rows("hello wide world", 8), ["hello ", "wide ", "world"]);
        assert_eq!(rows("hello world", 5), ["hello ", "world"]);
        assert_eq!(rows("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(rows("a\n\nb", 3), ["a", "", "b"]);
        assert_eq!(rows("", 3), [""]);
    }

    #[test]
    fn wide_characters_count_two() {
        assert_eq!(rows("日本語", 4), ["日本", "語"]);
        assert_eq!(rows("日", 1), ["日"]);
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit_middle("somebody.with.a.long.name@example.org", 20), "somebod…@example.org");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_survives(text in any::<String>()) {
            let drawn = harmless(&text);
            prop_assert!(drawn.chars().all(|c| c == '\n' || (!c.is_control() && replacement(c) == c)));
        }

        #[test]
        fn rows_hold_everything_once(text in any::<String>(), columns in 2usize..40) {
            let text = harmless(&text);
            let rows = wrap(&text, columns);
            let held: String = rows.iter().map(|row| &text[row.clone()]).collect();
            prop_assert_eq!(held, text.replace('\n', ""));
            for row in rows {
                let row = &text[row];
                // A single cluster may be wider than the row; nothing else may.
                prop_assert!(width(row.strip_suffix(' ').unwrap_or(row)) <= columns || row.graphemes(true).count() == 1);
            }
        }
    }
}
