//! What is SQLite's own: durability, one process, erased bytes, growth and copies.

use super::*;

#[tokio::test]
async fn sqlite_keeps_what_it_was_given_and_only_for_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Locked { .. })));
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    let state = OrderState::Processing(Serial([8; 16]));
    insert(&store, Record::Order(Order { state: state.clone(), ..order("o", 1) })).await.unwrap();
    drop(store);
    let store: Box<dyn Store> = Box::new(SqliteStore::open(&path).unwrap());
    assert_eq!(store.order("o").await.unwrap().unwrap().state, state);
}

#[tokio::test]
async fn a_store_that_is_closed_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    for n in 0..30u8 {
        let store = SqliteStore::open(&path).unwrap();
        insert(&store, Record::Account(account(&format!("a{n}"), &format!("t{n}")))).await.unwrap();
        drop(store);
        assert!(!folder.path().join("ca.sqlite-wal").exists(), "after {n} times");
    }
}

#[tokio::test]
async fn a_damaged_database_and_its_journal_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = (folder.path().join("ca.sqlite"), folder.path().join("ca.sqlite-wal"));
    drop(SqliteStore::open(&path).unwrap());
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    // As a crash leaves it: the journal has some pages of the database, not all.
    let pages = std::fs::read(&journal).unwrap();
    drop(store);
    let noise = vec![0xa5; 65536];
    std::fs::write(&path, &noise).unwrap();
    std::fs::write(&journal, &pages).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Broken { .. })));
    assert!(std::fs::read(&path).unwrap() == noise, "the database");
    assert!(std::fs::read(&journal).unwrap() == pages, "its journal");
}

#[tokio::test]
async fn a_refused_commit_does_not_take_its_neighbours_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("ca.sqlite")).unwrap();
    let commits: Vec<_> = (0..100u8)
        .map(|n| {
            let id = format!("a{}", n / 2);
            store.commit(vec![Change::Insert(Record::Account(account(&id, &id)))])
        })
        .collect();
    let results = futures_util::future::join_all(commits).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 50);
}

#[tokio::test]
async fn nothing_of_an_erased_opening_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("ca.sqlite")).unwrap();
    let secret = *b"an opening that is to be erased!";
    let record = CertificateRecord {
        opening: secret,
        not_after: 100,
        state: CertificateState::Issued { index: 7, certificate: [b"a signed ".as_slice(), &secret].concat() },
        ..certificate(1, 1)
    };
    insert(&store, Record::Certificate(record)).await.unwrap();
    let found = || {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.filter(|bytes| bytes.windows(secret.len()).any(|window| window == secret)).count()
    };
    assert!(found() > 0, "it is there before");
    store.commit(vec![Change::Erase { ended_before: 101, of: None }]).await.unwrap();
    drop(store);
    assert_eq!(found(), 0);
}

#[test]
fn what_can_be_erased_is_found_without_looking_at_all_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let database = rusqlite::Connection::open(&path).unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", columns::ERASE);
    let plan: String =
        database.query_row(&plan, (100, [0u8; 80], [0u8; 32], [0u8; 0]), |row| row.get("detail")).unwrap();
    assert!(plan.starts_with("SEARCH ") && plan.contains("certificate_erasable"), "{plan}");
}

#[tokio::test]
async fn what_is_erased_is_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    for (serial, not_after) in [(1, 100), (2, 100), (3, 300)] {
        let state = CertificateState::Issued { index: 7, certificate: vec![5; 9] };
        let revoked = (serial == 1).then_some(Revocation { at: 50, reason: 0 });
        let issued = CertificateRecord { not_after, state, revoked, ..certificate(serial, serial) };
        insert(&store, Record::Certificate(issued)).await.unwrap();
    }
    let stats = || Book::open(&path).unwrap().stats(200).unwrap();
    let found = stats();
    assert_eq!((found.issued, found.current, found.revoked, found.erased), (3, 1, 1, 0));
    store.commit(vec![Change::Erase { ended_before: 200, of: None }]).await.unwrap();
    let found = stats();
    assert_eq!((found.issued, found.current, found.revoked, found.erased), (1, 1, 1, 2));
}

/// A year of orders that lapse, in a database that is cleaned: nothing is overdue, and the file stops growing.
#[tokio::test]
async fn what_lapses_does_not_pile_up() {
    const DAY: u64 = 86_400;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    let mut sizes = Vec::new();
    for day in 100..465 {
        let now = day * DAY;
        let mut changes = Vec::new();
        for n in 0..20 {
            let id = format!("{day}-{n}");
            changes.push(Change::Insert(Record::Authorization(authorization(&id, AuthorizationStatus::Pending, now))));
            changes.push(Change::Insert(Record::Order(Order { expires: now, ..order(&id, now) })));
        }
        store.commit(changes).await.unwrap();
        let late = Book::open(&path).unwrap().growth(now + DAY).unwrap();
        assert_eq!(late.overdue() > 0, day >= 130, "{late:?}");
        store.commit(vec![Change::Forget { expired_before: now - 30 * DAY }]).await.unwrap();
        let growth = Book::open(&path).unwrap().growth(now).unwrap();
        assert_eq!(growth.overdue(), 0, "{growth:?}");
        let kept = |table: &str| growth.kept.iter().find(|kept| kept.table == table).unwrap().clone();
        assert!(kept("acme_order").rows <= 31 * 20 && kept("authorization").bytes > 0, "{growth:?}");
        assert_eq!((kept("account").rows, kept("account").overdue), (1, None));
        sizes.push(growth.bytes);
    }
    assert!(sizes[364] <= sizes[60] + 16 * 4096, "{sizes:?}");
}

/// Two hundred commits of two rows each while the database is copied again and again: each copy has whole commits, in order.
#[tokio::test]
async fn a_copy_of_a_database_in_use_has_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    insert(&*store, Record::Account(account("a", "t"))).await.unwrap();
    let writing = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for n in 0..200u64 {
            let id = format!("{n}");
            let authorization = authorization(&id, AuthorizationStatus::Pending, 50);
            let both = vec![
                Change::Insert(Record::Authorization(authorization)),
                Change::Insert(Record::Order(order(&id, n))),
            ];
            writing.commit(both).await.unwrap();
        }
    });
    for n in 0..5 {
        let (from, to) = (path.clone(), folder.path().join(format!("copy-{n}.sqlite")));
        let copied = to.clone();
        tokio::task::spawn_blocking(move || snapshot(&from, &to)).await.unwrap().unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(copied.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let stats = Book::open(&copied).unwrap().stats(0).unwrap();
        assert_eq!(stats.orders, stats.authorizations);
        let copy: Box<dyn Store> = Box::new(SqliteStore::open(&copied).unwrap());
        for n in 0..stats.orders {
            assert!(copy.order(&n.to_string()).await.unwrap().is_some(), "{n} of {}", stats.orders);
        }
    }
    writer.await.unwrap();
    assert!(matches!(snapshot(&path, &path), Err(StoreError::Unavailable(_))), "nothing is overwritten");
    assert!(snapshot(&folder.path().join("none"), &folder.path().join("new")).is_err());
}
