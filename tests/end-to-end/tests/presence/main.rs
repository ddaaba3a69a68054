//! The directory as others see it: a client by other hands, frames judged by other people's CDDL (those between devices, too),
//! a process that stores nothing, what its operator sees of it, and what the doctor does.
#![allow(clippy::unwrap_used, missing_docs)]

mod cluster_messages;
mod doctor;
mod frames;
mod independent;
mod nothing_stored;
mod operator;
mod peer_frames;
mod program;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The Python that has what `tests/directory-client` needs; says clearly when it cannot be had.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("directory-client");
    let made = story::python::environment(&folder, &root().join("tests/directory-client/requirements.txt"));
    made.inspect_err(|reason| story::skipped(format_args!("the independent client did not run: {reason}"))).ok()
}
