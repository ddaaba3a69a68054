//! The file of one case.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a person has and is given, and what must come of it. See `tests/vectors/policy-update/README.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateVector {
    /// The file's name without `.json`: the rule and the fault.
    pub(crate) name: String,
    /// `ok`, or the rule that must be named.
    pub(crate) rule: String,
    pub(crate) description: String,
    /// The trust policy in force: canonical JSON.
    pub(crate) current: String,
    /// The bytes of the update, which are text in all cases.
    pub(crate) update: String,
    /// What a good one says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) says: Option<Says>,
    /// What is signed and what is logged, byte by byte.
    pub(crate) annotated: Vec<String>,
}

/// What verification found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Says {
    pub(crate) number: u64,
    /// Of the new version: SHA-256 of its text.
    pub(crate) fingerprint: String,
    /// Seconds since the epoch.
    pub(crate) logged_at: u64,
    /// Whether the person must have seen it first.
    pub(crate) asks: bool,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/policy-update")
}

impl UpdateVector {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap() + "\n"
    }
}

/// Every vector in the folder, by name.
pub(crate) fn read_all() -> Vec<UpdateVector> {
    let Ok(files) = std::fs::read_dir(folder()) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: &PathBuf| {
        let vector: UpdateVector = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(vector.name.as_str()));
        vector
    };
    files.iter().map(read).collect()
}

pub(crate) fn write(made: &[UpdateVector]) {
    std::fs::create_dir_all(folder()).unwrap();
    for old in read_all() {
        std::fs::remove_file(folder().join(format!("{}.json", old.name))).unwrap();
    }
    for vector in made {
        std::fs::write(folder().join(format!("{}.json", vector.name)), vector.to_json()).unwrap();
    }
}
