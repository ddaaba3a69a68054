//! Our witness as a program, as torchwood sees it: cosignatures of checkpoints with both kinds of key, and of subtrees.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use story::guard;
use story::process::{self, Running};
use tlog_proof::{
    AddCheckpoint, Checkpoint, Hash, HashReader, NoteSigner, SignSubtree, Subtree, leaf_hash, node_hash, prove_subtree,
    root, sign_checkpoint, subtree_hash,
};

use crate::http::post;
use crate::tools::Judges;

const ORIGIN: &str = "log.example/2026";
const SIZE: u64 = 14;

/// A tree whose leaf n is the number n as text.
struct Tree;

impl HashReader for Tree {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(leaf_hash(index.to_string().as_bytes()));
        }
        let (left, right) = (self.read(level - 1, 2 * index)?, self.read(level - 1, 2 * index + 1)?);
        Ok(node_hash(&left, &right))
    }
}

/// `transparency-log witness` for this log, and what it says when it is ready.
fn start(folder: &std::path::Path, log: &NoteSigner) -> (Running, Value) {
    let settings = folder.join("witness.toml");
    let text = format!(
        "name = \"witness.example/w1\"\nfolder = {:?}\n[port]\nlisten = \"127.0.0.1:0\"\n[[log]]\nkey = \"{}\"\n",
        folder.join("witness"),
        log.vkey()
    );
    std::fs::write(&settings, text).unwrap();
    let mut command = guard::command("transparency-log").unwrap();
    command.args(["witness", "--json", "--config"]).arg(&settings).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(process::sink(&folder.join("witness.log")).unwrap());
    let mut running = Running::start("witness", command).unwrap();
    let line = running.first_line(Duration::from_secs(30)).unwrap();
    (running, serde_json::from_str(&line).unwrap())
}

#[test]
fn what_our_witness_signs_is_good_for_torchwood() {
    let Some(judges) = Judges::find() else { return };
    let place = tempfile::tempdir().unwrap();
    let log = NoteSigner::new(ORIGIN, SigningKey::from_bytes(&[1; 32])).unwrap();
    let (_running, ready) = start(place.path(), &log);
    let address: SocketAddr = ready["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let keys: Vec<&str> = ready["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    let [ed25519, ml_dsa_44] = keys[..] else { panic!("{ready}") };
    assert_eq!(ready["key"], ed25519);

    let Ok(top) = root(&mut Tree, SIZE);
    let signed = sign_checkpoint(&Checkpoint { origin: ORIGIN.into(), size: SIZE, root: top }, &log);
    let asked = AddCheckpoint { old: 0, proof: Vec::new(), checkpoint: signed.clone() };
    let (status, _, lines) = post(address, "add-checkpoint", &asked.to_string());
    assert_eq!(status, 200, "{lines}");
    let file = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cosigned = format!("{signed}{lines}");
    let witnesses = format!("witness a {ed25519}\nwitness b {ml_dsa_44}\ngroup both all a b\nquorum both\n");
    let policy = file("policy", &format!("log {}\n{witnesses}", log.vkey()));
    judges.ask(&["checkpoint", &policy, &file("checkpoint", &cosigned)]).unwrap();

    let subtree = Subtree::new(8, 13).unwrap();
    let (Ok(hash), Ok(proof)) = (subtree_hash(&mut Tree, subtree), prove_subtree(&mut Tree, subtree, SIZE));
    let request = SignSubtree { subtree, hash, cosignatures: Vec::new(), proof, checkpoint: cosigned };
    let (status, _, line) = post(address, "sign-subtree", &request.to_string());
    assert_eq!(status, 200, "{line}");
    let (line, hash) = (file("line", &line), hash.to_string());
    let judged = |end: &str| judges.ask(&["subtree", ml_dsa_44, ORIGIN, "8", end, &hash, &line]).unwrap();
    assert_eq!((judged("13"), judged("14")), (json!({"valid": true}), json!({"valid": false})));
}
