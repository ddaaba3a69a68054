//! Chapter one: a home server starts.

use std::path::Path;

use crate::Failure;
use crate::homeserver::Homeserver;
use crate::narrator::Narrator;

/// Starts the home server that the rest of the story happens around.
pub(super) fn start(narrator: &mut Narrator, root: &Path) -> Result<Homeserver, Failure> {
    narrator.chapter("A home server starts: authority, log, witness and directory in one process");
    let folder = root.join("server");
    narrator.typed("homeserver up --folder ~/server --https-port 0 --directory-port 0");
    let server = Homeserver::start(&folder, &[])?;
    narrator.printed(&server.words());
    narrator.shown(format!(
        "ready after {:.2} seconds, in a folder that did not exist before",
        server.took().as_secs_f32()
    ));
    Ok(server)
}
