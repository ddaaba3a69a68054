//! Sixteen colours at most, chosen by the terminal: readable on light and dark. With `NO_COLOR` there are none
//! (<https://no-color.org>), and nothing is lost: every colour stands beside a sign or a word.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    colour: bool,
}

impl Theme {
    /// Colours unless the environment variable `NO_COLOR` is there and not empty.
    pub(crate) fn from_environment() -> Self {
        Self { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// Without colours.
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    fn with(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    pub(crate) fn text(self) -> Style {
        Style::new()
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn good(self) -> Style {
        self.with(Style::new(), Color::Green)
    }

    pub(crate) fn wrong(self) -> Style {
        self.with(self.strong(), Color::Red)
    }

    /// Neither good nor wrong: unknown, or waiting for an answer.
    pub(crate) fn open(self) -> Style {
        self.with(self.strong(), Color::Magenta)
    }

    pub(crate) fn mine(self) -> Style {
        self.with(self.strong(), Color::Cyan)
    }

    pub(crate) fn theirs(self) -> Style {
        self.with(self.strong(), Color::Blue)
    }

    pub(crate) fn key(self) -> Style {
        self.strong()
    }

    /// A QR code: what shines in it is white on black, whatever the terminal's own colours are, so that cameras read it.
    pub(crate) fn code(self) -> Style {
        let shining = self.with(Style::new(), Color::White);
        if self.colour { shining.bg(Color::Black) } else { shining }
    }

    /// The frame of the pane that takes the keys, and of the others.
    pub(crate) fn frame(self, active: bool) -> Style {
        if active { self.with(self.strong(), Color::Cyan) } else { self.quiet() }
    }

    /// The chosen entry of the list.
    pub(crate) fn chosen(self, active: bool) -> Style {
        if active { Style::new().add_modifier(Modifier::REVERSED) } else { self.strong() }
    }
}
