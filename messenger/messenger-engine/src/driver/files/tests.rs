//! What goes on a stream comes off it, however it is cut into pieces; what is not what was offered does not.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::disk::{Reading, Sink, Source};
use super::pack::{Enough, Unpacked, pack};
use super::unpack::Unpacker;
use crate::wire::{Channel, Entry, HASH_BYTES, MAX_PATH_BYTES, Outline, PAGE_BYTES, Page, Wanted, encode};

/// Files in memory.
struct Memory {
    files: Vec<(String, Vec<u8>)>,
    folder: bool,
}

struct Cursor {
    bytes: Vec<u8>,
    at: usize,
}

impl Memory {
    fn folder(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect();
        Self { files, folder: true }
    }

    fn file(bytes: &[u8]) -> Self {
        Self { folder: false, ..Self::folder(&[("tea", bytes)]) }
    }

    fn size(&self) -> u64 {
        self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// Everything that goes on a stream for this.
    fn packed(&self, wanted: Wanted) -> Result<Vec<u8>, String> {
        let mut stream = Vec::new();
        let all = pack(self, wanted, &|| false, |(piece, _)| {
            stream.extend(piece);
            Ok(())
        });
        match all {
            Ok(()) => Ok(stream),
            Err(Unpacked::Enough) => Err("enough".into()),
            Err(Unpacked::Failed(reason)) => Err(reason),
        }
    }
}

impl Source for Memory {
    fn outline(&self) -> Outline {
        let files = self.files.len() as u64;
        Outline { name: "tea".into(), folder: self.folder, files, bytes: self.size(), media_type: None, room: None }
    }

    fn left_out(&self) -> u64 {
        0
    }

    fn entry(&self, entry: u64) -> Option<Entry> {
        let (path, bytes) = self.files.get(usize::try_from(entry).ok()?)?;
        Some(Entry { path: path.clone(), size: bytes.len() as u64 })
    }

    fn open(&self, entry: u64, offset: u64, _: &dyn Fn() -> bool) -> Result<Box<dyn Reading>, String> {
        let (_, bytes) = self.files.get(usize::try_from(entry).unwrap()).ok_or("no such file")?;
        let at = usize::try_from(offset).unwrap();
        if at > bytes.len() { Err("too far".into()) } else { Ok(Box::new(Cursor { bytes: bytes.clone(), at })) }
    }
}

impl Reading for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let rest = &self.bytes[self.at..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.at += read;
        Ok(read)
    }

    fn hash(self: Box<Self>) -> Result<[u8; HASH_BYTES], String> {
        Ok(Sha256::digest(&self.bytes).into())
    }
}

/// What was taken, in memory.
struct Taken {
    what: Outline,
    manifest: Option<Vec<Entry>>,
    coming: Vec<Entry>,
    whole: BTreeMap<String, Vec<u8>>,
    part: Vec<u8>,
}

impl Taken {
    fn of(what: Outline) -> Self {
        let one = Entry { path: what.name.clone(), size: what.bytes };
        let manifest = (!what.folder).then(|| vec![one]);
        Self { what, manifest, coming: Vec::new(), whole: BTreeMap::new(), part: Vec::new() }
    }

    fn current(&self) -> Option<&Entry> {
        self.manifest.as_ref()?.get(self.whole.len())
    }

    /// Unpacks a stream that comes in pieces of this length.
    fn unpack(&mut self, wanted: Wanted, stream: &[u8], piece: usize) -> Result<bool, String> {
        let mut unpacker = Unpacker::new(wanted);
        for bytes in stream.chunks(piece) {
            unpacker.take(bytes, self)?;
        }
        Ok(unpacker.is_over())
    }
}

impl Sink for Taken {
    fn list_anew(&mut self) {
        self.coming.clear();
    }

    fn page(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        if !entries.is_empty() {
            self.coming.extend(entries);
            return Ok(());
        }
        if self.coming.len() as u64 != self.what.files {
            return Err("another number of files".into());
        }
        self.manifest = Some(std::mem::take(&mut self.coming));
        Ok(())
    }

    fn left(&self) -> Option<Wanted> {
        let Some(manifest) = &self.manifest else { return Some(Wanted::Manifest) };
        let offset = self.part.len() as u64;
        (self.whole.len() < manifest.len()).then_some(Wanted::Files { entry: self.whole.len() as u64, offset })
    }

    fn expects(&self) -> u64 {
        self.current().map_or(0, |entry| entry.size - self.part.len() as u64)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        assert!(bytes.len() as u64 <= self.expects());
        self.part.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(&mut self, hash: [u8; HASH_BYTES]) -> Result<(), String> {
        if <[u8; HASH_BYTES]>::from(Sha256::digest(&self.part)) != hash {
            return Err("another hash".into());
        }
        let path = self.current().unwrap().path.clone();
        self.whole.insert(path, std::mem::take(&mut self.part));
        Ok(())
    }

    fn complete(&mut self) -> Result<String, String> {
        Ok("/there".into())
    }

    fn done(&self) -> u64 {
        0
    }

    fn forget(self: Box<Self>, _keep: bool) {}
}

const BEGINNING: Wanted = Wanted::Files { entry: 0, offset: 0 };

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    bytes
}

#[test]
fn files_of_all_lengths_come_off_as_they_went_on() {
    let (long, page) = (random(300_000), random(128 * 1024));
    let source = Memory::folder(&[("a", b""), ("b/c", b"x"), ("b/long", &long), ("b/page", &page), ("z", b"")]);
    for piece in [1_000_000, 1_400, 33, 7, 1] {
        let mut taken = Taken::of(source.outline());
        assert!(taken.unpack(Wanted::Manifest, &source.packed(Wanted::Manifest).unwrap(), piece).unwrap());
        assert_eq!(taken.left(), Some(BEGINNING));
        assert!(taken.unpack(BEGINNING, &source.packed(BEGINNING).unwrap(), piece).unwrap());
        let expected: BTreeMap<_, _> = source.files.iter().cloned().collect();
        assert!(taken.whole == expected && taken.left().is_none(), "in pieces of {piece}");
    }
}

#[test]
fn wherever_a_stream_breaks_off_the_next_one_goes_on() {
    let source = Memory::folder(&[("a", &random(100)), ("b", b""), ("c", &random(57))]);
    let whole = source.packed(BEGINNING).unwrap();
    for cut in 0..whole.len() {
        let mut taken = Taken::of(source.outline());
        taken.unpack(Wanted::Manifest, &source.packed(Wanted::Manifest).unwrap(), 100).unwrap();
        assert!(!taken.unpack(BEGINNING, &whole[..cut], 10).unwrap(), "cut at {cut}");
        let left = taken.left().unwrap();
        assert!(taken.unpack(left, &source.packed(left).unwrap(), 10).unwrap(), "cut at {cut}");
        assert_eq!(taken.whole.into_iter().collect::<Vec<_>>(), source.files);
    }
}

#[test]
fn a_large_manifest_comes_in_pages() {
    let files = (0..10_000).map(|number| (format!("{number:0>128}"), Vec::new())).collect();
    let source = Memory { files, folder: true };
    let stream = source.packed(Wanted::Manifest).unwrap();
    assert!(stream.len() > 10 * PAGE_BYTES);
    let mut taken = Taken::of(source.outline());
    assert!(taken.unpack(Wanted::Manifest, &stream, 1_400).unwrap());
    assert_eq!(taken.manifest.unwrap().len(), 10_000);
}

#[test]
fn who_does_not_want_more_is_handed_no_more() {
    let source = Memory::file(&random(1_000_000));
    let mut pieces = 0;
    let enough = pack(&source, BEGINNING, &|| false, |_| {
        pieces += 1;
        if pieces == 2 { Err(Enough) } else { Ok(()) }
    });
    assert!(matches!(enough, Err(Unpacked::Enough)) && pieces == 2);
}

#[test]
fn requests_for_what_there_is_not_fail() {
    let source = Memory::file(b"tea");
    for wanted in [
        Wanted::Files { entry: 2, offset: 0 },
        Wanted::Files { entry: 1, offset: 1 },
        Wanted::Files { entry: u64::MAX, offset: u64::MAX },
        Wanted::Files { entry: 0, offset: 4 },
    ] {
        assert!(source.packed(wanted).is_err(), "{wanted:?}");
    }
}

#[test]
fn what_is_not_what_was_offered_is_told() {
    let source = Memory::file(b"twelve bytes");
    let stream = source.packed(BEGINNING).unwrap();
    let mut altered = stream.clone();
    altered[3] ^= 1;
    let mut hash = stream.clone();
    *hash.last_mut().unwrap() ^= 1;
    let longer = [stream.as_slice(), b"x"].concat();
    for (bad, why) in [(altered, "another hash"), (hash, "another hash"), (longer, "more comes than was offered")] {
        for piece in [1, 5, 1_000] {
            let found = Taken::of(source.outline()).unpack(BEGINNING, &bad, piece);
            assert_eq!(found, Err(why.to_owned()), "in pieces of {piece}");
        }
    }
    // A file that is shorter than was offered: its hash is taken for its end.
    let lie = Outline { bytes: 13, ..source.outline() };
    assert!(!Taken::of(lie).unpack(BEGINNING, &stream, 5).unwrap());
}

#[test]
fn a_manifest_that_is_none_is_told() {
    let page = |entries: Vec<Entry>| encode(&Page { entries }, Channel::Files).unwrap();
    let entry = |path: String| Entry { path, size: 0 };
    let long = encode(&Page { entries: vec![entry("x".repeat(MAX_PATH_BYTES + 1))] }, Channel::Files).unwrap();
    let mut padded = page(Vec::new());
    *padded.last_mut().unwrap() = 1;
    for (bad, why) in [
        (vec![0, 1, 0, 1], "expected a body of at most 65536 bytes, found 65537"),
        (long, "the path or the size of a file is too long (0 on its page)"),
        (padded, "expected zeros after the frame, found another byte at 255"),
        ([page(Vec::new()), page(Vec::new())].concat(), "the list of files goes on after its end"),
        ([page(Vec::new()), vec![0]].concat(), "the list of files goes on after its end"),
        (page(vec![entry("a".into())]).into_iter().chain(page(Vec::new())).collect(), "another number of files"),
    ] {
        let what = Outline { folder: true, files: 0, ..Memory::file(b"").outline() };
        assert_eq!(Taken::of(what).unpack(Wanted::Manifest, &bad, 1_000_000), Err(why.to_owned()));
    }
}
