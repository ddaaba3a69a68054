//! Marks what is looked for in the rows of a conversation.

use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

/// The same row, `needle` in it reversed whatever its case. What a row's end breaks apart is not marked.
pub(super) fn marked(row: Line<'static>, needle: &str) -> Line<'static> {
    let spans = row.spans.iter().flat_map(|span| parts(span, needle)).collect::<Vec<_>>();
    Line { spans, ..row }
}

fn parts(span: &Span<'static>, needle: &str) -> Vec<Span<'static>> {
    let mut parts = Vec::new();
    let mut rest: &str = &span.content;
    while let Some((at, length)) = first(rest, needle) {
        parts.push(Span::styled(rest[..at].to_owned(), span.style));
        let style = span.style.add_modifier(Modifier::REVERSED);
        parts.push(Span::styled(rest[at..at + length].to_owned(), style));
        rest = &rest[at + length..];
    }
    parts.push(Span::styled(rest.to_owned(), span.style));
    parts
}

/// Where `needle` begins in `text`, and its bytes there: a letter's other case may have another length.
fn first(text: &str, needle: &str) -> Option<(usize, usize)> {
    text.char_indices().find_map(|(at, _)| Some((at, prefix(&text[at..], needle)?)))
}

fn prefix(text: &str, needle: &str) -> Option<usize> {
    let mut wanted = needle.chars().flat_map(char::to_lowercase).peekable();
    for (at, c) in text.char_indices() {
        if wanted.peek().is_none() {
            return Some(at);
        }
        if c.to_lowercase().any(|c| wanted.next() != Some(c)) {
            return None;
        }
    }
    wanted.peek().is_none().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_every_occurrence_and_changes_no_text() {
        for (text, needle, marks) in [
            ("Bread and bread", "BREAD", vec!["Bread", "bread"]),
            ("İstanbul", "i\u{307}s", vec!["İs"]),
            ("straße", "SS", vec![]),
            ("aaa", "aa", vec!["aa"]),
            ("日本語", "本", vec!["本"]),
            ("none", "x", vec![]),
        ] {
            let row = marked(Line::from(text.to_owned()), needle);
            let held: String = row.spans.iter().map(|span| span.content.as_ref()).collect();
            assert_eq!(held, text);
            let found = row.spans.iter().filter(|span| span.style.add_modifier.contains(Modifier::REVERSED));
            assert_eq!(found.map(|span| span.content.as_ref()).collect::<Vec<_>>(), marks, "{text}");
        }
    }
}
