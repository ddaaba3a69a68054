//! A log elsewhere: when it is certain how far it got, and what of it is this authority's.

use std::sync::Arc;

use transparency_log::copy::LogCopy;
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::MemoryLog;

use super::super::elsewhere::cosigners_since;
use super::*;

/// The server's log, as if it were somebody else's, who does not answer.
fn move_the_log_away(folder: &Path) {
    let policy = policies::newest(folder).unwrap().tlog_policy;
    let settings = folder.join(settings::FILE);
    let table = format!("\n[log_elsewhere]\nsubmission = \"https://log.example.org\"\npolicy = {policy:?}\n");
    let text = std::fs::read_to_string(&settings).unwrap() + &table;
    std::fs::write(&settings, text).unwrap();
}

#[tokio::test]
async fn a_log_elsewhere_that_does_not_answer_is_waited_for() {
    let place = Place::new().await;
    place.backup().await;
    place.unpack().unwrap();
    move_the_log_away(&place.at("restored"));
    let refused = place.catch_up().await;
    assert!(matches!(&refused, RestoreError::NotCertain { .. }) && refused.waits(), "{refused}");
    assert!(place.at("restored").join(MARK).exists());
    let begun = new_log::begin(&place.at("restored"), "next", &Wishes::default(), UnixTime::now()).await;
    assert!(begun.is_err(), "it is not this server's to give up");
}

#[tokio::test]
async fn a_log_elsewhere_is_read_from_where_it_is_and_not_taken_if_it_shows_less_than_the_books() {
    let place = Place::new().await;
    let log = place.at("server").join("log");
    let early = place.at("early");
    copy_folder(&log, &early);
    start(&place.at("server")).await.stop().await;
    place.backup().await;
    place.unpack().unwrap();
    move_the_log_away(&place.at("restored"));
    let waiting = place.waiting();
    let mut held = waiting.log_elsewhere(None).unwrap().unwrap();
    assert!(held.edge.before > 0 && held.copy.size() == 0, "{:?}", held.edge);
    held.edge.size = u64::MAX;
    let wishes = Wishes { mirrors: vec![early.display().to_string()], ..Wishes::default() };
    let standing = certain::find_out(&waiting, &mut held, &wishes, UnixTime::now()).await.unwrap();
    assert!(!standing.certain && standing.size > 0, "{standing}");
}

fn copy_folder(from: &Path, to: &Path) {
    for file in files::below(from).unwrap() {
        std::fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        std::fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

#[tokio::test]
async fn who_has_cosigned_since_the_backup_was_unpacked_knew_no_more() {
    let place = Place::new().await;
    place.backup().await;
    place.unpack().unwrap();
    let waiting = place.waiting();
    let now = UnixTime::now();
    let unpacked = waiting.unpacked_at().unwrap();
    assert!(unpacked.abs_diff(now.as_secs()) < 600);
    let at = async |time: u64| {
        let log = MemoryLog::open("log.example.org/2026", Arc::new(move || time)).await;
        log.sequencer.put_object(ObjectKind::Crl, b"a list".to_vec()).await.unwrap();
        log
    };
    let found = async |shown: &MemoryLog, copied: &MemoryLog| {
        let mut copy = LogCopy::open_on(Arc::new(MemoryStorage::new()), &copied.log_key).unwrap();
        copy.extend(copied.source()).await.unwrap();
        let text = transparency_log::storage::Storage::get(&*shown.storage, "checkpoint").unwrap().unwrap();
        let seen = tlog_proof::UnverifiedCheckpoint::parse(text).unwrap().verify_log(&shown.log_key).unwrap();
        cosigners_since(&waiting, &copy, &[seen], std::slice::from_ref(&shown.policy), now)
    };
    let before = at(unpacked).await;
    assert_eq!(found(&before, &before).await, []);
    let after = at(unpacked + 1).await;
    assert_eq!(found(&after, &after).await, std::slice::from_ref(&after.witness_key));
    // Of another size, and by a clock that is wrong.
    after.sequencer.put_object(ObjectKind::Crl, b"another".to_vec()).await.unwrap();
    assert_eq!(found(&after, &before).await, []);
    let ahead = at(now.as_secs() + 3600).await;
    assert_eq!(found(&ahead, &ahead).await, []);
}

#[tokio::test]
async fn what_others_have_put_into_a_log_is_not_taken_for_ones_own() {
    let (place, other) = (Place::new().await, Place::new().await);
    place.backup().await;
    place.unpack().unwrap();
    let waiting = place.waiting();
    let (mut entries, mut objects) = (Vec::new(), HashMap::new());
    let mut add = |kind: ObjectKind, bytes: Option<Vec<u8>>| {
        let hash = bytes.as_ref().map_or([9; 32], |bytes| <[u8; 32]>::from(Sha256::digest(bytes)));
        entries.push((entries.len() as u64, Entry::Object { kind, hash }));
        objects.extend(bytes.map(|bytes| (hash, bytes)));
    };
    for server in [&other, &place] {
        let server = server.at("server");
        add(ObjectKind::Crl, Some(std::fs::read(server.join("crl/people.crl")).unwrap()));
        add(ObjectKind::TrustPolicy, Some(std::fs::read(server.join("policy.json")).unwrap()));
        add(ObjectKind::IssuingCertificate, Some(ca::issuing_certificate(&server.join("keys"), "people").unwrap()));
    }
    add(ObjectKind::Crl, Some(b"no list".to_vec()));
    add(ObjectKind::TrustPolicy, Some(b"{}".to_vec()));
    // What cannot be read may be one's own.
    add(ObjectKind::Crl, None);
    let labels = waiting.own_logs().unwrap().remove(0).shard.vrf_key;
    let mut logged = LoggedSince { origin: "log.example.org".into(), labels, entries, objects, lists: Vec::new() };
    waiting.leave_out_others(&mut logged, UnixTime::now()).unwrap();
    let left: Vec<_> = logged.entries.iter().map(|(index, _)| *index).collect();
    assert_eq!(left, [3, 4, 5, 8]);
}
