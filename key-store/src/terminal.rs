//! A question on the terminal, whose answer is not shown.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::passphrase::MAX_PASSPHRASE_BYTES;

/// Asks on the controlling terminal, whatever standard input and output are. The line break is not part of the answer.
pub(crate) fn ask(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(question.as_bytes())?;
    terminal.flush()?;
    let silent = Silent::new(terminal)?;
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE_BYTES + 1));
    let mut byte = Zeroizing::new([0]);
    // Longer than any passphrase: refused as too long.
    while answer.len() <= MAX_PASSPHRASE_BYTES {
        if (&silent.terminal).read(&mut *byte)? == 0 || byte[0] == b'\n' {
            break;
        }
        answer.push(byte[0]);
    }
    Ok(answer)
}

/// A terminal without echo, until it is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        // The line break is shown, so that the next line begins where it should.
        without.local_modes.insert(LocalModes::ECHONL);
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
