//! What comes from another device, until it is whole.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::partial::{Growing, Partial};
use crate::paths::Paths;
use crate::place::{expect_room, put, sync_folder, write_error};
use crate::{
    Entry, Hash, MAX_DEPTH, MAX_ENTRIES, MAX_FOLDERS, MAX_MANIFEST_BYTES, MAX_PATH_BYTES, MAX_SIZE, Offer, SafeName,
    TakeError,
};

/// After so many bytes it is looked whether there is still room.
const LOOK: u64 = 64 * 1024 * 1024;

/// What a file or a folder takes on a disk at least, whatever its size.
const ENTRY: u64 = 4096;
/// A smaller file of an earlier offer is not asked about, which takes a round trip, but taken once more.
const WORTH_ASKING: u64 = 256 * 1024;

/// What is missing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Which files it has.
    Manifest,
    /// Its files from one on.
    Files {
        /// The first, from 0.
        entry: u64,
        /// Its first byte.
        offset: u64,
    },
}

/// A file or a folder that comes. When it is dropped, what has come stays, and the same goes on there.
pub struct Incoming {
    into: PathBuf,
    name: SafeName,
    offer: Offer,
    /// Whose it is: nobody goes on with what another one began.
    from: String,
    /// Of a folder, once its files are known.
    partial: Option<Partial>,
    files: Vec<File>,
    paths: Paths,
    /// How many bytes its files and their paths have, as far as they are known.
    listed: (u64, usize),
    /// How many files are whole, and the bytes in them.
    whole: (usize, u64),
    growing: Option<Growing>,
    unlooked: u64,
    /// Where it was put, once it is whole.
    placed: Option<PathBuf>,
}

/// A file of it: under which path it was offered, and where in the folder it is put.
struct File {
    path: String,
    place: PathBuf,
    size: u64,
}

impl Incoming {
    /// Begins with it in a folder that is there, or goes on if a part of it is there already. Whatever its name is made of, it
    /// stays in that folder.
    ///
    /// # Errors
    /// [`TakeError`]: the offer is larger than anything may be, there is no room for it, or nothing can be written there.
    pub fn begin(into: &Path, offer: &Offer, from: &str) -> Result<Self, TakeError> {
        limit("a size", MAX_SIZE, offer.bytes)?;
        limit("a folder of so many files", MAX_ENTRIES, offer.files)?;
        let into = fs::canonicalize(into).map_err(|source| write_error(into, source))?;
        let (name, mut paths) = (SafeName::from_offered(&offer.name), Paths::default());
        let mut incoming = Self {
            into,
            name: name.clone(),
            offer: offer.clone(),
            from: from.to_owned(),
            partial: None,
            files: Vec::new(),
            paths: Paths::default(),
            listed: (0, 0),
            whole: (0, 0),
            growing: None,
            unlooked: 0,
            placed: None,
        };
        if offer.folder {
            return Ok(incoming);
        }
        incoming.files.push(File { path: offer.name.clone(), place: paths.place(&offer.name), size: offer.bytes });
        let mark = [from.as_bytes(), b"\0", name.as_str().as_bytes(), b"\0", &offer.bytes.to_be_bytes()].concat();
        incoming.go_on(&mark)?;
        Ok(incoming)
    }

    /// The list of the files that a folder has comes from its beginning: what came of it before broke off.
    pub fn list_anew(&mut self) {
        if self.offer.folder && self.partial.is_none() {
            (self.files, self.paths, self.listed) = (Vec::new(), Paths::default(), (0, 0));
        }
    }

    /// Takes a page of the files that a folder has; the one after the last is empty.
    ///
    /// # Errors
    /// [`TakeError`]: more, or larger, than was offered; no room; nothing can be written there.
    pub fn page(&mut self, entries: Vec<Entry>) -> Result<(), TakeError> {
        if self.partial.is_some() || !self.offer.folder {
            return Err(TakeError::Order { expected: "files", found: "a list of files" });
        }
        if entries.is_empty() {
            return self.listed();
        }
        for Entry { path, size } in entries {
            limit("a path", MAX_PATH_BYTES as u64, path.len() as u64)?;
            limit("a path of so many folders", MAX_DEPTH as u64, path.split('/').count() as u64)?;
            let (bytes, text) = &mut self.listed;
            *bytes = bytes.saturating_add(size);
            *text += path.len();
            limit("all paths together", MAX_MANIFEST_BYTES as u64, *text as u64)?;
            if self.files.len() as u64 == self.offer.files || *bytes > self.offer.bytes {
                return Err(self.otherwise());
            }
            let place = self.paths.place(&path);
            limit("a folder of so many folders", MAX_FOLDERS, self.paths.count() as u64)?;
            self.files.push(File { path, place, size });
        }
        Ok(())
    }

    /// The list is whole.
    fn listed(&mut self) -> Result<(), TakeError> {
        if (self.files.len() as u64, self.listed.0) != (self.offer.files, self.offer.bytes) {
            return Err(self.otherwise());
        }
        let mut mark = [self.from.as_bytes(), b"\0", self.name.as_str().as_bytes()].concat();
        for file in &self.files {
            mark.extend([&[0], file.path.as_bytes(), &[0], &file.size.to_be_bytes()].concat());
        }
        self.go_on(&mark)
    }

    fn otherwise(&self) -> TakeError {
        let words = |files: u64, bytes: u64| format!("{files} files of {bytes} bytes");
        TakeError::Announced {
            expected: words(self.offer.files, self.offer.bytes),
            found: words(self.files.len() as u64, self.listed.0) + " or more",
        }
    }

    /// Finds what has come before.
    fn go_on(&mut self, mark: &[u8]) -> Result<(), TakeError> {
        let partial = Partial::open(&self.into, &self.name, mark, self.offer.folder)?;
        let kept = if self.offer.folder { self.kept(partial.path()) } else { 0 };
        self.partial = Some(partial);
        self.grow()?;
        let there = kept.max(self.done());
        let inodes = ENTRY * (self.files.len() + self.paths.count()) as u64;
        let room = expect_room(&self.into, self.offer.bytes.saturating_sub(there).saturating_add(inodes));
        if room.is_err() && there == 0 {
            // Nothing of it is there to be gone on with.
            self.growing = None;
            if let Some(partial) = self.partial.take() {
                partial.discard();
            }
        }
        room
    }

    /// How many bytes of a folder are there: files that came whole, and the one that broke off.
    fn kept(&self, partial: &Path) -> u64 {
        let named = |file: &&File| is_whole(&partial.join(&file.place), file.size);
        let mut kept = (0, 0);
        for file in self.files.iter().take_while(named) {
            kept = (kept.0 + 1, kept.1 + file.size);
        }
        let broken_off = part(partial, kept.0).symlink_metadata().map_or(0, |found| found.len());
        let most = self.files.get(kept.0).map_or(0, |file| file.size);
        kept.1 + broken_off.min(most)
    }

    /// The file at which it is, if there is one.
    fn grow(&mut self) -> Result<Option<&mut Growing>, TakeError> {
        let (Some(partial), Some(file)) = (&self.partial, self.files.get(self.whole.0)) else { return Ok(None) };
        if self.growing.is_none() {
            let path = match self.offer.folder {
                true => part(partial.path(), self.whole.0),
                false => partial.path().to_owned(),
            };
            let named = partial.path().join(&file.place);
            if self.offer.folder && file.size >= WORTH_ASKING && !path.exists() && is_whole(&named, file.size) {
                // It came whole of an earlier offer, and may be another one by now: its hash is asked for.
                fs::rename(&named, &path).map_err(|source| write_error(&named, source))?;
            }
            self.growing = Some(Growing::open(&path, file.size)?);
        }
        Ok(self.growing.as_mut())
    }

    /// What is missing; nothing if all is there.
    pub fn left(&self) -> Option<Position> {
        if self.partial.is_none() {
            return Some(Position::Manifest);
        }
        self.files.get(self.whole.0)?;
        let offset = self.growing.as_ref().map_or(0, Growing::at);
        Some(Position::Files { entry: self.whole.0 as u64, offset })
    }

    /// How many bytes are missing of the file at which it is.
    pub fn expects(&self) -> u64 {
        let at = self.growing.as_ref().map_or(0, Growing::at);
        self.files.get(self.whole.0).filter(|_| self.partial.is_some()).map_or(0, |file| file.size - at)
    }

    /// How many bytes are there.
    pub fn done(&self) -> u64 {
        self.whole.1 + self.growing.as_ref().map_or(0, Growing::at)
    }

    /// Appends to that file.
    ///
    /// # Errors
    /// [`TakeError`]: more than was announced, or it cannot be written. What was there before is there, and may be gone on with.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), TakeError> {
        let (expected, length) = (self.expects(), bytes.len() as u64);
        if length > expected {
            let found = format!("{} more", length - expected);
            let path = self.files.get(self.whole.0).map_or(&self.offer.name, |file| &file.path);
            return Err(TakeError::Announced { expected: format!("{expected} bytes more of {path:?}"), found });
        }
        self.unlooked += length;
        if self.unlooked >= LOOK {
            self.unlooked = 0;
            expect_room(&self.into, length)?;
        }
        match self.grow()? {
            Some(growing) => growing.write(bytes),
            None => Ok(()),
        }
    }

    /// That file is whole, and should have this hash.
    ///
    /// # Errors
    /// [`TakeError`]: it is not whole, it cannot be kept, or it is not what was sent; then nothing of it is kept.
    pub fn finish(&mut self, hash: &Hash) -> Result<(), TakeError> {
        if self.expects() > 0 {
            return Err(TakeError::Order { expected: "the rest of a file", found: "its hash" });
        }
        let is_folder = self.offer.folder;
        let Some(growing) = self.grow()? else {
            return Err(TakeError::Order { expected: "nothing more", found: "the hash of a file" });
        };
        if growing.hash() != *hash {
            growing.empty()?;
            return Err(TakeError::Hash(SafeName::from_offered(&self.files[self.whole.0].path).to_string()));
        }
        growing.sync()?;
        let (from, file) = (growing.path().to_owned(), &self.files[self.whole.0]);
        if let (true, Some(partial)) = (is_folder, &self.partial) {
            let to = partial.path().join(&file.place);
            let folder = to.parent().unwrap_or(partial.path());
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.and_then(|()| fs::rename(&from, &to)).map_err(|source| write_error(&to, source))?;
        }
        self.whole = (self.whole.0 + 1, self.whole.1 + file.size);
        self.growing = None;
        self.grow().map(drop)
    }

    /// Everything is there: gives it its name, with a number if there is something of that name, and says where it is. It is on
    /// disk when this returns.
    ///
    /// # Errors
    /// [`TakeError`]: it is not whole, or cannot be given its name; what has come is kept.
    pub fn complete(&mut self) -> Result<PathBuf, TakeError> {
        let Some(partial) = self.partial.as_ref().filter(|_| self.whole.0 == self.files.len()) else {
            return Err(TakeError::Order { expected: "the rest of what was offered", found: "its end" });
        };
        if self.offer.folder {
            for folder in self.paths.folders() {
                sync_folder(&partial.path().join(folder))?;
            }
            sync_folder(partial.path())?;
        }
        let place = put(partial.path(), &self.into, &self.name)?;
        self.partial = None;
        self.placed = Some(place.clone());
        Ok(place)
    }

    /// Whether it is whole, and has its name.
    pub fn is_placed(&self) -> bool {
        self.placed.is_some()
    }

    /// Nothing more comes, and nothing of it is wanted: also if the last byte has just come, and it has its name. What cannot
    /// be deleted stays.
    pub fn discard(mut self) {
        self.growing = None;
        if let Some(partial) = self.partial.take() {
            partial.discard();
        }
        let _ = match &self.placed {
            Some(placed) if self.offer.folder => fs::remove_dir_all(placed),
            Some(placed) => fs::remove_file(placed),
            None => Ok(()),
        };
    }
}

/// Where the file of this number grows. No harmless name begins with a point.
fn part(partial: &Path, number: usize) -> PathBuf {
    partial.join(format!(".{number}.part"))
}

/// Whether a file is there that was right once: only such a one got its name.
fn is_whole(named: &Path, size: u64) -> bool {
    named.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == size)
}

fn limit(what: &'static str, limit: u64, found: u64) -> Result<(), TakeError> {
    match found <= limit {
        true => Ok(()),
        false => Err(TakeError::Limit { what, limit, found }),
    }
}
