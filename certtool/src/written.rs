//! A file that is written while a command works: it is in its place when it is whole, or nowhere, also if somebody ends the
//! program meanwhile.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::{process, thread};

use device::NewFile;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Exit code of a program that was interrupted: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// The file, not in its place yet.
pub(crate) struct Written {
    file: BufWriter<NewFile>,
    /// Whether somebody has named its place: what is there is replaced then.
    is_named: bool,
}

impl Written {
    /// One of which so many bytes are written at once.
    pub(crate) fn begin(file: NewFile, is_named: bool, buffer: usize) -> Self {
        if let Some(path) = file.unfinished() {
            goes_when_ended(path.to_owned());
        }
        Self { file: BufWriter::with_capacity(buffer, file), is_named }
    }

    /// Puts it in its place; `failed` says why the rest of it could not be written.
    pub(crate) fn keep(self, failed: impl FnOnce(io::Error) -> Failure) -> Result<(), Failure> {
        let file = match self.file.into_inner() {
            Ok(file) => file,
            Err(error) => return Err(failed(error.into_error())),
        };
        // A place that nobody has named was free when this began.
        Ok(if self.is_named { file.keep() } else { file.keep_new() }?)
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file that nobody has named stays.
pub(crate) fn taken(out: &Path) -> Failure {
    Failure::failed(
        format!("{} is there already", out.display()),
        "Say where to write, and what is there is replaced: --out FILE. Or move it away.",
    )
}

/// What is half written may be somebody's letter in clear. (Of SIGKILL nobody hears: then a file `.new-…` stays.)
fn goes_when_ended(path: PathBuf) {
    let (ready, listens) = mpsc::channel();
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
            let mut hangup = if outlives_its_terminal() { None } else { signal(SignalKind::hangup()).ok() };
            drop(ready);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                Some(_) = async { hangup.as_mut()?.recv().await } => {}
            }
            let _ = std::fs::remove_file(&path);
            process::exit(INTERRUPTED);
        });
    });
    // Nothing is written before that; where it cannot listen, it has ended.
    let _: Result<(), mpsc::RecvError> = listens.recv();
}

/// Whether whoever began this program (nohup) had it ignore that its terminal is closed: to listen would end that. Where the system
/// does not say it is taken for so.
fn outlives_its_terminal() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok());
    // The first bit is that of signal 1.
    ignored.is_none_or(|signals| signals & 1 == 1)
}
