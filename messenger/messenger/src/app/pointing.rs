//! The mouse, for who wants it: a click chooses, the wheel scrolls. Everything it does keys do as well.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use jiff::civil::DateTime;

use super::{App, Effect, Pane};
use crate::keys::Action;
use crate::view::{self, Target};

/// What the mouse asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gesture {
    Click,
    /// Up, or down.
    Wheel(bool),
}

impl App {
    /// Does what the mouse asked for.
    pub(crate) fn point(&mut self, mouse: MouseEvent, now: DateTime) -> Vec<Effect> {
        let gesture = match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Gesture::Click,
            MouseEventKind::ScrollUp => Gesture::Wheel(true),
            MouseEventKind::ScrollDown => Gesture::Wheel(false),
            _ => return Vec::new(),
        };
        match (view::target(self, (mouse.column, mouse.row)), gesture) {
            (Some(Target::Entry(entry)), Gesture::Click) => {
                self.touched = true;
                self.eager = None;
                self.notice = None;
                self.select(entry);
                self.pane = if self.writable() { Pane::Message } else { Pane::List };
                Vec::new()
            }
            (Some(Target::Input), Gesture::Click) => {
                self.pane = Pane::Message;
                Vec::new()
            }
            (Some(Target::Entry(_) | Target::List), Gesture::Wheel(up)) => {
                self.act(if up { Action::PreviousEntry } else { Action::NextEntry }, now)
            }
            (Some(Target::Talk | Target::Input), Gesture::Wheel(up)) => {
                self.act(if up { Action::ScrollUp } else { Action::ScrollDown }, now)
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::{app, now, typed, who};
    use crate::app::{Cover, Entry};
    use crossterm::event::KeyModifiers;

    fn mouse(kind: MouseEventKind, column: u16, row: u16) -> MouseEvent {
        MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }
    }

    #[test]
    fn a_click_chooses_and_the_wheel_scrolls() {
        let mut app = app(&["bob", "carol", "dave"]);
        app.resize(80, 24);
        let click = MouseEventKind::Down(MouseButton::Left);
        // Frame, heading, bob, carol.
        app.point(mouse(click, 5, 3), now());
        assert_eq!((app.selected.clone(), app.pane), (Some(Entry::Person(who("carol"))), Pane::Message));
        app.point(mouse(click, 5, 1), now());
        app.point(mouse(click, 5, 20), now());
        assert_eq!(app.selected, Some(Entry::Person(who("carol"))), "headings and gaps are nobody");
        app.point(mouse(MouseEventKind::ScrollDown, 5, 20), now());
        assert_eq!(app.selected, Some(Entry::Person(who("dave"))));
        for n in 0..60 {
            typed(&mut app, &format!("line {n}"));
        }
        app.point(mouse(MouseEventKind::ScrollUp, 60, 5), now());
        let entry = app.selected.clone().unwrap();
        assert!(app.conversation(&entry).unwrap().scroll > 0);
        app.point(mouse(MouseEventKind::Moved, 5, 3), now());
        app.point(mouse(MouseEventKind::Down(MouseButton::Right), 5, 3), now());
        assert_eq!(app.selected, Some(entry));
    }

    #[test]
    fn nothing_is_pointed_at_through_a_cover_and_no_place_panics() {
        let mut app = app(&["bob", "carol"]);
        app.resize(80, 24);
        app.select(Entry::Person(who("bob")));
        app.cover = Some(Cover::Help { scroll: 0 });
        app.point(mouse(MouseEventKind::Down(MouseButton::Left), 5, 3), now());
        assert_eq!(app.selected, Some(Entry::Person(who("bob"))));
        app.cover = None;
        for (columns, rows) in [(0, 0), (36, 10), (50, 12), (80, 24), (200, 60)] {
            app.resize(columns, rows);
            for (column, row) in [(0, 0), (columns, rows), (columns / 2, rows / 2), (u16::MAX, u16::MAX)] {
                app.point(mouse(MouseEventKind::Down(MouseButton::Left), column, row), now());
            }
        }
    }
}
