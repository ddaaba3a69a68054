//! The story that `./demo` tells, in eight chapters, each a module that does one thing for real and shows it.

mod absence;
mod opening;
mod people;
mod room;
mod server;
mod talk;

use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use crate::headless::Messenger;
use crate::homeserver::Homeserver;
use crate::narrator::Narrator;
use crate::person::Person;
use crate::{Context, Failure};

/// How the story ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the line `demo: ok`.
    Transcript,
    /// With alice's messenger on this terminal, and an echo bot to talk to.
    Messenger,
}

/// Everybody and everything in the story.
#[derive(Debug)]
struct Tale {
    narrator: Narrator,
    root: PathBuf,
    server: Homeserver,
    alice: Person,
    bob: Person,
    carol: Person,
}

/// The three messengers, once they run.
#[derive(Debug)]
struct Messengers {
    alice: Messenger,
    bob: Messenger,
}

/// A fresh folder for one telling of the story; it goes away with the value.
///
/// # Errors
/// The system's temporary folder cannot be written to.
pub fn stage() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("inperson-").tempdir().context("making a temporary folder for the story")
}

/// Tells the story in the folder `root`.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn tell(root: &Path, ending: Ending) -> Result<(), Failure> {
    let began = Instant::now();
    let mut narrator = Narrator::new();
    narrator.shorten(root.display().to_string(), "~");
    narrator.line("In Person: certificates for people, and live conversation that nobody stores.");
    narrator.tell(format!(
        "Real programs, real sockets, nothing faked. Everything lives in {}",
        root.parent().unwrap_or(root).join("inperson-…").display()
    ));
    narrator.tell("below (written ~) and is gone afterwards.");

    let server = server::start(&mut narrator, root)?;
    let person = |address| Person::new(root, address);
    let (alice, bob, carol) = (person("alice@example.org"), person("bob@example.org"), person("carol@example.org"));
    let mut tale = Tale { narrator, root: root.to_path_buf(), server, alice, bob, carol };
    tale.pin()?;
    tale.enrol()?;
    tale.look_closely()?;
    let mut messengers = tale.talk()?;
    tale.room(&mut messengers)?;
    tale.absence(messengers)?;
    match ending {
        Ending::Messenger => tale.open()?,
        Ending::Transcript => {
            let seconds = began.elapsed().as_secs_f32();
            tale.narrator.line("");
            let ready = tale.server.took().as_secs_f32();
            tale.narrator.line(&format!("story: {seconds:.1} s (the home server was ready after {ready:.2} s)"));
        }
    }
    let Tale { narrator, server, .. } = tale;
    server.stop()?;
    if ending == Ending::Transcript {
        narrator.line("demo: ok");
    }
    Ok(())
}
