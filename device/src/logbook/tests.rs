//! A log that grows, and a logbook that is interrupted, loses its index, or meets a label twice.

use transparency_log::Submit;
use transparency_log::testing::MemoryLog;

use super::*;

const ORIGIN: &str = "log.example.org/2026";

struct Place {
    _temp: tempfile::TempDir,
    home: Home,
    log: MemoryLog,
}

impl Place {
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path()).unwrap();
        Self { _temp: temp, home, log: MemoryLog::open(ORIGIN, transparency_log::system_clock()).await }
    }

    fn book(&self) -> Logbook {
        Logbook::open(&self.home, ORIGIN)
    }

    async fn add(&self, label: [u8; 32], salt: u8) {
        let entry = Entry::Certificate { label, commitment: [salt; 32] };
        self.log.sequencer.submit(entry.encode()).await.unwrap();
    }

    async fn follow(&self, from: From) -> Result<AuditReport, FollowError> {
        self.book().follow(&Arc::new(self.log.source()), &self.log.policy, from, |_| {}).await
    }

    fn file(&self, name: &str) -> PathBuf {
        self.book().folder.join(name)
    }
}

#[tokio::test]
async fn a_label_is_found_again_by_its_beginning() {
    let place = Place::new().await;
    for label in [[1; 32], [2; 32], [3; 32]] {
        place.add(label, 0).await;
    }
    assert_eq!(place.follow(From::Cursor).await.unwrap().size, 3);
    assert_eq!(place.book().candidates(&[[2; 8], [9; 8]]).unwrap(), [1]);
    place.add([9; 32], 0).await;
    let report = place.follow(From::Cursor).await.unwrap();
    assert_eq!((report.start, report.size), (3, 4));
    assert_eq!(place.book().candidates(&[[2; 8], [9; 8]]).unwrap(), [1, 3]);
}

#[tokio::test]
async fn what_an_interrupted_audit_left_is_cut() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    // Killed after writing to the index, before the cursor was replaced.
    let mut labels = fs::read(place.file("labels")).unwrap();
    labels.extend_from_slice(&[7; 20]);
    fs::write(place.file("labels"), labels).unwrap();
    place.add([2; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    assert_eq!(fs::read(place.file("labels")).unwrap(), [[1; 8], [2; 8]].concat());
}

#[tokio::test]
async fn a_lost_index_is_made_again_from_the_first_entry() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    fs::remove_file(place.file("labels")).unwrap();
    assert_eq!(place.follow(From::Cursor).await.unwrap().start, 0);
    assert_eq!(place.book().candidates(&[[1; 8]]).unwrap(), [0]);
}

#[tokio::test]
async fn starting_over_still_holds_the_log_to_what_it_showed_before() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    place.follow(From::Start).await.unwrap();
    // The same log by name and key, with another history.
    let other = Place { home: place.home.clone(), ..Place::new().await };
    other.add([2; 32], 0).await;
    let error = other.follow(From::Start).await.unwrap_err();
    assert!(matches!(error, FollowError::Audit(AuditError::Rewritten { .. })), "{error}");
    assert_eq!(place.book().candidates(&[[1; 8]]).unwrap(), [0], "nothing was kept of it");
}

#[tokio::test]
async fn a_label_that_comes_twice_is_seen_across_audits() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    place.add([2; 32], 0).await;
    assert!(place.follow(From::Cursor).await.unwrap().duplicates.is_empty());
    place.add([3; 32], 0).await;
    place.add([2; 32], 1).await;
    let duplicates = place.follow(From::Cursor).await.unwrap().duplicates;
    assert_eq!(duplicates, [Duplicate { label: [2; 32], first: 1, second: 3 }]);
}

/// Shows one log until a checkpoint was asked for, and another one from the second time on.
struct TwoFaced {
    first: MemoryLog,
    then: MemoryLog,
    asked: std::sync::atomic::AtomicUsize,
}

impl Source for TwoFaced {
    fn get(&self, path: &str) -> futures_util::future::BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        use std::sync::atomic::Ordering::SeqCst;
        let asked = self.asked.fetch_add(usize::from(path == "checkpoint"), SeqCst) + usize::from(path == "checkpoint");
        let (source, path) = (if asked <= 1 { &self.first } else { &self.then }.source(), path.to_owned());
        Box::pin(async move { source.get(&path).await })
    }
}

#[tokio::test]
async fn entries_are_read_from_the_tree_that_was_audited() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    let audited = place.follow(From::Cursor).await.unwrap().cursor;
    // The same label at the same place, but another commitment; signed by the same log and witness.
    let forked = Place { home: place.home.clone(), ..Place::new().await };
    forked.add([1; 32], 9).await;
    let error = read_entries(&Arc::new(forked.log.source()), &place.log.policy, &audited, &[0]).await.unwrap_err();
    assert!(matches!(error, AuditError::Rewritten { .. }), "{error}");
    // And one that ends before the entry.
    let old = Place::new().await;
    let error = read_entries(&Arc::new(old.log.source()), &place.log.policy, &audited, &[0]).await.unwrap_err();
    assert!(matches!(error, AuditError::Truncated { expected: 1, found: 0 }), "{error}");
    assert_eq!(read_entries(&Arc::new(place.log.source()), &place.log.policy, &audited, &[0]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn starting_over_is_not_fooled_by_an_old_state_and_the_right_one_after_it() {
    let (place, old) = (Place::new().await, Place::new().await);
    place.add([1; 32], 0).await;
    old.add([1; 32], 0).await;
    place.add([2; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    let faces = Arc::new(TwoFaced { first: old.log.clone(), then: place.log.clone(), asked: 0.into() });
    let error = place.book().follow(&faces, &place.log.policy, From::Start, |_| {}).await.unwrap_err();
    assert!(matches!(error, FollowError::Audit(AuditError::Truncated { expected: 2, found: 1 })), "{error}");
    assert_eq!(place.book().cursor().unwrap().unwrap().size(), 2, "the cursor does not go back");
    assert_eq!(place.book().candidates(&[[2; 8]]).unwrap(), [1]);
}

#[tokio::test]
async fn another_log_of_the_policy_is_not_taken_for_this_one() {
    let place = Place::new().await;
    let other = MemoryLog::open("other.example.org/2026", transparency_log::system_clock()).await;
    let mut policy = other.policy.clone();
    policy.logs.extend(place.log.policy.logs.clone());
    let error = place.book().follow(&Arc::new(other.source()), &policy, From::Cursor, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("expected a log of the policy"), "{error}");
    assert!(place.book().cursor().unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_cursor_is_named_and_never_skipped() {
    let place = Place::new().await;
    place.add([1; 32], 0).await;
    place.follow(From::Cursor).await.unwrap();
    fs::write(place.file("cursor.json"), "{}").unwrap();
    let error = place.follow(From::Cursor).await.unwrap_err().to_string();
    assert!(error.contains("cursor.json is damaged"), "{error}");
}
