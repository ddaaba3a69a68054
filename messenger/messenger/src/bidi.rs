//! Text from right to left, in the order in which a terminal's cells show it (Unicode Standard Annex 9).
//!
//! Terminals differ in whether they reorder text themselves, and those that do know nothing of frames and columns. So it is
//! done here, row by row, and the terminal is told to leave it ([`EXPLICIT`]). Text comes here after it was made
//! [harmless](crate::text): without overrides, embeddings and marks of others, a text's direction is that of its letters, and
//! nothing outside its own rows is moved.

use std::ops::Range;

use unicode_bidi::{BidiInfo, ParagraphInfo};
use unicode_segmentation::UnicodeSegmentation;

use crate::text::{width, wrap};

/// ECMA-48 BDSM reset: what is printed stands in the order of the cells. Terminals that reorder nothing ignore it.
pub(crate) const EXPLICIT: &str = "\x1b[8l";
/// BDSM set, as terminals begin.
pub(crate) const IMPLICIT: &str = "\x1b[8h";

/// One character, as people see it, of a row: its place in the text, and whether it belongs to a run from right to left.
struct Cell {
    at: Range<usize>,
    leftward: bool,
}

/// A text in rows of at most `columns`, each as its cells show it. Spaces at the end of a row are left out.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<String> {
    let joined = |parts: Vec<(String, ())>| parts.into_iter().map(|(part, ())| part).collect();
    rows_by(text, columns, |_| ()).into_iter().map(joined).collect()
}

/// As [`rows`], each in parts of what looks alike: `look` says how the character at a byte of the text does.
pub(crate) fn rows_by<L: PartialEq>(text: &str, columns: usize, look: impl Fn(usize) -> L) -> Vec<Vec<(String, L)>> {
    let info = reordered(text);
    let row = |row: Range<usize>| {
        let row = row.start..row.start + text[row.clone()].trim_end_matches(' ').len();
        let cells = match &info {
            Some(info) => cells(info, row),
            None => in_order(text, row),
        };
        let mut parts: Vec<(String, L)> = Vec::new();
        for cell in &cells {
            let look = look(cell.at.start);
            match parts.last_mut() {
                Some((part, before)) if *before == look => show(text, cell, part),
                _ => {
                    let mut part = String::new();
                    show(text, cell, &mut part);
                    parts.push((part, look));
                }
            }
        }
        parts
    };
    wrap(text, columns).into_iter().map(row).collect()
}

/// A text of one row, as its cells show it.
pub(crate) fn line(text: &str) -> String {
    reordered(text).map_or_else(|| text.to_owned(), |info| shown(text, &cells(&info, 0..text.len())))
}

/// A row of a text as its cells show it, and the column of the cursor that stands before byte `cursor`.
pub(crate) fn row_with_cursor(text: &str, row: Range<usize>, cursor: usize) -> (String, usize) {
    let Some(info) = reordered(text) else {
        return (text[row.clone()].to_owned(), width(&text[row.start..cursor.clamp(row.start, row.end)]));
    };
    let cells = cells(&info, row.clone());
    let wide = |cell: &Cell| width(&text[cell.at.clone()]);
    // On the character that follows in the text. After the last one: behind it, in its direction.
    let last = cells.iter().max_by_key(|cell| cell.at.start);
    let mut column = 0;
    let mut found = 0;
    for cell in &cells {
        let here = cell.at.contains(&cursor);
        let after = cursor >= row.end && last.is_some_and(|last| last.at == cell.at);
        if here || after && cell.leftward {
            found = column;
        } else if after {
            found = column + wide(cell);
        }
        column += wide(cell);
    }
    (shown(text, &cells), found)
}

/// The levels of a text, if anything in it runs from right to left.
fn reordered(text: &str) -> Option<BidiInfo<'_>> {
    if text.is_ascii() {
        return None;
    }
    Some(BidiInfo::new(text, None)).filter(BidiInfo::has_rtl)
}

/// The characters of a row from the left to the right.
fn cells(info: &BidiInfo<'_>, row: Range<usize>) -> Vec<Cell> {
    let holds = |paragraph: &&ParagraphInfo| paragraph.range.start <= row.start && row.end <= paragraph.range.end;
    let Some(paragraph) = info.paragraphs.iter().find(holds).filter(|_| !row.is_empty()) else { return Vec::new() };
    let (levels, runs) = info.visual_runs(paragraph, row);
    let mut cells = Vec::new();
    for run in runs {
        let leftward = levels[run.start].is_rtl();
        let start = run.start;
        let graphemes = info.text[run].grapheme_indices(true);
        let cell = |(at, grapheme): (usize, &str)| Cell { at: start + at..start + at + grapheme.len(), leftward };
        // Rule L3: marks stay behind their letters.
        match leftward {
            true => cells.extend(graphemes.rev().map(cell)),
            false => cells.extend(graphemes.map(cell)),
        }
    }
    cells
}

/// The characters of a row of which nothing runs from right to left.
fn in_order(text: &str, row: Range<usize>) -> Vec<Cell> {
    let start = row.start;
    let graphemes = text[row].grapheme_indices(true);
    graphemes.map(|(at, one)| Cell { at: start + at..start + at + one.len(), leftward: false }).collect()
}

fn shown(text: &str, cells: &[Cell]) -> String {
    let mut shown = String::with_capacity(text.len());
    cells.iter().for_each(|cell| show(text, cell, &mut shown));
    shown
}

fn show(text: &str, cell: &Cell, shown: &mut String) {
    let grapheme = &text[cell.at.clone()];
    let mut rest = grapheme.chars();
    match rest.next().filter(|_| cell.leftward).and_then(mirrored) {
        Some(mirror) => {
            shown.push(mirror);
            shown.push_str(rest.as_str());
        }
        None => shown.push_str(grapheme),
    }
}

/// Rule L4, for what people type: the same bracket seen from the other side.
fn mirrored(c: char) -> Option<char> {
    Some(match c {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        '«' => '»',
        '»' => '«',
        '‹' => '›',
        '›' => '‹',
        '≤' => '≥',
        '≥' => '≤',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::harmless;
    use proptest::prelude::*;

    #[test]
    fn hebrew_and_arabic_stand_as_they_are_read() {
        for (name, text, shown) in [
            ("latin stays", "hello", "hello"),
            ("hebrew", "שלום", "םולש"),
            ("hebrew in an english sentence", "say שלום now", "say םולש now"),
            ("english in a hebrew sentence", "אמר hello לי", "יל hello רמא"),
            ("numbers keep their order", "שעה 10:42", "10:42 העש"),
            ("brackets are mirrored", "(שלום)", "(םולש)"),
            ("marks stay behind their letters", "שָׁלוֹם", "םוֹלשָׁ"),
            ("what is mirrored keeps its marks", "א(\u{301}", ")\u{301}א"),
            ("arabic", "مرحبا bob", "bob ابحرم"),
            ("emoji", "שלום 👩\u{200d}🌾", "👩\u{200d}🌾 םולש"),
        ] {
            assert_eq!(line(text), shown, "{name}");
        }
    }

    #[test]
    fn a_paragraph_is_broken_before_it_is_turned() {
        assert_eq!(rows("אבג דהו\nabc", 4), ["גבא", "והד", "abc"]);
    }

    #[test]
    fn overrides_of_others_turn_nothing() {
        let sent = "\u{202e}gpj.exe \u{2067}שלום\u{2069}";
        assert_eq!(line(&harmless(sent)), "\u{fffd}gpj.exe \u{fffd}םולש\u{fffd}");
    }

    #[test]
    fn the_cursor_stands_where_the_next_character_goes() {
        let at = |text: &str, cursor: usize| row_with_cursor(text, 0..text.len(), cursor).1;
        assert_eq!(at("abc", 3), 3);
        // Before the first letter of a Hebrew word: on it, at its right end.
        assert_eq!(at("שלום", 0), 3);
        assert_eq!(at("שלום", 8), 0, "and after its last: at its left end");
        assert_eq!(at("ab שלום", 3), 6);
        assert_eq!(at("日本", 6), 4);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(text in "[a-c ()\u{5d0}-\u{5ea}\u{627}-\u{64a}\u{301}0-9\n日👍]{0,40}", columns in 1usize..12) {
            let mut before: Vec<char> = text.chars().filter(|c| !" \n()".contains(*c)).collect();
            let all: String = rows(&text, columns).concat();
            let mut after: Vec<char> = all.chars().filter(|c| !" \n()".contains(*c)).collect();
            before.sort_unstable();
            after.sort_unstable();
            prop_assert_eq!(before, after);
            for row in wrap(&text, columns) {
                for cursor in row.clone() {
                    if text.is_char_boundary(cursor) {
                        let (shown, column) = row_with_cursor(&text, row.clone(), cursor);
                        prop_assert!(column <= width(&shown));
                    }
                }
            }
        }
    }
}
