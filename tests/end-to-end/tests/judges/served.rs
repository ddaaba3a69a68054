//! A log that our sequencer wrote, served over HTTP, read by torchwood's client and checked by tessera's fsck.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Cosigner, Entry, LogPolicy, NoteSigner};
use transparency_log::storage::{FolderStorage, Storage};
use transparency_log::{LogConfig, Sequencer, Submit as _, Witness, Witnessing, server, system_clock};

use crate::tools::Judges;

const ORIGIN: &str = "log.example/2026";

/// Enough for full tiles, partial ones, and a second level.
const BATCHES: [u32; 3] = [1, 300, 700];

fn entry(number: u32) -> Vec<u8> {
    let mut label = [0; 32];
    label[..4].copy_from_slice(&number.to_be_bytes());
    Entry::Certificate { label, commitment: [7; 32] }.encode()
}

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[1; 32])).unwrap()
}

/// Writes the log; the SHA-256 over its entries in their order.
async fn write(folder: &Path) -> String {
    let cosigner = Cosigner::new("witness.example", SigningKey::from_bytes(&[2; 32])).unwrap();
    let policy = format!("log {}\nwitness w {}\nquorum w\n", signer().vkey(), cosigner.vkey());
    let witness = Witness::open(&folder.join("witness"), cosigner, vec![signer().vkey()], system_clock()).unwrap();
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness)];
    let config =
        LogConfig { folder: folder.join("log"), origin: ORIGIN.into(), batch_interval: Duration::from_millis(20) };
    let log = Sequencer::open(config, signer(), witnesses, LogPolicy::parse(&policy).unwrap()).await.unwrap();
    let mut next = 0;
    let mut order = Vec::new();
    for count in BATCHES {
        let numbers = next..next + count;
        let submitted = numbers.clone().map(|number| log.submit(entry(number)));
        let logged = futures_util::future::try_join_all(submitted).await.unwrap();
        order.extend(logged.iter().map(|logged| logged.index).zip(numbers));
        next += count;
    }
    log.stop().await;
    order.sort_unstable();
    let digest = order.iter().fold(Sha256::new(), |digest, (_, number)| digest.chain_update(entry(*number)));
    hex::encode(digest.finalize())
}

async fn serve(folder: &Path) -> String {
    let storage: Arc<dyn Storage> = Arc::new(FolderStorage::open_exclusive(&folder.join("log")).unwrap());
    let router = axum::Router::new().nest("/2026", server::router(storage));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/2026")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_log_is_read_and_found_in_order() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let digest = write(place.path()).await;
    let url = serve(place.path()).await;
    let vkey = signer().vkey().to_string();
    tokio::task::spawn_blocking(move || {
        let size = BATCHES.iter().sum::<u32>();
        let read = judges.ask(&["entries", &vkey, &url]);
        assert_eq!(read, Ok(serde_json::json!({"size": size, "read": size, "digest": digest})));
        judges.ask(&["fsck", &vkey, &url]).unwrap();

        // One flipped bit in a tile, and fsck says so.
        let tile = place.path().join("log/tile/0/001");
        let mut bytes = std::fs::read(&tile).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&tile, bytes).unwrap();
        judges.ask(&["fsck", &vkey, &url]).unwrap_err();
    })
    .await
    .unwrap();
}
