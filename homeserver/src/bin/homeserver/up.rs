//! `homeserver up`: the server, until it is told to stop.

use command_line::say;
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
        say!("\nStopping; connections are being closed.");
    }
    tracing::info!("stopping as asked");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Says where everything is and what to do next.
fn announce(ready: &Ready, json: bool, words: bool) {
    use std::io::Write;
    let words = if words { ready.to_string() } else { String::new() };
    tracing::info!(fingerprint = ready.fingerprint, policy = ready.policy, "ready");
    // Nobody may be listening (a closed terminal): the server runs all the same.
    if json {
        let line = serde_json::to_string(ready).expect("strings can be written as JSON");
        let _ = std::io::stderr().write_all(words.as_bytes());
        let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
    } else {
        let _ = std::io::stdout().write_all(words.as_bytes());
    }
}
