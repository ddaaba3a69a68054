use std::time::Duration;

use identity::UnixTime;
use serde_json::json;

use super::*;

fn clock() -> Clock {
    Arc::new(|| UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000)))
}

async fn three(path: &Path) {
    let trail = Trail::open(path, clock()).unwrap();
    trail.note("account-made", json!({"account": "a"}));
    trail.record("about-to-sign", json!({"serial": "40"})).await.unwrap();
    let head = trail.head();
    trail.note("head-logged", json!({"count": head.count, "head": hex::encode(head.hash), "index": 7}));
}

#[tokio::test]
async fn a_trail_is_chained_across_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    three(&path).await;
    three(&path).await;
    let found = verify(&path).unwrap();
    assert_eq!((found.records, found.logged.as_slice()), (7, &[(3, 7), (6, 7)][..]));
    assert_eq!((found.counts["about-to-sign"], found.counts[BEGUN]), (2, 1));
    assert_eq!(found.span, Some((1_790_000_000, 1_790_000_000)));
    assert_eq!(Trail::open(&path, clock()).unwrap().head().count, 7);
}

#[tokio::test]
async fn whatever_is_changed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    three(&path).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let altered = [
        // A word, a record left out, two exchanged, one made up, one torn, the end of another file.
        (text.replace("\"a\"", "\"b\""), 3),
        (format!("{}\n{}\n", lines[0], lines[2]), 2),
        (format!("{}\n{}\n", lines[1], lines[0]), 1),
        (format!("{}\n{}\n", lines[0], lines[0]), 2),
        (text[..text.len() - 4].to_owned(), 4),
        (format!("{text}not json\n"), 5),
        (format!("{text}{}\n", "x".repeat(20_000)), 5),
        (text.replace("\"index\":7", "\"index\":\"7\""), 4),
    ];
    for (text, expected) in altered {
        std::fs::write(&path, &text).unwrap();
        let Err(TrailError::Broken { line, .. }) = verify(&path) else { panic!("not found in {text}") };
        assert_eq!(line, expected, "{text}");
    }
    // A head that was logged of other records.
    let other = text.replace(&hex::encode(Sha256::digest(lines[2])), &"0".repeat(64));
    std::fs::write(&path, other).unwrap();
    assert!(matches!(verify(&path), Err(TrailError::Broken { line: 4, .. })));
    std::fs::write(&path, "").unwrap();
    assert_eq!(verify(&path).unwrap().records, 0);
}

#[tokio::test]
async fn a_torn_record_is_cut_off_and_that_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    three(&path).await;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"n\":4,\"at\":17");
    std::fs::write(&path, text).unwrap();
    assert!(verify(&path).is_err());
    drop(Trail::open(&path, clock()).unwrap());
    assert_eq!(verify(&path).unwrap().counts["torn-record-cut-off"], 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_told() {
    // Writing to it fails as a full disk does (Linux).
    let Ok(trail) = Trail::open(Path::new("/dev/full"), clock()) else { return };
    assert!(matches!(trail.record("about-to-sign", json!({})).await, Err(TrailError::Io { .. })));
    assert!(trail.is_failing());
    assert_eq!(trail.head().count, 0);
}

/// Two front ends that record the same at the same moment: their heads stand in one log.
#[tokio::test]
async fn each_trail_is_told_from_all_others() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut heads = Vec::new();
    for folder in &folders {
        let path = folder.path().join(FILE);
        three(&path).await;
        three(&path).await;
        let head = Trail::open(&path, clock()).unwrap().head();
        let object = String::from_utf8(head.object("log.example.org")).unwrap();
        let found = verify(&path).unwrap();
        let expected = ["inperson-audit-head-v2", "log.example.org", &found.trail, "7", &found.head];
        assert_eq!(object.lines().collect::<Vec<_>>(), expected);
        heads.push(head);
    }
    assert_ne!(heads[0].trail, heads[1].trail);
    let object = heads[0].object("log.example.org");
    assert_eq!((heads[0].count_in(&object), heads[1].count_in(&object)), (Some(7), None));
    let old = b"inperson-audit-head-v1\nlog.example.org\n5\n00\n";
    assert_eq!((heads[0].count_in(old), heads[1].count_in(b"nonsense")), (Some(5), None));
}

/// As programs began them before.
#[tokio::test]
async fn a_trail_without_a_random_number_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let first = AuditRecord { n: 1, at: 5, what: "account-made".into(), of: json!({}), prev: "0".repeat(64) };
    let line = serde_json::to_string(&first).unwrap();
    std::fs::write(&path, format!("{line}\n")).unwrap();
    three(&path).await;
    let found = verify(&path).unwrap();
    assert_eq!((found.records, found.trail, found.counts.get(BEGUN)), (4, hex::encode(Sha256::digest(line)), None));
}
