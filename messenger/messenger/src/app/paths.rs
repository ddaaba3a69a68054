//! Paths in a typed line: as a shell reads them, for that is how terminals paste what is dropped on them.

/// The words of a line: spaces part them, unless quoted by `'…'` or `"…"`, or after a backslash.
///
/// # Errors
/// A quotation has no end: one line for people.
pub(super) fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => into.extend(characters.next()),
                        Some(other) => into.push(other),
                        None => {
                            return Err(format!(
                                "A {c} has no second one: quote a path that has spaces in it, as 'my file'."
                            ));
                        }
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// A path so that [`words`] reads it back as one.
pub(super) fn quoted(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_whitespace() || matches!(c, '\'' | '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The beginning that both have.
pub(super) fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    &one[..same.unwrap_or(one.len().min(other.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_terminals_paste_is_read() {
        for (line, read) in [
            ("a b", vec!["a", "b"]),
            ("'my file' ", vec!["my file"]),
            (r"my\ file", vec!["my file"]),
            (r#""a \"b\"" c"#, vec![r#"a "b""#, "c"]),
            (r"'it'\''s'", vec!["it's"]),
            ("", vec![]),
            ("''", vec![""]),
        ] {
            assert_eq!(words(line).unwrap(), read, "{line}");
        }
        assert!(words("'open").unwrap_err().contains("no second one"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_one_word(path in "[^\0]{1,40}") {
            prop_assert_eq!(words(&quoted(&path)).unwrap(), vec![path]);
        }
    }
}
