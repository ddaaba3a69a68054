//! The label key in a process of its own.

use std::path::PathBuf;

use ca::LabelKey;
use ca::shards::signer::{Ended, bind, serve};
use clap::Args;
use command_line::{Failure, complain, say};
use homeserver::supervisor;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(crate) struct VrfSigner {
    /// The file with the key, made if there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The socket to listen on, for this account alone (mode 0600)
    #[arg(long, value_name = "FILE")]
    socket: PathBuf,
    /// The origin of the log whose labels it computes, and of no other
    #[arg(long = "log", value_name = "ORIGIN")]
    log: String,
    /// Let the group of the socket's folder ask as well (mode 0660): for an authority under another account
    #[arg(long)]
    group: bool,
}

/// Runs until it is told to stop.
pub(crate) fn run(asked: &VrfSigner, json: bool) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display, remedy: &str| Failure::new(1, error, remedy);
    let key = LabelKey::open_or_make(&asked.key)
        .map_err(|error| failed(&error, "give the file that keys/vrf.key.pem was, or the path of a new one"))?;
    let public = hex::encode(key.public().to_bytes());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error, "try again"))?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = bind(&asked.socket, asked.group)?;
        let ready = if json {
            json!({"ready": true, "log": asked.log, "public": public, "socket": asked.socket}).to_string()
        } else {
            format!("Label key {public} of {}: asked at {}", asked.log, asked.socket.display())
        };
        // That is no reason not to serve.
        if let Err(error) = command_line::announce(format_args!("{ready}\n")) {
            complain!("ca: standard output cannot be written: {error}");
        }
        supervisor::tell("READY=1");
        let serving = serve(listener, key, &asked.log, stop.clone());
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            _ = interrupt.recv() => Ok(Ended::Stopped),
            _ = terminate.recv() => Ok(Ended::Stopped),
        };
        supervisor::tell("STOPPING=1");
        stop.cancel();
        let _ = std::fs::remove_file(&asked.socket);
        ended
    });
    match ended {
        Ok(Ended::Stopped) => Ok(()),
        Ok(Ended::Destroyed) => {
            say!("{}", if json { json!({"destroyed": true}).to_string() } else { "The key is destroyed.".into() });
            Ok(())
        }
        Err(error) => Err(failed(
            &format!("{}: {error}", asked.socket.display()),
            "stop the other signer, or give a socket in a folder of this account",
        )),
    }
}
