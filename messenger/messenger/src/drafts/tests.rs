//! What is kept, under whose key, and for how long.

use std::os::unix::fs::PermissionsExt;

use device::DeviceKey;

use super::*;

fn unsent(text: &str) -> Unsent {
    let bob = Identifier::parse("bob@example.org").unwrap();
    Unsent { to: Addressee::Person(bob), text: text.to_owned(), fate: Fate::Written }
}

fn files(home: &Home) -> Vec<PathBuf> {
    let files = std::fs::read_dir(home.folder().join(FOLDER));
    files.map(|files| files.map(|file| file.unwrap().path()).collect()).unwrap_or_default()
}

#[test]
fn the_same_device_gets_them_back_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let [mine, other] = [(), ()].map(|()| Arc::new(DeviceKey::generate().unwrap()));
    let kept = [unsent("see you\nat eight"), unsent("🎉")];
    Safe::open(home.clone(), mine.clone()).unwrap().keep(&kept).unwrap();
    let [file] = &files(&home)[..] else { panic!("{:?}", files(&home)) };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains("eight") && !text.contains("bob"), "{text}");

    let found = Safe::open(home.clone(), other).unwrap().find();
    assert!(found.unsent.is_empty() && found.files.is_empty() && found.problems.is_empty(), "{found:?}");
    let next = Safe::open(home.clone(), mine).unwrap();
    let found = next.find();
    assert_eq!(found.unsent, kept);
    assert_eq!(&found.files, std::slice::from_ref(file));
    next.remove(&found.files).unwrap();
    assert!(files(&home).is_empty());
}

#[test]
fn what_is_kept_later_takes_the_place_of_what_was_kept_before() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let safe = Safe::open(home.clone(), Arc::new(DeviceKey::generate().unwrap())).unwrap();
    let many: Vec<_> = (0..40).map(|n| unsent(&format!("{n} {}", "\"".repeat(32_000)))).collect();
    safe.keep(&many).unwrap();
    assert!(files(&home).len() > 1, "more than one file may hold");
    assert_eq!(safe.find().unsent, many);
    safe.keep(&many[..1]).unwrap();
    assert_eq!(safe.find().unsent, many[..1]);
    safe.keep(&[]).unwrap();
    assert!(files(&home).is_empty());
}

/// Names, reasons and the marks of JSON take more than the texts.
#[test]
fn many_short_texts_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let safe = Safe::open(home.clone(), Arc::new(DeviceKey::generate().unwrap())).unwrap();
    let fate = Fate::NotDelivered("no direct connection came about, and here is why at some length".repeat(2));
    let many: Vec<_> = (0..10_000).map(|_| Unsent { fate: fate.clone(), ..unsent("y") }).collect();
    safe.keep(&many).unwrap();
    let found = safe.find();
    assert_eq!((found.unsent.len(), found.problems), (many.len(), Vec::new()));
}

#[test]
fn an_altered_file_is_told_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let safe = Safe::open(home.clone(), Arc::new(DeviceKey::generate().unwrap())).unwrap();
    safe.keep(&[unsent("hi")]).unwrap();
    let file = files(&home).remove(0);
    let mut sealed: Sealed = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut bytes = BASE64_STANDARD.decode(&sealed.sealed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    sealed.sealed = BASE64_STANDARD.encode(bytes);
    for text in [serde_json::to_string(&sealed).unwrap(), "{}".to_owned(), "\u{0}".to_owned()] {
        std::fs::write(&file, text).unwrap();
        let found = safe.find();
        assert!(found.unsent.is_empty() && found.files.is_empty());
        assert!(found.problems[0].contains("damaged"), "{:?}", found.problems);
        assert!(file.exists());
    }
}
