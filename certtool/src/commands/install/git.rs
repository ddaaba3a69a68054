//! git's signatures: a small program that git calls, and the settings that tell git of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{SHA256, digest};
use device::keep_file;
use key_store::PassphraseSource;
use serde::Serialize;

use crate::context::Context;
use crate::credential::Named;
use crate::dating::Dated;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::subject::{Source, for_mail};
use crate::text::quoted;

/// Which certificate, and how.
pub(super) struct Git {
    pub(super) named: Named,
    /// In this repository alone.
    pub(super) local: bool,
    /// Whether each signature is dated.
    pub(super) dated: Option<Dated>,
}

impl Git {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        // A certificate and a key that do not fit are said now, and not at the first commit.
        let credential = self.named.private(context)?;
        let absolute = |path: &Path| std::path::absolute(path).map_err(Failure::system);
        let who = match &self.named.key {
            Some(_) => absolute(Path::new(self.named.what.as_deref().unwrap_or_default()))?.display().to_string(),
            None if credential.source == Source::Mail => for_mail(credential.person.identifier()),
            None if credential.source == Source::Earlier => self.named.what.clone().unwrap_or_default(),
            None => credential.person.identifier().to_string(),
        };
        let home = absolute(context.home.folder())?;
        let program = std::env::current_exe().map_err(Failure::system)?;
        let mut line = format!("exec {} --home {}", quoted_path(&program), quoted_path(&home));
        let source = match context.passphrase.clone() {
            // Git runs the script in whatever folder its repository is.
            Some(PassphraseSource::File(path)) => Some(PassphraseSource::File(absolute(&path)?)),
            // Open in this process alone.
            Some(PassphraseSource::Descriptor(_)) => None,
            other => other,
        };
        if let Some(source) = source {
            line.push_str(&format!(" --passphrase {}", quoted(&source.to_string())));
        }
        line.push_str(" git-sign");
        if let Some(key) = &self.named.key {
            line.push_str(&format!(" --key {}", quoted_path(&absolute(key)?)));
        }
        // Git runs it without a profile.
        if let Some(dated) = self.dated.or(context.dated) {
            line.push_str(&format!(" --dated {dated}"));
        }
        // Another certificate has another script: what one repository was told stays true for the others.
        let name = hex::encode(&digest(&SHA256, line.as_bytes()).as_ref()[..8]);
        let script = home.join(format!("git/certtool-git-sign-{name}"));
        keep_file(&script, format!("#!/bin/sh\n# Written by certtool install --for git.\n{line} \"$@\"\n").as_bytes())?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).map_err(Failure::system)?;
        let script = script.display().to_string();
        let settings = [("gpg.x509.program", script.as_str()), ("user.signingkey", &who), ("gpg.format", "x509")];
        let place = if self.local { "--local" } else { "--global" };
        let undo = settings.map(|(name, _)| match before(place, name) {
            Some(value) => format!("git config {place} {name} {}", quoted(&value)),
            None => format!("git config {place} --unset {name}"),
        });
        let undo = undo.to_vec();
        for (name, value) in settings {
            set(place, name, value)?;
        }
        let settings = settings.map(|(name, value)| format!("{name}={value}")).to_vec();
        let identifier = credential.person.identifier().to_string();
        context.output.report(&Installed { installed: true, program: "git", identifier, settings, undo });
        Ok(Exit::Ok)
    }
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// What one of git's settings was, if it was set.
fn before(place: &str, name: &str) -> Option<String> {
    let done = Command::new("git").args(["config", place, "--get", name]).stdin(Stdio::null()).output().ok()?;
    let value = String::from_utf8(done.stdout).ok().filter(|_| done.status.success())?;
    Some(value.strip_suffix('\n').unwrap_or(&value).to_owned())
}

/// One of git's settings.
fn set(place: &str, name: &str, value: &str) -> Result<(), Failure> {
    let failed = |why: &str| {
        let remedy =
            "Is git installed, and can its settings be written? With --local it has to be inside a repository.";
        Failure::failed(format!("git did not take {name}: {}", why.trim()), remedy)
    };
    let done = Command::new("git").args(["config", place, name, value]).stdin(Stdio::null()).output();
    let done = done.map_err(|error| failed(&error.to_string()))?;
    if done.status.success() { Ok(()) } else { Err(failed(&String::from_utf8_lossy(&done.stderr))) }
}

#[derive(Debug, Serialize)]
struct Installed {
    installed: bool,
    #[serde(rename = "for")]
    program: &'static str,
    identifier: String,
    settings: Vec<String>,
    undo: Vec<String>,
}

impl Report for Installed {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Installed for {}: {}", self.program, self.identifier));
        for setting in &self.settings {
            page.field("set", setting);
        }
        page.line("Now: git commit -S, git verify-commit, git log --show-signature. To undo it:");
        for line in &self.undo {
            page.line(format!("  {line}"));
        }
    }
}
