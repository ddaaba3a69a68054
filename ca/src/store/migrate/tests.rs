//! From version 1 to the newest and back, with rows in every table.

use rusqlite::types::Value;

use super::*;
use crate::store::{Select, SqliteStore, Store};

const NOW: u64 = 1_000;

/// What a program of version 1 has written.
const ROWS: &str = "
    INSERT INTO account VALUES ('a', 3, '{}', 't', '[\"mailto:a@example.org\"]', 'valid', 1);
    INSERT INTO authorization VALUES ('valid', 1, 'a', 'alice@example.org', 'valid', 5000, 7, NULL, NULL, NULL, NULL);
    INSERT INTO authorization VALUES
        ('sent', 0, 'a', 'alice@example.org', 'pending', 5000, NULL, zeroblob(32), 900, 5, NULL),
        ('lost', 0, 'a', 'alice@example.org', 'pending', 5000, NULL, zeroblob(32), 900, 5, 'failed');
    INSERT INTO acme_order VALUES
        ('o', 0, 'a', 'valid', 'alice@example.org', 'device', 'valid', zeroblob(16), NULL, 10, 5000);
    INSERT INTO certificate VALUES (1, zeroblob(16), 2, 'people', 'device', 'a', 'o', 'alice@example.org', 7, 3,
        zeroblob(80), NULL, zeroblob(32), x'0102', 10, 5000, 'issued', 9, NULL, x'0304', NULL, NULL);
    INSERT INTO certificate VALUES (2, x'01010101010101010101010101010101', 0, 'services', 'service', NULL, NULL, NULL,
        7, NULL, NULL, 'localhost', zeroblob(32), x'0102', 10, 5000, 'abandoned', NULL, NULL, NULL, NULL, NULL);
    PRAGMA user_version = 1;";

fn version_1() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(STEPS[0].up).unwrap();
    old.execute_batch(ROWS).unwrap();
    (folder, path)
}

/// Tables and indexes with their columns, and every row.
fn dump(path: &Path) -> Vec<String> {
    let open = Connection::open(path).unwrap();
    let mut seen = Vec::new();
    let mut tables = open.prepare("SELECT type, name FROM sqlite_schema ORDER BY name").unwrap();
    let tables: Vec<(String, String)> =
        tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    for (kind, name) in tables {
        seen.push(format!("{kind} {name}"));
        if kind != "table" {
            continue;
        }
        let mut rows = open.prepare(&format!("SELECT * FROM {name} ORDER BY 1")).unwrap();
        let mut columns: Vec<_> = rows.column_names().into_iter().map(str::to_owned).collect();
        let mut found = rows.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            // A column that went and came back stands last.
            let mut cells: Vec<_> = columns
                .iter()
                .map(|column| format!("{column}={:?}", row.get::<_, Value>(column.as_str()).unwrap()))
                .collect();
            cells.sort();
            seen.push(format!("{name}: {}", cells.join(" ")));
        }
        columns.sort();
        seen.push(format!("{name}({})", columns.join(", ")));
    }
    seen
}

#[tokio::test]
async fn a_database_goes_up_to_the_newest_version_and_down_to_the_first_with_all_its_rows() {
    let (_folder, path) = version_1();
    let before = dump(&path);
    for _ in 0..2 {
        let store: Box<dyn Store> = Box::new(SqliteStore::open(&path).unwrap());
        assert!(store.account(Select::Account("a".into())).await.unwrap().is_some());
        let sent = store.authorization(Select::Authorization("sent".into())).await.unwrap().unwrap();
        assert_eq!(sent.code.unwrap().tries_left, 5);
        drop(store);
        for to in (1..VERSION).rev() {
            assert_eq!(down(&path, to, NOW, false).unwrap(), []);
            let open = Connection::open(&path).unwrap();
            assert_eq!(version(&open).unwrap(), to);
        }
        assert_eq!(dump(&path), before);
    }
    assert_eq!(down(&path, 1, NOW, false).unwrap(), [], "it is there already");
    let open = Connection::open(&path).unwrap();
    let sound: String = open.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn each_step_up_is_undone_by_its_step_down() {
    let (_folder, path) = version_1();
    let mut versions = vec![dump(&path)];
    let open = Connection::open(&path).unwrap();
    for step in &STEPS[1..] {
        open.execute_batch(step.up).unwrap();
        versions.push(dump(&path));
    }
    for (step, before) in STEPS[1..].iter().zip(&versions).rev() {
        open.execute_batch(step.down).unwrap();
        assert_eq!(dump(&path), *before);
    }
}

/// A database of the newest version in which this was done.
fn with(change: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let (folder, path) = version_1();
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch(change).unwrap();
    (folder, path)
}

#[test]
fn a_way_down_that_would_lose_something_says_what_and_is_refused() {
    for (change, to, what) in [
        ("INSERT INTO spending VALUES (0, 0, 5, 1)", 7, "1 days whose text messages"),
        ("UPDATE authorization SET proven_by = 'sms-code-00' WHERE id = 'valid'", 7, "by text message"),
        ("UPDATE authorization SET proven_by = 'oidc-00' WHERE id = 'valid'", 8, "by a reply or a log-in"),
        ("UPDATE authorization SET reply_expires = 2000 WHERE id = 'sent'", 8, "whose reply is waited for"),
        ("UPDATE certificate SET announce = 1 WHERE number = 1", 4, "still to be told"),
        ("UPDATE account SET external = 'member-7'", 3, "bound to an account elsewhere"),
        ("UPDATE account SET terms = 'https://example.org'", 3, "agreed to terms"),
        ("UPDATE acme_order SET replaces = zeroblob(16)", 3, "that name the certificate they replace"),
        ("INSERT INTO compromised_key VALUES (zeroblob(32))", 1, "of which no revoked certificate tells"),
    ] {
        let (_folder, path) = with(change);
        let before = dump(&path);
        let refused = down(&path, to, NOW, false).unwrap_err();
        assert!(refused.to_string().contains(what), "{change}: {refused}");
        assert_eq!(dump(&path), before, "{change}: nothing is changed");
        let lost = down(&path, to, NOW, true).unwrap();
        assert_eq!((lost.len(), lost[0].count), (1, 1), "{change}: {lost:?}");
        assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), to);
    }
    // Time passes, and nothing is lost any more.
    let (_folder, path) = with("INSERT INTO spending VALUES (0, 0, 5, 1)");
    assert_eq!(down(&path, 7, 86_400, false).unwrap(), []);
}

#[test]
fn what_an_older_program_could_not_read_is_never_let_go_of() {
    let (_folder, path) = with("UPDATE certificate SET state = 'erased' WHERE number = 1");
    assert_eq!(down(&path, 5, NOW, false).unwrap(), []);
    let refused = down(&path, 4, NOW, true).unwrap_err();
    assert!(matches!(&refused, DownError::Loses { losses, .. } if !losses[0].forgettable), "{refused}");
}

#[test]
fn an_older_program_says_that_the_database_is_newer_and_what_helps() {
    let (_folder, path) = with("");
    let newer = VERSION + 1;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    let before = dump(&path);
    let refused = SqliteStore::open(&path).err().unwrap().to_string();
    assert!(refused.contains(&format!("version {VERSION} or older, found version {newer}")), "{refused}");
    assert!(refused.contains(&format!("ca db migrate --to {VERSION}")), "{refused}");
    assert!(matches!(down(&path, 1, NOW, true), Err(DownError::Store(StoreError::Newer { .. }))));
    assert!(matches!(crate::store::Book::open(&path), Err(StoreError::Newer { .. })));
    assert_eq!(dump(&path), before);
}

#[test]
fn there_is_no_way_beside_the_versions_and_none_below_a_running_authority() {
    let (_folder, path) = with("");
    for to in [0, -1, VERSION + 1] {
        assert_eq!(down(&path, to, NOW, true), Err(DownError::NoWay { to, found: VERSION }));
    }
    let running = SqliteStore::open(&path).unwrap();
    assert!(matches!(down(&path, 1, NOW, true), Err(DownError::Store(StoreError::Locked { .. }))));
    drop(running);
}
