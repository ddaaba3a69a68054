//! What becomes of files where disks end: one that is full, and one that has room for more than any memory.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};
use story::counted;
use story::disk::{self, Disk};
use story::headless::Messenger;
use story::process;

use crate::{SOON, accepted, acquainted, come, file, hash};

/// Bytes of a file that takes a moment.
const LARGE: usize = 120_000_000;

#[test]
fn a_disk_that_is_full_fills_up_or_is_read_only_loses_nothing_and_says_so() {
    if !disk::is_apart("disks::a_disk_that_is_full_fills_up_or_is_read_only_loses_nothing_and_says_so").unwrap() {
        return;
    }
    let (place, server, [alice, bob]) = acquainted(["alice", "bob"]).unwrap();
    let [mut of_alice, mut of_bob] = [&alice, &bob].map(|person| person.messenger().unwrap());
    of_bob.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();
    let path = file(&place.path().join("summer.mp4"), LARGE);
    let [small, large] = [(64, "small"), (256, "large")]
        .map(|(megabytes, name)| Disk::of_megabytes(megabytes, &place.path().join(name)).unwrap());
    let offer = |of_bob: &mut Messenger, of_alice: &mut Messenger, into: &Path| {
        accepted(of_bob, (of_alice, alice.address()), &path, into)
    };
    let failed = |of_alice: &mut Messenger, transfer: &Value, why: &str| {
        let failed = json!({ "event": "file_state", "transfer": transfer, "state": "failed", "direction": "in" });
        let reason = of_alice.expect(&failed).unwrap()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(why), "{reason}");
    };
    // Before it begins.
    let transfer = offer(&mut of_bob, &mut of_alice, small.folder());
    failed(&mut of_alice, &transfer, "the disk is full");
    assert_eq!(fs::read_dir(small.folder()).unwrap().count(), 0, "nothing half-written");
    // Nor where nothing can be written at all, and neither device knows it before.
    large.read_only(true).unwrap();
    let transfer = offer(&mut of_bob, &mut of_alice, large.folder());
    failed(&mut of_alice, &transfer, "Read-only file system");
    let told = json!({ "event": "file_state", "transfer": transfer, "state": "failed", "direction": "out" });
    let told = of_bob.expect(&told).unwrap()["reason"].as_str().unwrap().to_owned();
    assert_eq!(told, "it could not be taken there", "paths and disks are nobody's business");
    assert_eq!(fs::read_dir(large.folder()).unwrap().count(), 0);
    large.read_only(false).unwrap();

    // While it comes.
    let transfer = offer(&mut of_bob, &mut of_alice, large.folder());
    of_alice.expect(&json!({ "event": "file_progress", "transfer": transfer })).unwrap();
    of_alice.tell(&json!({ "do": "file_pause", "transfer": transfer })).unwrap();
    of_alice.expect(&json!({ "event": "file_state", "transfer": transfer, "state": "paused" })).unwrap();
    large.fill().unwrap();
    of_alice.tell(&json!({ "do": "file_continue", "transfer": transfer })).unwrap();
    failed(&mut of_alice, &transfer, "the disk is full");
    of_bob
        .expect(&json!({ "event": "file_state", "transfer": transfer, "state": "failed", "direction": "out" }))
        .unwrap();
    large.free().unwrap();
    let part = fs::read_dir(large.folder()).unwrap().map(|found| found.unwrap());
    let part: Vec<_> =
        part.map(|found| (found.file_name().into_string().unwrap(), found.metadata().unwrap().len())).collect();
    let [(name, there)] = &part[..] else { panic!("{part:?}") };
    assert!(name.starts_with('.') && (1..LARGE as u64).contains(there), "{part:?}");

    // There is room, and it goes on where it was.
    let transfer = offer(&mut of_bob, &mut of_alice, large.folder());
    assert_eq!(hash(&come(&mut of_alice, &transfer)), hash(&path));
    assert_eq!(fs::read_dir(large.folder()).unwrap().count(), 1);
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

/// A hundred gibibytes, as they are offered.
const HUGE: u64 = 100 << 30;
/// So much of them is taken.
const TAKEN: u64 = 150_000_000;
/// What two measurements of the same program may differ by.
const ROOM: u64 = 32_000_000;

/// More than there is of memory goes through two messengers, as far as one can wait for it: neither holds more than for a small
/// file.
#[test]
fn a_sparse_file_of_a_hundred_gibibytes_takes_no_more_memory_than_a_small_one() {
    if !disk::is_apart("disks::a_sparse_file_of_a_hundred_gibibytes_takes_no_more_memory_than_a_small_one").unwrap() {
        return;
    }
    let (place, server, [alice, bob]) = acquainted(["alice", "bob"]).unwrap();
    let [mut of_alice, mut of_bob] = [&alice, &bob].map(|person| person.messenger().unwrap());
    of_bob.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();
    // It says that it has room, and stores what is written: no more than is taken.
    let disk = Disk::of_megabytes(120_000, &place.path().join("disk")).unwrap();
    let most = |of_alice: &Messenger, of_bob: &Messenger| {
        [of_alice, of_bob].map(|messenger| counted::most_memory(messenger.id()).unwrap())
    };
    let small = file(&place.path().join("small"), 8_000_000);
    let transfer = accepted(&mut of_bob, (&mut of_alice, alice.address()), &small, disk.folder());
    fs::remove_file(come(&mut of_alice, &transfer)).unwrap();
    let before = most(&of_alice, &of_bob);

    let huge = place.path().join("huge");
    File::create(&huge).unwrap().set_len(HUGE).unwrap();
    let transfer = accepted(&mut of_bob, (&mut of_alice, alice.address()), &huge, disk.folder());
    let progress = json!({ "event": "file_progress", "transfer": transfer, "direction": "in", "bytes": HUGE });
    while of_alice.expect(&progress).unwrap()["done"].as_u64().unwrap() < TAKEN {}
    of_alice.tell(&json!({ "do": "file_cancel", "transfer": transfer })).unwrap();
    for messenger in [&mut of_alice, &mut of_bob] {
        messenger.expect(&json!({ "event": "file_state", "transfer": transfer, "state": "cancelled" })).unwrap();
    }
    let nothing = || fs::read_dir(disk.folder()).unwrap().next().is_none().then_some(());
    process::await_sight("a folder without what is not wanted", SOON, nothing).unwrap();
    let after = most(&of_alice, &of_bob);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after <= before + ROOM, "{before} bytes for a small file, {after} for a huge one");
    }
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}
