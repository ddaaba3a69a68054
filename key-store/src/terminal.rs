//! The terminal, whatever standard input and output are: questions whose answers are not shown, and what is to be seen there
//! and nowhere else.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use zeroize::Zeroizing;

use crate::passphrase::MAX_PASSPHRASE_BYTES;

/// What keys send when the terminal neither edits lines nor makes signals of them.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CLEAR: u8 = 0x15;
const QUIT: u8 = 0x1c;
const DELETE: u8 = 0x7f;

/// How wide a terminal is taken to be that does not say it.
const COLUMNS: u16 = 80;

/// The controlling terminal of this program: what is written there is in no file and no journal.
#[derive(Debug)]
pub struct Terminal(File);

impl Terminal {
    /// Opens it.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).open("/dev/tty").map(Self)
    }

    /// Shows a text.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn show(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())?;
        self.0.flush()
    }

    /// Asks for a line, which is seen as it is typed. A line that is longer than a passphrase may be is cut.
    ///
    /// # Errors
    /// The terminal is gone, or somebody ended what is typed there.
    pub fn ask(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        self.show(question)?;
        let typed = self.line()?;
        Ok(Zeroizing::new(typed.trim().to_owned()))
    }

    /// The same for what nobody is to find there later: it is seen as it is typed, so that typing errors are, and with the line
    /// break question and answer go from the screen, as far as the terminal can do that. (What was typed beyond a line and taken
    /// back leaves lines of which nobody knows.)
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_briefly(&mut self, question: &str) -> io::Result<Zeroizing<String>> {
        self.show(question)?;
        let typed = self.line()?;
        if std::env::var("TERM").is_ok_and(|term| term != "dumb" && !term.is_empty()) {
            let columns = tcgetwinsize(&self.0).map_or(0, |size| size.ws_col);
            let shown = Zeroizing::new([question, typed.as_str()].concat());
            let rows = rows(&shown, usize::from(if columns == 0 { COLUMNS } else { columns }));
            // Line by line: a whole screen that is cleared at once tmux keeps where one scrolls back. (Of several lines that are
            // pasted together the last goes first: each answer takes one more.)
            self.show(&format!("\r{}", "\x1b[A\x1b[2K".repeat(rows)))?;
        }
        Ok(Zeroizing::new(typed.trim().to_owned()))
    }

    /// What is typed until the line breaks.
    fn line(&mut self) -> io::Result<Zeroizing<String>> {
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE_BYTES));
        let mut byte = Zeroizing::new([0]);
        loop {
            match self.0.read(&mut *byte)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if byte[0] == b'\n' => break,
                // Beyond, nothing is kept: the buffer must not grow, which would leave a copy behind.
                _ if line.len() == MAX_PASSPHRASE_BYTES => {}
                _ => line.push(byte[0]),
            }
        }
        let text = std::str::from_utf8(&line).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// How many rows of a screen a text takes. A character that fills the last column begins no new row yet.
fn rows(text: &str, columns: usize) -> usize {
    text.split('\n').map(|line| line.chars().count().div_ceil(columns).max(1)).sum()
}

/// Asks on the controlling terminal, whatever standard input and output are. The line break is not part of the answer.
///
/// Ctrl-C is an answer too, of the kind `Interrupted`: as a signal it would end the program with the terminal silent.
pub(crate) fn ask(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question.as_bytes())?;
    terminal.flush()?;
    let silent = Silent::new(terminal)?;
    let answer = read_line(&mut &silent.terminal);
    // The line break that ended it was not shown.
    (&silent.terminal).write_all(b"\n")?;
    answer
}

fn read_line(keys: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE_BYTES + 1));
    let mut byte = Zeroizing::new([0]);
    // Longer than any passphrase: refused as too long.
    while answer.len() <= MAX_PASSPHRASE_BYTES {
        if keys.read(&mut *byte)? == 0 {
            break;
        }
        match byte[0] {
            b'\n' | b'\r' | END => break,
            INTERRUPT | QUIT => return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted")),
            CLEAR => answer.clear(),
            // A character of UTF-8 is one byte that continues none, and those that continue it.
            BACKSPACE | DELETE => while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte => answer.push(byte),
        }
    }
    Ok(answer)
}

/// A terminal that shows nothing and makes no signals, until it is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        // One byte at a time, as soon as it is there.
        without.special_codes[SpecialCodeIndex::VMIN] = 1;
        without.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &without)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // Nobody is left to tell if it fails.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_screen_are_counted_as_terminals_wrap() {
        for (text, expected) in
            [("", 1), ("1234567890", 1), ("12345678901", 2), ("a\n", 2), ("a\nb\n\nWörd 1: ä", 4), (&"x".repeat(21), 3)]
        {
            assert_eq!(rows(text, 10), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_is_edited_and_ended_as_on_any_terminal() {
        for (typed, answer) in [
            (&b"horse\nmore"[..], "horse"),
            (b"horse\r", "horse"),
            (b"hors\x04", "hors"),
            (b"horse", "horse"),
            (b"hoe\x7frse\n", "horse"),
            (b"mule\x15horse\n", "horse"),
            ("hö\x08orse\n".as_bytes(), "horse"),
            (b"\x7f\x7fhorse\n", "horse"),
        ] {
            assert_eq!(read_line(&mut &*typed).unwrap().as_slice(), answer.as_bytes());
        }
        for typed in [b"hor\x03se\n", b"hor\x1cse\n"] {
            assert_eq!(read_line(&mut &typed[..]).unwrap_err().kind(), io::ErrorKind::Interrupted);
        }
        let long = [b'x'; 2 * MAX_PASSPHRASE_BYTES];
        assert_eq!(read_line(&mut &long[..]).unwrap().len(), MAX_PASSPHRASE_BYTES + 1);
    }
}
