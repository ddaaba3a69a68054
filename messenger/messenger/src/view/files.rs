//! A file in a conversation: what it is, how far it is, and what can be done with it; as rows, and as a sentence.

use messenger_engine::{Direction, Side, TransferState};
use ratatui::style::Style;
use ratatui::text::{Line as Row, Span};

use super::theme::Theme;
use crate::amount::{left_out, percent, size, span};
use crate::app::files::Transfer;
use crate::bidi;
use crate::text::{fit, fit_middle, harmless_line, width};

/// Columns of the bar, if there is room for so many.
const BAR_COLUMNS: usize = 30;
/// A name is not set wider than this: what is beside it matters too.
const NAME_COLUMNS: usize = 60;

/// The rows of a file that was offered at `clock`.
pub(super) fn rows(file: &Transfer, clock: &str, columns: usize, theme: Theme) -> Vec<Row<'static>> {
    let (sign, style) = match file.direction {
        Direction::In => ("↓", theme.theirs()),
        Direction::Out => ("↑", theme.mine()),
    };
    let from = match (file.in_room, file.direction) {
        (true, Direction::In) => format!(" · from {}", file.with),
        (true, Direction::Out) => " · to all".to_owned(),
        (false, _) => String::new(),
    };
    let about = format!("{from} · {} · {clock}", about(file));
    let lead = format!("{sign} {} ", file.number);
    // Both ends of a name tell what it is: the end is the kind.
    let room = columns.saturating_sub(width(&lead)).clamp(8, NAME_COLUMNS);
    let name = bidi::line(&fit_middle(&harmless_line(&file.name), room));
    let beside = width(&lead) + width(&name) + width(&about) <= columns;
    let mut head = vec![Span::styled(lead, theme.quiet()), Span::styled(name, style)];
    let mut rows = Vec::new();
    if beside {
        head.push(Span::styled(about, theme.quiet()));
        rows.push(Row::from(head));
    } else {
        rows.push(Row::from(head));
        rows.push(Row::styled(fit(&format!("  {}", about.trim_start_matches(" · ")), columns), theme.quiet()));
    }
    rows.extend(progress(file, columns, theme));
    let (words, style) = state(file, theme);
    let indented = |row: String| Row::styled(format!("  {row}"), style);
    rows.extend(bidi::rows(&words, columns.saturating_sub(2).max(1)).into_iter().map(indented));
    rows
}

/// How much there is, and of what.
fn about(file: &Transfer) -> String {
    let kind = file.media_type.as_deref().map(|kind| fit(&harmless_line(kind), NAME_COLUMNS));
    let kind = if file.folder { Some("folder".to_owned()) } else { kind };
    let count = (file.folder && file.direction == Direction::In).then(|| match file.files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    });
    let parts: Vec<String> =
        [file.bytes.map(size), count, kind, left_out(file.left_out)].into_iter().flatten().collect();
    if parts.is_empty() { "file".to_owned() } else { parts.join(" · ") }
}

/// A bar with what is done, for what is on its way.
fn progress(file: &Transfer, columns: usize, theme: Theme) -> Option<Row<'static>> {
    let bytes = file.bytes.filter(|_| matches!(file.state, TransferState::Running | TransferState::Paused))?;
    let done = percent(file.done, bytes);
    let said = format!(" {done} % · {} of {}", size(file.done), size(bytes));
    let room = columns.saturating_sub(width(&said) + 2).min(BAR_COLUMNS);
    let full = room * done as usize / 100;
    Some(Row::from(vec![
        Span::styled(format!("  {}", "█".repeat(full)), theme.good()),
        Span::styled("░".repeat(room - full), theme.quiet()),
        Span::raw(fit(&said, columns.saturating_sub(room + 2))),
    ]))
}

/// How it stands.
fn state(file: &Transfer, theme: Theme) -> (String, Style) {
    let words = state_words(file);
    match file.state {
        TransferState::Offered if file.direction == Direction::In => {
            let reason = file.reason.iter().map(|reason| format!("{}: ", harmless_line(reason)));
            let reason: String = reason.collect();
            (format!("{reason}F6 takes it into {}, F7 refuses it", harmless_line(&file.shown)), theme.open())
        }
        TransferState::Offered | TransferState::Waiting => (format!("… {words}"), theme.quiet()),
        TransferState::Running => (words, theme.quiet()),
        TransferState::Paused => (format!("‖ {words}"), theme.open()),
        TransferState::Done => (format!("✓ {words}"), theme.good()),
        TransferState::Refused | TransferState::Cancelled | TransferState::Stopped | TransferState::Failed => {
            (format!("✗ {words}"), theme.wrong())
        }
    }
}

/// The state in words, without its reason where there is none.
fn state_words(file: &Transfer) -> String {
    let by = |by: Option<Side>| match by {
        Some(Side::Me) => " by you",
        Some(Side::Them) => " by them",
        None => "",
    };
    let words = match (file.state, file.direction) {
        (TransferState::Offered, Direction::Out) if file.in_room => {
            format!(
                "offered; how far it gets stands in the conversation with each who takes it; /cancel {} withdraws it",
                file.number
            )
        }
        (TransferState::Offered, Direction::Out) => "offered, and not answered yet".to_owned(),
        (TransferState::Offered, Direction::In) => "offered to you".to_owned(),
        (TransferState::Waiting, _) => "waits for its turn".to_owned(),
        (TransferState::Running, _) => {
            let left = file.left_s.map(|left| format!(" · {} left", span(left))).unwrap_or_default();
            format!("{}/s{left}", size(file.rate))
        }
        (TransferState::Paused, _) => format!("put off{}", by(file.by)),
        (TransferState::Done, Direction::Out) => "is there, and the same as here".to_owned(),
        (TransferState::Done, Direction::In) => format!("is in {}", harmless_line(&file.shown)),
        (TransferState::Refused, Direction::Out) => "they do not take it".to_owned(),
        (TransferState::Refused, Direction::In) => "refused".to_owned(),
        (TransferState::Cancelled, _) => format!("cancelled{}", by(file.by)),
        (TransferState::Stopped, _) => "not done when the conversation ended; offered again, it goes on".to_owned(),
        (TransferState::Failed, _) => "failed".to_owned(),
    };
    match &file.reason {
        Some(reason) => format!("{words}: {}", harmless_line(reason)),
        None => words,
    }
}

/// The same in one sentence, without a full stop.
pub(crate) fn sentence(file: &Transfer) -> String {
    let way = match file.direction {
        Direction::In => "from",
        Direction::Out => "to",
    };
    let (number, name) = (file.number, harmless_line(&file.name));
    let with = if file.is_to_all() { "all here" } else { file.with.as_str() };
    format!("File {number}, {name}, {}, {way} {with}: {}", about(file).replace(" · ", ", "), spoken(file))
}

/// How it stands, and what can be typed about it.
pub(crate) fn spoken(file: &Transfer) -> String {
    let number = file.number;
    let words = state_words(file).replace(" · ", ", ");
    match file.state {
        TransferState::Offered if file.direction == Direction::In => {
            format!("{words}. /take {number} puts it into {}, /refuse {number} refuses it", harmless_line(&file.shown))
        }
        TransferState::Running => {
            let bytes = file.bytes.unwrap_or(0);
            format!("{} percent, {words}", percent(file.done, bytes))
        }
        TransferState::Paused => format!("{words}. /continue {number} lets it go on"),
        _ => words,
    }
}
