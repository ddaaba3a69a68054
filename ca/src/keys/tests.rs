use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000))
}

#[test]
fn what_was_made_opens_and_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    assert!(!AuthorityKeys::exist(&keys));
    init(&keys, "Example", now()).unwrap();
    let open = AuthorityKeys::open(&keys).unwrap();
    assert_eq!(open.began().as_secs(), now().as_secs());
    assert_ne!(open.issuers()[0], open.issuers()[1]);
    for file in std::fs::read_dir(&keys).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(keys.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn an_authority_is_not_overwritten_and_an_interrupted_one_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "Example", now()).unwrap();
    assert!(matches!(init(folder.path(), "Example", now()), Err(InitError::Exists(_))));
    std::fs::remove_file(folder.path().join("root.pem")).unwrap();
    init(folder.path(), "Example", now()).unwrap();
    AuthorityKeys::open(folder.path()).unwrap();
}

#[test]
fn another_key_beside_a_certificate_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "Example", now()).unwrap();
    std::fs::copy(folder.path().join("services.key.pem"), folder.path().join("people.key.pem")).unwrap();
    let error = AuthorityKeys::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("people.key.pem: expected the key of the certificate"), "{error}");
}

mod ceremony;
