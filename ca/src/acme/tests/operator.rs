use base64::Engine as _;
use serde_json::json;

use super::{URL_SAFE_NO_PAD, chain, device};
use crate::operator::{WishError, wish_revocation};
use crate::store::{Select, Serial};
use crate::testing::{Client, Signer, World, serial, until};

#[tokio::test]
async fn an_operator_revokes_while_the_authority_runs() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let first = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let second = chain(&client.enroll(&world, "bob@example.org", &device()).await).remove(0);
    let folder = world.folder().join("ca");
    let list = world.ca.people_crls_der();
    let wish = wish_revocation(&folder, serial(&first), 9).unwrap();
    until("it is taken up", async || wish.is_taken()).await;
    assert!(!wish.is_refused());
    assert_ne!(world.ca.people_crls_der(), list, "the list is renewed at once");
    let revoked = world.store().certificate(serial(&first)).await.unwrap().unwrap().revoked.unwrap();
    assert_eq!((revoked.reason, revoked.at), (9, world.now().as_secs()));

    let unknown = wish_revocation(&folder, Serial([7; 16]), 1).unwrap();
    until("it is refused", async || unknown.is_refused()).await;
    assert!(matches!(wish_revocation(&folder, serial(&first), 2), Err(WishError::Reason(2))));

    // A second wish for the same changes nothing, and one for another reason is not fulfilled.
    for (reason, refused) in [(9, false), (4, true)] {
        let again = wish_revocation(&folder, serial(&first), reason).unwrap();
        until("it is taken up", async || again.is_taken()).await;
        assert_eq!(again.is_refused(), refused, "{reason}");
    }
    let wish = wish_revocation(&folder, serial(&second), 1).unwrap();
    until("it is taken up", async || wish.is_taken()).await;
    let ask = Select::Revoked { authority: crate::store::Authority::People, at: 0, after: None, limit: 9 };
    let listed = world.store().certificates(ask).await.unwrap();
    let mut reasons: Vec<_> = listed.iter().filter_map(|c| c.revoked).map(|r| r.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [1, 9]);
}

#[tokio::test]
async fn an_operator_shuts_out_a_key_whose_certificate_was_revoked_for_less() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let key = device();
    let leaf = chain(&client.enroll(&world, "alice@example.org", &key).await).remove(0);
    client.post("/revoke-cert", json!({"certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 4})).await.ok();
    let wish = wish_revocation(&world.folder().join("ca"), serial(&leaf), 1).unwrap();
    until("it is taken up", async || wish.is_taken()).await;
    assert!(!wish.is_refused());
    assert_eq!(world.store().certificate(serial(&leaf)).await.unwrap().unwrap().revoked.unwrap().reason, 1);
    assert_eq!(client.order("alice@example.org").await.ok().text("status"), "pending");
}
