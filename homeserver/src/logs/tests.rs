//! A home server whose next log does not open, and one whose first log is over.

use std::path::Path;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use tower::ServiceExt as _;

use super::*;
use crate::testing::{announce, clock, published, start, version};
use crate::{Homeserver, policies};

/// In the version that announces a log the quorum demands a witness that nobody reaches.
fn demand_a_witness_that_is_away(folder: &Path) {
    let genesis = TrustPolicy::parse(&std::fs::read(folder.join(crate::genesis::FILE)).unwrap()).unwrap();
    let mut next = policies::newest(folder).unwrap();
    let seed = tempfile::tempdir().unwrap();
    let key = keys::open(&Folder::open(seed.path()).unwrap(), "key.pem").unwrap();
    let vkey = Cosigner::new("away.example/witness", key).unwrap().vkey();
    let (rest, quorum) = next.tlog_policy.trim_end().rsplit_once("quorum ").unwrap();
    next.tlog_policy = format!("{rest}witness away {vkey}\ngroup both all {quorum} away\nquorum both\n");
    policies::sign_as_next(folder, &genesis, &next, None, None).unwrap();
}

#[tokio::test]
async fn a_log_that_is_to_begin_and_does_not_open_keeps_nothing_from_running() {
    let place = tempfile::tempdir().unwrap();
    let (seconds, clock) = clock();
    start(place.path(), &clock).await.unwrap().stop().await;
    let begins = announce(place.path(), &clock);
    demand_a_witness_that_is_away(place.path());
    let server = start(place.path(), &clock).await.unwrap();
    published(place.path()).await;
    let origin = server.logs.settings.shard_origin("next");
    let mut attempts = Attempts::default();
    let deadline = Instant::now() + Duration::from_secs(30);
    while attempts.is_due(&origin, Instant::now()) {
        assert!(Instant::now() < deadline, "the log is not tried");
        server.logs.look(server.ca.shards(), &mut attempts).await.unwrap();
    }
    assert_eq!(server.ca.shards().all().len(), 1);
    let page = server.logs.router().oneshot(Request::get("/log/next").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(page.status(), StatusCode::NOT_FOUND, "a log that does not run is not shown");
    server.stop().await;

    let server = start(place.path(), &clock).await.unwrap();
    assert_eq!(server.ca.shards().all().len(), 1, "the present log works");
    server.stop().await;
    // When its time has come nothing can be certified without it.
    seconds.store(begins.as_secs(), Ordering::SeqCst);
    let error = start(place.path(), &clock).await.map(drop).unwrap_err();
    assert!(matches!(&error, StartError::Part { part: "log", .. }), "{error}");
}

#[tokio::test]
async fn a_server_starts_after_a_crash_while_a_label_key_was_destroyed() {
    let place = tempfile::tempdir().unwrap();
    let (seconds, clock) = clock();
    let server = start(place.path(), &clock).await.unwrap();
    announce(place.path(), &clock);
    published(place.path()).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.ca.shards().all().len() < 2 {
        assert!(Instant::now() < deadline, "the next log is not opened");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;

    let policy = policies::newest(place.path()).unwrap();
    let first = policy.shards(&policy.authorities[0]).unwrap().remove(0);
    seconds.store(first.window.retires().unwrap().as_secs(), Ordering::SeqCst);
    // As a crash after overwriting leaves it.
    let file = place.path().join("keys").join(ca::keys::LABEL_KEY);
    let leftover = file.with_added_extension("destroyed");
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::rename(&file, &leftover).unwrap();
    std::fs::write(&leftover, vec![0; usize::try_from(length).unwrap()]).unwrap();
    let server = start(place.path(), &clock).await.unwrap();
    let shards = server.ca.shards().all();
    assert_eq!(shards.iter().map(|shard| shard.is_retired()).collect::<Vec<_>>(), [true, false]);
    assert!(!leftover.exists() && !file.exists());
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_is_struck_takes_nothing_and_its_label_key_ends_in_its_time() {
    let place = tempfile::tempdir().unwrap();
    let (seconds, clock) = clock();
    let server = start(place.path(), &clock).await.unwrap();
    let origin = server.logs.settings.origin();
    let begins = announce(place.path(), &clock);
    published(place.path()).await;
    server.stop().await;
    let retires = {
        let policy = policies::newest(place.path()).unwrap();
        policy.shards(&policy.authorities[0]).unwrap()[0].window.retires().unwrap()
    };

    let strike = policies::Strike { logs: vec![origin.clone()], ..policies::Strike::default() };
    let next = place.path().join("next.json");
    std::fs::write(&next, policies::draft(place.path(), &strike).unwrap()).unwrap();
    let sign = || policies::sign(place.path(), &next, None, None, clock());
    let early = sign().unwrap_err().to_string();
    assert!(early.contains("sign this after"), "{early}");
    seconds.store(begins.as_secs() + 60, Ordering::SeqCst);
    let server = start(place.path(), &clock).await.unwrap();
    assert_eq!(sign().unwrap().number, 3);
    version(place.path(), 3).await;
    server.logs.look(server.ca.shards(), &mut Attempts::default()).await.unwrap();
    let is_closed = async |server: &Homeserver| {
        let shards = server.ca.shards().all();
        assert_eq!((shards.len(), shards[0].origin()), (2, origin.as_str()));
        let put = |shard: usize| shards[shard].log().put_object(ObjectKind::Crl, vec![1]);
        matches!(put(0).await, Err(SubmitError::Stopped)) && put(1).await.is_ok()
    };
    assert!(is_closed(&server).await, "at once");
    server.stop().await;
    let server = start(place.path(), &clock).await.unwrap();
    assert!(is_closed(&server).await, "and after a start");
    let page =
        server.logs.router().oneshot(Request::get("/log/checkpoint").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK, "it is served on");
    assert!(!server.ca.shards().all()[0].is_retired());
    server.stop().await;
    seconds.store(retires.as_secs(), Ordering::SeqCst);
    let server = start(place.path(), &clock).await.unwrap();
    assert_eq!(server.ca.shards().all().iter().map(|shard| shard.is_retired()).collect::<Vec<_>>(), [true, false]);
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_is_struck_is_in_backups_and_served_on_after_a_restore() {
    let place = tempfile::tempdir().unwrap();
    let (folder, backup) = (place.path().join("server"), place.path().join("backup"));
    let (seconds, clock) = clock();
    let server = start(&folder, &clock).await.unwrap();
    let origins = [server.logs.settings.origin(), server.logs.settings.shard_origin("next")];
    let begins = announce(&folder, &clock);
    published(&folder).await;
    server.stop().await;
    seconds.store(begins.as_secs() + 60, Ordering::SeqCst);
    let policy = policies::newest(&folder).unwrap();
    let retires = policy.shards(&policy.authorities[0]).unwrap()[0].window.retires().unwrap();
    let next = folder.join("next.json");
    let strike = policies::Strike { logs: vec![origins[0].clone()], ..policies::Strike::default() };
    std::fs::write(&next, policies::draft(&folder, &strike).unwrap()).unwrap();
    assert_eq!(policies::sign(&folder, &next, None, None, clock()).unwrap().number, 3);
    let server = start(&folder, &clock).await.unwrap();
    version(&folder, 3).await;
    server.stop().await;

    // None that has begun is left out of a backup because it is not found.
    for (log, origin) in [("log", &origins[0]), ("shards/next/log", &origins[1])] {
        std::fs::rename(folder.join(log), folder.join("away")).unwrap();
        let refused = crate::backup::backup(&folder, &backup, clock()).await.unwrap_err().to_string();
        assert!(refused.contains(origin.as_str()), "{refused}");
        std::fs::rename(folder.join("away"), folder.join(log)).unwrap();
    }
    let made = crate::backup::backup(&folder, &backup, clock()).await.unwrap().manifest.logs;
    assert_eq!(made.iter().map(|log| log.origin.as_str()).collect::<Vec<_>>(), origins);
    assert!(made.iter().all(|log| log.size > 0), "{made:?}");
    let restored = place.path().join("restored");
    crate::restore::unpack(&backup, &restored, clock()).unwrap();
    let caught_up = crate::restore::catch_up(&restored, &crate::restore::Wishes::default(), clock()).await;
    let Err(crate::restore::RestoreError::NotCertain { logs }) = caught_up else { panic!("{caught_up:?}") };
    assert_eq!(logs.iter().map(|log| log.certain).collect::<Vec<_>>(), [true, false], "{logs:?}");
    let checkpoint = std::fs::read(folder.join("log/checkpoint")).unwrap();
    // As it is once it is certain how far the other got.
    std::fs::remove_file(restored.join(crate::restore::MARK)).unwrap();
    let server = start(&restored, &clock).await.unwrap();
    let page = Request::get("/log/checkpoint").body(Body::empty()).unwrap();
    let page = server.logs.router().oneshot(page).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(axum::body::to_bytes(page.into_body(), 4096).await.unwrap(), checkpoint);
    assert!(!server.ca.shards().all()[0].is_retired());
    server.stop().await;

    // Its label key does not come back after its time.
    let later = place.path().join("later");
    crate::restore::unpack(&backup, &later, retires).unwrap();
    let label_key = |folder: &Path| folder.join("keys").join(ca::keys::LABEL_KEY).exists();
    assert_eq!((label_key(&restored), label_key(&later)), (true, false));
}

#[test]
fn a_label_key_may_be_missing_only_when_its_logs_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let label_key = folder.path().join(ca::keys::LABEL_KEY);
    let vrf_key = ca::LabelKey::open_or_make(&label_key).unwrap().public().clone();
    let another = ca::LabelKey::open_or_make(&folder.path().join("another")).unwrap().public().clone();
    let place = Place {
        name: "2026".into(),
        folder: folder.path().into(),
        log_key: keys::LOG.into(),
        label_key: label_key.clone(),
        prefix: "/log".into(),
        is_first: true,
    };
    let named = |vrf_key| identity::trust::Shard { origin: "a".into(), vrf_key, window: Default::default() };
    let open = |named, over| open::label_key(&place, &named, over);
    for over in [false, true] {
        assert!(open(named(vrf_key.clone()), over).unwrap().is_some());
        assert!(open(named(another.clone()), over).is_err());
    }
    std::fs::remove_file(&label_key).unwrap();
    assert!(open(named(vrf_key.clone()), true).unwrap().is_none());
    assert!(open(named(vrf_key), false).is_err());
}

#[test]
fn later_logs_are_found_in_order_and_what_cannot_be_listed_is_no_empty_list() {
    let place = tempfile::tempdir().unwrap();
    assert!(later_logs(place.path()).unwrap().is_empty());
    for name in ["2028", "2027"] {
        std::fs::create_dir_all(place.path().join("shards").join(name)).unwrap();
    }
    assert_eq!(later_logs(place.path()).unwrap(), ["shards/2027", "shards/2028"].map(PathBuf::from));
    std::fs::remove_dir_all(place.path().join("shards")).unwrap();
    std::fs::write(place.path().join("shards"), "no folder").unwrap();
    later_logs(place.path()).unwrap_err();
}
