//! Vectors as files, one for each, named by the vector: read, written anew when asked, and compared with what is made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What lies in a folder of `tests/vectors`.
pub(crate) trait InFile: Serialize + DeserializeOwned {
    /// The folder's name.
    const FOLDER: &'static str;

    /// The file's name without `.json`.
    fn name(&self) -> &str;

    /// `ok`, or the rule that must be named.
    fn rule(&self) -> &str;
}

fn folder<V: InFile>() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(V::FOLDER)
}

fn path<V: InFile>(vector: &V) -> PathBuf {
    folder::<V>().join(format!("{}.json", vector.name()))
}

fn text(vector: &impl InFile) -> String {
    serde_json::to_string_pretty(vector).unwrap() + "\n"
}

/// Every vector in the folder, by name.
pub(crate) fn read_all<V: InFile>() -> Vec<V> {
    let Ok(files) = std::fs::read_dir(folder::<V>()) else { return Vec::new() };
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let read = |path: &PathBuf| {
        let vector: V = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(vector.name()));
        vector
    };
    files.iter().map(read).collect()
}

/// The rules that the vectors of a folder break, and `ok`, which some must be.
pub(crate) fn rules<V: InFile>() -> BTreeSet<String> {
    let rules: BTreeSet<String> = read_all::<V>().iter().map(|vector| vector.rule().to_owned()).collect();
    assert!(rules.contains("ok"));
    rules
}

/// The files are what is made, neither more nor fewer; with `WRITE_VECTORS` they are written anew before. Answers how many
/// bytes they have together.
pub(crate) fn compare<V: InFile>(made: &[V]) -> usize {
    let names: BTreeSet<&str> = made.iter().map(InFile::name).collect();
    assert_eq!(names.len(), made.len(), "a name twice");
    if std::env::var_os("WRITE_VECTORS").is_some() {
        write(made);
    }
    let mut total = 0;
    for vector in made {
        let path = path(vector);
        let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(found == text(vector), "{} is not what is made: write it anew", path.display());
        total += found.len();
    }
    let files: BTreeSet<String> = read_all::<V>().iter().map(|vector| vector.name().to_owned()).collect();
    assert_eq!(files, names.into_iter().map(str::to_owned).collect(), "files and cases");
    total
}

fn write<V: InFile>(made: &[V]) {
    std::fs::create_dir_all(folder::<V>()).unwrap();
    for old in read_all::<V>() {
        std::fs::remove_file(path(&old)).unwrap();
    }
    for vector in made {
        std::fs::write(path(vector), text(vector)).unwrap();
    }
}
