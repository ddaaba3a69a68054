//! Both ends, and whoever else finds the socket.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use identity::Identifier;
use identity::transparency::LabelInput;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::shards::LabelKey;

const ORIGIN: &str = "localhost:8443/log/2026";

struct Place {
    folder: tempfile::TempDir,
    stop: CancellationToken,
    serving: JoinHandle<io::Result<Ended>>,
}

impl Place {
    /// A signer whose key lies in a vault; an authority's folder that names its socket.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        LabelKey::open_or_make(&folder.path().join("vault/vrf.key.pem")).unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let socket = folder.path().join("run/socket");
        std::fs::write(folder.path().join("keys/vrf.signer"), format!("{}\n", socket.display())).unwrap();
        let (stop, serving) = start(folder.path());
        Self { folder, stop, serving }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/socket")
    }

    fn vault(&self) -> PathBuf {
        self.folder.path().join("vault/vrf.key.pem")
    }

    async fn authoritys(&self) -> Result<Option<LabelKey>, crate::LabelKeyError> {
        let file = self.folder.path().join("keys/vrf.key.pem");
        tokio::task::spawn_blocking(move || LabelKey::open(&file)).await.unwrap()
    }
}

fn start(folder: &Path) -> (CancellationToken, JoinHandle<io::Result<Ended>>) {
    let stop = CancellationToken::new();
    let listener = bind(&folder.join("run/socket"), false).unwrap();
    let key = LabelKey::open(&folder.join("vault/vrf.key.pem")).unwrap().unwrap();
    let told = stop.clone();
    (stop, tokio::spawn(async move { serve(listener, key, ORIGIN, told).await }))
}

async fn evaluated(
    key: &std::sync::Arc<LabelKey>,
    origin: &'static str,
    slot: u8,
) -> Result<[u8; 32], crate::LabelKeyError> {
    let key = std::sync::Arc::clone(key);
    tokio::task::spawn_blocking(move || {
        let identifier = Identifier::parse("alice@example.org").unwrap();
        key.evaluate(&LabelInput { origin, identifier: &identifier, period: 2900, slot }).map(|(label, _)| label)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_the_same_whoever_holds_the_key() {
    let place = Place::new();
    let here = std::sync::Arc::new(LabelKey::open(&place.vault()).unwrap().unwrap());
    let asked = std::sync::Arc::new(place.authoritys().await.unwrap().unwrap());
    assert_eq!(here.public(), asked.public());
    for slot in 0..4 {
        assert_eq!(evaluated(&asked, ORIGIN, slot).await.unwrap(), evaluated(&here, ORIGIN, slot).await.unwrap());
    }
    let other = evaluated(&asked, "localhost:8443/log/2027", 0).await.unwrap_err().to_string();
    assert!(other.contains("refuses: expected a label in the log localhost:8443/log/2026"), "{other}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.socket()), mode(place.socket().parent().unwrap())), (0o600, 0o700));
    assert!(bind(&place.socket(), false).is_err(), "a second signer");
    assert!(!format!("{asked:?}").contains("SECRET"));

    // It goes and comes back: what is asked meanwhile is refused, what is asked after is answered.
    place.stop.cancel();
    assert_eq!(place.serving.await.unwrap().unwrap(), Ended::Stopped);
    assert!(evaluated(&asked, ORIGIN, 9).await.unwrap_err().to_string().contains("socket"));
    let (_stop, _serving) = start(place.folder.path());
    assert_eq!(evaluated(&asked, ORIGIN, 9).await.unwrap(), evaluated(&here, ORIGIN, 9).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_with_another_key_is_not_believed() {
    let place = Place::new();
    let asked = std::sync::Arc::new(place.authoritys().await.unwrap().unwrap());
    place.stop.cancel();
    place.serving.await.unwrap().unwrap();
    std::fs::remove_file(place.folder.path().join("vault/vrf.key.pem")).unwrap();
    LabelKey::open_or_make(&place.folder.path().join("vault/vrf.key.pem")).unwrap();
    let (_stop, _serving) = start(place.folder.path());
    let refused = evaluated(&asked, ORIGIN, 0).await.unwrap_err().to_string();
    assert!(refused.contains("expected a proof of the label"), "{refused}");
}

/// What the policy says of a key is enough to begin with; what is there is held to it once it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_known_is_opened_while_its_signer_is_away() {
    let place = Place::new();
    let public = place.authoritys().await.unwrap().unwrap().public().clone();
    place.stop.cancel();
    place.serving.await.unwrap().unwrap();
    let file = place.folder.path().join("keys/vrf.key.pem");
    let known = tokio::task::spawn_blocking(move || {
        assert!(LabelKey::open(&file).unwrap_err().is_away(), "of one that is not known nothing can be said");
        LabelKey::open_known(&file, &public).unwrap().unwrap()
    });
    let known = std::sync::Arc::new(known.await.unwrap());
    let check = async |key: &std::sync::Arc<LabelKey>| {
        let key = std::sync::Arc::clone(key);
        tokio::task::spawn_blocking(move || key.check()).await.unwrap()
    };
    assert!(check(&known).await.unwrap_err().is_away());
    assert!(evaluated(&known, ORIGIN, 0).await.unwrap_err().is_away());
    let (stop, serving) = start(place.folder.path());
    check(&known).await.unwrap();
    evaluated(&known, ORIGIN, 0).await.unwrap();
    stop.cancel();
    serving.await.unwrap().unwrap();
    std::fs::remove_file(place.folder.path().join("vault/vrf.key.pem")).unwrap();
    LabelKey::open_or_make(&place.folder.path().join("vault/vrf.key.pem")).unwrap();
    let (_stop, _serving) = start(place.folder.path());
    let another = check(&known).await.unwrap_err();
    assert!(!another.is_away() && another.to_string().contains("found one of another"), "{another}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_destroyed_where_it_lies_and_the_signer_ends() {
    let place = Place::new();
    let asked = place.authoritys().await.unwrap().unwrap();
    tokio::task::spawn_blocking(move || asked.destroy().unwrap()).await.unwrap();
    let (vault, keys) = (place.vault(), place.folder.path().join("keys"));
    assert_eq!(place.serving.await.unwrap().unwrap(), Ended::Destroyed);
    assert!(!vault.exists() && std::fs::read_dir(keys).unwrap().count() == 0);
    assert!(LabelKey::open(&place.folder.path().join("keys/vrf.key.pem")).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_gets_no_proof() {
    let place = Place::new();
    let asked = std::sync::Arc::new(place.authoritys().await.unwrap().unwrap());
    let identifier = Identifier::parse("alice@example.org").unwrap();
    let good = LabelInput { origin: ORIGIN, identifier: &identifier, period: 7, slot: 1 }.encode();
    let mut kind = good.clone();
    kind[18 + 2 + ORIGIN.len()] ^= 1;
    let upper = String::from_utf8_lossy(&good).into_owned().replace("alice", "Alice").into_bytes();
    let wrong = [
        vec![],
        vec![7],
        vec![PUBLIC, 1],
        vec![DESTROY, 0],
        [&[PROVE][..], &good[..good.len() - 1]].concat(),
        [&[PROVE][..], &good, &[0]].concat(),
        [&[PROVE][..], &kind].concat(),
        [&[PROVE][..], &upper].concat(),
        [&[PROVE][..], &[0xff; 600]].concat(),
    ];
    let socket = place.socket();
    tokio::task::spawn_blocking(move || {
        for request in wrong {
            let mut stream = UnixStream::connect(&socket).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
            stream.write_all(&u16::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&request).unwrap();
            let mut answer = [0; 3];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer[2], REFUSED, "{request:?}");
        }
        // Longer than any request: the connection ends.
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        stream.write_all(&[0xff, 0xff]).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    })
    .await
    .unwrap();
    assert!(evaluated(&asked, ORIGIN, 0).await.is_ok(), "others go on");
}

#[tokio::test]
async fn a_key_here_and_a_signer_elsewhere_are_one_too_many() {
    let place = Place::new();
    LabelKey::open_or_make(&place.folder.path().join("other.key.pem")).unwrap();
    std::fs::copy(place.folder.path().join("other.key.pem"), place.folder.path().join("keys/vrf.key.pem")).unwrap();
    let refused = LabelKey::open(&place.folder.path().join("keys/vrf.key.pem")).unwrap_err().to_string();
    assert!(refused.contains("vrf.signer") && refused.contains("expected one of them"), "{refused}");
}
