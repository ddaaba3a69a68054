//! sign-subtree over a real socket: every answer of C2SP tlog-witness.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use common::{Numbers, ORIGIN, clock};
use tlog_proof::{
    Checkpoint, Cosigner, NoteSignature, NoteSigner, SignSubtree, Subtree, SubtreeCosigner, prove_consistency,
    prove_subtree, root, sign_checkpoint, subtree_hash, verify_subtree_cosignature,
};
use transparency_log::client::self_proving_http;
use transparency_log::limit::RateLimit;
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::key;
use transparency_log::witness::router;
use transparency_log::{Witness, WitnessKeys};

fn log_signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

/// The log's own key that signs subtrees.
fn log_cosigner() -> SubtreeCosigner {
    SubtreeCosigner::new(ORIGIN, &[3; 32]).unwrap()
}

fn subtree_cosigner() -> SubtreeCosigner {
    SubtreeCosigner::new("w.example/1", &[4; 32]).unwrap()
}

fn ed25519() -> Cosigner {
    Cosigner::new("w.example/1", key(ORIGIN, "w.example/1")).unwrap()
}

fn witness(storage: &Arc<MemoryStorage>, keys: impl Into<WitnessKeys>) -> Witness {
    let quiet = NoteSigner::new("quiet.example", key(ORIGIN, "quiet")).unwrap();
    let logs = vec![log_signer().vkey(), log_cosigner().vkey(), quiet.vkey()];
    Witness::open_on(Arc::<MemoryStorage>::clone(storage), keys, logs, clock())
}

fn both() -> WitnessKeys {
    WitnessKeys::both(ed25519(), subtree_cosigner())
}

fn often() -> RateLimit {
    RateLimit::new(NonZeroU32::new(100_000).unwrap(), NonZeroU32::new(100_000).unwrap())
}

fn checkpoint(first: u64, size: u64) -> Checkpoint {
    let Ok(root) = root(&mut Numbers(first), size);
    Checkpoint { origin: ORIGIN.into(), size, root }
}

/// A request for a subtree of the numbers from `first` on.
fn request(first: u64, (start, end): (u64, u64), size: u64, checkpoint: String) -> SignSubtree {
    let subtree = Subtree::new(start, end).unwrap();
    let (Ok(hash), Ok(proof)) =
        (subtree_hash(&mut Numbers(first), subtree), prove_subtree(&mut Numbers(first), subtree, size));
    SignSubtree { subtree, hash, cosignatures: Vec::new(), proof, checkpoint }
}

/// Cosigns trees of 5 and of 14 numbers; the checkpoints with both signature lines of the witness.
fn grown(witness: &Witness) -> [String; 2] {
    let mut old = 0;
    [5, 14].map(|size| {
        let signed = sign_checkpoint(&checkpoint(0, size), &log_signer());
        let Ok(proof) = prove_consistency(&mut Numbers(0), old, size);
        let lines = witness.add_checkpoint_blocking(old, &proof, &signed).unwrap();
        old = size;
        format!("{signed}{lines}")
    })
}

async fn serve(witness: Witness, limit: RateLimit) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(witness, limit)).await });
    address
}

async fn ask(address: SocketAddr, body: impl ToString) -> (u16, String) {
    let http = self_proving_http();
    let answer = http.post(format!("http://{address}/sign-subtree")).body(body.to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The answer is the witness's cosignature of that subtree, without a time.
fn signs(answer: (u16, String), request: &SignSubtree) {
    let (status, lines) = answer;
    assert_eq!(status, 200, "{lines}");
    let line = NoteSignature::parse_line(lines.strip_suffix('\n').unwrap()).unwrap();
    let by = subtree_cosigner().vkey();
    let cosigned = verify_subtree_cosignature(&by, ORIGIN, request.subtree, &request.hash, &line).unwrap();
    assert_eq!(cosigned.time, 0);
    let elsewhere = Subtree::new(0, 1).unwrap();
    verify_subtree_cosignature(&by, ORIGIN, elsewhere, &request.hash, &line).unwrap_err();
}

#[tokio::test]
async fn signs_subtrees_of_trees_that_it_cosigned() {
    let storage = Arc::new(MemoryStorage::new());
    let first = witness(&storage, both());
    let [small, large] = grown(&first);
    let address = serve(first, often()).await;
    let bare = |size| checkpoint(0, size).to_body();
    for (range, size, text) in
        [((8, 13), 14, &large), ((8, 13), 14, &bare(14)), ((0, 14), 14, &large), ((4, 5), 5, &bare(5))]
    {
        let request = request(0, range, size, text.clone());
        signs(ask(address, &request).await, &request);
    }

    // After a restart it knows the newest by heart, and others by its own cosignature on them.
    let address = serve(witness(&storage, both()), often()).await;
    for (size, text) in [(14, bare(14)), (5, small)] {
        let request = request(0, (4, 5), size, text);
        signs(ask(address, &request).await, &request);
    }
    let (status, known) = ask(address, request(0, (4, 5), 5, bare(5))).await;
    assert_eq!((status, known.as_str()), (409, sign_checkpoint(&checkpoint(0, 14), &log_signer()).as_str()));
}

#[tokio::test]
async fn refuses_as_the_specification_says() {
    let storage = Arc::new(MemoryStorage::new());
    let witness = witness(&storage, both());
    let [small, large] = grown(&witness);
    let address = serve(witness, often()).await;
    let good = request(0, (8, 13), 14, large.clone());
    let with = |change: &dyn Fn(&mut SignSubtree)| {
        let mut request = good.clone();
        change(&mut request);
        request.to_string()
    };
    let forged = large.replace("\n14\n", "\n15\n");
    let nine = (0..9).fold(large.clone(), |text, n| format!("{text}— x{n} AAAAAAAA\n"));
    let other = |origin: &str| Checkpoint { origin: origin.into(), ..checkpoint(0, 14) }.to_body();
    let cases = [
        ("beyond the tree", 400, with(&|request| request.checkpoint = small.clone())),
        ("nine signatures", 400, with(&|request| request.checkpoint = nine.clone())),
        ("no checkpoint", 400, with(&|request| request.checkpoint.clear())),
        ("garbage", 400, "garbage".to_owned()),
        ("no subtree", 400, good.to_string().replace("subtree 8 13", "subtree 8 17")),
        ("our cosignature on another size", 403, with(&|request| request.checkpoint = forged.clone())),
        ("unknown log", 404, with(&|request| request.checkpoint = other("other.example"))),
        ("a log never seen", 404, with(&|request| request.checkpoint = other("quiet.example"))),
        ("a fork that nobody cosigned", 409, request(9, (8, 13), 14, checkpoint(9, 14).to_body()).to_string()),
        ("a hash more", 422, with(&|request| request.proof.push(request.hash))),
        ("another hash", 422, with(&|request| request.hash = request.proof[0])),
        ("too large", 413, "x".repeat(200_000)),
    ];
    for (fault, expected, body) in cases {
        let (status, said) = ask(address, body).await;
        assert_eq!(status, expected, "{fault}: {said}");
    }
    let get = self_proving_http().get(format!("http://{address}/sign-subtree")).send().await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn cosignatures_of_the_subtree_count_if_their_keys_are_known() {
    let storage = Arc::new(MemoryStorage::new());
    let witness = witness(&storage, both());
    let [_, large] = grown(&witness);
    let address = serve(witness, often()).await;
    let good = request(0, (0, 8), 14, large);
    let line = |text: String| NoteSignature::parse_line(text.trim_end()).unwrap();
    let of = |hash| line(log_cosigner().cosign_subtree(ORIGIN, good.subtree, hash).unwrap());
    let stranger = SubtreeCosigner::new("stranger", &[9; 32]).unwrap();
    let unknown = line(stranger.cosign_subtree(ORIGIN, good.subtree, &good.proof[0]).unwrap());
    let whole = Checkpoint { origin: ORIGIN.into(), size: 8, root: good.hash };
    let timed = line(log_cosigner().cosign(&whole, 1).unwrap());
    let ask = |line: NoteSignature| ask(address, SignSubtree { cosignatures: vec![line], ..good.clone() });
    signs(ask(of(&good.hash)).await, &good);
    signs(ask(unknown).await, &good);
    for (fault, line) in [("another hash", of(&good.proof[0])), ("with a time", timed)] {
        assert_eq!(ask(line).await.0, 403, "{fault}");
    }
}

#[tokio::test]
async fn without_a_key_for_it_there_is_no_such_path_and_limits_hold() {
    let storage = Arc::new(MemoryStorage::new());
    let old = witness(&storage, ed25519());
    grown(&old);
    let address = serve(old, often()).await;
    let request = request(0, (8, 13), 14, checkpoint(0, 14).to_body());
    assert_eq!(ask(address, &request).await.0, 404);

    let few = RateLimit::new(NonZeroU32::MIN, NonZeroU32::new(2).unwrap());
    let address = serve(witness(&storage, both()), few).await;
    for expected in [200, 200, 429] {
        assert_eq!(ask(address, &request).await.0, expected);
    }
}
