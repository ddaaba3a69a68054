//! The lines at the bottom: who knocks, the notice, who and where one is, and the keys that matter now.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use messenger_engine::OwnStatus;

use super::theme::Theme;
use crate::app::appearance::own_word;
use crate::app::conversation::Conversation;
use crate::app::files::Deed;
use crate::app::{App, Connection, Entry, Notice, Waiting};
use crate::keys::{BINDINGS, Binding, Place};
use crate::text::{fit, fit_middle, harmless_line, width, wrap};

/// Who waits for an answer while something else is looked at.
pub(super) fn banner(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let Some(first) = app.waiting.first() else { return };
    let verb = if matches!(first, Waiting::Knock { .. }) { "knocks" } else { "invites you into a room" };
    let more = match app.waiting.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let keys = " · F2 accept · F3 decline ";
    let columns = usize::from(area.width).saturating_sub(width(keys) + width(verb) + width(&more) + 5);
    let words = format!(" ? {} {verb}{more}{keys}", fit_middle(first.from().as_str(), columns));
    frame.render_widget(Paragraph::new(Line::styled(fit(&words, area.width.into()), theme.open())), area);
}

/// What was just said by the program.
pub(super) fn notice(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let (sign, text, style) = match &app.notice {
        Some(Notice::Said(text)) => ("·", text, theme.text()),
        Some(Notice::Wrong(text)) => ("!", text, theme.wrong()),
        None => return,
    };
    let text = harmless_line(text);
    let rows = wrap(&text, usize::from(area.width).saturating_sub(4));
    let lines = rows.into_iter().enumerate().map(|(n, row)| {
        let lead = if n == 0 { format!(" {sign} ") } else { "   ".to_owned() };
        Line::styled(format!("{lead}{}", text[row].trim_end()), style)
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

/// Who I am, who says so until when, and whether I am online and where. An alarm takes the place of who says so: it is
/// about just that.
pub(super) fn status(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let columns = usize::from(area.width);
    let (state, style) = match &app.connection {
        Connection::Online { directory } => {
            let (sign, style) = match app.settings.status {
                OwnStatus::Available => ("●", theme.good()),
                OwnStatus::Invisible => ("◌", theme.open()),
                _ => ("◐", theme.open()),
            };
            (format!("{sign} {} at {} ", own_word(app.settings.status), harmless_line(directory)), style)
        }
        Connection::Connecting => (format!("… connecting to {} ", app.me.directory), theme.open()),
        Connection::Offline { reason } => (format!("○ offline: {} ", harmless_line(reason)), theme.wrong()),
    };
    let me = fit_middle(app.me.identifier.as_str(), columns / 2);
    let state = fit(&state, columns.saturating_sub(width(&me) + 3));
    let room = columns.saturating_sub(width(&me) + width(&state) + 3);
    let authority = harmless_line(&app.me.authority);
    let long = format!(" · certified by {authority} until {}", app.me.until);
    let proof = [long, format!(" · certified by {authority}"), format!(" · by {authority}")];
    let (proof, style_of_proof) = match &app.alarm {
        Some(alarm) => {
            let words = alarm.words().map(|words| format!(" ! {}", harmless_line(&words)));
            (words.into_iter().find(|words| width(words) <= room).unwrap_or(" !".to_owned()), theme.wrong())
        }
        None => (proof.into_iter().find(|words| width(words) <= room).unwrap_or_default(), theme.quiet()),
    };
    let gap = columns.saturating_sub(1 + width(&me) + width(&proof) + width(&state));
    let line = Line::from(vec![
        Span::styled(format!(" {me}"), theme.mine()),
        Span::styled(proof, style_of_proof),
        Span::raw(" ".repeat(gap)),
        Span::styled(state, style),
    ]);
    frame.render_widget(Paragraph::new(line), area);
}

/// The keys that matter where one is.
pub(super) fn bar(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let place = app.place();
    let open = matches!(place, Place::List | Place::Writing | Place::Curtain);
    let here = BINDINGS.iter().filter(|one| one.place == place);
    let anywhere = BINDINGS.iter().filter(|one| open && one.place == Place::Anywhere);
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    // What helps stands first: whatever does not fit, it does.
    let (first, rest): (Vec<_>, Vec<_>) = here
        .chain(anywhere)
        .filter(|one| matters(app, one))
        .partition(|one| matches!(one.bar, "help" | "send again" | "knock" | "take file" | "refuse file"));
    for binding in first.into_iter().chain(rest) {
        let key = binding.shown.split("  ").next().unwrap_or_default();
        let columns = width(key) + width(binding.bar) + 4;
        if used + columns > usize::from(area.width) {
            break;
        }
        used += columns;
        spans.push(Span::styled(key, theme.key()));
        spans.push(Span::styled(format!(" {}   ", binding.bar), theme.quiet()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// Whether a key is worth a place in the bar now.
fn matters(app: &App, binding: &Binding) -> bool {
    let room = matches!(app.selected, Some(Entry::Room(_)));
    match binding.bar {
        "" => false,
        "send again" => {
            app.selected.as_ref().and_then(|entry| app.conversation(entry)).is_some_and(Conversation::has_failed)
        }
        "take file" => allows(app, &[Deed::Take]),
        "refuse file" => allows(app, &[Deed::Refuse]),
        "pause file" => allows(app, &[Deed::Pause, Deed::Continue]),
        "cancel file" => allows(app, &[Deed::Cancel]),
        "knock" => app.seems_offline() && app.at_stake_here(),
        "invite" => room && app.writable(),
        "write" => app.writable(),
        "remove" | "list ↔ message" => app.selected.is_some(),
        _ => true,
    }
}

/// Whether one of these can be done with a file in the open conversation.
fn allows(app: &App, deeds: &[Deed]) -> bool {
    let open = app.selected.as_ref().and_then(|entry| app.conversation(entry));
    open.is_some_and(|open| open.transfers().any(|file| deeds.iter().any(|deed| file.allows(*deed))))
}
