//! `homeserver up`: the server, until it is told to stop.

use homeserver::{Homeserver, Options, Ready, StartError, supervisor};
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Format;

pub(crate) async fn up(options: &Options, json: bool, format: Format) -> Result<(), StartError> {
    // From here on a signal waits for us, also while keys are being made.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| StartError::signals(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| StartError::signals(&error))?;
    let mut server = Homeserver::start(options).await?;
    // Messages in JSON are for a program that reads standard error: words for people would stand between them.
    announce(server.ready(), json, format == Format::Text);
    supervisor::tell("READY=1");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        error = server.failed() => {
            server.stop().await;
            return Err(error);
        }
    }
    supervisor::tell("STOPPING=1");
    if !json && format == Format::Text {
        tell(format_args!("\nStopping; connections are being closed.\n"));
    }
    tracing::info!("stopping as asked");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Says where everything is and what to do next.
fn announce(ready: &Ready, json: bool, words: bool) {
    let words = if words { ready.to_string() } else { String::new() };
    tracing::info!(fingerprint = ready.fingerprint, policy = ready.policy, "ready");
    // Nobody may be listening (a closed terminal): the server runs all the same.
    if json {
        let line = serde_json::to_string(ready).expect("strings can be written as JSON");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
        tell(format_args!("{line}\n"));
    } else {
        tell(format_args!("{words}"));
    }
}

/// On standard output, which may be on a full disk: that is no reason not to serve, nor to end otherwise than asked.
fn tell(words: std::fmt::Arguments<'_>) {
    if let Err(error) = command_line::announce(words) {
        tracing::warn!(%error, "standard output cannot be written");
    }
}
