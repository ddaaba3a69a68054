//! Two home servers that witness one another, over their real ports.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::{Duration, Instant};

use homeserver::neighbours::{Found, Neighbours, by_fingerprint};
use homeserver::{Homeserver, Options, shards};
use identity::UnixTime;
use identity::trust::TrustPolicy;
use tlog_proof::UnverifiedCheckpoint;
use transparency_log::client::{HttpSource, Source as _, self_proving_http};

const SOON: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < SOON, "not within a minute: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

async fn start(folder: &Path) -> Homeserver {
    let folder = folder.to_path_buf();
    Homeserver::start(&Options { folder, https_port: Some(0), directory_port: Some(0), ..Options::default() })
        .await
        .unwrap()
}

fn base(server: &Homeserver) -> String {
    server.ready().policy.trim_end_matches("/policy").to_owned()
}

async fn learn(folder: &Path, of: &Homeserver) {
    let fingerprint = of.ready().fingerprint.parse().unwrap();
    let found = by_fingerprint(&of.ready().policy, Some(fingerprint)).await.unwrap();
    let Found::Neighbour(neighbour) = found else { panic!("{found:?}") };
    assert_eq!(neighbour.url, format!("{}/witness", base(of)));
    let mut neighbours = Neighbours::read(folder).unwrap();
    neighbours.add(neighbour).unwrap();
    neighbours.write(folder).unwrap();
}

/// How many cosigned the newest checkpoint with Ed25519 (72 bytes each). The server's own witness cosigns with
/// ML-DSA-44, too (2,428 bytes).
async fn cosigners(server: &Homeserver) -> usize {
    cosigners_at(&server.ready().log).await
}

async fn cosigners_at(log: &str) -> usize {
    let text = HttpSource::new(self_proving_http(), log).get("checkpoint").await.unwrap();
    let checkpoint = UnverifiedCheckpoint::parse(text).unwrap();
    let of = |bytes| checkpoint.note().signatures().iter().filter(|line| line.signature.len() == bytes).count();
    assert_eq!(of(8 + 2420), 1);
    of(8 + 64)
}

#[tokio::test]
async fn each_cosigns_the_others_log() {
    let place = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|name| place.path().join(name));
    let (a, b) = (start(&folders[0]).await, start(&folders[1]).await);
    let (uncompared, fingerprint) = (by_fingerprint(&base(&b), None).await.unwrap(), b.ready().fingerprint.clone());
    assert_eq!(uncompared, Found::Uncompared(fingerprint.parse().unwrap()));
    let wrong = a.ready().fingerprint.parse().unwrap();
    let refused = by_fingerprint(&base(&b), Some(wrong)).await.unwrap_err().to_string();
    assert!(refused.contains(&fingerprint), "{refused}");
    learn(&folders[0], &b).await;
    learn(&folders[1], &a).await;
    assert_eq!((cosigners(&a).await, cosigners(&b).await), (1, 1), "it counts from the next start");
    a.stop().await;
    // The neighbour that does not know this one yet costs nothing but its cosignature.
    let a = start(&folders[0]).await;
    assert_eq!(cosigners(&a).await, 1);
    b.stop().await;
    let b = start(&folders[1]).await;
    a.stop().await;
    let a = start(&folders[0]).await;
    until("both logs are cosigned by both", async || (cosigners(&a).await, cosigners(&b).await) == (2, 2)).await;
    // Both keys are those that each policy pins for its own witness.
    let text = HttpSource::new(self_proving_http(), &a.ready().log).get("checkpoint").await.unwrap();
    let checkpoint = UnverifiedCheckpoint::parse(text).unwrap();
    for folder in &folders {
        let policy = TrustPolicy::parse(&std::fs::read(folder.join("policy.json")).unwrap()).unwrap();
        let log_policy = policy.log_policy().unwrap();
        checkpoint.verify_cosignature(&log_policy.witnesses[0].vkey).unwrap();
    }
    // And a witness's page says what it watches.
    let page = self_proving_http().get(format!("{}/witness", base(&a))).send().await.unwrap().text().await.unwrap();
    let origin = |server: &Homeserver| server.ready().log.trim_start_matches("https://").to_owned();
    assert!(page.contains(&origin(&a)) && page.contains(&origin(&b)), "{page}");
    a.stop().await;
    b.stop().await;
}

async fn page(server: &Homeserver) -> String {
    self_proving_http().get(format!("{}/witness", base(server))).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_next_log_of_a_neighbour_is_cosigned_without_anybodys_doing() {
    let place = tempfile::tempdir().unwrap();
    let folders = ["a", "b"].map(|name| place.path().join(name));
    let (a, b) = (start(&folders[0]).await, start(&folders[1]).await);
    learn(&folders[0], &b).await;
    learn(&folders[1], &a).await;
    a.stop().await;
    let begins = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + 30 * 86_400));
    shards::prepare(&folders[1], "next", begins, UnixTime::now(), None, None).unwrap();
    let next = format!("{}/next", b.ready().log);
    let http = self_proving_http();
    // The running server publishes the version and opens the log.
    let opened = async || http.get(format!("{next}/checkpoint")).send().await.unwrap().status().is_success();
    until("the next log opens", opened).await;
    let origin = next.trim_start_matches("https://").to_owned();
    let mut a = start(&folders[0]).await;
    let (mut looks, began) = (0, Instant::now());
    while !page(&a).await.contains(&origin) {
        assert!(began.elapsed() < SOON, "the neighbour's next log is not followed");
        tokio::time::sleep(GLANCE).await;
        looks += 1;
        // It looks when it starts, and then not for minutes: a look that failed is not waited out.
        if looks % 250 == 0 {
            a.stop().await;
            a = start(&folders[0]).await;
        }
    }
    b.stop().await;
    let b = start(&folders[1]).await;
    until("both logs are cosigned", async || (cosigners(&b).await, cosigners_at(&next).await) == (2, 2)).await;
    // What was learnt is known at the next start, whether the neighbour is there or not.
    b.stop().await;
    a.stop().await;
    let a = start(&folders[0]).await;
    assert!(page(&a).await.contains(&origin));
    a.stop().await;
}
