use std::time::Duration;

use super::device;
use crate::testing::{Client, Signer, World};

/// Those about another device, once there are so many.
async fn announced(world: &World, expected: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..100 {
        found = world.mails();
        found.retain(|mail| mail.contains("another device speaks for"));
        if found.len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    found
}

#[tokio::test]
async fn an_owner_is_told_of_another_device_and_of_nothing_else() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let (laptop, phone) = (device(), device());
    client.enroll(&world, "alice@example.org", &laptop).await;
    client.enroll(&world, "alice@example.org", &laptop).await;
    client.enroll(&world, "bob@example.org", &device()).await;
    client.enroll(&world, "alice@example.org", &phone).await;
    let told = announced(&world, 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let key = hex::encode(rcgen::PublicKeyData::der_bytes(&phone));
    for words in ["To: alice@example.org", &key, "certtool revoke alice@example.org --stolen --serial"] {
        assert!(told[0].contains(words), "no {words:?} in\n{}", told[0]);
    }
    // Both are known now.
    client.enroll(&world, "alice@example.org", &phone).await;
    client.enroll(&world, "alice@example.org", &laptop).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(announced(&world, 1).await.len(), 1);
}

#[tokio::test]
async fn an_announcement_survives_a_crash() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    client.enroll(&world, "alice@example.org", &device()).await;
    let order = client.ready(&world, "alice@example.org").await;
    // Planned, logged, issued; then the power fails before it is noted that she was told.
    world.store.die_after(3);
    let finalized = client.finalize(&order, &crate::testing::csr("alice@example.org", &device())).await;
    drop((client, finalized));
    announced(&world, 1).await;
    world.store.revive();
    let world = world.restart().await;
    let told = announced(&world, 2).await;
    assert!((1..=2).contains(&told.len()), "{told:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let left = world.store().certificates(crate::store::Select::Unannounced { limit: 9 }).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
