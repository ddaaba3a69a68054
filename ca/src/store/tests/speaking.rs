//! What speaks by a key, and what was proven of an identifier.

use super::*;
use crate::testing::{Client, Signer, World};

/// Two certificates of one key, the second for another address, and one of another key, as an authority has kept them.
pub(super) async fn issued() -> Vec<CertificateRecord> {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let [key, other] = [(); 2].map(|()| rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let mut issued = Vec::new();
    for (address, key) in [("alice@example.org", &key), ("bob@example.org", &key), ("carol@example.org", &other)] {
        client.enroll(&world, address, key).await;
        let identifier = Identifier::parse(address).unwrap();
        let of = Select::CertificatesOf { identifier, from: 0, to: u32::MAX };
        issued.extend(world.store().certificates(of).await.unwrap());
    }
    issued
}

pub(super) fn speaking_by(one: &CertificateRecord, limit: u32) -> Select {
    Select::SpeakingBy { key: one.key().unwrap(), at: one.not_after, limit }
}

async fn serials(store: &dyn Store, select: Select) -> Vec<Serial> {
    store.certificates(select).await.unwrap().iter().map(|c| c.serial).collect()
}

#[tokio::test]
async fn what_speaks_by_a_key_is_found_until_it_is_revoked_for_its_compromise() {
    let (_folder, stores) = stores().await;
    let [one, two, other] = issued().await.try_into().unwrap();
    for store in &stores {
        let store = store.as_ref();
        let on_its_way = CertificateRecord { state: CertificateState::Planned, ..two.clone() };
        for record in [&one, &on_its_way, &other] {
            insert(store, Record::Certificate(record.clone())).await.unwrap();
        }
        assert_eq!(serials(store, speaking_by(&one, 9)).await, [one.serial, two.serial]);
        assert_eq!(serials(store, speaking_by(&one, 1)).await, [one.serial]);
        assert_eq!(serials(store, speaking_by(&other, 9)).await, [other.serial]);
        let later = Select::SpeakingBy { key: one.key().unwrap(), at: one.not_after + 1, limit: 9 };
        assert_eq!(serials(store, later).await, [], "ended");
        for (reason, left) in [(4, vec![one.serial, two.serial]), (1, vec![two.serial])] {
            let read = store.certificate(one.serial).await.unwrap().unwrap();
            let revoked = CertificateRecord { revoked: Some(Revocation { at: 1, reason }), ..read };
            store.commit(vec![Change::Update(Record::Certificate(revoked))]).await.unwrap();
            assert_eq!(serials(store, speaking_by(&one, 9)).await, left);
        }
        let given_up = CertificateRecord { state: CertificateState::Abandoned { index: None }, ..on_its_way };
        store.commit(vec![Change::Update(Record::Certificate(given_up))]).await.unwrap();
        assert_eq!(serials(store, speaking_by(&one, 9)).await, []);
    }
}

#[tokio::test]
async fn every_proof_of_an_identifier_is_found_and_what_a_message_can_still_make_one() {
    let (_folder, stores) = stores().await;
    for store in &stores {
        let store = store.as_ref();
        let unasked = |proof| Authorization { code: None, reply: None, ..proof };
        for id in ["a", "b"] {
            insert(store, Record::Account(account(id, id))).await.unwrap();
        }
        let new = |id: &str, status| authorization(id, status, 50);
        for proof in [
            unasked(new("valid", AuthorizationStatus::Valid)),
            Authorization { account: "b".into(), ..new("sent", AuthorizationStatus::Pending) },
            unasked(new("unasked", AuthorizationStatus::Pending)),
            new("ended", AuthorizationStatus::Deactivated),
            Authorization {
                identifier: Identifier::parse("bob@example.org").unwrap(),
                ..new("hers", AuthorizationStatus::Valid)
            },
        ] {
            insert(store, Record::Authorization(proof)).await.unwrap();
        }
        let all = async |after: &str, limit| {
            let found = store.authorizations(Select::AllValid { after: after.into(), limit }).await.unwrap();
            found.into_iter().map(|proof| proof.id).collect::<Vec<_>>()
        };
        assert_eq!(all("", 9).await, ["hers", "valid"], "whoever's, also those that have lapsed");
        assert_eq!((all("", 1).await, all("hers", 9).await), (vec!["hers".into()], vec!["valid".into()]));
        let found = store.authorizations(Select::Standing { identifier: alice(), at: 49 }).await.unwrap();
        let mut ids: Vec<_> = found.into_iter().map(|proof| proof.id).collect();
        ids.sort();
        assert_eq!(ids, ["sent", "valid"]);
        assert!(store.authorizations(Select::Standing { identifier: alice(), at: 50 }).await.unwrap().is_empty());
    }
}

/// So many certificates of the key of `one` that are read in several pages, the first of which had ended when the last began.
/// The others did not.
pub(super) fn many(one: &CertificateRecord) -> Vec<CertificateRecord> {
    let numbered = |n: u32| {
        let mut serial = [0xee; 16];
        serial[..4].copy_from_slice(&n.to_be_bytes());
        CertificateRecord { serial: Serial(serial), period: n, ..one.clone() }
    };
    let ended = CertificateRecord { not_before: 1, not_after: one.not_before - 1, ..numbered(0) };
    std::iter::once(ended).chain((1..=MANY).map(numbered)).collect()
}

/// How many of those have not ended.
pub(super) const MANY: u32 = 600;

/// A program from before that wrote no keys.
#[tokio::test]
async fn the_keys_of_certificates_from_before_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.sqlite");
    let one = issued().await.remove(0);
    let store = SqliteStore::open(&path).unwrap();
    let records = [certificate(7, 7)].into_iter().chain(many(&one)).map(Record::Certificate);
    store.commit(records.map(Change::Insert).collect()).await.unwrap();
    drop(store);
    assert_eq!(migrate_down(&path, 9, 0, false).unwrap(), []);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(serials(&store, speaking_by(&one, 2 * MANY)).await.len(), MANY as usize);
    drop(store);
    // What has ended speaks no more, and is not written anew: an old authority has very many of those.
    let noted = "SELECT count(*) FROM certificate WHERE key_digest IS NOT NULL";
    let open = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(open.query_row(noted, [], |row| row.get::<_, u32>(0)).unwrap(), MANY);
}
