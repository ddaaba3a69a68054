//! Finding texts by their words.
//!
//! What a person types is no query: each of her words becomes a quoted word of FTS5, so that no sign of hers means anything
//! to it. The last word may be the beginning of one; what stands between quotation marks stands together.

use crate::conversation::Conversation;
use crate::entry::{COLUMNS, entry};
use crate::{Entry, History, HistoryError, MAX_PAGE};

/// The longest that is looked for (bytes).
pub const MAX_NEEDLE_BYTES: usize = 512;
/// Most words of it that count.
const MAX_WORDS: usize = 16;

/// A text that was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The conversation.
    pub conversation: Conversation,
    /// What the room is called.
    pub title: String,
    /// The text.
    pub entry: Entry,
}

impl History {
    /// The newest `limit` texts that have all these words, newest first: in one conversation or in all, and those alone that
    /// came before the entry `before`. Upper and lower case, and accents, are the same.
    ///
    /// # Errors
    /// Nothing to look for, no such conversation, or it cannot be read.
    pub fn search(
        &self,
        needle: &str,
        within: Option<&Conversation>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let mut query = query(needle).ok_or(HistoryError::Needle)?;
        if let Some(within) = within {
            query = format!("place : c{} AND {query}", self.known(within)?);
        }
        let found = format!(
            "SELECT {COLUMNS}, c.kind, c.name, c.title FROM words JOIN entries e ON e.id = words.rowid
             JOIN conversations c ON c.id = e.conversation
             WHERE words MATCH ? AND words.rowid < ? ORDER BY words.rowid DESC LIMIT ?"
        );
        let mut statement = self.connection.prepare_cached(&found)?;
        let limit = limit.min(MAX_PAGE) as i64;
        let rows = statement.query_map((query, before.unwrap_or(i64::MAX), limit), |row| {
            let conversation = Conversation::of(row.get(7)?, row.get(8)?);
            Ok(Found { conversation, title: row.get(9)?, entry: entry(row)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The query for what was typed; none if no word stands in it.
fn query(needle: &str) -> Option<String> {
    if needle.len() > MAX_NEEDLE_BYTES {
        return None;
    }
    let mut terms = Vec::new();
    // Every second part stands between quotation marks.
    for (at, part) in needle.split('"').enumerate() {
        if at % 2 == 1 {
            terms.push(part);
        } else {
            terms.extend(part.split_whitespace());
        }
    }
    terms.retain(|term| term.chars().any(char::is_alphanumeric));
    terms.truncate(MAX_WORDS);
    let last = terms.pop()?;
    let begins = if needle.trim_end().ends_with('"') { "" } else { " *" };
    let mut quoted: Vec<String> = terms.into_iter().map(quoted_word).collect();
    quoted.push(quoted_word(last) + begins);
    Some(format!("text : ({})", quoted.join(" AND ")))
}

/// No quotation mark is in it, and a zero byte would end the query.
fn quoted_word(term: &str) -> String {
    format!("\"{}\"", term.replace('\0', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_quoted_words() {
        for (typed, expected) in [
            ("bread", Some("text : (\"bread\" *)")),
            ("fresh bre", Some("text : (\"fresh\" AND \"bre\" *)")),
            ("\"fresh bread\"", Some("text : (\"fresh bread\")")),
            (
                "a OR NOT b* ^c NEAR(d)",
                Some("text : (\"a\" AND \"OR\" AND \"NOT\" AND \"b*\" AND \"^c\" AND \"NEAR(d)\" *)"),
            ),
            ("place : c1", Some("text : (\"place\" AND \"c1\" *)")),
            ("\"open", Some("text : (\"open\" *)")),
            ("", None),
            (" \t", None),
            ("!? \"-\"", None),
        ] {
            assert_eq!(query(typed).as_deref(), expected, "{typed}");
        }
        assert_eq!(query(&"x".repeat(MAX_NEEDLE_BYTES + 1)), None);
    }
}
