//! What a person has decided, in her folder: read, and changed by what another device gives.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use device::endorsement::{self, EndorseError};
use device::{Home, MAX_FILE_BYTES};
use identity::endorsement::{Endorsement, EndorsementError};
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use messenger_engine::Command;

use super::before;
use super::error::MovingError;
use super::merge::{Summary, merged, to_tell};
use super::package::{Decided, MAX_BYTES, Package};
use crate::contacts::ContactBook;
use crate::{appearance, settings};

/// Where what goes and what comes lies for a moment.
const MOVING: &str = "messenger/moving";

/// What is decided here.
pub(super) fn decided(book: &ContactBook) -> Result<Decided, MovingError> {
    let home = book.home();
    Ok(Decided {
        contacts: book.load()?,
        bindings: home.bindings()?,
        presence: appearance::load(home)?,
        settings: settings::load(home)?,
    })
}

/// Writes what is given into a file of its own (0600).
pub(super) fn write(home: &Home, name: &str, package: &Package) -> Result<PathBuf, MovingError> {
    write_bytes(home, name, package.to_json().as_bytes())
}

/// The same of anything that goes.
pub(super) fn write_bytes(home: &Home, name: &str, bytes: &[u8]) -> Result<PathBuf, MovingError> {
    let path = moving(home)?.join(name);
    device::keep_file(&path, bytes)?;
    Ok(path)
}

/// The folder (0700) in which it lies, made if missing.
pub(super) fn moving(home: &Home) -> Result<PathBuf, MovingError> {
    Ok(home.private_folder(MOVING)?)
}

/// Nothing of what was under way when the program ended is left.
pub(super) fn tidy(home: &Home) {
    // There may be none.
    let _ = fs::remove_dir_all(home.folder().join(MOVING));
}

/// Reads what was given.
pub(super) fn read(path: &Path) -> Result<Package, MovingError> {
    Ok(Package::read(&read_bytes(path, MAX_BYTES)?)?)
}

/// Reads what came, and one byte more than there may be at most, so that it shows; removes the file, whatever is in it.
pub(super) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, MovingError> {
    let failed = |source| MovingError::file(path, source);
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    fs::remove_file(path).map_err(failed)?;
    read.map_err(failed)?;
    Ok(bytes)
}

/// What taking it in would change.
pub(super) fn preview(book: &ContactBook, package: &Package, me: &Identifier) -> Result<Summary, MovingError> {
    Ok(joined(book, package, me)?.1)
}

/// What is decided here and there together, if it can be kept.
fn joined(book: &ContactBook, package: &Package, me: &Identifier) -> Result<(Decided, Summary), MovingError> {
    let (after, summary) = merged(decided(book)?, package, me)?;
    if !ContactBook::holds(&after.contacts) {
        return Err(MovingError::Full("contacts"));
    }
    if after.bindings.to_json().len() > MAX_FILE_BYTES {
        return Err(MovingError::Full("people with their authority"));
    }
    Ok((after, summary))
}

/// What came of taking it in.
pub(super) struct Taken {
    pub(super) summary: Summary,
    /// What a running engine has to be told.
    pub(super) commands: Vec<Command>,
    /// Why the other device's word does not count, if it does not.
    pub(super) unendorsed: Option<String>,
}

/// Takes it in, after the files as they are were laid aside, unless they were before a part of it was taken in. How one appears is
/// for the engine to take over as well: it says what is kept from then on.
pub(super) fn take(
    book: &ContactBook,
    trust: &Trust,
    package: Package,
    me: &Identifier,
    laid_aside: &mut bool,
) -> Result<Taken, MovingError> {
    let home = book.home();
    let (after, mut summary) = joined(book, &package, me)?;
    if !*laid_aside {
        before::lay_aside(home, &after.bindings)?;
        *laid_aside = true;
    }
    let unendorsed = package.endorsement.as_deref().and_then(|pem| accept(home, trust, pem).err());
    summary.endorsed &= unendorsed.is_none();
    let commands = to_tell(&after, &summary);
    // Who is blocked, and what is bound, first: whoever comes in a moment later is judged by it.
    appearance::keep(home, &after.presence)?;
    home.change_bindings(|bindings| {
        for (who, binding) in after.bindings.iter() {
            bindings.take_over(who, binding);
        }
    })?;
    let theirs = package.contacts.into_iter().filter(|(who, _)| who != me);
    book.join(theirs.collect())?;
    settings::keep(home, &after.settings)?;
    Ok(Taken { summary, commands, unendorsed })
}

fn accept(home: &Home, trust: &Trust, pem: &str) -> Result<(), String> {
    let told = |error: EndorsementError| error.to_string();
    let endorsement = Endorsement::from_pem(pem.as_bytes()).map_err(told)?;
    let accepted = endorsement::accept(home, trust, &endorsement, UnixTime::now());
    accepted.map(drop).map_err(|error: EndorseError| error.to_string())
}
