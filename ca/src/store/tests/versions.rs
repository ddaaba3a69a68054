//! Databases of earlier versions, made by hand, as this program takes them up.

use super::*;

const BACK_TO_VERSION_9: &str = include_str!("../schema-10-down.sql");

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
    old.execute_batch(BACK_TO_VERSION_9).unwrap();
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
    old.execute_batch(BACK_TO_VERSION_9).unwrap();
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
