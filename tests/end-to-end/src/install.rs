//! Installing other people's programs: one test at a time, within a deadline, and again where a network hiccups.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::process::{self, Finished};
use crate::{Context, Failure};

/// How long one step may take.
const STEP: Duration = Duration::from_secs(600);
/// The pauses before what comes from elsewhere is asked for again.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(20)];

/// The right to make `folder`, as long as the returned file lives: the tests of one program run side by side, and several
/// programs share what is installed. Whoever has it works within deadlines, so nobody waits for it for ever.
///
/// # Errors
/// The lock beside the folder cannot be made.
pub fn alone(folder: &Path) -> Result<File, Failure> {
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).context("making a folder for tools")?;
    }
    let mut path = folder.as_os_str().to_owned();
    path.push(".lock");
    let lock = File::create(path).context("making a lock")?;
    lock.lock().context("waiting for another test")?;
    Ok(lock)
}

/// A step that needs this machine alone.
///
/// # Errors
/// It fails, or is not done in time.
pub fn step(name: &str, command: Command) -> Result<Finished, Failure> {
    process::run(name, command, STEP)?.expect(0, name)
}

/// A step that fetches something, tried three times.
///
/// # Errors
/// As [`step`], the last time.
pub fn fetch(name: &str, command: impl Fn() -> Result<Command, Failure>) -> Result<Finished, Failure> {
    retry(name, &PAUSES, || step(name, command()?))
}

fn retry<T>(name: &str, pauses: &[Duration], mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    for pause in pauses {
        match attempt() {
            Err(error) => eprintln!("{name}: {error}; again in {pause:?}"),
            done => return done,
        }
        thread::sleep(*pause);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_twice_is_tried_a_third_time_and_no_fourth() {
        let mut left = 2;
        let mut attempt = || {
            left -= 1;
            if left < 0 { Ok(left) } else { Err(Failure::new("a hiccup")) }
        };
        assert_eq!(retry("test", &[Duration::ZERO; 2], &mut attempt).unwrap(), -1);
        let mut tries = 0;
        let never: Result<(), _> = retry("test", &[Duration::ZERO; 2], || {
            tries += 1;
            Err(Failure::new("gone"))
        });
        assert!(never.is_err() && tries == 3);
    }

    #[test]
    fn one_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("tools/v1.2");
        let held = alone(&folder).unwrap();
        let other = File::create(place.path().join("tools/v1.2.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        // Not at once: a process that begins at this moment has the open file, too.
        other.lock().unwrap();
    }
}
