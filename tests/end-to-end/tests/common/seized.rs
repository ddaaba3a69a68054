//! The log of a home server in the hands of who has its keys, for whatever she wants it to say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use identity::trust::TrustPolicy;
use tlog_proof::{Cosigner, NoteSigner};
use transparency_log::{LogConfig, Sequencer, Witness};

/// The log of a stopped server, opened with the server's own keys.
pub(crate) async fn seize(folder: &Path, policy: &TrustPolicy) -> Sequencer {
    let key = |name: &str| {
        let pem = std::fs::read_to_string(folder.join("keys").join(name)).unwrap();
        SigningKey::from_pkcs8_pem(&pem).unwrap()
    };
    let log_policy = policy.log_policy().unwrap();
    let origin = policy.authorities[0].log.clone();
    let log = NoteSigner::new(&origin, key("log.pem")).unwrap();
    let witness = Cosigner::new(log_policy.witnesses[0].vkey.name(), key("witness.pem")).unwrap();
    let clock = transparency_log::system_clock();
    let witness = Witness::open(&folder.join("witness"), witness, vec![log.vkey()], clock).unwrap();
    let config = LogConfig { folder: folder.join("log"), origin, batch_interval: Duration::from_millis(10) };
    Sequencer::open(config, log, vec![Arc::new(witness)], log_policy).await.unwrap()
}
