//! Who is in a room: what each may do, who hosts it, who is reached now; and by what one knows that all are in the same.

use identity::Identifier;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use crate::app::{App, Room};
use crate::text::harmless_line;

/// Under the code.
const COMPARE: &str = "The code is the same on every member's screen, or somebody interferes: compare it by voice.";

/// The page as rows.
pub(super) fn rows(app: &App, room: &Room, theme: Theme) -> Vec<Line<'static>> {
    let mut rows = vec![Line::styled(harmless_line(&room.name), theme.mine())];
    if !room.topic.is_empty() {
        rows.push(Line::styled(format!("  {}", harmless_line(&room.topic)), theme.quiet()));
    }
    rows.push(Line::default());
    let mut told = Vec::new();
    for who in &room.members {
        // Each device is a member of its own.
        if !told.contains(&who) {
            told.push(who);
            rows.push(member(app, room, who, theme));
        }
    }
    let kind = if room.classical { "classical" } else { "post-quantum" };
    let lock = if room.locked { ", locked" } else { "" };
    rows.push(Line::default());
    rows.push(Line::from(format!("Code {} · epoch {} · {kind}{lock}", harmless_line(&room.code), room.epoch)));
    rows.extend(super::wrap(COMPARE, 74).into_iter().map(|row| Line::styled(COMPARE[row].trim_end(), theme.quiet())));
    rows
}

fn member(app: &App, room: &Room, who: &Identifier, theme: Theme) -> Line<'static> {
    let is_me = *who == app.me.identifier;
    let devices = room.members.iter().filter(|member| *member == who).count();
    let lost = room.unreached.iter().filter(|lost| *lost == who).count();
    let mut is: Vec<String> = Vec::new();
    if is_me {
        is.push("you".to_owned());
    }
    is.extend((*who == room.host).then(|| "host".to_owned()));
    is.extend(room.role(who).map(str::to_owned));
    if devices > 1 {
        is.push(format!("{devices} devices"));
    }
    let (reached, style) = match lost {
        0 if is_me => (String::new(), theme.text()),
        0 => match room.via(who) {
            Some(by) => (format!("reached via {}", app.called_with_address(by)), theme.good()),
            None => ("reached".to_owned(), theme.good()),
        },
        lost if devices > 1 => (format!("{lost} of {devices} not reached"), theme.wrong()),
        _ => ("not reached".to_owned(), theme.wrong()),
    };
    let name = if is_me { who.to_string() } else { app.called_with_address(who) };
    let is = is.join(", ");
    let mut spans = vec![Span::raw(format!("  {name}"))];
    if !is.is_empty() {
        spans.push(Span::styled(format!(" · {is}"), theme.quiet()));
    }
    if !reached.is_empty() {
        spans.push(Span::styled(format!(" · {reached}"), style));
    }
    Line::from(spans)
}
