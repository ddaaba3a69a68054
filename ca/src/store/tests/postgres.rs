//! What is PostgreSQL's own: several front ends, and a server that may not be there.

use super::*;
use crate::store::postgres::VERSION;

/// Two front ends on one database, with forty certificates of which each wants every slot: each slot is given once, each
/// record changed by one of them, and whoever loses is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn front_ends_that_share_a_database_do_nothing_twice() {
    let Some(server) = Postgres::shared() else { return };
    let address = server.database();
    // Both bring an empty database up to date at the same time.
    let (one, other) = tokio::join!(PostgresStore::found(&address, "ours"), PostgresStore::found(&address, "ours"));
    let fronts: [Arc<dyn Store>; 2] = [Arc::new(one.unwrap()), Arc::new(other.unwrap())];
    insert(&*fronts[0], Record::Account(account("a", "t"))).await.unwrap();
    let mut wanted = Vec::new();
    for slot in 0..32 {
        for (n, front) in fronts.iter().enumerate() {
            let front = Arc::clone(front);
            let serial = u8::try_from(n * 32).unwrap() + slot;
            wanted.push(tokio::spawn(
                async move { insert(&*front, Record::Certificate(certificate(serial, slot))).await },
            ));
        }
    }
    let mut given = 0;
    for one in wanted {
        match one.await.unwrap() {
            Ok(()) => given += 1,
            Err(error) => assert_eq!(error, StoreError::Taken("certificate")),
        }
    }
    let all = Select::CertificatesOf { identifier: alice(), from: 0, to: 3000 };
    assert_eq!((given, fronts[1].certificates(all).await.unwrap().len()), (32, 32));

    // One counter, raised by both: nothing is lost.
    insert(&*fronts[0], Record::Spending(Spending { day: 1, revision: 0, spent: 0, messages: 0 })).await.unwrap();
    let spending = fronts.iter().map(|front| {
        let front = Arc::clone(front);
        tokio::spawn(async move {
            for _ in 0..25 {
                loop {
                    let read = front.spending(1).await.unwrap().unwrap();
                    let more = Spending { spent: read.spent + 1, ..read };
                    match front.commit(vec![Change::Update(Record::Spending(more))]).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error, StoreError::Conflict("spending")),
                    }
                }
            }
        })
    });
    for done in spending.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    assert_eq!(fronts[1].spending(1).await.unwrap().unwrap().spent, 50);
}

/// Of two commits that lock the same two records in opposite order, one gives way and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_for_each_other_end() {
    let Some(server) = Postgres::shared() else { return };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::found(&server.database(), "ours").await.unwrap());
    for day in [1, 2] {
        insert(&*store, Record::Spending(Spending { day, revision: 0, spent: 0, messages: 0 })).await.unwrap();
    }
    for round in 0..10 {
        let crossing = [[1, 2], [2, 1]].map(|days| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let change =
                    |day| Change::Update(Record::Spending(Spending { day, revision: round, spent: day, messages: 0 }));
                store.commit(days.map(change).to_vec()).await
            })
        });
        let mut done = Vec::new();
        for one in crossing {
            done.push(one.await.unwrap());
        }
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        assert!(done.contains(&Err(StoreError::Conflict("spending"))), "{done:?}");
        assert_eq!(store.spending(2).await.unwrap().unwrap().revision, round + 1);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_or_newer_is_said_to_be() {
    let said = |error: StoreError| error.to_string();
    for (url, says) in [
        ("nonsense", "found one that is none"),
        ("postgres:///ca?host=/nowhere&user=ca", "the database"),
        ("postgres://ca:SECRET@localhost:1/ca", "the database"),
        ("postgres://ca:SECRET@localhost/ca?colour=red", "colour"),
    ] {
        let Err(error) = PostgresStore::open(url, "ours").await else { panic!("{url}") };
        assert!(said(error.clone()).contains(says) && !said(error.clone()).contains("SECRET"), "{url}: {error}");
    }
    let Some(server) = Postgres::shared() else { return };
    let address = server.database();
    drop(PostgresStore::found(&address, "ours").await.unwrap());
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // What the database says of a row is not told: there is an address in it.
    let store = PostgresStore::found(&address, "ours").await.unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    client.batch_execute("ALTER TABLE acme_order ADD COLUMN more TEXT NOT NULL").await.unwrap();
    let Err(error) = insert(&store, Record::Order(order("o", 1))).await else { panic!("a column is missing") };
    assert!(said(error.clone()).contains("23502") && !said(error.clone()).contains("alice"), "{error}");
    client.batch_execute("UPDATE ca_schema SET version = 99").await.unwrap();
    let Err(error) = PostgresStore::found(&address, "ours").await else { panic!("it is newer") };
    assert_eq!(error, StoreError::Newer { expected: VERSION, found: 99 });
}

#[tokio::test]
async fn a_database_is_that_of_the_authority_it_was_made_for() {
    let Some(server) = Postgres::shared() else { return };
    let address = server.database();
    // Asking makes nothing.
    for _ in 0..2 {
        assert_eq!(PostgresStore::open(&address, "ours").await.err(), Some(StoreError::Unfounded));
    }
    let look = |url: String| tokio::task::spawn_blocking(move || crate::store::postgres::Look::open(&url).err());
    assert_eq!(look(address.clone()).await.unwrap(), Some(StoreError::Unfounded));
    let away = look("postgres://127.0.0.1:1/nowhere".to_owned()).await.unwrap().unwrap().to_string();
    assert!(!away.contains("db found"), "{away}");
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
    // Founded twice it is the same; by another it is not.
    for _ in 0..2 {
        drop(PostgresStore::found(&address, "ours").await.unwrap());
        drop(PostgresStore::open(&address, "ours").await.unwrap());
    }
    let foreign = |expected: &str, found: &str| StoreError::Foreign { expected: expected.into(), found: found.into() };
    assert_eq!(PostgresStore::open(&address, "theirs").await.err(), Some(foreign("theirs", "ours")));
    assert_eq!(PostgresStore::found(&address, "theirs").await.err(), Some(foreign("theirs", "ours")));
    // One from before that was known, with what is in it.
    let store = PostgresStore::open(&address, "ours").await.unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    let one = speaking::issued().await.remove(0);
    let records = speaking::many(&one).into_iter().map(Record::Certificate);
    store.commit(records.map(Change::Insert).collect()).await.unwrap();
    let older = "DROP TABLE authority; ALTER TABLE certificate DROP COLUMN key_digest; DROP INDEX authorization_for;
        UPDATE ca_schema SET version = 2";
    client.batch_execute(older).await.unwrap();
    let store: Box<dyn Store> = Box::new(PostgresStore::open(&address, "ours").await.unwrap());
    assert!(store.account(Select::Account("a".into())).await.unwrap().is_some());
    let speaking = store.certificates(speaking::speaking_by(&one, 2 * speaking::MANY)).await.unwrap();
    assert_eq!(speaking.len(), speaking::MANY as usize, "their keys are noted");
    let noted = client.query_one("SELECT count(*) FROM certificate WHERE key_digest IS NOT NULL", &[]).await.unwrap();
    assert_eq!(noted.get::<_, i64>(0), i64::from(speaking::MANY), "of what has not ended");
    assert_eq!(PostgresStore::open(&address, "theirs").await.err(), Some(foreign("theirs", "ours")));
}
