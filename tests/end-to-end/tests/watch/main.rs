//! The owner's watch, with real programs: against an authority that is dishonest, at one that she has no certificate of,
//! and where nobody looks at its output.
#![allow(clippy::unwrap_used, missing_docs)]

mod behind_her_back;
mod elsewhere;
mod in_the_messenger;
mod mirror;
mod real_ways;
mod rogue;
#[path = "../common/seized.rs"]
mod seized;
mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

/// For what takes a few seconds on a quiet machine.
const SOON: Duration = Duration::from_secs(120);

/// A program in a shell's few lines.
fn script(path: &Path, lines: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// The search path with `folder` before everything else.
fn search_path(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}
