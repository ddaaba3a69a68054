//! Backups that must not go on, and what a log may have grown by since one was made.

mod elsewhere;
mod struck;

use std::time::Duration;

use tlog_proof::{Cosigner, VerifierKey};

use super::*;
use crate::files;
use crate::logs::{RUN_BY, run_by};
use crate::{Homeserver, Options, backup, keys, shards};

async fn start(folder: &Path) -> Homeserver {
    let folder = folder.to_path_buf();
    let (https_port, directory_port) = (Some(0), Some(0));
    let options = Options { folder, https_port, directory_port, clock_is_right: true, ..Options::default() };
    Homeserver::start_at(&options, std::sync::Arc::new(UnixTime::now)).await.unwrap()
}

/// A server that has run, and its folders to be.
struct Place {
    place: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        start(&place.path().join("server")).await.stop().await;
        Self { place }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn backup(&self) {
        backup::backup(&self.at("server"), &self.at("backup"), UnixTime::now()).await.unwrap();
    }

    fn unpack(&self) -> Result<Manifest, RestoreError> {
        unpack(&self.at("backup"), &self.at("restored"), UnixTime::now())
    }

    fn waiting(&self) -> Waiting {
        Waiting::open(&self.at("restored")).unwrap()
    }

    async fn catch_up(&self) -> RestoreError {
        catch_up(&self.at("restored"), &Wishes::default(), UnixTime::now()).await.map(drop).unwrap_err()
    }
}

/// A next version in which the quorum demands another witness as well.
fn demand_another_witness(folder: &Path) -> VerifierKey {
    let current = policies::newest(folder).unwrap();
    let seed = tempfile::tempdir().unwrap();
    let key = keys::open(&Folder::open(seed.path()).unwrap(), "key.pem").unwrap();
    let vkey = Cosigner::new("away.example/witness", key).unwrap().vkey();
    let (rest, quorum) = current.tlog_policy.trim_end().rsplit_once("quorum ").unwrap();
    let tlog_policy = format!("{rest}witness away {vkey}\ngroup both all {quorum} away\nquorum both\n");
    let (number, previous) = (current.number + 1, Some(current.fingerprint()));
    let next = TrustPolicy { number, previous, tlog_policy, ..current.clone() };
    policies::sign_as_next(folder, &current, &next, None, None).unwrap();
    vkey
}

#[tokio::test]
async fn a_folder_that_waits_is_not_backed_up() {
    let place = Place::new().await;
    place.backup().await;
    place.unpack().unwrap();
    let again = backup::backup(&place.at("restored"), &place.at("second"), UnixTime::now()).await;
    assert!(matches!(again.map(drop), Err(StartError::NotCaughtUp { .. })));
    assert!(!place.at("second").exists() && !place.at("second.partial").exists());
}

#[tokio::test]
async fn a_folder_without_a_database_is_not_backed_up() {
    let place = Place::new().await;
    std::fs::remove_file(place.at("server").join(backup::DATABASE)).unwrap();
    let refused = backup::backup(&place.at("server"), &place.at("backup"), UnixTime::now()).await.unwrap_err();
    assert!(refused.to_string().contains("start the server once"), "{refused}");
    assert!(!place.at("backup").exists() && !place.at("backup.partial").exists());
}

#[tokio::test]
async fn what_the_settings_name_survives_backup_and_restore() {
    let place = Place::new().await;
    let server = place.at("server");
    let text = std::fs::read_to_string(server.join(settings::FILE)).unwrap();
    let more = "\n[enrolment.direct]\nroots = \"mail-ca.pem\"\nanchors = \"names/anchors.txt\"\n\
                [[openid]]\nissuer = \"https://login.example\"\nclient_id = \"a\"\ndomains = [\"example.org\"]\n\
                roots = \"login-ca.pem\"\n";
    std::fs::write(server.join(settings::FILE), text + more).unwrap();
    let named = ["mail-ca.pem", "names/anchors.txt", "login-ca.pem", ca::POLICIES_FILE];
    for file in named {
        std::fs::create_dir_all(server.join(file).parent().unwrap()).unwrap();
        std::fs::write(server.join(file), file).unwrap();
    }
    place.backup().await;
    place.unpack().unwrap();
    for file in named {
        assert_eq!(std::fs::read_to_string(place.at("restored").join(file)).ok().as_deref(), Some(file));
    }
}

#[tokio::test]
async fn a_backup_holds_wishes_and_named_certificates_and_nothing_of_an_earlier_attempt() {
    let place = Place::new().await;
    let server = place.at("server");
    let text = std::fs::read_to_string(server.join(settings::FILE)).unwrap();
    let issuer = |roots: &str| {
        let domains = "domains = [\"example.org\"]";
        format!("\n[[openid]]\nissuer = \"https://login.example\"\nclient_id = \"a\"\n{domains}\nroots = {roots:?}\n")
    };
    std::fs::write(server.join(settings::FILE), text + &issuer("login-ca.pem") + &issuer("../outside.pem")).unwrap();
    std::fs::write(server.join("login-ca.pem"), "certificates").unwrap();
    std::fs::write(place.at("outside.pem"), "elsewhere").unwrap();
    std::fs::create_dir_all(server.join("wishes")).unwrap();
    std::fs::write(server.join("wishes/00.revoke"), "4").unwrap();
    let left = place.at("backup.partial");
    for shard in ["", "shards/next"] {
        let shard = left.join(shard);
        std::fs::create_dir_all(shard.join("keys")).unwrap();
        std::fs::write(shard.join("keys/vrf.key.pem.gone"), "destroyed since").unwrap();
        std::fs::write(shard.join("vrf.key.pem"), "destroyed since").unwrap();
    }
    place.backup().await;
    let found = files::below(&place.at("backup")).unwrap();
    let has = |name: &str| found.iter().any(|path| path == Path::new(name));
    assert!(has("login-ca.pem") && has("wishes/00.revoke"), "{found:?}");
    assert!(!found.iter().any(|path| path.ends_with("vrf.key.pem.gone")) && !has("vrf.key.pem"), "{found:?}");
    assert!(!has("shards/next/vrf.key.pem"), "{found:?}");
    assert_eq!(std::fs::read_to_string(place.at("outside.pem")).unwrap(), "elsewhere");

    std::os::unix::fs::symlink("/dev/null", server.join("keys/elsewhere.key.pem")).unwrap();
    let refused = backup::backup(&server, &place.at("second"), UnixTime::now()).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("symbolic link") && !place.at("second").exists(), "{refused}");
}

#[tokio::test]
async fn what_was_interrupted_while_it_was_unpacked_does_not_go_on() {
    let place = Place::new().await;
    place.backup().await;
    // It fails after the first files were written: the settings are no part of this backup.
    let sums = std::fs::read_to_string(place.at("backup").join(backup::SUMS)).unwrap();
    let fewer: String = sums.split_inclusive('\n').filter(|line| !line.ends_with(" homeserver.toml\n")).collect();
    assert!(fewer.len() < sums.len());
    std::fs::write(place.at("backup").join(backup::SUMS), fewer).unwrap();
    place.unpack().unwrap_err();
    // Also if everything came to be there afterwards.
    std::fs::copy(place.at("backup").join("homeserver.toml"), place.at("restored").join("homeserver.toml")).unwrap();
    let refused = place.catch_up().await;
    assert!(matches!(&refused, RestoreError::Partial { .. }) && !refused.waits(), "{refused}");
    let begun = new_log::begin(&place.at("restored"), "next", &Wishes::default(), UnixTime::now()).await;
    assert!(matches!(begun.map(drop), Err(RestoreError::Partial { .. })));
    std::fs::remove_file(place.at("restored").join(MARK)).unwrap();
    assert!(check(&Folder::beside(&place.at("restored")).unwrap()).is_err(), "a crash between the two marks");
}

#[tokio::test]
async fn a_log_that_is_shorter_than_the_backup_says_is_refused() {
    let place = Place::new().await;
    place.backup().await;
    let mut manifest = place.unpack().unwrap();
    manifest.logs[0].size += 1;
    std::fs::write(place.at("restored").join(MARK), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let refused = place.catch_up().await;
    assert!(matches!(&refused, RestoreError::Backup { reason, .. } if reason.contains("expected ")), "{refused}");
}

#[tokio::test]
async fn a_log_counts_by_the_version_that_it_was_opened_with_until_it_is_opened_again() {
    let place = Place::new().await;
    let witness = demand_another_witness(&place.at("server"));
    place.backup().await;
    place.unpack().unwrap();
    let waiting = place.waiting();
    let origin = waiting.settings.origin();
    assert_eq!((waiting.policy.number, run_by::version(&waiting.folder, &origin).unwrap()), (2, Some(1)));
    let certain = |waiting: &Waiting| {
        let quorums = certain::quorums(waiting, &origin, UnixTime::now()).unwrap();
        certain::is_certain_by_all(&quorums, std::slice::from_ref(&witness))
    };
    assert!(!certain(&waiting), "it could grow without that witness, though the newest version demands it");
    waiting.folder.write(RUN_BY, format!("2 {origin}\n").as_bytes()).unwrap();
    assert!(certain(&waiting));
    waiting.folder.write(RUN_BY, format!("3 {origin}\n").as_bytes()).unwrap();
    assert!(!certain(&waiting), "a version that is not here");
    std::fs::remove_file(waiting.folder.join(RUN_BY)).unwrap();
    assert!(!certain(&waiting), "not known");
}

#[tokio::test]
async fn a_log_that_was_given_up_has_not_grown() {
    let place = Place::new().await;
    let begins = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + 30 * 86_400));
    shards::prepare(&place.at("server"), "next", begins, UnixTime::now(), None, None).unwrap();
    place.backup().await;
    place.unpack().unwrap();
    let waiting = place.waiting();
    let origins = [waiting.settings.origin(), waiting.settings.shard_origin("next")];
    let given_up = |waiting: &Waiting| origins.each_ref().map(|origin| certain::is_given_up(waiting, origin).unwrap());
    assert_eq!(given_up(&waiting), [false, false]);
    waiting.folder.write(FROZEN, format!("{}\n{}\n", origins[0], origins[1]).as_bytes()).unwrap();
    assert_eq!(given_up(&waiting), [true, false], "the newest has no other in its place");
}

#[tokio::test]
async fn a_witness_is_asked_at_the_address_that_its_neighbour_wrote_down() {
    let place = Place::new().await;
    let key = demand_another_witness(&place.at("server"));
    place.backup().await;
    place.unpack().unwrap();
    let waiting = place.waiting();
    let asked = |waiting: &Waiting| {
        let quorums = certain::quorums(waiting, &waiting.settings.origin(), UnixTime::now()).unwrap();
        certain::witnesses(waiting, &quorums).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert!(asked(&waiting).is_empty(), "the policy has no address of it");
    let mut neighbours = crate::neighbours::Neighbours::default();
    let url = "https://witness.example";
    neighbours.add(crate::neighbours::Neighbour::witness_only(url, &key.to_string()).unwrap()).unwrap();
    neighbours.write(waiting.folder.path()).unwrap();
    assert_eq!(asked(&waiting), [key]);
}

#[tokio::test]
async fn another_log_begins_with_the_newest_lists_or_expressly_without_them() {
    let place = Place::new().await;
    place.backup().await;
    // Life goes on, and the lists are signed anew.
    let served = place.at("server").join("crl");
    for file in files::below(&served).unwrap() {
        std::fs::remove_file(served.join(file)).unwrap();
    }
    start(&place.at("server")).await.stop().await;
    let lists: Vec<_> = files::below(&served).unwrap().into_iter().map(|file| served.join(file)).collect();
    assert!(lists.len() >= 2, "{lists:?}");
    place.unpack().unwrap();
    let begin = async |lists: &[PathBuf], without_lists| {
        let wishes = Wishes { lists: lists.to_vec(), without_lists, ..Wishes::default() };
        new_log::begin(&place.at("restored"), "again", &wishes, UnixTime::now()).await
    };
    for some in [&[][..], &lists[1..]] {
        let refused = begin(some, false).await.unwrap_err();
        assert!(matches!(&refused, RestoreError::ListsUnknown { .. }) && refused.waits(), "{refused}");
    }
    let strange = place.at("strange.crl");
    std::fs::write(&strange, b"no list").unwrap();
    assert!(matches!(begin(&[strange], true).await, Err(RestoreError::List { .. })));
    assert!(!place.at("restored").join(FROZEN).exists(), "nothing was given up so far");
    begin(&lists, false).await.unwrap();
    assert!(place.at("restored").join(FROZEN).exists() && !place.at("restored").join(MARK).exists());
}

#[tokio::test]
async fn another_log_begins_with_the_versions_of_the_policy_that_are_brought() {
    let place = Place::new().await;
    place.backup().await;
    place.unpack().unwrap();
    let wishes = Wishes { updates: vec![place.at("nowhere.json")], without_lists: true, ..Wishes::default() };
    let refused = new_log::begin(&place.at("restored"), "again", &wishes, UnixTime::now()).await;
    assert!(refused.is_err(), "it is read");
    // One that stands in the log and is not here.
    let key = demand_another_witness(&place.at("server"));
    let server = start(&place.at("server")).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !place.at("server").join("policies/2.json").exists() {
        assert!(Instant::now() < deadline, "the next version is not published");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
    let mirrors = vec![place.at("server").join("log").display().to_string()];
    let wishes = Wishes { mirrors, without_lists: true, ..Wishes::default() };
    let refused = new_log::begin(&place.at("restored"), "again", &wishes, UnixTime::now()).await.map(drop).unwrap_err();
    assert!(matches!(&refused, RestoreError::Policies { count: 1 }), "{refused}");
    let wishes = Wishes { updates: vec![place.at("server").join("policies/2.json")], ..wishes };
    new_log::begin(&place.at("restored"), "again", &wishes, UnixTime::now()).await.unwrap();
    let newest = policies::newest(&place.at("restored")).unwrap();
    assert!(newest.number == 3 && newest.tlog_policy.contains(&key.to_string()));
}
