//! What front ends share beside records, on a PostgreSQL server.

use super::*;

/// Two front ends on one new database, after it was prepared so.
async fn fronts(server: &Postgres, prepare: &str) -> [Arc<dyn Shared>; 2] {
    let address = server.database();
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(prepare).await.unwrap();
    let mut fronts = Vec::new();
    for _ in 0..2 {
        fronts.push(PostgresStore::open(&address).await.unwrap().shared().unwrap());
    }
    fronts.try_into().unwrap_or_else(|_| panic!("two"))
}

#[tokio::test]
async fn a_clock_that_is_ahead_lets_nothing_happen_again() {
    let Some(server) = Postgres::shared() else { return };
    let [behind, ahead] = fronts(&server, "").await;
    let (now, skew) = (1_790_000_000, 300);
    // Good for ten minutes by the clock of the one that gave it; the other's is ahead.
    let (nonce, ends) = ([1; 16], now + 600);
    assert!(behind.spend(nonce, ends).await.unwrap());
    // One an hour, which was taken.
    let (step, period) = (3_600_000, 3_600_000);
    let draw = |now: u64| Draw { now: now * 1000, step, period };
    assert_eq!(behind.take([2; 16], draw(now)).await.unwrap(), 0);
    for by_its_own in [now, ends - 1, ends, now + 3599] {
        ahead.forget(by_its_own + skew).await.unwrap();
        assert!(!behind.spend(nonce, ends).await.unwrap(), "{by_its_own}");
        assert_ne!(behind.take([2; 16], draw(by_its_own)).await.unwrap(), 0, "{by_its_own}");
    }
    // Both are forgotten in the end.
    ahead.forget(now + 2 * 3600 + 1).await.unwrap();
    assert!(behind.spend(nonce, ends).await.unwrap());
    assert_eq!(behind.take([2; 16], draw(now)).await.unwrap(), 0);
}
