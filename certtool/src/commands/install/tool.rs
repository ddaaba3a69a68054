//! The programs of other stores: how they are run, and how they get what nobody else may see.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};

use crate::failure::Failure;

/// Bytes for a program that is started while this is there: a file in memory alone, which it inherits. No folder ever holds
/// them, no list of processes shows them, and they are wiped when this is dropped, also for whoever still has the file open.
pub(super) struct Handover {
    file: File,
    length: usize,
}

impl Handover {
    pub(super) fn new(bytes: &[u8]) -> Result<Self, Failure> {
        // Without CLOEXEC, as it is to be inherited. Whatever is started meanwhile is started from here.
        let file = memfd_create("certtool", MemfdFlags::empty()).map_err(|error| Failure::system(error.into()))?;
        let mut handover = Self { file: File::from(file), length: bytes.len() };
        handover.file.write_all(bytes).and_then(|()| handover.file.rewind()).map_err(Failure::system)?;
        Ok(handover)
    }

    /// Its number in the program that inherits it.
    pub(super) fn number(&self) -> String {
        self.file.as_raw_fd().to_string()
    }

    /// The same as a path.
    pub(super) fn path(&self) -> String {
        format!("/dev/fd/{}", self.file.as_raw_fd())
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // Memory that cannot be written any more is not to be had either.
        let _ = self.file.write_all_at(&vec![0; self.length], 0);
    }
}

/// How a program ended.
pub(super) struct Done {
    pub(super) good: bool,
    pub(super) said: String,
    /// On standard error.
    pub(super) complaint: String,
}

impl Done {
    /// What it complained of last.
    pub(super) fn reason(&self) -> &str {
        self.complaint.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it does not say why").trim()
    }
}

/// Runs one of these programs, without a terminal to ask at. `package` is where Debian has it.
pub(super) fn run(
    program: &str,
    package: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<Done, Failure> {
    let mut command = Command::new(program);
    // What they say is read here, in the language in which it was written.
    command.env("LC_ALL", "C").env_remove("LANGUAGE");
    let done = command.args(arguments).stdin(Stdio::null()).output().map_err(|error| {
        let what = match error.kind() {
            ErrorKind::NotFound => format!("{program} is not installed, which writes into that store"),
            _ => format!("{program} cannot be run: {error}"),
        };
        Failure::failed(what, format!("Install it (in Debian and Ubuntu: apt install {package}), and try again."))
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Done { good: done.status.success(), said: text(done.stdout), complaint: text(done.stderr) })
}
