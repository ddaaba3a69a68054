//! `messenger devices`: one's own other devices on the command line, without going online.

use clap::Subcommand;
use command_line::say;
use device::Home;
use identity::trust::Fingerprint;
use serde_json::json;

use super::error::MovingError;
use super::{before, known};
use crate::contacts::ContactBook;
use crate::failure::{Code, Failure};
use crate::kept::KeptError;

const LIST: &str = "\
Example:
  messenger devices list --json | jq -r '.devices[]'

Exit codes: 0 ok, 1 failed, 2 usage.";

const FORGET: &str = "\
Example:
  messenger devices forget 2f61a0c45d7e8b90112233445566778899aabbccddeeff00112233445566aabb

Exit codes: 0 ok, 1 failed, 2 usage.";

const UNDO: &str = "\
Example:
  messenger devices undo --yes

Exit codes: 0 ok, 1 failed, 2 usage.";

/// What to do about them.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Do {
    /// Show which are known to be yours, and which you forgot: the fingerprints of their keys
    #[command(after_help = LIST)]
    List {
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Give nothing to one of them any more, and take nothing from it: it is lost, or another's. Until its code is compared anew
    #[command(after_help = FORGET)]
    Forget {
        /// The fingerprint of its key, as list shows it
        #[arg(value_name = "DEVICE")]
        device: Fingerprint,
    },
    /// Put contacts, blocks and settings back as they were before another device's were taken in last. What changed since is
    /// lost; that other device's word that this one is yours stays. While no messenger runs
    #[command(after_help = UNDO)]
    Undo {
        /// That you mean it
        #[arg(long, required = true)]
        yes: bool,
    },
}

/// Does it.
pub(crate) fn run(home: &Home, asked: &Do) -> Result<(), Failure> {
    match asked {
        Do::List { json } => {
            let known = known::load(home).map_err(unread)?;
            match json {
                true => say!("{}", json!({ "devices": known.hers(), "forgotten": known.forgotten() })),
                false => {
                    known.hers().iter().for_each(|key| say!("{key}"));
                    known.forgotten().iter().for_each(|key| say!("{key} forgotten"));
                }
            }
        }
        Do::Forget { device } => {
            if !known::forget(home, *device).map_err(unread)? {
                let remedy = "`messenger devices list` shows them";
                return Err(Failure::new(format!("{device} is none of them"), remedy).with(Code::Usage));
            }
            say!("it is given nothing any more; if it is lost, `certtool revoke` its certificate");
        }
        Do::Undo { yes: _ } => {
            before::put_back(&ContactBook::new(home.clone())).map_err(|error| {
                let remedy = match &error {
                    MovingError::NothingBefore => "nothing is to be done",
                    MovingError::Running => "quit it, and try again",
                    _ => "look whether the folder can be read and written",
                };
                Failure::new(error, remedy)
            })?;
            say!("contacts, blocks and settings are as they were before; what changed since is lost");
        }
    }
    Ok(())
}

fn unread(error: KeptError) -> Failure {
    Failure::new(error, "mend the file, or move it away: the codes are compared once more then")
}
