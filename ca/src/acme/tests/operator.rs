use super::{chain, device};
use crate::operator::{WishError, wish_revocation};
use crate::store::{Select, Serial};
use crate::testing::{Client, Signer, World, until};

#[tokio::test]
async fn an_operator_revokes_while_the_authority_runs() {
    let world = World::new().await;
    let client = Client::open(&world, Signer::p256()).await;
    let first = chain(&client.enroll(&world, "alice@example.org", &device()).await).remove(0);
    let second = chain(&client.enroll(&world, "bob@example.org", &device()).await).remove(0);
    let serial = |der: &[u8]| {
        let certificate = identity::certificate::Certificate::parse(der).unwrap();
        Serial(certificate.tbs().serial().try_into().unwrap())
    };
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

    // A second wish for the same changes nothing.
    let again = wish_revocation(&folder, serial(&first), 4).unwrap();
    let wish = wish_revocation(&folder, serial(&second), 1).unwrap();
    until("both are taken up", async || wish.is_taken() && again.is_taken()).await;
    assert!(!again.is_refused());
    let ask = Select::Revoked { authority: crate::store::Authority::People, at: 0, after: None, limit: 9 };
    let listed = world.store().certificates(ask).await.unwrap();
    let mut reasons: Vec<_> = listed.iter().filter_map(|c| c.revoked).map(|r| r.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [1, 9]);
}
