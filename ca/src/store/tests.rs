//! One contract, run against all stores.

use std::sync::Arc;

use super::*;
use crate::code::CodeHash;
use crate::testing::Postgres;
use crate::token::DigestHash;

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn account(id: &str, thumbprint: &str) -> Account {
    Account {
        id: id.into(),
        revision: 0,
        key: "{}".into(),
        thumbprint: thumbprint.into(),
        contact: vec!["mailto:a@example.org".into()],
        status: AccountStatus::Valid,
        created: 1,
        terms: Some("https://example.org/terms".into()),
        external: None,
    }
}

fn authorization(id: &str, status: AuthorizationStatus, expires: u64) -> Authorization {
    Authorization {
        id: id.into(),
        revision: 0,
        account: "a".into(),
        identifier: alice(),
        status,
        expires,
        validated: Some(7),
        proven_by: Some(ChallengeType::EmailCode),
        code: Some(IssuedCode { hash: CodeHash([3; 32]), expires: 9, tries_left: 5, handover: Handover::Failed }),
        reply: Some(ReplyState { part2: [4; 24], mail: Some(reply()) }),
    }
}

fn reply() -> IssuedReply {
    IssuedReply {
        digest: DigestHash([6; 32]),
        expires: 10,
        tries_left: 4,
        handover: Handover::UnderWay,
        refused: Some("no".into()),
    }
}

fn order(id: &str, created: u64) -> Order {
    Order {
        id: id.into(),
        revision: 0,
        account: "a".into(),
        authorization: "z".into(),
        identifier: alice(),
        profile: "device".into(),
        state: OrderState::Open,
        created,
        expires: created + 100,
        replaces: None,
    }
}

fn certificate(serial: u8, slot: u8) -> CertificateRecord {
    CertificateRecord {
        serial: Serial([serial; 16]),
        revision: 0,
        authority: Authority::People,
        profile: "device".into(),
        account: Some("a".into()),
        order: Some("o".into()),
        subject: Subject::Person { identifier: alice(), slot, vrf_proof: [9; 80] },
        period: 2900,
        opening: [1; 32],
        tbs: vec![1, 2, 3],
        not_before: 100,
        not_after: 200,
        state: CertificateState::Planned,
        revoked: None,
        announce: true,
    }
}

/// One of each kind, empty; and what must live as long as they do.
async fn stores() -> ((tempfile::TempDir, Option<Arc<Postgres>>), Vec<Box<dyn Store>>) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&folder.path().join("ca.sqlite")).unwrap();
    let mut stores: Vec<Box<dyn Store>> = vec![Box::new(MemoryStore::default()), Box::new(sqlite)];
    let postgres = Postgres::shared();
    if let Some(postgres) = &postgres {
        stores.push(Box::new(PostgresStore::open(&postgres.database()).await.unwrap()));
    }
    ((folder, postgres), stores)
}

async fn insert(store: &dyn Store, record: Record) -> Result<(), StoreError> {
    store.commit(vec![Change::Insert(record)]).await.map(|_| ())
}

#[tokio::test]
async fn accounts_are_unique_by_id_and_key() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        assert_eq!(insert(store, Record::Account(account("a", "u"))).await, Err(StoreError::Taken("account")));
        assert_eq!(insert(store, Record::Account(account("b", "t"))).await, Err(StoreError::Taken("account")));
        let found = store.account(Select::AccountByThumbprint("t".into())).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.contact.len(), found.revision), ("a", 1, 0));
        assert!(store.account(Select::Account("b".into())).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_account_cannot_take_anothers_key() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        insert(store, Record::Account(account("b", "u"))).await.unwrap();
        let update = |thumbprint| Change::Update(Record::Account(account("b", thumbprint)));
        assert_eq!(store.commit(vec![update("t")]).await, Err(StoreError::Conflict("account")));
        store.commit(vec![update("v")]).await.unwrap();
    }
}

#[tokio::test]
async fn the_second_of_two_updates_from_one_revision_is_refused() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        insert(store, Record::Authorization(authorization("z", AuthorizationStatus::Pending, 50))).await.unwrap();
        let read = store.authorization(Select::Authorization("z".into())).await.unwrap().unwrap();
        let update = Change::Update(Record::Authorization(read.clone()));
        store.commit(vec![update.clone()]).await.unwrap();
        assert_eq!(store.commit(vec![update]).await, Err(StoreError::Conflict("authorization")));
        let again = store.authorization(Select::Authorization("z".into())).await.unwrap().unwrap();
        let code = again.code.unwrap();
        assert_eq!((again.revision, code.tries_left, code.handover), (1, 5, Handover::Failed));
        assert_eq!(again.reply, Some(ReplyState { part2: [4; 24], mail: Some(reply()) }));
    }
}

#[tokio::test]
async fn changes_are_written_together_or_not_at_all() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        let changes =
            vec![Change::Insert(Record::Order(order("o", 1))), Change::Update(Record::Order(order("missing", 1)))];
        assert_eq!(store.commit(changes).await, Err(StoreError::Conflict("order")));
        assert!(store.order("o").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_slot_and_a_serial_number_are_given_once() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Certificate(certificate(1, 4))).await.unwrap();
        assert_eq!(insert(store, Record::Certificate(certificate(2, 4))).await, Err(StoreError::Taken("certificate")));
        assert_eq!(insert(store, Record::Certificate(certificate(1, 5))).await, Err(StoreError::Taken("certificate")));
        insert(store, Record::Certificate(certificate(2, 5))).await.unwrap();
        let service = |serial| CertificateRecord {
            subject: Subject::Service { name: "localhost".into() },
            ..certificate(serial, 0)
        };
        insert(store, Record::Certificate(service(3))).await.unwrap();
        insert(store, Record::Certificate(service(4))).await.unwrap();
        let mine =
            store.certificates(Select::CertificatesOf { identifier: alice(), from: 2900, to: 2900 }).await.unwrap();
        assert_eq!(mine.len(), 2);
        assert!(matches!(&mine[0].subject, Subject::Person { slot: 4, vrf_proof, .. } if *vrf_proof == [9; 80]));
    }
}

#[tokio::test]
async fn a_certificate_goes_through_its_states() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Certificate(certificate(1, 4))).await.unwrap();
        let states = [
            CertificateState::Logged { index: 7, proof: "proof".into() },
            CertificateState::Issued { index: 7, certificate: vec![5] },
            CertificateState::Abandoned { index: Some(7) },
        ];
        for (at, state) in states.into_iter().enumerate() {
            let read = store.certificate(Serial([1; 16])).await.unwrap().unwrap();
            let unfinished = store.certificates(Select::Unfinished { limit: 9 }).await.unwrap().len();
            assert_eq!(unfinished, usize::from(at < 2));
            let revoked = (at == 1).then_some(Revocation { at: 150, reason: 1 });
            store
                .commit(vec![Change::Update(Record::Certificate(CertificateRecord { state, revoked, ..read }))])
                .await
                .unwrap();
            let revoked =
                store.certificates(Select::Revoked { authority: Authority::People, at: 160 }).await.unwrap().len();
            assert_eq!(revoked, usize::from(at == 1));
        }
        assert_eq!(store.certificate(Serial([1; 16])).await.unwrap().unwrap().index(), Some(7));
    }
}

#[tokio::test]
async fn the_longest_valid_authorization_is_found() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        for (id, status, expires) in [
            ("x", AuthorizationStatus::Valid, 50),
            ("y", AuthorizationStatus::Valid, 60),
            ("z", AuthorizationStatus::Pending, 70),
        ] {
            insert(store, Record::Authorization(authorization(id, status, expires))).await.unwrap();
        }
        let ask = |at| Select::ValidAuthorizations { account: "a".into(), identifier: alice(), at };
        assert_eq!(store.authorization(ask(10)).await.unwrap().unwrap().id, "y");
        assert!(store.authorization(ask(60)).await.unwrap().is_none());
        let all = store.authorizations(ask(10)).await.unwrap();
        assert_eq!(all.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["y", "x"]);
    }
}

#[tokio::test]
async fn a_compromised_key_is_remembered_however_often_it_is_written() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let key = KeyDigest::of(b"key");
        assert!(!store.is_compromised(key).await.unwrap());
        insert(store.as_ref(), Record::CompromisedKey(key)).await.unwrap();
        insert(store.as_ref(), Record::CompromisedKey(key)).await.unwrap();
        assert!(store.is_compromised(key).await.unwrap());
        assert!(!store.is_compromised(KeyDigest::of(b"another")).await.unwrap());
    }
}

#[tokio::test]
async fn what_expired_is_forgotten_and_orders_are_listed_newest_first() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        for (id, created) in [("o1", 10), ("o2", 30), ("o3", 20)] {
            insert(store, Record::Order(order(id, created))).await.unwrap();
        }
        let ids =
            |records: Vec<Record>| records.into_iter().filter_map(Record::order).map(|o| o.id).collect::<Vec<_>>();
        let all = Select::OrdersOf { account: "a".into(), after: None, limit: 2 };
        let rest = Select::OrdersOf { account: "a".into(), after: Some((20, "o3".into())), limit: 2 };
        assert_eq!(ids(store.read(rest).await.unwrap()), ["o1"]);
        assert_eq!(ids(store.read(all.clone()).await.unwrap()), ["o2", "o3"]);
        store.commit(vec![Change::Forget { expired_before: 125 }]).await.unwrap();
        assert_eq!(ids(store.read(all).await.unwrap()), ["o2"]);
    }
}

#[tokio::test]
async fn an_account_elsewhere_has_one_account_here() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let bound = |id: &str| Account { external: Some("member-7".into()), ..account(id, id) };
        insert(store.as_ref(), Record::Account(bound("a"))).await.unwrap();
        let again = insert(store.as_ref(), Record::Account(bound("b"))).await;
        assert_eq!(again, Err(StoreError::Taken("account")));
        insert(store.as_ref(), Record::Account(account("c", "c"))).await.unwrap();
        insert(store.as_ref(), Record::Account(account("d", "d"))).await.unwrap();
        let read = store.account(Select::Account("a".into())).await.unwrap().unwrap();
        assert_eq!((read.external.as_deref(), read.terms.is_some()), (Some("member-7"), true));
    }
}

#[tokio::test]
async fn an_order_that_replaces_is_found_until_it_comes_to_nothing() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        insert(store, Record::Account(account("a", "t"))).await.unwrap();
        let old = Serial([4; 16]);
        insert(store, Record::Order(Order { replaces: Some(old), ..order("o", 10) })).await.unwrap();
        let found = store.orders(Select::Replacing(old)).await.unwrap();
        assert_eq!(found.iter().map(|o| (o.id.as_str(), o.replaces)).collect::<Vec<_>>(), [("o", Some(old))]);
        let failed = Order { state: OrderState::Invalid("no".into()), ..found[0].clone() };
        store.commit(vec![Change::Update(Record::Order(failed))]).await.unwrap();
        assert!(store.orders(Select::Replacing(old)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_issued_is_announced_once() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        for slot in 0..3 {
            insert(store, Record::Certificate(certificate(slot + 1, slot))).await.unwrap();
        }
        let issued = |record: CertificateRecord, announce| {
            let state = CertificateState::Issued { index: 1, certificate: vec![1] };
            Change::Update(Record::Certificate(CertificateRecord { state, announce, ..record }))
        };
        store.commit(vec![issued(certificate(2, 1), true), issued(certificate(3, 2), false)]).await.unwrap();
        let due = store.certificates(Select::Unannounced { limit: 9 }).await.unwrap();
        assert_eq!(due.iter().map(|c| c.serial).collect::<Vec<_>>(), [Serial([2; 16])]);
        store.commit(vec![issued(due[0].clone(), false)]).await.unwrap();
        assert!(store.certificates(Select::Unannounced { limit: 9 }).await.unwrap().is_empty());
    }
}

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
async fn faults_are_injected_before_and_after_writing() {
    let store = MemoryStore::default();
    store.fail_after(1, Fault::NotPersisted);
    insert(&store, Record::Account(account("a", "a"))).await.unwrap();
    assert!(insert(&store, Record::Account(account("b", "b"))).await.is_err());
    store.fail_after(0, Fault::Persisted);
    assert!(insert(&store, Record::Account(account("c", "c"))).await.is_err());
    let store: Box<dyn Store> = Box::new(store);
    assert!(store.account(Select::Account("b".into())).await.unwrap().is_none());
    assert!(store.account(Select::Account("c".into())).await.unwrap().is_some());
}

#[tokio::test]
async fn a_database_of_version_1_learns_which_keys_are_compromised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    // Any certificate that parses.
    let issued = crate::testing::World::new().await.trust().policies()[0].authorities[0].root.0.clone();
    let digest = KeyDigest::of_key(identity::certificate::Certificate::parse(&issued).unwrap().tbs()).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let revoked = CertificateRecord {
        state: CertificateState::Issued { index: 7, certificate: issued },
        revoked: Some(Revocation { at: 150, reason: 1 }),
        ..certificate(1, 4)
    };
    insert(&store, Record::Certificate(revoked)).await.unwrap();
    drop(store);
    back_to_version_2(&path, "DROP TABLE compromised_key; PRAGMA user_version = 1;");
    let store: Box<dyn Store> = Box::new(SqliteStore::open(&path).unwrap());
    assert!(store.is_compromised(digest).await.unwrap());
}

#[tokio::test]
async fn a_database_of_version_2_keeps_what_became_of_its_mails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    for id in ["sent", "failed"] {
        insert(&store, Record::Authorization(authorization(id, AuthorizationStatus::Pending, 50))).await.unwrap();
    }
    drop(store);
    back_to_version_2(&path, "UPDATE authorization SET mail_error = 'no' WHERE id = 'failed';");
    let store: Box<dyn Store> = Box::new(SqliteStore::open(&path).unwrap());
    for (id, handover) in [("sent", Handover::Done), ("failed", Handover::Failed)] {
        let read = store.authorization(Select::Authorization(id.into())).await.unwrap().unwrap();
        assert_eq!(read.code.unwrap().handover, handover, "{id}");
    }
}

#[tokio::test]
async fn a_database_of_version_6_had_one_challenge() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    insert(&store, Record::Authorization(authorization("z", AuthorizationStatus::Valid, 50))).await.unwrap();
    drop(store);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "ALTER TABLE authorization DROP COLUMN proven_by;
         ALTER TABLE authorization DROP COLUMN reply_part2;
         ALTER TABLE authorization DROP COLUMN reply_digest;
         ALTER TABLE authorization DROP COLUMN reply_expires;
         ALTER TABLE authorization DROP COLUMN reply_tries;
         ALTER TABLE authorization DROP COLUMN reply_handover;
         ALTER TABLE authorization DROP COLUMN reply_refused;
         DROP TABLE spending;
         PRAGMA user_version = 6;",
    )
    .unwrap();
    drop(old);
    let store: Box<dyn Store> = Box::new(SqliteStore::open(&path).unwrap());
    let read = store.authorization(Select::Authorization("z".into())).await.unwrap().unwrap();
    assert_eq!(read.proven_by, Some(ChallengeType::EmailCode));
}

fn back_to_version_2(path: &std::path::Path, and: &str) {
    let old = rusqlite::Connection::open(path).unwrap();
    old.execute_batch(
        "ALTER TABLE authorization ADD COLUMN mail_error TEXT;
         ALTER TABLE authorization DROP COLUMN code_handover;
         DROP INDEX account_external;
         DROP INDEX order_replaces;
         ALTER TABLE account DROP COLUMN terms;
         ALTER TABLE account DROP COLUMN external;
         ALTER TABLE acme_order DROP COLUMN replaces;
         DROP INDEX certificate_erasable;
         DROP INDEX certificate_unannounced;
         ALTER TABLE certificate DROP COLUMN announce;
         ALTER TABLE authorization DROP COLUMN proven_by;
         DROP TABLE spending;
         ALTER TABLE authorization DROP COLUMN reply_part2;
         ALTER TABLE authorization DROP COLUMN reply_digest;
         ALTER TABLE authorization DROP COLUMN reply_expires;
         ALTER TABLE authorization DROP COLUMN reply_tries;
         ALTER TABLE authorization DROP COLUMN reply_handover;
         ALTER TABLE authorization DROP COLUMN reply_refused;
         PRAGMA user_version = 2;",
    )
    .unwrap();
    old.execute_batch(and).unwrap();
}

#[tokio::test]
async fn what_messages_cost_is_kept_by_day_and_never_counted_over() {
    let (_folder, stores) = stores().await;
    for store in stores {
        let day = Spending { day: 20_000, revision: 0, spent: 75_000, messages: 1 };
        let insert = |spending| Change::Insert(Record::Spending(spending));
        store.commit(vec![insert(day)]).await.unwrap();
        assert_eq!(store.commit(vec![insert(day)]).await, Err(StoreError::Taken("spending")));
        let more = Spending { spent: 150_000, messages: 2, ..day };
        store.commit(vec![Change::Update(Record::Spending(more))]).await.unwrap();
        // Who read before that counts anew.
        let late = store.commit(vec![Change::Update(Record::Spending(more))]).await;
        assert_eq!(late, Err(StoreError::Conflict("spending")));
        assert_eq!(store.spending(20_000).await, Ok(Some(Spending { revision: 1, ..more })));
        assert_eq!(store.spending(20_001).await, Ok(None));
        let over = 20_001 * 86_400;
        store.commit(vec![Change::Forget { expired_before: over }]).await.unwrap();
        assert!(store.spending(20_000).await.unwrap().is_some(), "the day was not over before");
        store.commit(vec![Change::Forget { expired_before: over + 1 }]).await.unwrap();
        assert_eq!(store.spending(20_000).await, Ok(None));
    }
}

#[tokio::test]
async fn what_opens_an_entry_is_erased_once_its_certificate_has_ended() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        let issued = |serial, slot, not_after| CertificateRecord {
            not_after,
            state: CertificateState::Issued { index: 7, certificate: vec![5; 9] },
            ..certificate(serial, slot)
        };
        let bobs = Identifier::parse("bob@example.org").unwrap();
        let bob = CertificateRecord {
            subject: Subject::Person { identifier: bobs.clone(), slot: 1, vrf_proof: [9; 80] },
            ..issued(3, 1, 100)
        };
        // One that ended, one that has not, somebody else's, and one that nobody knows the end of.
        for record in
            [issued(1, 1, 100), issued(2, 2, 200), bob, CertificateRecord { not_after: 1, ..certificate(4, 4) }]
        {
            insert(store, Record::Certificate(record)).await.unwrap();
        }
        for erased in [1, 0] {
            let erase = Change::Erase { ended_before: 200, of: Some(alice()) };
            assert_eq!(store.commit(vec![erase]).await, Ok(erased));
        }
        let read = async |serial: u8| store.certificate(Serial([serial; 16])).await.unwrap().unwrap();
        let erased = read(1).await;
        assert_eq!(
            (erased.opening, erased.tbs.len(), erased.state),
            ([0; 32], 0, CertificateState::Erased { index: Some(7) })
        );
        assert_eq!((erased.account, erased.order, erased.revision), (None, None, 1));
        assert!(matches!(erased.subject, Subject::Person { slot: 1, vrf_proof: [0, ..], .. }));
        for kept in [2, 3, 4] {
            assert!(!read(kept).await.is_erased() && read(kept).await.opening == [1; 32], "{kept}");
        }
        // Its place is taken still, so that no label stands in the log twice.
        let again = insert(store, Record::Certificate(issued(5, 1, 300))).await;
        assert_eq!(again, Err(StoreError::Taken("certificate")));
        store.commit(vec![Change::Erase { ended_before: 101, of: None }]).await.unwrap();
        assert!(read(3).await.is_erased() && !read(2).await.is_erased());
    }
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

/// Two front ends on one database, with forty certificates of which each wants every slot: each slot is given once, each
/// record changed by one of them, and whoever loses is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn front_ends_that_share_a_database_do_nothing_twice() {
    let Some(server) = Postgres::shared() else { return };
    let address = server.database();
    // Both bring an empty database up to date at the same time.
    let (one, other) = tokio::join!(PostgresStore::open(&address), PostgresStore::open(&address));
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
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&server.database()).await.unwrap());
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
        let Err(error) = PostgresStore::open(url).await else { panic!("{url}") };
        assert!(said(error.clone()).contains(says) && !said(error.clone()).contains("SECRET"), "{url}: {error}");
    }
    let Some(server) = Postgres::shared() else { return };
    let address = server.database();
    drop(PostgresStore::open(&address).await.unwrap());
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // What the database says of a row is not told: there is an address in it.
    let store = PostgresStore::open(&address).await.unwrap();
    insert(&store, Record::Account(account("a", "t"))).await.unwrap();
    client.batch_execute("ALTER TABLE acme_order ADD COLUMN more TEXT NOT NULL").await.unwrap();
    let Err(error) = insert(&store, Record::Order(order("o", 1))).await else { panic!("a column is missing") };
    assert!(said(error.clone()).contains("23502") && !said(error.clone()).contains("alice"), "{error}");
    client.batch_execute("UPDATE ca_schema SET version = 99").await.unwrap();
    let Err(error) = PostgresStore::open(&address).await else { panic!("it is newer") };
    assert_eq!(error, StoreError::Newer { expected: 1, found: 99 });
}
