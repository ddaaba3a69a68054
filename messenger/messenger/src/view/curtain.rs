//! The curtain: who asks for an answer, and nothing else of theirs, until there is one.

use messenger_engine::{Purpose, RoomSuite};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use crate::app::Waiting;
use crate::text::harmless_line;

/// What is said of every room, to whoever opens one or is asked in: texts between two are not so.
pub(crate) const SIGNED: &str = "Texts in a room are signed: every member can show who wrote them.";
/// What is said of a classical room.
pub(crate) const CLASSICAL: &str = "Whoever records this room today and has a quantum computer one day can read it: somebody's program knows no better.";

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, waiting: &Waiting, theme: Theme) {
    let mut lines = match waiting {
        Waiting::Knock { from, purpose, .. } => knock(from.as_str(), *purpose, theme),
        Waiting::Invitation { name, from, members, suite, .. } => {
            let members: Vec<_> = members.iter().map(ToString::to_string).collect();
            let mut lines = invitation(from.as_str(), &harmless_line(name), &members.join(", "), theme);
            if *suite == RoomSuite::Classical {
                lines.push(Line::styled(CLASSICAL, theme.quiet()));
            }
            lines
        }
    };
    lines.push(Line::default());
    let key = |name: &'static str| Span::styled(name, theme.key());
    lines.push(Line::from(vec![key("y"), " accept     ".into(), key("n"), " decline".into()]));
    super::centred(frame, area, lines);
}

fn knock(from: &str, purpose: Purpose, theme: Theme) -> Vec<Line<'static>> {
    let wish = match purpose {
        Purpose::Text => "would like to write to you.",
        Purpose::Call => "would like to call you.",
        Purpose::Room => "would like to talk in a room with you.",
    };
    vec![
        Line::styled(from.to_owned(), theme.strong()),
        Line::from(wish),
        Line::default(),
        Line::styled("The directory checked their certificate; your device will too.", theme.quiet()),
        Line::styled(
            "Until you accept they learn nothing: declining, waiting and being away look the same to them.",
            theme.quiet(),
        ),
    ]
}

fn invitation(from: &str, name: &str, members: &str, theme: Theme) -> Vec<Line<'static>> {
    vec![
        Line::styled(from.to_owned(), theme.strong()),
        Line::from("invites you into the room"),
        Line::styled(format!("# {name}"), theme.strong()),
        Line::default(),
        Line::styled(format!("In it, by the host's word: {members}"), theme.quiet()),
        Line::styled(SIGNED, theme.quiet()),
    ]
}
