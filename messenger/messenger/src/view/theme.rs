//! Colours: the terminal's own sixteen, readable on light and dark, or true colours made for one of the two. With `NO_COLOR`
//! there are none (<https://no-color.org>), and nothing is lost: every colour stands beside a sign or a word.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};

/// What a person can choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// As the terminal says it is.
    #[default]
    Auto,
    /// True colours on a dark ground.
    Dark,
    /// True colours on a light ground.
    Light,
    /// The terminal's own sixteen.
    Terminal,
    /// None.
    None,
}

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    colours: Option<&'static Colours>,
}

/// What has a colour of its own.
#[derive(Debug)]
struct Colours {
    /// Nothing: the terminal's own, dimmed.
    quiet: Option<Color>,
    good: Color,
    wrong: Color,
    open: Color,
    mine: Color,
    theirs: Color,
}

const TERMINAL: Colours = Colours {
    quiet: None,
    good: Color::Green,
    wrong: Color::Red,
    open: Color::Magenta,
    mine: Color::Cyan,
    theirs: Color::Blue,
};

const DARK: Colours = Colours {
    quiet: Some(Color::Rgb(0xab, 0xab, 0xab)),
    good: Color::Rgb(0x7b, 0xd8, 0x8f),
    wrong: Color::Rgb(0xff, 0x86, 0x80),
    open: Color::Rgb(0xe2, 0xa6, 0xff),
    mine: Color::Rgb(0x6f, 0xd3, 0xe8),
    theirs: Color::Rgb(0x94, 0xb8, 0xff),
};

const LIGHT: Colours = Colours {
    quiet: Some(Color::Rgb(0x59, 0x59, 0x59)),
    good: Color::Rgb(0x17, 0x63, 0x27),
    wrong: Color::Rgb(0xad, 0x00, 0x1d),
    open: Color::Rgb(0x78, 0x1f, 0xa0),
    mine: Color::Rgb(0x00, 0x5e, 0x73),
    theirs: Color::Rgb(0x1d, 0x4c, 0xb3),
};

/// What the environment says of the terminal; empty where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) no_color: String,
    pub(crate) term: String,
    pub(crate) colorterm: String,
    pub(crate) colorfgbg: String,
}

impl Surroundings {
    /// From the environment's variables.
    pub(crate) fn found() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        Self {
            no_color: variable("NO_COLOR"),
            term: variable("TERM"),
            colorterm: variable("COLORTERM"),
            colorfgbg: variable("COLORFGBG"),
        }
    }

    fn has_true_colour(&self) -> bool {
        matches!(self.colorterm.as_str(), "truecolor" | "24bit")
    }

    /// Whether the ground is light, as rxvt, Konsole and others tell: `COLORFGBG=15;0`, one of the sixteen last.
    fn light(&self) -> Option<bool> {
        let ground: u8 = self.colorfgbg.rsplit(';').next()?.trim().parse().ok()?;
        (ground < 16).then_some(ground == 7 || ground > 8)
    }
}

impl Theme {
    /// The one that was chosen, or the best that is known to fit. `NO_COLOR` goes before what is found, and after what a person
    /// asked for on the command line.
    pub(crate) fn new(choice: Choice, found: &Surroundings) -> Self {
        let colours = match choice {
            Choice::None => None,
            Choice::Dark => Some(&DARK),
            Choice::Light => Some(&LIGHT),
            Choice::Terminal => Some(&TERMINAL),
            Choice::Auto if !found.no_color.is_empty() || found.term == "dumb" => None,
            Choice::Auto if found.has_true_colour() => match found.light() {
                Some(true) => Some(&LIGHT),
                Some(false) => Some(&DARK),
                // Made for the wrong ground they could not be read.
                None => Some(&TERMINAL),
            },
            Choice::Auto => Some(&TERMINAL),
        };
        Self { colours }
    }

    /// Without colours.
    pub(crate) fn plain() -> Self {
        Self { colours: None }
    }

    fn with(self, style: Style, colour: fn(&Colours) -> Color) -> Style {
        self.colours.map_or(style, |colours| style.fg(colour(colours)))
    }

    pub(crate) fn text(self) -> Style {
        Style::new()
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn quiet(self) -> Style {
        match self.colours.and_then(|colours| colours.quiet) {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(crate) fn good(self) -> Style {
        self.with(Style::new(), |colours| colours.good)
    }

    pub(crate) fn wrong(self) -> Style {
        self.with(self.strong(), |colours| colours.wrong)
    }

    /// Neither good nor wrong: unknown, or waiting for an answer.
    pub(crate) fn open(self) -> Style {
        self.with(self.strong(), |colours| colours.open)
    }

    pub(crate) fn mine(self) -> Style {
        self.with(self.strong(), |colours| colours.mine)
    }

    pub(crate) fn theirs(self) -> Style {
        self.with(self.strong(), |colours| colours.theirs)
    }

    /// What is meant letter by letter: code in a text.
    pub(crate) fn verbatim(self) -> Style {
        self.with(Style::new(), |colours| colours.mine)
    }

    pub(crate) fn key(self) -> Style {
        self.strong()
    }

    /// A QR code: what shines in it is white on black, whatever the terminal's own colours are, so that cameras read it.
    pub(crate) fn code(self) -> Style {
        match self.colours {
            Some(_) => Style::new().fg(Color::White).bg(Color::Black),
            None => Style::new(),
        }
    }

    /// The frame of the pane that takes the keys, and of the others.
    pub(crate) fn frame(self, active: bool) -> Style {
        if active { self.with(self.strong(), |colours| colours.mine) } else { self.quiet() }
    }

    /// The chosen entry of the list.
    pub(crate) fn chosen(self, active: bool) -> Style {
        if active { Style::new().add_modifier(Modifier::REVERSED) } else { self.strong() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(no_color: &str, colorterm: &str, colorfgbg: &str) -> Surroundings {
        Surroundings {
            no_color: no_color.to_owned(),
            term: "xterm".to_owned(),
            colorterm: colorterm.to_owned(),
            colorfgbg: colorfgbg.to_owned(),
        }
    }

    #[test]
    fn the_terminal_is_believed_and_the_person_before_it() {
        let wrong = |choice, found: &Surroundings| Theme::new(choice, found).wrong().fg;
        for (no_color, colorterm, colorfgbg, colour) in [
            ("", "", "", Some(Color::Red)),
            ("", "", "0;15", Some(Color::Red)),
            ("", "truecolor", "", Some(Color::Red)),
            ("", "truecolor", "15;0", Some(DARK.wrong)),
            ("", "24bit", "0;default;15", Some(LIGHT.wrong)),
            ("", "truecolor", "12;8", Some(DARK.wrong)),
            ("", "truecolor", "nonsense", Some(Color::Red)),
            ("", "truecolor", "0;231", Some(Color::Red)),
            ("1", "truecolor", "15;0", None),
        ] {
            let found = found(no_color, colorterm, colorfgbg);
            assert_eq!(wrong(Choice::Auto, &found), colour, "{found:?}");
        }
        assert_eq!(wrong(Choice::Light, &found("1", "", "")), Some(LIGHT.wrong));
        assert_eq!(wrong(Choice::None, &found("", "truecolor", "15;0")), None);
        assert_eq!(wrong(Choice::Auto, &Surroundings { term: "dumb".to_owned(), ..Surroundings::default() }), None);
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: Color) -> f64 {
        let Color::Rgb(r, g, b) = colour else { panic!("{colour:?} is no true colour") };
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(one: Color, other: Color) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn true_colours_can_be_read_on_every_ground_they_are_made_for() {
        let grounds = |from: u8, to: u8| [Color::Rgb(from, from, from), Color::Rgb(to, to, to)];
        for (colours, grounds) in [(&DARK, grounds(0, 0x30)), (&LIGHT, grounds(0xe8, 0xff))] {
            let Colours { quiet, good, wrong, open, mine, theirs } = *colours;
            for colour in [quiet.unwrap(), good, wrong, open, mine, theirs] {
                for ground in grounds {
                    // WCAG 2.2, 1.4.3, level AA.
                    assert!(contrast(colour, ground) >= 4.5, "{colour:?} on {ground:?}: {}", contrast(colour, ground));
                }
            }
        }
    }
}
