//! Whether the clock can be right: what the server makes by a wrong one stays wrong, and what it forgets stays forgotten.

use identity::UnixTime;
use tlog_proof::UnverifiedCheckpoint;
use tlog_proof::cosignature::Cosigner;

use crate::error::StartError;
use crate::folder::Folder;
use crate::keys;
use crate::logs::{FIRST, SHARDS};
use crate::settings::Settings;

/// How far the clock may lag behind the certificates' making: clocks are stepped back a little now and then.
const LAG_SECONDS: u64 = 60;

/// How far the clock may be ahead of the log's newest cosignature: a running server's log is cosigned all the time, and
/// few servers are off for 60 days.
const AHEAD_SECONDS: u64 = 60 * 24 * 60 * 60;

/// The clock must not lie before the authority's beginning: everything signed now would be invalid.
///
/// # Errors
/// It does.
pub fn check_behind(began: UnixTime, now: UnixTime) -> Result<(), StartError> {
    if now.as_secs() + LAG_SECONDS >= began.as_secs() {
        return Ok(());
    }
    Err(StartError::Clock { made: words(began.as_secs()), now: words(now.as_secs()) })
}

/// The clock must not lie far ahead of the last cosignature of the logs, of which the newest is looked at: a server that believes it
/// would forget, as too old, who has proven which address. Looks at the checkpoints in the folder, and at those that lie
/// `elsewhere`. Nothing is written.
///
/// # Errors
/// It does, or the witness's key is damaged.
pub fn check_ahead(
    folder: &Folder,
    settings: &Settings,
    elsewhere: Vec<Vec<u8>>,
    now: UnixTime,
) -> Result<(), StartError> {
    if !folder.join(keys::WITNESS).exists() {
        return Ok(());
    }
    let witness = Cosigner::new(&settings.witness(), keys::open(folder, keys::WITNESS)?)
        .map_err(|error| StartError::part("witness's name", &error))?;
    let mut texts = elsewhere;
    for checkpoint in checkpoints(folder) {
        texts.extend(folder.read(&checkpoint)?);
    }
    let mut newest = None;
    for text in texts {
        // A checkpoint that is damaged or not cosigned says nothing about the time; whether it may stand is for the log.
        let cosigned =
            UnverifiedCheckpoint::parse(&text).and_then(|checkpoint| checkpoint.verify_cosignature(&witness.vkey()));
        newest = newest.max(cosigned.ok().map(|cosigned| cosigned.time));
    }
    match newest {
        Some(time) if now.as_secs() > time.saturating_add(AHEAD_SECONDS) => {
            Err(StartError::ClockAhead { cosigned: words(time), now: words(now.as_secs()) })
        }
        _ => Ok(()),
    }
}

/// Where the newest checkpoint of each log lies.
fn checkpoints(folder: &Folder) -> Vec<String> {
    let later = std::fs::read_dir(folder.join(SHARDS)).into_iter().flatten().flatten();
    let later = later.filter_map(|entry| entry.file_name().into_string().ok());
    let later = later.map(|name| format!("{SHARDS}/{name}/{FIRST}/checkpoint"));
    std::iter::once(format!("{FIRST}/checkpoint")).chain(later).collect()
}

/// A time as people write it, in UTC.
fn words(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genesis::Signers;
    use crate::options::Options;
    use std::time::Duration;
    use tlog_proof::checkpoint::{Checkpoint, sign_checkpoint};

    #[test]
    fn a_clock_before_the_beginning_is_refused_with_both_times() {
        let began = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let lag = |seconds: u64| UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 - seconds));
        assert!(check_behind(began, lag(30)).is_ok());
        let refused = check_behind(began, lag(3600)).unwrap_err().to_string();
        assert!(refused.contains("2027-01-15T08:00:00Z") && refused.contains("2027-01-15T07:00:00Z"), "{refused}");
    }

    #[test]
    fn a_clock_far_ahead_of_the_log_is_refused_with_both_times() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let settings = Settings::first(&Options::default(), 2027).unwrap();
        let later = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + days * 86_400));
        assert!(check_ahead(&folder, &settings, Vec::new(), later(4000)).is_ok(), "a first start has no log");
        let signers = Signers::open(&folder, &settings).unwrap();
        let checkpoint = Checkpoint { origin: settings.origin(), size: 0, root: tlog_proof::empty_root() };
        let cosignature = signers.witness.cosign(&checkpoint.to_body(), 1_800_000_000);
        let text = format!("{}{cosignature}", sign_checkpoint(&checkpoint, signers.log.as_ref().unwrap()));
        folder.write("log/checkpoint", text.as_bytes()).unwrap();
        assert!(check_ahead(&folder, &settings, Vec::new(), later(59)).is_ok());
        let refused = check_ahead(&folder, &settings, Vec::new(), later(365)).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("2027-01-15T08:00:00Z") && said.contains("2028-01-15T08:00:00Z"), "{said}");
        assert!(refused.remedy().contains("--clock-is-right"));
        // A log that was closed long ago is no sign of a wrong clock.
        let cosignature = signers.witness.cosign(&checkpoint.to_body(), later(360).as_secs());
        let text = format!("{}{cosignature}", sign_checkpoint(&checkpoint, signers.log.as_ref().unwrap()));
        let elsewhere = vec![b"garbage".to_vec(), text.clone().into_bytes()];
        assert!(check_ahead(&folder, &settings, elsewhere, later(365)).is_ok());
        folder.write("shards/2028/log/checkpoint", text.as_bytes()).unwrap();
        assert!(check_ahead(&folder, &settings, Vec::new(), later(365)).is_ok());
    }
}
