//! First starts that come to nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::Homeserver;
use crate::files;
use crate::init::init;
use crate::introduce::introduce;

fn options(folder: PathBuf, passphrase: Option<&str>) -> Options {
    Options {
        folder,
        https_port: Some(0),
        directory_port: Some(0),
        key_passphrase: passphrase.map(|source| source.parse().unwrap()),
        ..Options::default()
    }
}

async fn refused(options: &Options) -> StartError {
    Homeserver::start(options).await.map(drop).unwrap_err()
}

/// Every file below a folder, but for the lock, with what is in it.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(folder.join(path)).unwrap());
    files::below(folder).unwrap().into_iter().map(read).collect()
}

fn write(path: &Path, mode: u32, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_first_start_without_its_passphrase_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let (open, empty) = (outside.path().join("open"), outside.path().join("empty"));
    write(&open, 0o644, "s3cret horse\n");
    write(&empty, 0o600, "");
    let folder = place.path().join("srv/inperson/server");
    for (source, says) in [
        (format!("file:{}", outside.path().join("none").display()), "No such file"),
        (format!("file:{}", open.display()), "its owner alone"),
        (format!("file:{}", empty.display()), "expected a passphrase"),
        ("credential:keys".to_owned(), "credential"),
    ] {
        let options = options(folder.clone(), Some(&source));
        for error in [refused(&options).await, init(&options).map(drop).unwrap_err()] {
            assert!(matches!(&error, StartError::Unlocking { reason } if reason.contains(says)), "{source}: {error}");
            assert!(error.remedy().contains("--key-passphrase") && !error.to_string().contains("s3cret"), "{error}");
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{source}");
        }
    }
    // Nothing is decided: another domain is as good as the one before.
    let other = Options { domain: Some("chat.example.org".into()), ..options(folder, None) };
    Homeserver::start(&other).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_first_start_that_is_refused_after_the_settings_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("srv/server");
    assert!(matches!(introduce(&options(folder.clone(), None)), Err(StartError::OwnLog)));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    // The settings are written and the authority's keys made, when another key turns out to be none.
    std::fs::create_dir_all(folder.join(KEYS)).unwrap();
    write(&folder.join("keys/witness.pem"), 0o600, "mine");
    let error = refused(&options(folder.clone(), None)).await;
    assert!(matches!(&error, StartError::Damaged { what, .. } if what.ends_with("witness.pem")), "{error}");
    let files: Vec<_> = content(&folder).into_iter().map(|(file, _)| file).collect();
    assert_eq!(files, [Path::new("keys/witness.pem")]);
}

#[tokio::test]
async fn what_an_operator_prepared_is_left_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let prepared = place.path().join("server");
    let source = |text: &str| {
        let file = place.path().join(text);
        write(&file, 0o600, text);
        format!("file:{}", file.display())
    };
    // The keys of a ceremony, under a passphrase.
    ca::init(&prepared.join(KEYS), "localhost", UnixTime::now()).unwrap();
    let passphrase = source("right").parse::<PassphraseSource>().unwrap().read("keys").unwrap();
    ca::keys::seal_keys(&prepared.join(KEYS), &passphrase, UnixTime::now()).unwrap();
    let before = content(&prepared);
    for passphrase in [Some(source("wrong")), None] {
        let error = refused(&options(prepared.clone(), passphrase.as_deref())).await;
        assert!(matches!(error, StartError::Unlocking { .. }), "{error}");
        assert!(content(&prepared) == before, "{passphrase:?}");
    }
    // Settings that were written by hand, and are not in order.
    let settings = Settings::first(&options(prepared.clone(), Some(&source("right"))), 2026).unwrap();
    write(&prepared.join(settings::FILE), 0o600, &(settings.to_toml() + "\n[phone]\nprice = 1.0\n"));
    let before = content(&prepared);
    let error = refused(&options(prepared.clone(), None)).await;
    assert!(content(&prepared) == before, "{error}");
    // A wrong passphrase that is given later is not remembered.
    write(&prepared.join(settings::FILE), 0o600, &settings.to_toml());
    Homeserver::start(&options(prepared.clone(), None)).await.unwrap().stop().await;
    let remembered = std::fs::read_to_string(prepared.join(settings::FILE)).unwrap();
    refused(&options(prepared.clone(), Some(&source("wrong")))).await;
    assert_eq!(std::fs::read_to_string(prepared.join(settings::FILE)).unwrap(), remembered);
    Homeserver::start(&options(prepared, None)).await.unwrap().stop().await;
}
