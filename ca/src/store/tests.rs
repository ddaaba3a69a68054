//! One contract, run against all stores.

mod postgres;
mod shared;
mod speaking;
mod sqlite;
mod versions;

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
        stores.push(Box::new(PostgresStore::found(&postgres.database(), "ours").await.unwrap()));
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
            let asked = Select::Revoked { authority: Authority::People, at: 160, after: None, limit: 9 };
            let revoked = store.certificates(asked).await.unwrap().len();
            assert_eq!(revoked, usize::from(at == 1));
        }
        assert_eq!(store.certificate(Serial([1; 16])).await.unwrap().unwrap().index(), Some(7));
    }
}

#[tokio::test]
async fn what_is_revoked_is_read_page_by_page() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        // In the order of ends, then of serial numbers: 4 (ended), 3, 1, 2; 5 is not revoked, 6 another authority's.
        for (serial, not_after) in [(1, 300), (2, 300), (3, 250), (4, 150), (5, 300), (6, 300)] {
            let revoked = (serial != 5).then_some(Revocation { at: 120, reason: 4 });
            let authority = if serial == 6 { Authority::Services } else { Authority::People };
            let record = CertificateRecord { not_after, revoked, authority, ..certificate(serial, serial) };
            insert(store, Record::Certificate(record)).await.unwrap();
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let asked = Select::Revoked { authority: Authority::People, at: 200, after, limit: 2 };
            let page = store.certificates(asked).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.not_after, last.serial));
            found.extend(page.iter().map(|c| c.serial.0[0]));
        }
        assert_eq!(found, [3, 1, 2]);
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
