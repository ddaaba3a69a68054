//! `homeserver witness`: whom this server asks to cosign.

use std::path::Path;

use homeserver::StartError;
use homeserver::neighbours::{self, Found, Neighbour, Neighbours};

use crate::arguments::Witness;
use crate::on_threads;
use command_line::{Failure, say};

pub(crate) fn witness(command: Witness, json: bool) -> Result<(), Failure> {
    let done = match command {
        Witness::Add { url, fingerprint, key: Some(key), mirror, folder } => {
            debug_assert!(fingerprint.is_none(), "the command line refuses both");
            let alone = if mirror { Neighbour::mirror_only } else { Neighbour::witness_only };
            alone(&url, &key).and_then(|neighbour| remember(&folder, neighbour, json))
        }
        Witness::Add { url, fingerprint, key: None, folder, .. } => {
            match on_threads(neighbours::by_fingerprint(&url, fingerprint))? {
                Found::Neighbour(neighbour) => remember(&folder, neighbour, json),
                Found::Uncompared(found) => {
                    return Err(Failure::new(
                        1,
                        format!(
                            "nothing was added: the trust policy at {url} has the fingerprint\n  {found}\nwhich nobody has compared yet"
                        ),
                        format!(
                            "compare it with what its operator tells you by another way, and then: homeserver witness add {url} --fingerprint {found}"
                        ),
                    ));
                }
            }
        }
        Witness::List { folder } => Neighbours::read(&folder).map(|neighbours| list(&neighbours, json)),
        Witness::Remove { name, folder } => remove(&folder, &name, json),
    };
    done.map_err(Failure::from)
}

fn remember(folder: &Path, neighbour: Neighbour, json: bool) -> Result<(), StartError> {
    let mut neighbours = Neighbours::read(folder)?;
    neighbours.add(neighbour.clone())?;
    neighbours.write(folder)?;
    if json {
        say!("{}", serde_json::json!({ "added": neighbour }));
        return Ok(());
    }
    say!("Added: {} at {}", neighbour.name(), neighbour.url);
    if neighbour.log.is_some() {
        say!("  Its witness will be asked to cosign this server's log, and this server's witness cosigns its log.");
        say!("  Its operator must do the same with this server's address and fingerprint.");
    } else if neighbour.mirror {
        say!("  Every log of this server will bring it its entries.");
        say!("  Its operator must let it copy this server's log, whose key stands in this server's /policy.");
    } else {
        say!("  Its operator must let it cosign this server's log, whose key stands in this server's /policy.");
    }
    say!("It counts from the next start of this server: homeserver up");
    say!("To have people demand its cosignature: homeserver policy draft, sign");
    Ok(())
}

fn remove(folder: &Path, name: &str, json: bool) -> Result<(), StartError> {
    let mut neighbours = Neighbours::read(folder)?;
    if !neighbours.remove(name) {
        return Err(StartError::UnknownWitness { found: name.to_owned() });
    }
    neighbours.write(folder)?;
    if json {
        say!("{}", serde_json::json!({ "removed": name }));
    } else {
        say!("Removed: {name}. It counts from the next start of this server.");
    }
    Ok(())
}

fn list(neighbours: &Neighbours, json: bool) {
    if json {
        say!("{}", serde_json::json!({ "witnesses": neighbours.all() }));
    } else if neighbours.all().is_empty() {
        say!("No witness elsewhere is asked. homeserver witness add URL adds one.");
    }
    for neighbour in neighbours.all().iter().filter(|_| !json) {
        say!("{}\n  at {}{}", neighbour.name(), neighbour.url, if neighbour.mirror { ", a mirror" } else { "" });
        if let Some(log) = &neighbour.log {
            say!("  cosigned in return: {}", log.split('+').next().unwrap_or(log));
        }
    }
}
