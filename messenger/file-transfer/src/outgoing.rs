//! What goes to another device: looked at once, and read as often as is asked for.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::beneath::open_beneath;
use crate::marks::{Marks, STEP};
use crate::{
    Entry, GiveError, Hash, MAX_DEPTH, MAX_ENTRIES, MAX_FOLDERS, MAX_MANIFEST_BYTES, MAX_PATH_BYTES, MAX_SIZE, Offer,
    SafeName,
};

/// How much is read at once where only the hash is wanted.
const CHUNK: usize = 256 * 1024;

/// A file or a folder as it was looked at.
pub struct Outgoing {
    place: PathBuf,
    offer: Offer,
    media_type: Option<String>,
    files: Vec<Found>,
    left_out: u64,
    marks: Arc<Mutex<Marks>>,
}

/// A file, where it is if its name is no UTF-8, and which state of it was looked at.
struct Found {
    entry: Entry,
    state: FileState,
    odd: Option<PathBuf>,
}

/// What a file that was changed, or put in another one's place, does not keep: which one it is, and when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    inode: u64,
    written: (i64, i64),
}

impl FileState {
    fn of(found: &fs::Metadata) -> Self {
        Self { inode: found.ino(), written: (found.mtime(), found.mtime_nsec()) }
    }
}

impl Outgoing {
    /// Looks at a file, or at all regular files in a folder, in the order of their paths. Links in it are not followed; what is
    /// neither a file nor a folder is [left out](Self::left_out).
    ///
    /// # Errors
    /// [`GiveError`].
    pub fn look(path: &Path) -> Result<Self, GiveError> {
        // Which one is meant is the person's to say: a link to it is as good, and `.` has a name.
        let place = fs::canonicalize(path).map_err(|source| read_error(path, source))?;
        let found = fs::metadata(&place).map_err(|source| read_error(&place, source))?;
        let name = path.file_name().or(place.file_name()).ok_or_else(|| GiveError::Nameless(path.to_owned()))?;
        let name = SafeName::from_offered(&name.to_string_lossy()).to_string();
        let mut looked = Looked::default();
        if found.is_dir() {
            looked.folder(&place, &mut PathBuf::new(), 1)?;
            looked.files.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
        } else if found.is_file() {
            let entry = Entry { path: name.clone(), size: found.len() };
            looked.add(&place, Found { entry, state: FileState::of(&found), odd: None })?;
        } else {
            return Err(GiveError::Kind(place));
        }
        let media_type = mime_guess::from_path(&place).first_raw().filter(|_| found.is_file()).map(str::to_owned);
        let offer = Offer { name, folder: found.is_dir(), files: looked.files.len() as u64, bytes: looked.bytes };
        let Looked { files, left_out, .. } = looked;
        Ok(Self { place, offer, media_type, files, left_out, marks: Arc::default() })
    }

    /// What is offered.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// What kind of file it is, by its name (RFC 6838); of folders nothing.
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// How many links, devices, pipes and sockets in the folder are not offered.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// A file, by its number from 0 on.
    pub fn entry(&self, entry: u64) -> Option<&Entry> {
        self.files.get(usize::try_from(entry).ok()?).map(|found| &found.entry)
    }

    /// Reads a file from an offset on. What is before it is read for its hash, unless that was done not long ago.
    ///
    /// # Errors
    /// [`GiveError`]: it cannot be read, was changed, there is no such place in it, or it was `enough` before that was reached.
    pub fn open(&self, entry: u64, offset: u64, enough: &dyn Fn() -> bool) -> Result<Reading, GiveError> {
        let place = || GiveError::Place { entry, offset };
        let found = usize::try_from(entry).ok().and_then(|entry| self.files.get(entry)).ok_or_else(place)?;
        let left = found.entry.size.checked_sub(offset).ok_or_else(place)?;
        let (top, inside) = match (&found.odd, self.offer.folder) {
            (Some(odd), true) => (self.place.as_path(), odd.as_path()),
            (None, true) => (self.place.as_path(), Path::new(&found.entry.path)),
            (_, false) => match (self.place.parent(), self.place.file_name()) {
                (Some(folder), Some(name)) => (folder, Path::new(name)),
                _ => return Err(GiveError::Nameless(self.place.clone())),
            },
        };
        let path = top.join(inside);
        let file = open_beneath(top, inside).map_err(|error| match error {
            // A link, or something that is no folder, was put in its place or in that of a folder above it.
            Errno::LOOP | Errno::NOTDIR => GiveError::Changed(path.clone()),
            other => read_error(&path, other.into()),
        })?;
        let known = self.marks.lock().unwrap_or_else(PoisonError::into_inner).before(entry, offset);
        let (at, state) = known.unwrap_or_default();
        let mut reading = Reading {
            entry,
            path,
            file,
            at,
            left: left + (offset - at),
            size: found.entry.size,
            looked_at: found.state,
            state,
            marks: self.marks.clone(),
        };
        reading.expect_size()?;
        reading.file.seek(SeekFrom::Start(at)).map_err(|source| read_error(&reading.path, source))?;
        reading.skip_to(offset, enough)?;
        Ok(reading)
    }
}

/// What was found so far.
#[derive(Default)]
struct Looked {
    files: Vec<Found>,
    bytes: u64,
    paths: usize,
    folders: u64,
    left_out: u64,
}

impl Looked {
    /// Everything in the folder `inside` of `top`.
    fn folder(&mut self, top: &Path, inside: &mut PathBuf, depth: usize) -> Result<(), GiveError> {
        let here = top.join(&*inside);
        if depth > MAX_DEPTH {
            return Err(GiveError::Path(here));
        }
        self.folders += 1;
        if self.folders > MAX_FOLDERS + 1 {
            return Err(GiveError::Folders(top.to_owned()));
        }
        for found in fs::read_dir(&here).map_err(|source| read_error(&here, source))? {
            let found = found.map_err(|source| read_error(&here, source))?;
            let kind = found.file_type().map_err(|source| read_error(&found.path(), source))?;
            inside.push(found.file_name());
            if kind.is_dir() {
                self.folder(top, inside, depth + 1)?;
            } else if kind.is_file() {
                let about = found.metadata().map_err(|source| read_error(&found.path(), source))?;
                let odd = inside.to_str().is_none().then(|| inside.clone());
                let path = inside.to_string_lossy().into_owned();
                let entry = Entry { path, size: about.len() };
                self.add(top, Found { entry, state: FileState::of(&about), odd })?;
            } else {
                self.left_out += 1;
            }
            inside.pop();
        }
        Ok(())
    }

    fn add(&mut self, top: &Path, found: Found) -> Result<(), GiveError> {
        let Entry { path, size } = &found.entry;
        if path.len() > MAX_PATH_BYTES {
            return Err(GiveError::Path(top.join(path)));
        }
        self.bytes = self.bytes.saturating_add(*size);
        self.paths += path.len();
        if self.bytes > MAX_SIZE {
            return Err(GiveError::Size(top.to_owned()));
        }
        if self.paths > MAX_MANIFEST_BYTES {
            return Err(GiveError::Paths(top.to_owned()));
        }
        if self.files.len() as u64 == MAX_ENTRIES {
            return Err(GiveError::Entries(top.to_owned()));
        }
        self.files.push(found);
        Ok(())
    }
}

/// A file that is read: no more and no less of it than was offered.
pub struct Reading {
    entry: u64,
    path: PathBuf,
    file: File,
    at: u64,
    left: u64,
    size: u64,
    looked_at: FileState,
    state: Sha256,
    marks: Arc<Mutex<Marks>>,
}

impl Reading {
    /// Reads some bytes; zero at the end, where the file has to end, too.
    ///
    /// # Errors
    /// [`GiveError::Read`], [`GiveError::Changed`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, GiveError> {
        // The marks stand at whole steps.
        let most = self.left.min(STEP - self.at % STEP).min(buffer.len() as u64);
        let most = usize::try_from(most).expect("no more than the buffer has");
        if most == 0 {
            return if buffer.is_empty() { Ok(0) } else { self.expect_size().map(|()| 0) };
        }
        let read = loop {
            match self.file.read(&mut buffer[..most]) {
                Ok(0) => return Err(GiveError::Changed(self.path.clone())),
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(read_error(&self.path, source)),
            }
        };
        self.state.update(&buffer[..read]);
        (self.at, self.left) = (self.at + read as u64, self.left - read as u64);
        if self.at.is_multiple_of(STEP) {
            self.marks.lock().unwrap_or_else(PoisonError::into_inner).keep(self.entry, self.at, &self.state);
        }
        Ok(read)
    }

    /// The hash of the whole file, once it is read to the end.
    ///
    /// # Errors
    /// [`GiveError::Place`] before that.
    pub fn hash(self) -> Result<Hash, GiveError> {
        match self.left {
            0 => Ok(self.state.finalize().into()),
            _ => Err(GiveError::Place { entry: self.entry, offset: self.at }),
        }
    }

    fn skip_to(&mut self, offset: u64, enough: &dyn Fn() -> bool) -> Result<(), GiveError> {
        let mut buffer = vec![0; CHUNK];
        while self.at < offset {
            if enough() {
                return Err(GiveError::Halted);
            }
            let most = usize::try_from((offset - self.at).min(CHUNK as u64)).expect("at most a chunk");
            self.read(&mut buffer[..most])?;
        }
        Ok(())
    }

    fn expect_size(&self) -> Result<(), GiveError> {
        let found = self.file.metadata().map_err(|source| read_error(&self.path, source))?;
        match found.is_file() && found.size() == self.size && FileState::of(&found) == self.looked_at {
            true => Ok(()),
            false => Err(GiveError::Changed(self.path.clone())),
        }
    }
}

fn read_error(path: &Path, source: io::Error) -> GiveError {
    GiveError::Read { path: path.to_owned(), source }
}
