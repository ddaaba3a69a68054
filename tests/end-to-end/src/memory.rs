//! Searching files and the memory of a process for words that must not be there.
//!
//! A search that finds nothing proves nothing by itself, so every search carries a *control*: a word that must be found
//! in the same place by the same search.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::{Context, Failure};

/// How much is looked at in one go.
const CHUNK: usize = 1 << 20;

/// A word in every form in which a program may hold it: UTF-8, UTF-16, hexadecimal, base64.
#[derive(Debug, Clone)]
pub struct Needle(Vec<Vec<u8>>);

impl Needle {
    /// The forms of `word`.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let bytes = word.as_bytes();
        let mut forms = vec![bytes.to_vec(), word.encode_utf16().flat_map(u16::to_le_bytes).collect()];
        forms.push(data_encoding::HEXLOWER.encode(bytes).into_bytes());
        forms.push(data_encoding::HEXUPPER.encode(bytes).into_bytes());
        // Base64 looks different at each of three alignments; only whole groups of three bytes are certain.
        for start in 0..3.min(bytes.len()) {
            let whole = &bytes[start..start + (bytes.len() - start) / 3 * 3];
            forms.push(data_encoding::BASE64.encode(whole).into_bytes());
            forms.push(data_encoding::BASE64URL.encode(whole).into_bytes());
        }
        forms.retain(|form| form.len() >= 4);
        Self(forms)
    }

    fn is_in(&self, hay: &[u8]) -> bool {
        self.0.iter().any(|form| contains(hay, form))
    }

    fn longest(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// What a search saw.
#[derive(Debug, Clone)]
pub struct Search {
    /// How many bytes were looked at.
    pub bytes: u64,
    /// How many files, or mapped areas of memory.
    pub places: usize,
    /// Where the needle was found.
    pub found: Vec<String>,
    /// Where the control was found.
    pub control: Vec<String>,
}

impl Search {
    const fn new() -> Self {
        Self { bytes: 0, places: 0, found: Vec::new(), control: Vec::new() }
    }

    /// This search, if it found the control and did not find the needle.
    ///
    /// # Errors
    /// It found the needle (the message says where), or did not find the control.
    pub fn nothing_found(self, where_: &str) -> Result<Self, Failure> {
        if let Some(place) = self.found.first() {
            return Err(Failure::new(format!("expected the text nowhere in {where_}, found it in {place}")));
        }
        if self.control.is_empty() {
            return Err(Failure::new(format!(
                "the search of {where_} did not even find the control word: it proves nothing"
            )));
        }
        Ok(self)
    }

    /// Searches a file, or adds what lies in a folder to what is `open`, unless it is `done`.
    fn look(
        &mut self,
        path: &Path,
        needle: &Needle,
        control: &Needle,
        open: &mut Vec<PathBuf>,
        done: &BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let kind = std::fs::symlink_metadata(path)?;
        if kind.is_dir() {
            let entries = std::fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path());
            open.extend(entries.filter(|entry| !done.contains(entry)));
        } else if kind.is_file() {
            let mut file = File::open(path)?;
            let place = path.display().to_string();
            self.places += 1;
            note(&mut self.found, &place, needle.is_in(place.as_bytes()));
            self.read(&mut file, &place, needle, control)?;
        }
        Ok(())
    }

    /// Reads `from` to its end in overlapping chunks.
    fn read(&mut self, from: &mut impl Read, place: &str, needle: &Needle, control: &Needle) -> io::Result<()> {
        let overlap = needle.longest().max(control.longest());
        let mut window = Vec::with_capacity(CHUNK + overlap);
        loop {
            let kept = window.len().min(overlap);
            window.drain(..window.len() - kept);
            let new = from.by_ref().take(CHUNK as u64).read_to_end(&mut window)?;
            if new == 0 {
                return Ok(());
            }
            self.bytes += new as u64;
            note(&mut self.found, place, needle.is_in(&window));
            note(&mut self.control, place, control.is_in(&window));
        }
    }
}

/// Searches every file below `folders`.
///
/// # Errors
/// A file cannot be read.
pub fn search_files(folders: &[&Path], needle: &Needle, control: &Needle) -> Result<Search, Failure> {
    search_from(folders.iter().map(|folder| folder.to_path_buf()).collect(), folders, needle, control)
}

/// Searches what is `open`, all below `folders`.
fn search_from(
    mut open: Vec<PathBuf>,
    folders: &[&Path],
    needle: &Needle,
    control: &Needle,
) -> Result<Search, Failure> {
    let mut search = Search::new();
    let mut done = BTreeSet::new();
    while let Some(path) = open.pop() {
        match search.look(&path, needle, control, &mut open, &done) {
            Ok(()) => _ = done.insert(path),
            // A running program has renamed or removed it since its folder was listed: the folder is listed anew.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folders.contains(&path.as_path()) => {
                open.extend(path.parent().map(Path::to_path_buf));
            }
            Err(error) => return Err(error).context(path.display()),
        }
    }
    Ok(search)
}

/// Searches all memory of the process `id`, which must be a child of this one.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if the kernel forbids it (a hardened kernel, or a container without ptrace).
pub fn search_process(id: u32, needle: &Needle, control: &Needle) -> io::Result<Search> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
    let mut memory = File::open(format!("/proc/{id}/mem"))?;
    let mut search = Search::new();
    for line in maps.lines() {
        let Some((start, end)) = readable_area(line) else { continue };
        memory.seek(SeekFrom::Start(start))?;
        search.places += 1;
        // An area may vanish or shrink while we read, and some (the kernel's own pages) cannot be read at all.
        let _ = search.read(&mut memory.by_ref().take(end - start), line, needle, control);
    }
    if search.bytes == 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(search)
}

/// The bounds of a mapped area that can hold what the process heard (proc(5), `/proc/pid/maps`): not the program's own
/// files, mapped for reading only, and not the kernel's pages.
fn readable_area(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let file = fields.nth(3).is_some_and(|path| path.starts_with('/'));
    let heard = rights.starts_with("rw") || (rights.starts_with('r') && !file && !line.contains("[v"));
    let bounds = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    heard.then_some(bounds)
}

fn note(places: &mut Vec<String>, place: &str, seen: bool) {
    if seen && places.last().map(String::as_str) != Some(place) {
        places.push(place.to_owned());
    }
}

fn contains(hay: &[u8], form: &[u8]) -> bool {
    let Some((&first, rest)) = form.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|&byte| byte == first) {
        let after = from + at + 1;
        if hay[after..].starts_with(rest) {
            return true;
        }
        from = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_each_of_its_forms_and_across_chunks() {
        let needle = Needle::new("never kept anywhere");
        let hidden = [
            b"..never kept anywhere..".to_vec(),
            data_encoding::BASE64.encode(b"xnever kept anywherey").into_bytes(),
            data_encoding::HEXLOWER.encode(b"never kept anywhere").into_bytes(),
        ];
        for hay in hidden {
            let mut long = vec![b'.'; CHUNK - 7];
            long.extend(hay);
            let mut search = Search::new();
            search.read(&mut long.as_slice(), "here", &needle, &Needle::new("....")).unwrap();
            assert_eq!(search.found, ["here"]);
            assert_eq!(search.bytes, long.len() as u64);
        }
        assert!(!needle.is_in(b"never kept anywherE"));
    }

    #[test]
    fn what_is_renamed_while_its_folder_is_searched_is_searched_under_its_new_name() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("inner");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("kept"), "never kept anywhere").unwrap();
        // Listed a moment ago, as it was called then.
        let open = vec![folder.join("kept.draft")];
        let needle = Needle::new("never kept anywhere");
        let search = search_from(open, &[place.path()], &needle, &needle).unwrap();
        assert_eq!(search.found, [folder.join("kept").display().to_string()]);
        let gone = place.path().join("gone");
        assert!(search_files(&[&gone], &needle, &needle).is_err(), "what was asked for must be there");
    }

    #[test]
    fn without_its_control_a_search_proves_nothing() {
        let mut search = Search::new();
        assert!(search.clone().nothing_found("here").is_err());
        search.control.push("here".into());
        assert!(search.clone().nothing_found("here").is_ok());
        search.found.push("there".into());
        assert!(search.nothing_found("here").is_err());
    }

    #[test]
    fn this_process_can_be_searched() {
        let word = crate::random::unheard_of();
        match search_process(std::process::id(), &Needle::new(&word), &Needle::new(&word)) {
            Ok(search) => assert!(!search.control.is_empty()),
            Err(error) => {
                crate::skipped(format!("a search of this process, whose memory the kernel forbids to read: {error}"));
            }
        }
    }
}
