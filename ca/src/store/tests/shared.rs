//! What front ends share beside records, on a PostgreSQL server.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::*;

/// Two front ends on one new database, after it was prepared so.
async fn fronts(server: &Postgres, prepare: &str) -> [Arc<dyn Shared>; 2] {
    let address = server.database();
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(prepare).await.unwrap();
    let mut fronts = Vec::new();
    for _ in 0..2 {
        fronts.push(PostgresStore::found(&address, "ours").await.unwrap().shared().unwrap());
    }
    fronts.try_into().unwrap_or_else(|_| panic!("two"))
}

/// Claims it as soon as it is free.
async fn claimed(front: &Arc<dyn Shared>, what: &str) -> SharedClaim {
    let trying = async {
        loop {
            if let Some(claim) = front.claim(what).await.unwrap() {
                return claim;
            }
            tokio::task::yield_now().await;
        }
    };
    let claim = tokio::time::timeout(Duration::from_secs(30), trying).await;
    claim.unwrap_or_else(|_| panic!("{what} stays claimed"))
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

#[tokio::test]
async fn a_claim_that_nobody_waits_for_any_more_is_free_again() {
    let Some(server) = Postgres::shared() else { return };
    let [one, other] = fronts(&server, "").await;
    // A session, with its statements prepared.
    drop(claimed(&one, "first").await);
    for (round, polls) in [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32].into_iter().enumerate() {
        let what = format!("round {round}");
        let mut asking = one.claim(&what);
        for _ in 0..polls {
            if (&mut asking).now_or_never().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
        drop(asking);
        drop(claimed(&other, &what).await);
        drop(claimed(&one, &what).await);
    }
}

#[tokio::test]
async fn a_claim_that_cannot_be_given_back_ends_with_its_session() {
    let Some(server) = Postgres::shared() else { return };
    // Found before the server's own: it fails as one that takes too long would.
    let prepare = "CREATE SCHEMA broken;
        CREATE FUNCTION broken.pg_advisory_unlock(BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS
            $$ BEGIN RAISE query_canceled; END $$;
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, broken, pg_catalog', current_database());
            END $$;";
    let [one, other] = fronts(&server, prepare).await;
    let kept = claimed(&one, "kept").await;
    drop(claimed(&one, "lists").await);
    let taken = claimed(&other, "lists").await;
    assert!(one.claim("lists").await.unwrap().is_none());
    drop(taken);
    drop(claimed(&one, "lists").await);
    // The session took this with it: known here, and free for others.
    drop(claimed(&other, "kept").await);
    drop(kept);
    drop(claimed(&one, "kept").await);
}
