//! A terminal's screen as a picture (SVG): what tmux says stands in its cells, with colours.

use std::fmt::Write as _;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The size of a cell, and of the letters in it.
const CELL: (f64, f64) = (9.0, 18.0);
const FONT: f64 = 15.0;

/// The ground of a terminal, and its own colours: the sixteen as xterm has them, those for a light ground darker.
#[derive(Debug, Clone, Copy)]
pub enum Ground {
    /// Light letters on black.
    Dark,
    /// Dark letters on white.
    Light,
}

const DARK: [&str; 16] = [
    "#1a1a1a", "#e06c75", "#98c379", "#e5c07b", "#6aa9f0", "#c792ea", "#56c8d8", "#d0d0d0", "#808080", "#ff8a93",
    "#b5e08f", "#ffd791", "#8cc4ff", "#e0b0ff", "#7fe5f3", "#ffffff",
];
const LIGHT: [&str; 16] = [
    "#000000", "#b00020", "#1b6e1b", "#7a5900", "#1f4fb0", "#8a1a8a", "#00646e", "#6b6b6b", "#555555", "#d00028",
    "#238023", "#8f6a00", "#2a62d0", "#a328a3", "#007a86", "#ffffff",
];

impl Ground {
    fn colours(self) -> (&'static str, &'static str, &'static [&'static str; 16]) {
        match self {
            Self::Dark => ("#101418", "#e6e6e6", &DARK),
            Self::Light => ("#ffffff", "#1c1c1c", &LIGHT),
        }
    }
}

/// How a cell looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    reversed: bool,
    letters: Option<String>,
    ground: Option<String>,
}

impl Style {
    /// Takes in the numbers of an escape sequence SGR (ECMA-48 section 8.3.117).
    fn take(&mut self, sequence: &str, palette: &[&str; 16]) {
        let mut numbers = sequence.split(';').map(|number| number.parse::<usize>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                7 => self.reversed = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                27 => self.reversed = false,
                30..=37 => self.letters = Some(palette[number - 30].to_owned()),
                90..=97 => self.letters = Some(palette[number - 82].to_owned()),
                40..=47 => self.ground = Some(palette[number - 40].to_owned()),
                100..=107 => self.ground = Some(palette[number - 92].to_owned()),
                38 => self.letters = colour(&mut numbers, palette),
                48 => self.ground = colour(&mut numbers, palette),
                39 => self.letters = None,
                49 => self.ground = None,
                _ => {}
            }
        }
    }
}

/// The colour that follows 38 or 48: one of the sixteen, or red, green and blue.
fn colour(numbers: &mut impl Iterator<Item = usize>, palette: &[&str; 16]) -> Option<String> {
    match numbers.next()? {
        5 => numbers.next().and_then(|number| palette.get(number)).map(|colour| (*colour).to_owned()),
        2 => {
            let (red, green, blue) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some(format!("#{red:02x}{green:02x}{blue:02x}"))
        }
        _ => None,
    }
}

/// Draws what `tmux capture-pane -e` says of a screen of this size (columns, rows). What stands in its cells is in their
/// order already: nothing is reordered again.
#[must_use]
pub fn svg(screen: &str, (columns, rows): (u16, u16), ground: Ground) -> String {
    let (paper, ink, palette) = ground.colours();
    let (width, height) = (f64::from(columns) * CELL.0 + 16.0, f64::from(rows) * CELL.1 + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"{FONT}\">\n\
         <style>text {{ unicode-bidi: bidi-override; direction: ltr }}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>\n"
    );
    let mut style = Style::default();
    for (row, line) in screen.lines().take(rows.into()).enumerate() {
        let top = 8.0 + row as f64 * CELL.1;
        let mut column = 0;
        for (n, part) in line.split("\u{1b}[").enumerate() {
            let text = match part.split_once('m').filter(|_| n > 0) {
                Some((sequence, text)) => {
                    style.take(sequence, palette);
                    text
                }
                None => part,
            };
            // tmux marks line drawing by these where the terminal has no UTF-8; it has.
            let text = text.replace(['\u{e}', '\u{f}'], "");
            if !text.is_empty() {
                run(&mut svg, &text, (&mut column, top), &style, (paper, ink));
            }
        }
    }
    svg + "</svg>\n"
}

/// Cells that look alike.
fn run(svg: &mut String, text: &str, (column, top): (&mut usize, f64), style: &Style, (paper, ink): (&str, &str)) {
    let left = 8.0 + *column as f64 * CELL.0;
    let cells = text.width();
    *column += cells;
    let (letters, behind) = (style.letters.as_deref().unwrap_or(ink), style.ground.as_deref());
    let (letters, behind) = if style.reversed { (behind.unwrap_or(paper), Some(letters)) } else { (letters, behind) };
    if let Some(colour) = behind {
        let wide = cells as f64 * CELL.0;
        // A String takes everything.
        let _ =
            writeln!(svg, "<rect x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{}\" fill=\"{colour}\"/>", CELL.1);
    }
    if text.trim().is_empty() {
        return;
    }
    let mut looks = format!("fill=\"{letters}\"");
    if style.bold {
        looks.push_str(" font-weight=\"bold\"");
    }
    if style.italic {
        looks.push_str(" font-style=\"italic\"");
    }
    if style.dim {
        looks.push_str(" opacity=\"0.65\"");
    }
    // Each character in its own cell, whatever font draws it.
    let mut places = Vec::new();
    let mut at = left;
    for grapheme in text.graphemes(true) {
        places.extend(grapheme.chars().enumerate().map(|(n, _)| if n == 0 { format!("{at}") } else { String::new() }));
        at += grapheme.width() as f64 * CELL.0;
    }
    // A mark goes with the character before it: a list of places ends where it has none.
    let places: Vec<_> = places.into_iter().map_while(|place| (!place.is_empty()).then_some(place)).collect();
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let base = top + FONT;
    let _ =
        writeln!(svg, "<text x=\"{}\" y=\"{base}\" {looks} xml:space=\"preserve\">{escaped}</text>", places.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_places_and_colours() {
        let screen = "a\u{1b}[1;32m<b>\u{1b}[0m\u{1b}[38;2;1;2;3m日\u{1b}[39mc\n\u{1b}[7mx\u{1b}[27m\n";
        let drawn = svg(screen, (10, 2), Ground::Dark);
        assert!(drawn.contains("<text x=\"17 26 35\" y=\"23\" fill=\"#98c379\" font-weight=\"bold\""), "{drawn}");
        assert!(drawn.contains("&lt;b&gt;"), "{drawn}");
        assert!(drawn.contains("fill=\"#010203\""), "{drawn}");
        assert!(drawn.contains("<text x=\"62\" y=\"23\" fill=\"#e6e6e6\""), "after a wide character: {drawn}");
        assert!(drawn.contains("<rect x=\"8\" y=\"26\" width=\"9\" height=\"18\" fill=\"#e6e6e6\"/>"), "{drawn}");
        assert!(drawn.ends_with("</svg>\n") && !drawn.contains('\u{1b}'));
    }
}
