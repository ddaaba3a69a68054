//! A file in a folder, opened without following a link on the way: neither in its own place nor in that of a folder above
//! it, whatever was put there since it was looked at. Part by part, as every Unix can (openat2's RESOLVE_BENEATH is Linux's).

use std::fs::File;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

/// Opens what lies at `inside` in the folder `top`; a pipe in its place keeps nobody waiting.
pub(crate) fn open_beneath(top: &Path, inside: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = open(top, flags | OFlags::DIRECTORY, Mode::empty())?;
    let mut parts = inside.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Err(Errno::INVAL) };
        if parts.peek().is_none() {
            return openat(&folder, name, flags | OFlags::NONBLOCK, Mode::empty()).map(File::from);
        }
        folder = openat(&folder, name, flags | OFlags::DIRECTORY, Mode::empty())?;
    }
    Err(Errno::INVAL)
}
