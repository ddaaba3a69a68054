//! Opening the person's browser: what `$BROWSER` names, else the desktop's own.

use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

/// Whether a browser was started. It runs on its own; what it says is nobody's.
pub(crate) fn open(url: &str) -> bool {
    let chosen = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
    let desktop = || {
        let screen = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        (screen && std::io::stderr().is_terminal()).then(|| "xdg-open".to_owned())
    };
    let Some(program) = chosen.or_else(desktop) else { return false };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // Whoever is left over when the browser ends is taken care of.
    std::thread::spawn(move || child.wait());
    true
}
