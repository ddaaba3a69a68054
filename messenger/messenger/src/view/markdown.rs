//! A subset of Markdown in what people write: bold, italic, code, blocks of code, quotes and lists, by how they look.
//!
//! **Nothing is taken away and nothing is added**: the signs stay where they were written, only quieter, so that what is shown
//! is what was sent, character by character, and can be copied. So there is nothing that a text could hide by it, links are
//! text as everything else, and every width stays what it was. It takes time in proportion to the text.

use std::ops::Range;

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use crate::bidi;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    italic: bool,
    code: bool,
    quote: bool,
    /// One of the signs that say so.
    sign: bool,
}

impl Look {
    fn style(self, base: Style, theme: Theme) -> Style {
        let mut style = base;
        if self.quote || self.sign {
            style = style.patch(theme.quiet());
        }
        if self.code && !self.sign {
            style = style.patch(theme.verbatim());
        }
        if self.bold && !self.sign {
            style = style.add_modifier(Modifier::BOLD);
        }
        if self.italic && !self.sign {
            style = style.add_modifier(Modifier::ITALIC);
        }
        style
    }
}

/// A text that was made harmless, as rows of at most `columns`.
pub(super) fn rows(text: &str, columns: usize, base: Style, theme: Theme) -> Vec<Row<'static>> {
    let pieces = pieces(text);
    let look = |at: usize| {
        let before = pieces.partition_point(|(piece, _)| piece.end <= at);
        pieces.get(before).filter(|(piece, _)| piece.contains(&at)).map(|(_, look)| *look).unwrap_or_default()
    };
    let row = |parts: Vec<(String, Look)>| {
        let spans = parts.into_iter().map(|(part, look)| Span::styled(part, look.style(base, theme)));
        // The row has the style as well: what is marked in it, and what stands beside it, goes by that.
        Row::from(spans.collect::<Vec<_>>()).style(base)
    };
    bidi::rows_by(text, columns, look).into_iter().map(row).collect()
}

/// What does not look plain, in the order of the text.
fn pieces(text: &str) -> Vec<(Range<usize>, Look)> {
    let mut pieces = Vec::new();
    let mut fenced = false;
    let mut at = 0;
    for line in text.split('\n') {
        let (start, end) = (at, at + line.len());
        at = end + 1;
        if line.starts_with("```") {
            fenced = !fenced;
            pieces.push((start..end, Look { sign: true, code: true, ..Look::default() }));
        } else if fenced {
            pieces.push((start..end, Look { code: true, ..Look::default() }));
        } else {
            let (sign, base) = sign(line);
            if sign > 0 {
                pieces.push((start..start + sign, Look { sign: true, ..base }));
            }
            spans(&line[sign..], start + sign, base, &mut pieces);
        }
    }
    pieces
}

/// The bytes of the sign that a line begins with, and how the rest of it looks.
fn sign(line: &str) -> (usize, Look) {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let rest = &line[indent..];
    if let Some(quoted) = rest.strip_prefix('>') {
        let space = usize::from(quoted.starts_with(' '));
        return (indent + 1 + space, Look { quote: true, ..Look::default() });
    }
    if ["- ", "* ", "+ "].iter().any(|bullet| rest.starts_with(bullet)) {
        return (indent + 2, Look::default());
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=9).contains(&digits) && [". ", ") "].iter().any(|after| rest[digits..].starts_with(after)) {
        return (indent + digits + 2, Look::default());
    }
    (0, Look::default())
}

/// Where emphasis may begin or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bold,
    Star,
    Underscore,
}

/// Emphasis and code within a line.
fn spans(line: &str, offset: usize, base: Look, pieces: &mut Vec<(Range<usize>, Look)>) {
    let mut found = code(line);
    found.extend(emphasis(line, &found));
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    // Nested ranges become pieces that follow one another.
    let mut edges: Vec<usize> = found.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    edges.extend([0, line.len()]);
    edges.sort_unstable();
    edges.dedup();
    let mut open: Vec<(usize, Look)> = Vec::new();
    let mut next = found.into_iter().peekable();
    for edge in edges.windows(2) {
        open.retain(|(end, _)| *end > edge[0]);
        while let Some((range, look)) = next.next_if(|(range, _)| range.start <= edge[0]) {
            open.push((range.end, look));
        }
        let look = open.iter().fold(base, |so_far, (_, look)| Look {
            bold: so_far.bold || look.bold,
            italic: so_far.italic || look.italic,
            code: so_far.code || look.code,
            sign: so_far.sign || look.sign,
            quote: so_far.quote,
        });
        if look != Look::default() {
            pieces.push((offset + edge[0]..offset + edge[1], look));
        }
    }
}

/// Between two single backticks in a line: the ranges with their signs.
fn code(line: &str) -> Vec<(Range<usize>, Look)> {
    let look = Look { code: true, ..Look::default() };
    let sign = Look { sign: true, ..look };
    let ticks: Vec<usize> = line.match_indices('`').map(|(at, _)| at).collect();
    let mut found = Vec::new();
    let mut rest = ticks.as_slice();
    while let [begin, end, more @ ..] = rest {
        // Two beside each other hold nothing.
        if end - begin > 1 {
            found.extend([(*begin..begin + 1, sign), (begin + 1..*end, look), (*end..end + 1, sign)]);
            rest = more;
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// Bold and italic outside of code: the ranges with their signs.
fn emphasis(line: &str, code: &[(Range<usize>, Look)]) -> Vec<(Range<usize>, Look)> {
    let bytes = line.as_bytes();
    let mut found = Vec::new();
    let mut open: Vec<(Kind, usize)> = Vec::new();
    let mut skip = code.iter().peekable();
    let mut at = 0;
    while at < bytes.len() {
        while skip.next_if(|(range, _)| range.end <= at).is_some() {}
        if let Some((range, _)) = skip.peek().filter(|(range, _)| range.start <= at) {
            at = range.end;
            continue;
        }
        let sign = bytes[at];
        if !matches!(sign, b'*' | b'_') {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|byte| **byte == sign).count();
        let kind = match (sign, length) {
            (b'*', 2) => Some(Kind::Bold),
            (b'*', 1) => Some(Kind::Star),
            (b'_', 1) => Some(Kind::Underscore),
            _ => None,
        };
        if let Some(kind) = kind {
            let before = line[..at].chars().next_back();
            let after = line[at + length..].chars().next();
            let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
            let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            // Within a word, and in sums, they are what they are: snake_case, 2*3*4.
            let opens = !blank(after) && !letter(before);
            let closes = !blank(before) && !letter(after);
            let begun = open.iter().rposition(|(one, _)| *one == kind);
            if let Some(begun) = begun.filter(|_| closes) {
                let (_, start) = open[begun];
                // What was begun within and never ended is none.
                open.truncate(begun);
                let sign = Look { sign: true, ..Look::default() };
                let look = match kind {
                    Kind::Bold => Look { bold: true, ..Look::default() },
                    Kind::Star | Kind::Underscore => Look { italic: true, ..Look::default() },
                };
                if start + length < at {
                    found.extend([(start..start + length, sign), (start + length..at, look), (at..at + length, sign)]);
                }
            } else if opens && begun.is_none() {
                open.push((kind, at));
            }
        }
        at += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::harmless;
    use proptest::prelude::*;

    /// The text with the looks in brackets: b(old), i(talic), c(ode), q(uote), s(ign).
    fn told(text: &str) -> String {
        let mut told = String::new();
        let mut at = 0;
        for (piece, look) in pieces(text) {
            told.push_str(&text[at..piece.start]);
            let letters = [(look.bold, 'b'), (look.italic, 'i'), (look.code, 'c'), (look.quote, 'q'), (look.sign, 's')];
            let letters: String = letters.into_iter().filter_map(|(on, letter)| on.then_some(letter)).collect();
            told.push_str(&format!("[{letters}:{}]", &text[piece.clone()]));
            at = piece.end;
        }
        told + &text[at..]
    }

    #[test]
    fn what_people_write_looks_as_they_mean_it() {
        for (text, looks) in [
            ("a **bold** word", "a [s:**][b:bold][s:**] word"),
            ("*so*, _so_", "[s:*][i:so][s:*], [s:_][i:so][s:_]"),
            ("**a *b* c**", "[s:**][b:a ][bs:*][bi:b][bs:*][b: c][s:**]"),
            ("run `ls *.rs *` now", "run [cs:`][c:ls *.rs *][cs:`] now"),
            ("> **said**", "[qs:> ][qs:**][bq:said][qs:**]"),
            ("- one\n2. *two*\n* three", "[s:- ]one\n[s:2. ][s:*][i:two][s:*]\n[s:* ]three"),
            ("```sh\n*x*\n```\n*y*", "[cs:```sh]\n[c:*x*]\n[cs:```]\n[s:*][i:y][s:*]"),
            ("```\nnever *ended*", "[cs:```]\n[c:never *ended*]"),
            ("日本 **語** 。", "日本 [s:**][b:語][s:**] 。"),
        ] {
            assert_eq!(told(text), looks);
        }
    }

    #[test]
    fn what_is_no_markdown_stays_plain() {
        for text in [
            "2*3*4 = 24",
            "2 * 3 * 4",
            "snake_case_name and __init__",
            "**never ended",
            "*args, **kwargs",
            "``",
            "****",
            "***",
            "-1 degrees",
            "1.5 litres",
            "a `tick",
            "[text](https://example.org)",
        ] {
            assert_eq!(told(text), text);
        }
    }

    #[test]
    fn a_flood_of_signs_is_read_in_proportion_to_its_length() {
        for sign in ["x", " ", "*", "_", "*a ", "**a ", "_a ", "`", "*_", "> ", "* *a* "] {
            let text = sign.repeat(crate::app::editor::MAX_TEXT_BYTES / sign.len());
            assert!(pieces(&text).len() <= 2 * text.len(), "{sign}");
            assert!(!rows(&text, 40, Style::new(), Theme::plain()).is_empty());
        }
    }

    proptest! {
        #[test]
        fn nothing_is_taken_away_and_nothing_is_added(
            text in "[a-c*_` >\\-1.\n\u{301}日א👍]{0,60}",
            columns in 2usize..20,
        ) {
            let text = harmless(&text);
            let plain = bidi::rows(&text, columns);
            let shown: Vec<String> = rows(&text, columns, Style::new(), Theme::plain())
                .into_iter()
                .map(|row| row.spans.iter().map(|span| span.content.as_ref()).collect())
                .collect();
            prop_assert_eq!(shown, plain);
            let mut end = 0;
            for (piece, _) in pieces(&text) {
                prop_assert!(end <= piece.start && piece.start < piece.end && text.is_char_boundary(piece.start), "{:?}", text);
                end = piece.end;
            }
            prop_assert!(end <= text.len());
        }
    }
}
