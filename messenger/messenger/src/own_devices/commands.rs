//! `messenger devices`: one's own other devices on the command line, without going online.

use clap::Subcommand;
use command_line::say;
use device::Home;
use identity::trust::Fingerprint;
use serde_json::json;

use super::folder::{self, MovingError};
use super::known::{self, KnownError};
use crate::failure::{Code, Failure};

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
  messenger devices undo

Exit codes: 0 ok, 1 failed, 2 usage.";

/// What to do about them.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Do {
    /// Show with which you have compared the code: the fingerprints of their keys
    #[command(after_help = LIST)]
    List {
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Give nothing to one of them any more, and take nothing from it: it is lost, or another's
    #[command(after_help = FORGET)]
    Forget {
        /// The fingerprint of its key, as list shows it
        #[arg(value_name = "DEVICE")]
        device: Fingerprint,
    },
    /// Put contacts, blocks and settings back as they were before another device's were taken in last
    #[command(after_help = UNDO)]
    Undo,
}

/// Does it.
pub(crate) fn run(home: &Home, asked: &Do) -> Result<(), Failure> {
    match asked {
        Do::List { json } => {
            let devices = known::load(home).map_err(unread)?;
            let keys: Vec<Fingerprint> = devices.all().iter().map(|known| known.key).collect();
            match json {
                true => say!("{}", json!({ "devices": keys })),
                false => keys.iter().for_each(|key| say!("{key}")),
            }
        }
        Do::Forget { device } => {
            if !known::forget(home, *device).map_err(unread)? {
                let remedy = "`messenger devices list` shows them";
                return Err(Failure::new(format!("{device} is none of them"), remedy).with(Code::Usage));
            }
            say!("it is given nothing any more; if it is lost, `certtool revoke` its certificate");
        }
        Do::Undo => {
            folder::put_back(home).map_err(|error| {
                let remedy = match &error {
                    MovingError::NothingBefore => "nothing is to be done",
                    _ => "look whether the folder can be read and written",
                };
                Failure::new(error, remedy)
            })?;
            say!("everything is as it was before; what changed since is lost");
        }
    }
    Ok(())
}

fn unread(error: KnownError) -> Failure {
    Failure::new(error, "mend the file, or move it away: the codes are compared once more then")
}
