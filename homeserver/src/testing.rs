//! What tests of several modules share: a server on a clock of theirs, whose log `next` follows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use identity::UnixTime;
use tokio::time::Instant;

use crate::{Homeserver, Options, StartError, shards};

const DAY: u64 = 86_400;

/// A clock that the test advances, from the system's time on.
pub(crate) fn clock() -> (Arc<AtomicU64>, ca::config::Clock) {
    let seconds = Arc::new(AtomicU64::new(UnixTime::now().as_secs()));
    let read = Arc::clone(&seconds);
    (seconds, Arc::new(move || UnixTime::since_unix_epoch(Duration::from_secs(read.load(Ordering::SeqCst)))))
}

pub(crate) async fn start(folder: &Path, clock: &ca::config::Clock) -> Result<Homeserver, StartError> {
    let ports = if folder.join(crate::settings::FILE).exists() { None } else { Some(0) };
    let folder = folder.to_path_buf();
    let options =
        Options { folder, https_port: ports, directory_port: ports, clock_is_right: true, ..Options::default() };
    Homeserver::start_at(&options, Arc::clone(clock)).await
}

/// Announces the log `next` in a month.
pub(crate) fn announce(folder: &Path, clock: &ca::config::Clock) -> UnixTime {
    let begins = UnixTime::since_unix_epoch(Duration::from_secs(clock().as_secs() + 30 * DAY));
    shards::prepare(folder, "next", begins, clock(), None, None).unwrap();
    begins
}

/// Waits until the running server has published version 2.
pub(crate) async fn published(folder: &Path) {
    version(folder, 2).await;
}

/// The same of any version.
pub(crate) async fn version(folder: &Path, number: u64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !folder.join(format!("policies/{number}.json")).exists() {
        assert!(Instant::now() < deadline, "the next version is not published");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
