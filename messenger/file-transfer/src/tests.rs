//! Something that goes, and comes, through all of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::*;

/// One page of this many files.
const PAGE: usize = 3;
const CHUNK: usize = 1000;

struct Place {
    _folder: TempDir,
    from: PathBuf,
    into: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let [from, into] = ["from", "into"].map(|name| folder.path().join(name));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&into).unwrap();
    Place { _folder: folder, from, into }
}

fn write(path: PathBuf, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Brings what is missing, but for what comes after so many bytes.
fn bring(from: &Outgoing, to: &mut Incoming, mut most: usize) -> Result<bool, TakeError> {
    if to.left() == Some(Position::Manifest) {
        let entries: Vec<Entry> = (0..).map_while(|entry| from.entry(entry).cloned()).collect();
        for page in entries.chunks(PAGE) {
            to.page(page.to_vec())?;
        }
        to.page(Vec::new())?;
    }
    while let Some(Position::Files { entry, offset }) = to.left() {
        let mut reading = from.open(entry, offset, &|| false).unwrap();
        let mut buffer = [0; CHUNK];
        while to.expects() > 0 {
            let read = reading.read(&mut buffer[..most.min(CHUNK)]).unwrap();
            if read == 0 {
                return Ok(false);
            }
            most -= read;
            to.write(&buffer[..read])?;
        }
        assert_eq!(reading.read(&mut buffer).unwrap(), 0);
        to.finish(&reading.hash().unwrap())?;
    }
    Ok(true)
}

fn all(from: &Outgoing, into: &Path) -> PathBuf {
    let mut to = Incoming::begin(into, from.offer(), "alice").unwrap();
    assert!(bring(from, &mut to, usize::MAX).unwrap());
    assert_eq!(to.done(), from.offer().bytes);
    to.complete().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_comes_as_it_was_for_its_owner_alone_and_takes_nobodys_place() {
    let Place { from, into, .. } = &place();
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let tea = write(from.join("tea.sh"), &content);
    fs::set_permissions(&tea, fs::Permissions::from_mode(0o755)).unwrap();
    let outgoing = Outgoing::look(&tea).unwrap();
    assert_eq!(*outgoing.offer(), Offer { name: "tea.sh".into(), folder: false, files: 1, bytes: 3_000_000 });
    for expected in ["tea.sh", "tea (2).sh", "tea (3).sh"] {
        let came = all(&outgoing, into);
        assert_eq!(came.file_name().unwrap(), expected);
        assert_eq!(fs::read(&came).unwrap(), content);
        assert_eq!(fs::metadata(&came).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(names(into).len(), 3, "nothing else is left");
}

#[test]
fn a_folder_comes_with_its_files_and_without_what_is_none() {
    let Place { from, into, .. } = &place();
    let tree = from.join("tree");
    for (path, content) in [("b", "1"), ("a/x.txt", "22"), ("a/b/c/empty", ""), ("d", "333"), ("é", "4444")] {
        write(tree.join(path), content.as_bytes());
    }
    symlink("/etc/passwd", tree.join("link")).unwrap();
    symlink("..", tree.join("up")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let outgoing = Outgoing::look(&tree).unwrap();
    assert_eq!((outgoing.offer().files, outgoing.offer().bytes, outgoing.left_out()), (5, 10, 3));
    let came = all(&outgoing, into);
    assert_eq!(came, fs::canonicalize(into).unwrap().join("tree"));
    assert_eq!(names(&came), ["a", "b", "d", "é"]);
    assert_eq!(fs::read(came.join("a/x.txt")).unwrap(), b"22");
    assert_eq!(fs::read(came.join("a/b/c/empty")).unwrap(), b"");
    assert_eq!(names(into), ["tree"]);
    let empty = from.join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(names(&all(&Outgoing::look(&empty).unwrap(), into)), Vec::<String>::new());
}

#[test]
fn what_broke_off_goes_on_where_it_was_in_this_process_and_in_another() {
    let Place { from, into, .. } = &place();
    let content: Vec<u8> = (0..4_000_000_u32).map(|at| (at % 241) as u8).collect();
    write(from.join("two/1"), &content);
    write(from.join("two/2"), &content);
    for name in ["two", "two/1"] {
        let outgoing = Outgoing::look(&from.join(name)).unwrap();
        let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
        assert!(!bring(&outgoing, &mut to, 2_500_000).unwrap());
        assert_eq!(to.left(), Some(Position::Files { entry: 0, offset: 2_500_000 }));
        assert!(!bring(&outgoing, &mut to, 1_000_000).unwrap(), "in the same process");
        drop(to);
        // Another process knows nothing but what is on the disk.
        let outgoing = Outgoing::look(&from.join(name)).unwrap();
        let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
        if outgoing.offer().folder {
            assert_eq!((to.left(), to.done()), (Some(Position::Manifest), 0));
            assert!(!bring(&outgoing, &mut to, 1_000_000).unwrap());
            drop(to);
            to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
            assert!(!bring(&outgoing, &mut to, 0).unwrap());
            assert_eq!(to.left(), Some(Position::Files { entry: 1, offset: 500_000 }), "the first is whole");
        } else {
            assert_eq!(to.left(), Some(Position::Files { entry: 0, offset: 3_500_000 }));
        }
        assert!(bring(&outgoing, &mut to, usize::MAX).unwrap());
        let came = to.complete().unwrap();
        let one = if came.is_dir() { came.join("1") } else { came };
        assert_eq!(Sha256::digest(fs::read(one).unwrap()), Sha256::digest(&content));
    }
    assert_eq!(names(into), ["1", "two"]);
}

/// Content of the same paths and sizes may be another one: only a hash that is compared now makes a file whole.
#[test]
fn what_came_whole_of_an_earlier_offer_counts_only_if_it_is_still_the_same_and_of_the_same_giver() {
    let Place { from, into, .. } = &place();
    let tree = from.join("tree");
    let [first, second] = ["1", "2"].map(|name| write(tree.join(name), &[7; 300_000]));
    let outgoing = Outgoing::look(&tree).unwrap();
    let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
    assert!(!bring(&outgoing, &mut to, 400_000).unwrap());
    drop(to);
    // Somebody else with the same manifest begins anew.
    let mut to = Incoming::begin(into, outgoing.offer(), "mallory").unwrap();
    assert!(!bring(&outgoing, &mut to, 0).unwrap());
    assert_eq!(to.left(), Some(Position::Files { entry: 0, offset: 0 }));
    to.discard();
    // The first one was written since, to the same length.
    fs::write(&first, [8; 300_000]).unwrap();
    let outgoing = Outgoing::look(&tree).unwrap();
    let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
    assert!(matches!(bring(&outgoing, &mut to, usize::MAX), Err(TakeError::Hash(_))));
    drop(to);
    let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
    assert!(bring(&outgoing, &mut to, usize::MAX).unwrap());
    let came = to.complete().unwrap();
    assert_eq!([fs::read(came.join("1")).unwrap(), fs::read(came.join("2")).unwrap()], [[8; 300_000], [7; 300_000]]);
    assert_eq!(fs::read(second).unwrap(), [7; 300_000]);
}

#[test]
fn a_list_that_breaks_off_comes_from_its_beginning() {
    let Place { into, .. } = &place();
    let offer = Offer { name: "tea".into(), folder: true, files: 2, bytes: 0 };
    let entry = |path: &str| Entry { path: path.into(), size: 0 };
    let mut to = Incoming::begin(into, &offer, "alice").unwrap();
    to.page(vec![entry("a")]).unwrap();
    to.list_anew();
    to.page(vec![entry("a"), entry("b")]).unwrap();
    to.page(Vec::new()).unwrap();
    assert_eq!(to.left(), Some(Position::Files { entry: 0, offset: 0 }));
}

#[test]
fn folders_are_counted_and_reading_for_a_hash_can_be_broken_off() {
    let Place { from, into, .. } = &place();
    let offer = Offer { name: "tea".into(), folder: true, files: MAX_ENTRIES, bytes: 0 };
    let mut to = Incoming::begin(into, &offer, "alice").unwrap();
    let deep = |n: u64| Entry { path: format!("{n}/{}f", "a/".repeat(MAX_DEPTH - 2)), size: 0 };
    let taken = (0..1000).try_for_each(|n| to.page(vec![deep(n)]));
    assert!(matches!(taken, Err(TakeError::Limit { .. })));
    drop(to);
    assert!(names(into).is_empty());
    let outgoing = Outgoing::look(&write(from.join("tea"), &[7; 1_000_000])).unwrap();
    assert!(matches!(outgoing.open(0, 900_000, &|| true), Err(GiveError::Halted)));
}

#[test]
fn the_same_twice_at_once_do_not_write_into_each_other() {
    let Place { from, into, .. } = &place();
    let outgoing = Outgoing::look(&write(from.join("tea"), &[7; 5000])).unwrap();
    let [mut one, mut other] = [(); 2].map(|()| Incoming::begin(into, outgoing.offer(), "alice").unwrap());
    assert!(!bring(&outgoing, &mut one, 2000).unwrap());
    assert!(bring(&outgoing, &mut other, usize::MAX).unwrap());
    assert!(bring(&outgoing, &mut one, usize::MAX).unwrap());
    let places = [one.complete().unwrap(), other.complete().unwrap()];
    assert!(places.iter().all(|place| fs::read(place).unwrap() == [7; 5000]));
    assert_eq!(names(into), ["tea", "tea (2)"]);
}

#[test]
fn lies_about_sizes_and_hashes_leave_nothing() {
    let Place { into, .. } = &place();
    let offer = |folder, files, bytes| Offer { name: "tea".into(), folder, files, bytes };
    let mut to = Incoming::begin(into, &offer(false, 1, 10), "alice").unwrap();
    assert!(matches!(to.page(Vec::new()), Err(TakeError::Order { .. })));
    to.write(&[1; 9]).unwrap();
    assert!(matches!(to.finish(&[0; 32]), Err(TakeError::Order { .. })), "a byte is missing");
    assert!(matches!(to.complete(), Err(TakeError::Order { .. })));
    assert!(matches!(to.write(&[1; 2]), Err(TakeError::Announced { .. })), "one is too many");
    to.write(&[1]).unwrap();
    assert!(matches!(to.finish(&[0; 32]), Err(TakeError::Hash(_))));
    assert_eq!(to.left(), Some(Position::Files { entry: 0, offset: 0 }));
    to.discard();
    assert!(names(into).is_empty());

    let entry = |path: &str, size| Entry { path: path.into(), size };
    for entries in [
        vec![entry("a", 5), entry("b", 6)],
        vec![entry("a", 5), entry("b", 4)],
        vec![entry("a", 5), entry("b", 5), entry("c", 0)],
        vec![entry("a", 10)],
        vec![entry("a", u64::MAX), entry("b", 11)],
    ] {
        let mut to = Incoming::begin(into, &offer(true, 2, 10), "alice").unwrap();
        let taken = to.page(entries.clone()).and_then(|()| to.page(Vec::new()));
        assert!(matches!(taken, Err(TakeError::Announced { .. })), "{entries:?}");
    }
    for bad in [entry(&"x".repeat(MAX_PATH_BYTES + 1), 1), entry(&vec!["a"; MAX_DEPTH + 1].join("/"), 1)] {
        let mut to = Incoming::begin(into, &offer(true, 2, 10), "alice").unwrap();
        assert!(matches!(to.page(vec![bad]), Err(TakeError::Limit { .. })));
    }
    assert!(Incoming::begin(into, &offer(true, MAX_ENTRIES + 1, 0), "alice").is_err());
    assert!(Incoming::begin(into, &offer(false, 1, MAX_SIZE + 1), "alice").is_err());
    assert!(names(into).is_empty());
}

#[test]
fn what_does_not_fit_or_cannot_be_written_is_refused_before_it_begins() {
    let Place { into, .. } = &place();
    let huge = Offer { name: "huge".into(), folder: false, files: 1, bytes: 1 << 52 };
    let refused = Incoming::begin(into, &huge, "alice").err().unwrap();
    assert!(matches!(refused, TakeError::Full { .. }), "{refused}");
    // How much is missing only we know, before it begins; the system does not say.
    let full = place::write_error(into, std::io::ErrorKind::StorageFull.into());
    assert!(matches!(full, TakeError::NoRoom(_)) && !full.to_string().contains("bytes"), "{full}");
    assert!(Incoming::begin(&into.join("nowhere"), &huge, "alice").is_err());
    let file = write(into.join("file"), b"");
    assert!(Incoming::begin(&file, &Offer { bytes: 1, ..huge }, "alice").is_err());
}

#[test]
fn links_in_the_way_lead_nowhere() {
    let Place { from, into, .. } = &place();
    let outgoing = Outgoing::look(&write(from.join("tea"), b"tea")).unwrap();
    let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
    assert!(!bring(&outgoing, &mut to, 0).unwrap());
    let partial = names(into).pop().unwrap();
    drop(to);
    fs::remove_file(into.join(&partial)).unwrap();
    let target = write(from.join("target"), b"untouched");
    symlink(&target, into.join(&partial)).unwrap();
    assert!(Incoming::begin(into, outgoing.offer(), "alice").is_err());
    // One of the name itself is something of that name.
    fs::remove_file(into.join(&partial)).unwrap();
    symlink(&target, into.join("tea")).unwrap();
    assert_eq!(all(&outgoing, into).file_name().unwrap(), "tea (2)");
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
}

#[test]
fn what_changed_since_it_was_offered_is_not_given() {
    let Place { from, .. } = &place();
    let tea = write(from.join("tea"), &[7; 5000]);
    let outgoing = Outgoing::look(&tea).unwrap();
    assert!(matches!(outgoing.open(1, 0, &|| false), Err(GiveError::Place { .. })));
    assert!(matches!(outgoing.open(0, 5001, &|| false), Err(GiveError::Place { .. })));
    let mut reading = outgoing.open(0, 0, &|| false).unwrap();
    fs::write(&tea, [7; 4000]).unwrap();
    let mut buffer = [0; 8192];
    assert_eq!(reading.read(&mut buffer).unwrap(), 4000);
    assert!(matches!(reading.read(&mut buffer), Err(GiveError::Changed(_))));
    assert!(matches!(outgoing.open(0, 0, &|| false), Err(GiveError::Changed(_))));
    fs::write(&tea, [7; 6000]).unwrap();
    assert!(matches!(outgoing.open(0, 0, &|| false), Err(GiveError::Changed(_))));
    fs::remove_file(&tea).unwrap();
    symlink("/etc/passwd", &tea).unwrap();
    assert!(outgoing.open(0, 0, &|| false).is_err());
}

#[test]
fn what_is_not_wanted_any_more_goes_also_if_it_has_just_become_whole() {
    let Place { from, into, .. } = &place();
    write(from.join("tree/tea"), b"tea");
    for name in ["tree", "tree/tea"] {
        let outgoing = Outgoing::look(&from.join(name)).unwrap();
        for wanted in [true, false] {
            let mut to = Incoming::begin(into, outgoing.offer(), "alice").unwrap();
            assert!(bring(&outgoing, &mut to, usize::MAX).unwrap() && !to.is_placed());
            let came = to.complete().unwrap();
            assert!(to.is_placed() && came.exists());
            if wanted {
                drop(to);
            } else {
                to.discard();
            }
            assert_eq!(came.exists(), wanted, "{name}");
        }
    }
    assert_eq!(names(into), ["tea", "tree"]);
}

#[test]
fn a_folder_that_became_a_link_leads_nowhere() {
    let Place { from, into, .. } = &place();
    let tree = from.join("tree");
    write(tree.join("a/b/tea"), b"tea");
    let outgoing = Outgoing::look(&tree).unwrap();
    assert!(outgoing.open(0, 0, &|| false).is_ok());
    // The same file is behind the link, with the same inode and times: only the way to it is another one.
    for moved in ["a/b", "a", ""] {
        let (folder, elsewhere) = (tree.join(moved), into.join("elsewhere"));
        let folder = folder.components().as_path();
        fs::rename(folder, &elsewhere).unwrap();
        symlink(&elsewhere, folder).unwrap();
        assert!(matches!(outgoing.open(0, 0, &|| false), Err(GiveError::Changed(_))), "{moved:?}");
        fs::remove_file(folder).unwrap();
        fs::rename(&elsewhere, folder).unwrap();
    }
    assert!(outgoing.open(0, 0, &|| false).is_ok());
}

#[test]
fn what_is_no_file_is_not_offered() {
    let Place { from, .. } = &place();
    assert!(matches!(Outgoing::look(Path::new("/dev/null")), Err(GiveError::Kind(_))));
    assert!(matches!(Outgoing::look(&from.join("nothing")), Err(GiveError::Read { .. })));
    let mut deep = from.join("deep");
    (0..=MAX_DEPTH).for_each(|_| deep.push("d"));
    write(deep.join("file"), b"");
    assert!(matches!(Outgoing::look(&from.join("deep")), Err(GiveError::Path(_))));
}

#[test]
fn a_hash_goes_on_from_what_was_read_before() {
    let Place { from, .. } = &place();
    let content: Vec<u8> = (0..2_500_000_u32).map(|at| (at % 199) as u8).collect();
    let outgoing = Outgoing::look(&write(from.join("tea"), &content)).unwrap();
    for offset in [0, 1, 1_048_576, 2_000_000, 2_499_999, 2_500_000, 3] {
        let mut reading = outgoing.open(0, offset, &|| false).unwrap();
        let (mut read, mut buffer) = (Vec::<u8>::new(), vec![0; 70_000]);
        loop {
            match reading.read(&mut buffer).unwrap() {
                0 => break,
                some => read.extend(&buffer[..some]),
            }
        }
        assert_eq!(read, content[usize::try_from(offset).unwrap()..]);
        assert_eq!(reading.hash().unwrap()[..], Sha256::digest(&content)[..]);
    }
}

/// How many bytes this thread has read so far (proc(5), `rchar`); nothing where the kernel does not count.
fn read_here() -> Option<u64> {
    let io = fs::read_to_string("/proc/thread-self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
}

/// A hundred gibibytes without a block on the disk: sizes are numbers, and no more is read than is asked for.
/// What two messengers hold meanwhile, the end-to-end tests measure.
#[test]
fn of_a_sparse_file_its_size_alone_is_large() {
    const ASKED: usize = 1 << 16;
    let Place { from, .. } = &place();
    let huge = from.join("huge");
    fs::File::create(&huge).unwrap().set_len(100 << 30).unwrap();
    let before = read_here();
    let outgoing = Outgoing::look(&huge).unwrap();
    assert_eq!(outgoing.offer().bytes, 100 << 30);
    let mut reading = outgoing.open(0, 0, &|| false).unwrap();
    let mut buffer = vec![1; ASKED];
    assert_eq!(reading.read(&mut buffer).unwrap(), ASKED);
    assert!(buffer.iter().all(|byte| *byte == 0));
    // With what was read to know this.
    if let (Some(before), Some(after)) = (before, read_here()) {
        assert!((ASKED as u64..2 * ASKED as u64).contains(&(after - before)), "{} bytes", after - before);
    }
}
