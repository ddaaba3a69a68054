//! Disks that run full, turn read-only or lose their power below a witness and a mirror: nothing is signed that is not
//! durable, and both go on when the disk does.
#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use common::by_hand::{ByHand, signer};
use common::{ORIGIN, clock};
use sha2::{Digest as _, Sha256};
use tlog_proof::{Cosigner, LogPolicy, MirrorInfo, parse_size};
use tower::ServiceExt as _;
use transparency_log::client::StorageSource;
use transparency_log::limit::RateLimit;
use transparency_log::mirror::{self, Mirror};
use transparency_log::monitor::audit;
use transparency_log::storage::{FolderStorage, SimulatedDisk};
use transparency_log::testing::key;
use transparency_log::{Witness, witness};

fn cosigner(name: &str) -> Cosigner {
    Cosigner::new(name, key(ORIGIN, name)).unwrap()
}

fn folder(disk: &Arc<SimulatedDisk>, name: &str) -> Arc<FolderStorage> {
    let disk: Arc<SimulatedDisk> = Arc::clone(disk);
    Arc::new(FolderStorage::on(disk, &Path::new("/srv").join(name)))
}

fn often() -> RateLimit {
    let many = NonZeroU32::new(100_000).unwrap();
    RateLimit::new(many, many)
}

fn witness_on(disk: &Arc<SimulatedDisk>) -> Router {
    let witness = Witness::open_on(folder(disk, "witness"), cosigner("w.example"), vec![signer().vkey()], clock());
    witness::router(witness, often())
}

fn mirror_on(disk: &Arc<SimulatedDisk>, context: &str) -> Router {
    let mirror = Mirror::open_on(folder(disk, "mirror"), cosigner("m.example"), vec![signer().vkey()], clock());
    mirror::router(mirror.unwrap_or_else(|error| panic!("{context}: {error}")), often())
}

async fn ask(router: &Router, method: &str, path: &str, body: impl Into<Body>) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/octet-stream");
    let response = router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8_lossy(&to_bytes(response.into_body(), 1 << 20).await.unwrap()).into_owned())
}

/// Asks for a cosignature, from the size that was cosigned last.
async fn add_checkpoint(router: &Router, log: &ByHand, size: usize) -> (u16, String) {
    let (status, said) = ask(router, "POST", "/add-checkpoint", log.add_checkpoint(0, size)).await;
    match parse_size(&said) {
        Ok(old) if status == 409 => ask(router, "POST", "/add-checkpoint", log.add_checkpoint(old, size)).await,
        _ => (status, said),
    }
}

/// Brings a mirror so many entries, from where it is; the last answer.
async fn bring(router: &Router, log: &ByHand, size: u64) -> (u16, String) {
    let (status, said) = add_checkpoint(router, log, size as usize).await;
    if status != 200 {
        return (status, said);
    }
    let (_, info) = ask(router, "POST", "/add-entries", log.upload(0, 0, |_| {})).await;
    let next = MirrorInfo::parse(&info).map_or(0, |info| info.next).min(size);
    ask(router, "POST", "/add-entries", log.upload(next, size, |_| {})).await
}

/// How large the mirror's published copy is, every entry of which is audited.
async fn held(disk: &Arc<SimulatedDisk>, context: &str) -> u64 {
    let digest = hex::encode(Sha256::digest(ORIGIN));
    let source = StorageSource::new(folder(disk, &format!("mirror/{digest}")));
    let text = format!("log {}\nwitness m {}\nquorum m\n", signer().vkey(), cosigner("m.example").vkey());
    let report = audit(source, &LogPolicy::parse(&text).unwrap(), None, |_| {}, |_, _| {}).await;
    report.unwrap_or_else(|error| panic!("{context}: {error}")).size
}

/// What goes wrong with a disk, and how it is mended.
type Fault = (&'static str, fn(&SimulatedDisk), fn(&SimulatedDisk));

const FAULTS: [Fault; 6] = [
    ("no room", |disk| disk.set_room(Some(0)), |disk| disk.set_room(None)),
    ("room for 100 bytes", |disk| disk.set_room(Some(100)), |disk| disk.set_room(None)),
    ("room for 5,000 bytes", |disk| disk.set_room(Some(5_000)), |disk| disk.set_room(None)),
    ("room for 20,000 bytes", |disk| disk.set_room(Some(20_000)), |disk| disk.set_room(None)),
    ("room for 40,000 bytes", |disk| disk.set_room(Some(40_000)), |disk| disk.set_room(None)),
    ("read-only", |disk| disk.set_read_only(true), |disk| disk.set_read_only(false)),
];

#[tokio::test]
async fn a_witness_signs_nothing_that_it_cannot_keep() {
    let (log, fork) = (ByHand::new(300), ByHand::of(1000..1300));
    for (fault, breaks, mends) in [FAULTS[0], FAULTS[1], FAULTS[5]] {
        let disk = Arc::new(SimulatedDisk::new());
        let witness = witness_on(&disk);
        assert_eq!(add_checkpoint(&witness, &log, 5).await.0, 200);
        breaks(&disk);
        let (status, said) = add_checkpoint(&witness, &log, 300).await;
        assert_eq!((status, said.as_str()), (500, "the witness cannot persist its state just now\n"), "{fault}");
        assert_eq!(add_checkpoint(&witness, &log, 5).await.0, 200, "{fault}: what it keeps already it can say again");
        mends(&disk);
        assert_eq!(add_checkpoint(&witness, &log, 300).await.0, 200, "{fault}");
        assert_eq!(add_checkpoint(&witness, &fork, 300).await.0, 409, "{fault}");
        // Another process finds the same.
        assert_eq!(add_checkpoint(&witness_on(&disk), &fork, 300).await.0, 409, "{fault}");
    }
}

#[tokio::test]
async fn a_witness_forgets_nothing_that_it_signed_when_the_power_is_cut() {
    let (log, fork) = (ByHand::new(9), ByHand::of(1000..1009));
    let mut ended = false;
    for cut in 0.. {
        let disk = Arc::new(SimulatedDisk::new());
        let witness = witness_on(&disk);
        disk.cut_power_at(cut);
        let mut signed = 0;
        for size in [3, 5, 8] {
            match add_checkpoint(&witness, &log, size).await {
                (200, _) => signed = size,
                _ => break,
            }
        }
        if !disk.is_dead() {
            ended = true;
            break;
        }
        disk.restart(cut);
        let witness = witness_on(&disk);
        if signed > 0 {
            let (status, _) = add_checkpoint(&witness, &fork, signed).await;
            assert!([400, 409].contains(&status), "cut at step {cut}: a second history of {signed}: {status}");
        }
        assert_eq!(add_checkpoint(&witness, &log, 9).await.0, 200, "cut at step {cut}, {signed} signed");
    }
    assert!(ended, "each step was cut at");
}

#[tokio::test]
async fn a_mirror_cosigns_nothing_that_it_does_not_hold() {
    let log = ByHand::new(700);
    for (fault, breaks, mends) in FAULTS {
        let disk = Arc::new(SimulatedDisk::new());
        let mirror = mirror_on(&disk, fault);
        assert_eq!(bring(&mirror, &log, 10).await.0, 200);
        breaks(&disk);
        let (status, said) = bring(&mirror, &log, 700).await;
        assert_eq!(status, 500, "{fault}: {said}");
        assert!(!said.contains('—') && !said.contains("srv"), "{fault}: {said}");
        let digest = hex::encode(Sha256::digest(ORIGIN));
        assert_eq!(ask(&mirror, "GET", &format!("/{digest}/checkpoint"), "").await.0, 200, "{fault}: reading goes on");
        assert_eq!(held(&disk, fault).await, 10, "{fault}: what is published stays whole");
        mends(&disk);
        let (status, said) = bring(&mirror, &log, 700).await;
        assert_eq!(status, 200, "{fault}: {said}");
        assert_eq!(held(&disk, fault).await, 700, "{fault}");
        assert_eq!(bring(&mirror_on(&disk, fault), &log, 700).await.0, 200, "{fault}: another process has the same");
    }
}

/// A life with a power cut at step `cut`, and the next one; whether the cut came.
async fn cut_at(cut: u64, log: &ByHand) -> bool {
    let disk = Arc::new(SimulatedDisk::new());
    let context = format!("power cut at step {cut}");
    let mirror = mirror_on(&disk, &context);
    disk.cut_power_at(cut);
    let mut cosigned = 0;
    for size in [10, 300, 530] {
        match bring(&mirror, log, size).await {
            (200, _) => cosigned = size,
            _ => break,
        }
    }
    if !disk.is_dead() {
        return false;
    }
    disk.restart(cut);
    let mirror = mirror_on(&disk, &context);
    if cosigned > 0 {
        assert!(held(&disk, &context).await >= cosigned, "{context}: {cosigned} were cosigned");
    }
    let (status, said) = bring(&mirror, log, 531).await;
    assert_eq!(status, 200, "{context}: {said}");
    assert_eq!(held(&disk, &context).await, 531, "{context}");
    true
}

#[tokio::test]
async fn a_mirror_loses_nothing_that_it_cosigned_when_the_power_is_cut() {
    let log = ByHand::new(531);
    let mut cuts = 0;
    while cut_at(cuts, &log).await {
        cuts += 1;
    }
    assert!(cuts > 60, "entries, tiles, number and checkpoint of each upload: {cuts} cuts");
}
