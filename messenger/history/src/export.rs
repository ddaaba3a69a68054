//! A history in other people's hands: one JSON object for each text, or a text to read.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::entry::{COLUMNS, entry};
use crate::{Conversation, Entry, History, HistoryError};

/// How it is written.
pub enum Form<'a> {
    /// One object in each line (docs/messenger.md): times in UTC, RFC 3339.
    JsonLines,
    /// One paragraph for each text, in this time zone; texts are made harmless by this function.
    Text(TimeZone, &'a dyn Fn(&str) -> String),
}

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    conversation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    room: &'a str,
    at: String,
    /// Absent: the person herself.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    state: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Before>,
}

#[derive(Serialize)]
struct Before {
    until: String,
    text: String,
}

impl History {
    /// Writes all texts of a conversation, or of all of them, oldest first; how many. Memory does not grow with them.
    ///
    /// # Errors
    /// No such conversation, it cannot be read, or not be written: then what was written is not all.
    pub fn export(
        &self,
        of: Option<&Conversation>,
        form: &Form<'_>,
        into: &mut dyn Write,
    ) -> Result<u64, HistoryError> {
        let place = of.map(|of| self.known(of)).transpose()?;
        let all = format!(
            "SELECT {COLUMNS}, c.kind, c.name, c.title FROM entries e JOIN conversations c ON c.id = e.conversation
             WHERE ?1 IS NULL OR e.conversation = ?1 ORDER BY e.id"
        );
        let mut statement = self.connection.prepare(&all)?;
        let mut rows = statement.query([place])?;
        let mut written = 0;
        while let Some(row) = rows.next()? {
            let conversation = Conversation::of(row.get(7)?, row.get(8)?);
            let (title, entry): (String, Entry) = (row.get(9)?, entry(row)?);
            let line = match form {
                Form::JsonLines => self.json(&conversation, &title, &entry)?,
                Form::Text(zone, harmless) => self.words(&conversation, &title, &entry, (zone, harmless)),
            };
            writeln!(into, "{line}").map_err(|error| HistoryError::io("the export".as_ref(), error))?;
            written += 1;
        }
        into.flush().map_err(|error| HistoryError::io("the export".as_ref(), error))?;
        Ok(written)
    }

    /// One entry as a line of JSON.
    ///
    /// # Errors
    /// What stood there before cannot be read.
    pub fn json(&self, conversation: &Conversation, title: &str, entry: &Entry) -> Result<String, HistoryError> {
        let earlier = if entry.edited.is_some() { self.earlier(entry.id)? } else { Vec::new() };
        let line = Line {
            conversation: conversation.name(),
            room: title,
            at: time(entry.at).to_string(),
            from: entry.sender.as_deref(),
            state: entry.state.name(),
            text: &entry.text,
            edited: entry.edited.map(|at| time(at).to_string()),
            deleted: entry.deleted.map(|at| time(at).to_string()),
            earlier: earlier
                .into_iter()
                .map(|one| Before { until: time(one.at).to_string(), text: one.text })
                .collect(),
        };
        Ok(serde_json::to_string(&line).expect("words and times always serialise"))
    }

    /// One entry as people read it, in this time zone, made harmless by this function.
    #[must_use]
    pub fn words(
        &self,
        conversation: &Conversation,
        title: &str,
        entry: &Entry,
        (zone, harmless): (&TimeZone, &dyn Fn(&str) -> String),
    ) -> String {
        let at = time(entry.at).to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let place = if title.is_empty() { conversation.name() } else { title };
        let who = entry.sender.as_deref().unwrap_or("me");
        let mut marks = String::new();
        if entry.sender.is_none() && entry.state != crate::State::Delivered {
            marks += &format!(" [{}]", entry.state.name().replace('_', " "));
        }
        if entry.edited.is_some() {
            marks += " [edited]";
        }
        if entry.deleted.is_some() {
            marks += " [its author asked to delete it]";
        }
        harmless(&format!("{at}  {place}  {who}:{marks} {}", entry.text.replace('\n', "\n    ")))
    }
}

/// What cannot be a time was never written by us.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
