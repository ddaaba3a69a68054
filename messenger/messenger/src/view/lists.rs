//! The page of lists: who may see, who may knock, who is blocked, about whom one is asked first.

use std::collections::BTreeSet;

use identity::Identifier;
use messenger_engine::Audience;
use ratatui::text::Line;

use super::theme::Theme;
use crate::app::App;

/// The page as rows.
pub(super) fn rows(app: &App, theme: Theme) -> Vec<Line<'static>> {
    let settings = &app.settings;
    let mut rows = Vec::new();
    audience(&mut rows, app, "Who may see you · /visible", &settings.visible_to, theme);
    audience(&mut rows, app, "Who may knock · /reachable", &settings.may_knock, theme);
    people(&mut rows, app, "Blocked · /block, /unblock", &settings.blocked, theme);
    people(&mut rows, app, "About whom you are asked first · /ask, /unask", &settings.ask_first, theme);
    rows
}

fn audience(rows: &mut Vec<Line<'static>>, app: &App, title: &'static str, audience: &Audience, theme: Theme) {
    let words = match audience {
        Audience::Everyone => "everyone",
        Audience::Contacts => "your contacts",
        Audience::Nobody => "nobody",
        Audience::Named(named) => return people(rows, app, title, named, theme),
    };
    heading(rows, title, theme);
    rows.push(Line::from(format!("  {words}")));
}

fn people(rows: &mut Vec<Line<'static>>, app: &App, title: &'static str, people: &BTreeSet<Identifier>, theme: Theme) {
    heading(rows, title, theme);
    if people.is_empty() {
        rows.push(Line::styled("  nobody", theme.quiet()));
    }
    rows.extend(people.iter().map(|who| Line::from(format!("  {}", app.called_with_address(who)))));
}

fn heading(rows: &mut Vec<Line<'static>>, title: &'static str, theme: Theme) {
    if !rows.is_empty() {
        rows.push(Line::default());
    }
    rows.push(Line::styled(title, theme.mine()));
}
