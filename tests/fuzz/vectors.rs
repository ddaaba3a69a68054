//! What the shared vectors hold, for targets that must tell what is theirs from what was forged. Each target uses a part.
#![allow(dead_code)]

use std::{collections::HashSet, fs, path::Path, sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use identity::{
    UnixTime,
    trust::{Trust, TrustPolicy},
};
use serde_json::Value;
use tlog_proof::LogPolicy;

/// 2026-11-23 12:00:00 UTC: when most vectors are judged.
pub const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_435_200));

fn read(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(folder);
    let files = fs::read_dir(folder).expect("the vectors are there").map(|entry| entry.expect("a file").path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.map(|path| serde_json::from_slice(&fs::read(path).expect("a vector")).expect("JSON")).collect()
}

static CERTIFICATES: LazyLock<Vec<Value>> = LazyLock::new(|| read("certificate"));

fn named(name: &str) -> &'static Value {
    CERTIFICATES.iter().find(|vector| vector["name"] == name).expect("a vector of this name")
}

fn policy(vector: &Value) -> TrustPolicy {
    TrustPolicy::parse(vector["policy"].as_str().expect("text").as_bytes()).expect("a policy in order")
}

fn all(member: &str) -> HashSet<Vec<u8>> {
    let lists = CERTIFICATES.iter().flat_map(|vector| vector[member].as_array().into_iter().flatten());
    lists.map(|der| STANDARD.decode(der.as_str().expect("text")).expect("base64")).collect()
}

/// The policy of the good service, which is the one of all with a directory.
pub static TRUST: LazyLock<Trust> =
    LazyLock::new(|| Trust::new(vec![policy(named("good-service"))]).expect("a policy in order"));
pub static LOG: LazyLock<LogPolicy> =
    LazyLock::new(|| policy(named("good-service")).log_policy().expect("a policy in order"));
/// Every certificate and every list that stands in a vector.
pub static LEAVES: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| all("chain"));
pub static LISTS: LazyLock<HashSet<Vec<u8>>> = LazyLock::new(|| all("crls"));

static UPDATE_VECTORS: LazyLock<Vec<Value>> = LazyLock::new(|| read("policy-update"));

/// The policies that the updates follow, each once.
pub static POLICIES: LazyLock<Vec<TrustPolicy>> = LazyLock::new(|| {
    let texts: HashSet<&str> = UPDATE_VECTORS.iter().filter_map(|vector| vector["current"].as_str()).collect();
    texts.into_iter().map(|text| TrustPolicy::parse(text.as_bytes()).expect("a policy in order")).collect()
});
/// The policies that stand in the updates.
pub static UPDATES: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let updates = UPDATE_VECTORS.iter().filter_map(|vector| vector["update"].as_str());
    let read = updates.filter_map(|text| serde_json::from_str::<Value>(text).ok());
    read.filter_map(|update| update["policy"].as_str().map(str::to_owned)).collect()
});
