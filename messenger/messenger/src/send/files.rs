//! `messenger send --file`: files and folders to one person, and whether she has them as the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use command_line::say;
use identity::Identifier;
use messenger_engine::{Command, Direction, Engine, Event, Events, TransferId, TransferState};
use serde_json::json;

use super::{LEAVING, invisible, kept, online, recipient, usage};
use crate::amount;
use crate::failure::{Code, Failure};
use crate::run::ended_by_signal;
use crate::start::Prepared;
use crate::text::harmless_line;

/// How many are offered at once.
const MOST: usize = 32;

/// How one stands.
struct Stand {
    name: String,
    state: TransferState,
    reason: Option<String>,
    /// How many links and devices of a folder are not offered.
    left_out: Option<u64>,
}

/// All of them, by their numbers.
type States = BTreeMap<TransferId, Stand>;

/// The paths that were named, from the root on.
///
/// # Errors
/// One is not there, or its name is no UTF-8; or there are too many.
pub(crate) fn paths(named: &[PathBuf]) -> Result<Vec<String>, Failure> {
    if named.len() > MOST {
        return Err(usage(&format!("expected at most {MOST} files, found {}", named.len()), "put them into a folder"));
    }
    named.iter().map(|path| absolute(path)).collect()
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let problem = |what: String| usage(&format!("{} {what}", path.display()), "name a file or folder that is there");
    path.symlink_metadata().map_err(|error| problem(format!("cannot be sent: {error}")))?;
    let absolute = std::path::absolute(path).map_err(|error| problem(format!("cannot be sent: {error}")))?;
    absolute.into_os_string().into_string().map_err(|_| problem("has a name that is no UTF-8".to_owned()))
}

/// Offers them, and waits until all are over.
pub(crate) async fn run(mut prepared: Prepared, who: &str, paths: &[String], json: bool) -> Result<(), Failure> {
    let to = recipient(who, &prepared.contacts)?;
    prepared.presence = invisible(prepared.presence);
    let (engine, mut events) = prepared.start_briefly(false)?;
    let mut states: States = BTreeMap::new();
    let sent = give(&prepared, (&engine, &mut events), &to, paths, &mut states).await;
    engine.send(Command::Quit).await;
    let farewell = async {
        while let Some(event) = events.recv().await {
            events.not_taken();
            note(event, &mut states);
        }
    };
    let _ = tokio::time::timeout(LEAVING, farewell).await;
    sent?;
    for Stand { name, state, reason, left_out } in states.values() {
        if json {
            let mut object = json!({ "to": to, "file": name, "state": state, "reason": reason });
            if let Some(count) = left_out {
                object["left_out"] = json!(count);
            }
            say!("{object}");
        } else if *state == TransferState::Done {
            let without = amount::left_out(left_out.unwrap_or_default()).map(|words| format!(", {words}"));
            say!("{to} has {}{}", harmless_line(name), without.unwrap_or_default());
        }
    }
    judge(&states, paths.len(), &to)
}

/// Whether all are there.
fn judge(states: &States, wanted: usize, to: &Identifier) -> Result<(), Failure> {
    let missing = states.values().find(|one| one.state != TransferState::Done);
    let Stand { name, state, reason, .. } = match missing {
        None if states.len() == wanted => return Ok(()),
        None => {
            let what = format!("not everything was offered to {to}: the program was ended");
            return Err(Failure::new(what, "send it again").with(Code::Unreachable));
        }
        Some(missing) => missing,
    };
    let reason = reason.as_ref().map(|reason| format!(": {}", harmless_line(reason))).unwrap_or_default();
    let words = match state {
        TransferState::Refused => "is not wanted",
        TransferState::Cancelled => "was cancelled",
        TransferState::Failed => "failed",
        _ => "is not all there",
    };
    let what = format!("{} to {to} {words}{reason}", harmless_line(name));
    Err(Failure::new(what, "send it again: what has come is not sent twice").with(Code::Unreachable))
}

/// Goes online, offers, and waits.
async fn give(
    prepared: &Prepared,
    (engine, events): (&Engine, &mut Events),
    to: &Identifier,
    paths: &[String],
    states: &mut States,
) -> Result<(), Failure> {
    let mut signal = std::pin::pin!(ended_by_signal());
    let online = tokio::select! {
        online = online(events) => online,
        () = &mut signal => return Ok(()),
    };
    if let Err(reason) = online {
        let what = format!("nothing was offered to {to}: {}", harmless_line(&reason));
        return Err(Failure::new(what, "later again: nobody keeps it for them").with(Code::Unreachable));
    }
    for path in paths {
        engine
            .send(Command::FileOffer {
                to: to.to_string(),
                path: path.clone(),
                transfer: None,
                device: None,
                media_type: None,
            })
            .await;
    }
    let all = async {
        while states.len() < paths.len() || states.values().any(|one| !one.state.is_over()) {
            let Some(event) = events.recv().await else { break };
            // Nobody reads what others say.
            events.not_taken();
            kept(prepared, &event);
            if let Event::Error { about, message, remedy } = &event
                && about == "file_offer"
            {
                return Err(Failure::new(message, remedy));
            }
            note(event, states);
        }
        Ok(())
    };
    tokio::select! {
        done = all => done,
        () = &mut signal => Ok(()),
    }
}

/// Takes in how one stands.
fn note(event: Event, states: &mut States) {
    // What others offer meanwhile is not what was to be sent.
    if let Event::FileState { transfer, name, state, reason, left_out, direction: Direction::Out, .. } = event {
        states.insert(transfer, Stand { name, state, reason, left_out });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_all_is_there_is_a_success() {
        let to = Identifier::parse("bob@example.org").unwrap();
        let states = |list: &[TransferState]| -> States {
            let stand = |state| Stand { name: "a\x1b".to_owned(), state, reason: None, left_out: None };
            let one = |(n, state): (u8, &TransferState)| (TransferId([n; 16]), stand(*state));
            (0..).zip(list).map(one).collect()
        };
        use TransferState::{Done, Refused, Running};
        assert!(judge(&states(&[Done, Done]), 2, &to).is_ok());
        for (found, told) in [
            (vec![Done, Refused], "a␛ to bob@example.org is not wanted"),
            (vec![Running], "not all there"),
            (vec![], "not everything"),
        ] {
            let failure = judge(&states(&found), 2, &to).unwrap_err();
            assert!(failure.happened.contains(told) && failure.code == Code::Unreachable, "{failure:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let failure = paths(&[folder.path().to_owned(), folder.path().join("none")]).unwrap_err();
        assert!(failure.happened.contains("none cannot be sent") && failure.code == Code::Usage, "{failure:?}");
        assert!(paths(&vec![folder.path().to_owned(); MOST + 1]).is_err());
    }
}
