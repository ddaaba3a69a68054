//! A real litewitness cosigns our log: what it answers to our requests, good and bad, and to our sequencer's own client.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use story::ports;
use story::process::Running;
use tlog_proof::{
    AddCheckpoint, Checkpoint, Cosigner, Entry, Frontier, Hash, LogPolicy, NoteSigner, SubtreeCosigner,
    UnverifiedCheckpoint, empty_root, leaf_hash, node_hash, parse_cosignatures, parse_size, sign_checkpoint,
};
use transparency_log::client::self_proving_http;
use transparency_log::witness::{Observed, RemoteWitness};
use transparency_log::{LogConfig, OpenError, Sequencer, Submit as _, Witnessing, system_clock};

use crate::http::{PATIENCE, post};
use crate::tools::Judges;

const SEED: [u8; 32] = [9; 32];

/// An ssh-agent and the witness that takes its key from there.
struct Litewitness {
    address: SocketAddr,
    _processes: [Running; 2],
}

impl Litewitness {
    fn start(judges: &Judges, folder: &Path, logs: &[String]) -> Self {
        let socket = folder.join("agent");
        let mut agent = Command::new(judges.program("judges"));
        agent.arg("agent").arg(&socket).arg(hex::encode(SEED)).stdout(Stdio::piped());
        let mut agent = Running::start("the agent", agent).unwrap();
        let fingerprint = agent.first_line(PATIENCE).unwrap();
        // It takes an address only, not a socket.
        let address = ports::hold("127.0.0.1:0".parse().unwrap()).unwrap();
        let database = folder.join("litewitness.db");
        let mut witness = Command::new(judges.program("litewitness"));
        witness
            .arg(format!("-ssh-agent={}", socket.display()))
            .arg(format!("-db={}", database.display()))
            .arg(format!("-key={}", fingerprint.trim()))
            .arg(format!("-listen={address}"))
            .arg("-name=litewitness.example")
            .stderr(Stdio::null());
        let witness = Running::start("litewitness", witness).unwrap();
        let started = Self { address, _processes: [agent, witness] };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "litewitness does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        for vkey in logs {
            judges.ask(&["introduce", database.to_str().unwrap(), vkey]).unwrap();
        }
        started
    }

    fn post(&self, body: &str) -> (u16, String, String) {
        post(self.address, "add-checkpoint", body)
    }
}

/// A log of three leaves, as it was at each size.
fn checkpoint(origin: &str, size: u64) -> Checkpoint {
    let mut tree = Frontier::new();
    leaves()[..size as usize].iter().for_each(|leaf| tree.push(*leaf));
    Checkpoint { origin: origin.into(), size, root: tree.root() }
}

fn leaves() -> [Hash; 3] {
    [b"0", b"1", b"2"].map(|leaf| leaf_hash(leaf))
}

#[test]
fn litewitness_cosigns_our_log_and_refuses_what_it_must() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let log = NoteSigner::new("log.example", SigningKey::from_bytes(&[1; 32])).unwrap();
    let post_quantum = SubtreeCosigner::new("log.example/pq", &[3; 32]).unwrap();
    let vkeys = [log.vkey().to_string(), post_quantum.vkey().to_string()];
    let witness = Litewitness::start(&judges, place.path(), &vkeys);
    let key = Cosigner::new("litewitness.example", SigningKey::from_bytes(&SEED)).unwrap().vkey();
    let request = |old, proof: &[Hash], size| {
        let checkpoint = sign_checkpoint(&checkpoint("log.example", size), &log);
        AddCheckpoint { old, proof: proof.to_vec(), checkpoint }
    };
    let accepted = |request: &AddCheckpoint| {
        let (status, _, lines) = witness.post(&request.to_string());
        assert_eq!((status, parse_cosignatures(&lines).unwrap().len()), (200, 1), "{lines}");
        let cosigned = UnverifiedCheckpoint::parse(format!("{}{lines}", request.checkpoint)).unwrap();
        assert!(cosigned.verify_cosignature(&key).unwrap().time > 1_767_225_600);
    };
    let [first, second, third] = leaves();
    accepted(&request(0, &[], 1));
    let growth = request(1, &[second, third], 3);

    let forged = growth.to_string().replace("\n3\n", "\n4\n");
    assert_eq!(witness.post(&forged).0, 403);
    assert_eq!(witness.post(&request(2, &[], 1).to_string()).0, 400, "an old size above the checkpoint's");
    assert_eq!(witness.post(&request(1, &[second, first], 3).to_string()).0, 422);
    assert_eq!(witness.post("old 1\n").0, 400);
    let (status, kind, size) = witness.post(&request(0, &[], 3).to_string());
    assert_eq!((status, kind.as_str(), parse_size(size)), (409, "text/x.tlog.size", Ok(1)));
    let unknown = NoteSigner::new("unknown.example", SigningKey::from_bytes(&[4; 32])).unwrap();
    let unknown = sign_checkpoint(&checkpoint("unknown.example", 1), &unknown);
    assert_eq!(witness.post(&format!("old 0\n\n{unknown}")).0, 404);

    accepted(&growth);
    assert_eq!(node_hash(&node_hash(&first, &second), &third), checkpoint("log.example", 3).root);

    // A log that signs with ML-DSA-44 alone.
    let signed = checkpoint("log.example/pq", 2);
    let line = post_quantum.cosign(&signed, 0).unwrap();
    accepted(&AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: format!("{}\n{line}", signed.to_body()) });
    assert_ne!(signed.root, empty_root());
}

/// A log that asks nobody but a litewitness, by our client of witnesses.
struct Asking {
    log: NoteSigner,
    policy: LogPolicy,
    witness: Arc<Observed>,
}

impl Asking {
    fn of(litewitness: &Litewitness, log: NoteSigner) -> Self {
        let key = Cosigner::new("litewitness.example", SigningKey::from_bytes(&SEED)).unwrap().vkey();
        let policy = LogPolicy::parse(&format!("log {}\nwitness l {key}\nquorum l\n", log.vkey())).unwrap();
        let url = format!("http://{}", litewitness.address);
        let witness = Arc::new(RemoteWitness::new(self_proving_http(), key, &url));
        Self { log, policy, witness: Arc::new(Observed::new(witness, system_clock())) }
    }

    async fn open(self, folder: &Path) -> Result<(Sequencer, LogPolicy, Arc<Observed>), OpenError> {
        let origin = self.log.vkey().name().to_owned();
        let config = LogConfig { folder: folder.to_owned(), origin, batch_interval: Duration::from_millis(20) };
        let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::<Observed>::clone(&self.witness)];
        let log = Sequencer::open(config, self.log, witnesses, self.policy.clone()).await?;
        Ok((log, self.policy, self.witness))
    }
}

fn entry(number: u8) -> Vec<u8> {
    Entry::Certificate { label: [number; 32], commitment: [7; 32] }.encode()
}

/// Each answer that the log gives has litewitness's cosignature: also after a restart, when the client must first be
/// told from where to prove. A log restored from an old copy is found out by it.
#[tokio::test(flavor = "multi_thread")]
async fn our_client_of_witnesses_and_a_running_litewitness() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let log = || NoteSigner::new("log.example/live", SigningKey::from_bytes(&[1; 32])).unwrap();
    let witness = Litewitness::start(&judges, place.path(), &[log().vkey().to_string()]);
    let [folder, copy] = ["log", "copy"].map(|name| place.path().join(name));
    for start in [0, 20] {
        let (running, policy, observed) = Asking::of(&witness, log()).open(&folder).await.unwrap();
        for number in start..start + 20 {
            let logged = running.submit(entry(number)).await.unwrap();
            let verdict = logged.proof.verify(&leaf_hash(&entry(number)), &policy).unwrap();
            assert_eq!(verdict.cosigned[0].name, "litewitness.example");
        }
        running.stop().await;
        let health = observed.health();
        assert!(health.cosigned >= 20 && health.failed == 0, "{health:?}");
        if start == 0 {
            let copied = Command::new("cp").arg("-r").arg(&folder).arg(&copy).status().unwrap();
            assert!(copied.success());
        }
    }
    let refused = Asking::of(&witness, log()).open(&copy).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, OpenError::Behind { .. }), "{refused}");
}
