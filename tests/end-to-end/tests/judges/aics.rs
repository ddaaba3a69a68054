//! Second opinions from PyPI: aics-witness cosigns our log over HTTP, aics-tlog reads it and checks every claim.
//!
//! Both ask for Python 3.12, which Debian 12 does not have and PyPI cannot give; they are plain Python that runs on 3.11
//! as well, so pip is told not to look at that. What they then cannot do fails the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use tlog_proof::{Cosigner, Entry, LogPolicy, NoteSigner, VerifierKey};
use transparency_log::client::self_proving_http;
use transparency_log::storage::{FolderStorage, Storage};
use transparency_log::witness::RemoteWitness;
use transparency_log::{LogConfig, Sequencer, Submit as _, Witness, Witnessing, server, system_clock};

const ORIGIN: &str = "log.example/2026";
const PATIENCE: Duration = Duration::from_secs(30);

fn environment() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aics");
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/aics.txt");
    match story::python::environment_with(&folder, &requirements, &["--ignore-requires-python"]) {
        Ok(python) => Some(python),
        Err(reason) => {
            story::skipped(format_args!("no second opinions from PyPI: {reason}"));
            None
        }
    }
}

fn entry(number: u8) -> Vec<u8> {
    Entry::Certificate { label: [number; 32], commitment: [7; 32] }.encode()
}

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[1; 32])).unwrap()
}

/// A running aics-witness that knows our log.
struct AicsWitness {
    process: Child,
    vkey: VerifierKey,
    url: String,
}

impl Drop for AicsWitness {
    fn drop(&mut self) {
        let _already_gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

impl AicsWitness {
    fn start(python: &Path, folder: &Path) -> Self {
        let config = folder.join("aics.json");
        let command = |name: &str, arguments: &[&str]| {
            let mut command = Command::new(python);
            command.args(["-B", "-m", "aics_witness", name, "--config"]).arg(&config).args(arguments);
            command
        };
        let made = command("init", &["--name", "aics.example/w1", "--listen", "127.0.0.1:0"]).output().unwrap();
        let vkey = String::from_utf8(made.stdout).unwrap();
        let known = ["--origin", ORIGIN, "--vkey", &signer().vkey().to_string()];
        assert!(command("add-log", &known).output().unwrap().status.success());
        let mut process = command("serve", &[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (send, said) = mpsc::channel();
        let errors = process.stderr.take().unwrap();
        // Everything is read to its end, so that it never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on ") {
                    let _nobody_waits = send.send(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        let url = said.recv_timeout(PATIENCE).unwrap();
        Self { process, vkey: VerifierKey::parse(vkey.trim()).unwrap(), url }
    }
}

/// aics-tlog as somebody who trusts these keys alone.
struct AicsTlog {
    python: PathBuf,
    keys: Vec<String>,
    url: String,
}

impl AicsTlog {
    fn asked(&self, command: &str, arguments: &[&str]) -> (bool, String) {
        let mut process = Command::new(&self.python);
        process.args(["-B", "-m", "aics_tlog", command, "--tiles", &self.url, "--origin", ORIGIN]);
        process.args(["--quorum", "2", "--max-age", "600"]).args(&self.keys).args(arguments);
        let output = process.output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (output.status.success(), said)
    }

    fn agrees(&self, command: &str, arguments: &[&str]) {
        let (agrees, said) = self.asked(command, arguments);
        assert!(agrees, "{command} {arguments:?}: {said}");
    }

    fn refuses(&self, command: &str, arguments: &[&str]) {
        let (agrees, said) = self.asked(command, arguments);
        assert!(!agrees && !said.contains("Traceback"), "{command} {arguments:?}: {said}");
    }
}

async fn open(folder: &Path, other: &AicsWitness) -> (Sequencer, VerifierKey) {
    let cosigner = Cosigner::new("witness.example", SigningKey::from_bytes(&[2; 32])).unwrap();
    let own = cosigner.vkey();
    let policy = format!(
        "log {}\nwitness a {own}\nwitness b {}\ngroup both all a b\nquorum both\n",
        signer().vkey(),
        other.vkey
    );
    let witness = Witness::open(&folder.join("witness"), cosigner, vec![signer().vkey()], system_clock()).unwrap();
    let remote = RemoteWitness::new(self_proving_http(), other.vkey.clone(), &other.url);
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness), Arc::new(remote)];
    let config =
        LogConfig { folder: folder.join("log"), origin: ORIGIN.into(), batch_interval: Duration::from_millis(20) };
    let log = Sequencer::open(config, signer(), witnesses, LogPolicy::parse(&policy).unwrap()).await.unwrap();
    (log, own)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs packages from PyPI; run by ./test --all"]
async fn aics_witness_cosigns_our_log_and_aics_tlog_checks_it() {
    let Some(python) = environment() else { return };
    let place = tempfile::tempdir().unwrap();
    let witness = AicsWitness::start(&python, place.path());
    let (log, own) = open(place.path(), &witness).await;
    let storage: Arc<dyn Storage> = Arc::new(FolderStorage::open(&place.path().join("log")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, server::router(storage)).await });
    let key = |option: &str, key: &VerifierKey| [option.to_owned(), key.to_string()];
    let keys = [key("--log-key", &signer().vkey()), key("--witness-key", &own), key("--witness-key", &witness.vkey)];
    let judge = Arc::new(AicsTlog { python, keys: keys.concat(), url });

    // The quorum is both witnesses: nothing is answered before theirs has cosigned.
    for number in 0..5 {
        assert_eq!(log.submit(entry(number)).await.unwrap().index, u64::from(number));
    }
    let before = place.path().join("before").to_str().unwrap().to_owned();
    let asked = (Arc::clone(&judge), before.clone());
    tokio::task::spawn_blocking(move || asked.0.agrees("verify-checkpoint", &["--save-checkpoint", &asked.1]))
        .await
        .unwrap();
    let more = (5..=255).map(|number| log.submit(entry(number)));
    let more = futures_util::future::try_join_all(more).await.unwrap();
    for number in 0..20 {
        log.submit(Entry::Certificate { label: [number; 32], commitment: [8; 32] }.encode()).await.unwrap();
    }
    let somewhere = more.iter().zip(5..=255).map(|(logged, number)| (logged.index, number)).nth(77).unwrap();
    log.stop().await;

    tokio::task::spawn_blocking(move || {
        let leaf = place.path().join("leaf");
        std::fs::write(&leaf, entry(somewhere.1)).unwrap();
        let (leaf, index) = (leaf.to_str().unwrap(), somewhere.0.to_string());
        judge.agrees("verify-checkpoint", &[]);
        judge.agrees("verify-inclusion", &["--leaf", leaf, "--index", &index]);
        judge.refuses("verify-inclusion", &["--leaf", leaf, "--index", "3"]);
        judge.agrees("verify-consistency", &["--old-checkpoint", &before]);
        // It can say no: one flipped bit in a tile of leaf hashes, and a checkpoint with a cosignature less.
        let tile = place.path().join("log/tile/0/000");
        let mut bytes = std::fs::read(&tile).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&tile, bytes).unwrap();
        judge.refuses("verify-inclusion", &["--leaf", leaf, "--index", &index]);
        let checkpoint = place.path().join("log/checkpoint");
        let text = std::fs::read_to_string(&checkpoint).unwrap();
        let fewer: String = text.split_inclusive('\n').filter(|line| !line.contains("aics.example/w1")).collect();
        assert_ne!(fewer, text);
        std::fs::write(&checkpoint, fewer).unwrap();
        judge.refuses("verify-checkpoint", &[]);
    })
    .await
    .unwrap();
}
