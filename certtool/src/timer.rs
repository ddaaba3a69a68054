//! Timers of the owner's own systemd: units that call this program, written, started and taken away again.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use device::{KeyForm, keep_file};
use key_store::PassphraseSource;
use tokio::process::Command;

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// One of this program's timers.
#[derive(Debug)]
pub(crate) struct Timer {
    /// The name of both units.
    name: &'static str,
    /// The command that makes and removes it.
    command: &'static str,
    /// What is done.
    does: &'static str,
    /// The schedule: lines of `[Timer]`.
    schedule: &'static str,
    /// Lines of `[Service]`.
    service: &'static str,
    /// What is said once it runs.
    pub(crate) runs: &'static str,
    /// What is said once it is gone.
    gone: &'static str,
}

/// `certtool watch`.
pub(crate) const WATCH: Timer = Timer {
    name: "inperson-watch",
    command: "watch",
    does: "Look for certificates in my name that are not mine",
    schedule: "OnCalendar=hourly\n\
        # At a minute that nobody can tell beforehand, and not everybody at once.\n\
        RandomizedDelaySec=50min\n",
    service: "# Offline: the next look will do. An alarm (3) or blindness (5) is shown as a failed unit.\nSuccessExitStatus=4\n",
    runs: "systemd looks every hour",
    gone: "The timer is gone; nothing looks by itself any more",
};

/// `certtool renew`.
pub(crate) const RENEW: Timer = Timer {
    name: "inperson-renew",
    command: "renew",
    does: "Renew my certificates that are due",
    schedule: "OnCalendar=00/6:00\n\
        # Renewals that come at the hour would show whose they are.\n\
        RandomizedDelaySec=6h\n",
    service: "# Offline: the next time will do. Anything else is shown as a failed unit.\nSuccessExitStatus=4\n",
    runs: "systemd renews what is due, four times a day",
    gone: "The timer is gone; nothing is renewed by itself any more",
};

impl Timer {
    fn units(&self) -> [String; 2] {
        ["service", "timer"].map(|kind| format!("{}.{kind}", self.name))
    }

    fn head(&self) -> String {
        let Self { command, .. } = self;
        format!("# Made by certtool {command} --install-timer; certtool {command} --remove-timer takes it away.\n")
    }

    fn service_unit(&self, command: &[String]) -> String {
        let command: Vec<_> = command.iter().map(|word| quoted(word)).collect();
        format!(
            "{}[Unit]\nDescription={}\n\n[Service]\nType=oneshot\nExecStart={}\n{}Nice=10\n",
            self.head(),
            self.does,
            command.join(" "),
            self.service
        )
    }

    fn timer_unit(&self) -> String {
        format!(
            "{}[Unit]\nDescription={}\n\n[Timer]\n{}Persistent=true\n\n[Install]\nWantedBy=timers.target\n",
            self.head(),
            self.does,
            self.schedule
        )
    }

    /// Whether its units lie where systemd looks for those of this person.
    pub(crate) fn is_installed(&self) -> bool {
        let [_, timer] = self.units();
        folder().is_ok_and(|folder| folder.join(timer).is_file())
    }

    /// Writes both units, for this program with `arguments` after the options that all commands have, and has systemd start
    /// the timer.
    pub(crate) async fn install(&self, context: &Context, arguments: Vec<String>) -> Result<Exit, Failure> {
        let folder = folder()?;
        let program = env::current_exe().map_err(Failure::system)?;
        let home = fs::canonicalize(context.home.folder()).map_err(Failure::system)?;
        let mut line = vec![text(&program)?];
        if let Some(source) = passphrase(context)? {
            line.extend(["--passphrase".to_owned(), source.to_string()]);
        }
        line.extend(["--quiet".to_owned(), "--home".to_owned(), text(&home)?, self.command.to_owned()]);
        line.extend(arguments);
        fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
        let was_there = self.is_installed();
        let [service, timer] = self.units();
        for (name, unit) in [(&service, self.service_unit(&line)), (&timer, self.timer_unit())] {
            keep_file(&folder.join(name), unit.as_bytes())?;
        }
        if let Err(failure) = self.start(&timer).await {
            // New units that nobody starts would look like a timer that runs; one from before may run.
            if !was_there {
                self.take_away(&folder)?;
            }
            return Err(failure);
        }
        context.output.step(&format!("{}; the units are in {}", self.runs, folder.display()));
        let linger = "Also while you are logged out: loginctl enable-linger";
        context.output.step(&format!("The last time: systemctl --user status {}. {linger}", self.name));
        Ok(Exit::Ok)
    }

    /// Stops the timer and removes both units.
    pub(crate) async fn remove(&self, context: &Context) -> Result<Exit, Failure> {
        let folder = folder()?;
        if !self.is_installed() {
            let remedy = format!("There is nothing to take away. certtool {} --install-timer makes one.", self.command);
            return Err(Failure::failed(format!("there is no timer in {}", folder.display()), remedy));
        }
        let [_, timer] = self.units();
        let stopped = systemctl(&["disable", "--now", &timer]).await;
        self.take_away(&folder)?;
        stopped?;
        systemctl(&["daemon-reload"]).await?;
        context.output.step(self.gone);
        Ok(Exit::Ok)
    }

    async fn start(&self, timer: &str) -> Result<(), Failure> {
        systemctl(&["daemon-reload"]).await?;
        systemctl(&["enable", "--now", timer]).await
    }

    fn take_away(&self, folder: &Path) -> Result<(), Failure> {
        for name in self.units() {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// From where the timer gets the passphrase, if it needs one. Nobody will be there to be asked, in no folder that is known
/// now, and with no credential, which our unit does not load.
fn passphrase(context: &Context) -> Result<Option<PassphraseSource>, Failure> {
    let refused = |what: &str| Err(Failure::failed(what, "Use --passphrase file:/ABSOLUTE/PATH."));
    match &context.passphrase {
        Some(PassphraseSource::File(path)) if path.is_absolute() => Ok(context.passphrase.clone()),
        Some(PassphraseSource::File(_)) => refused("a timer starts in no folder that a relative path could begin at"),
        Some(PassphraseSource::Credential(_)) => refused("the unit is written without the credential"),
        Some(PassphraseSource::Ask | PassphraseSource::Descriptor(_)) => {
            refused("a timer has no terminal at which it could ask for a passphrase")
        }
        None if context.home.key_forms()?.iter().any(|(_, form)| *form == KeyForm::Sealed) => {
            refused("your keys are sealed, and a timer has no terminal at which it could ask for the passphrase")
        }
        None => Ok(None),
    }
}

/// `systemd.unit(5)`, the user's own search path.
fn folder() -> Result<PathBuf, Failure> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("systemd/user"))
        .ok_or_else(|| Failure::failed("no folder for units: neither XDG_CONFIG_HOME nor HOME is set", "Set HOME."))
}

/// A word of a command line as systemd reads it (`systemd.service(5)`, "Command lines"; `systemd.syntax(7)`, "Quoting").
fn quoted(word: &str) -> String {
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' | '$' => out.extend([c, c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

async fn systemctl(arguments: &[&str]) -> Result<(), Failure> {
    let done = Command::new("systemctl").arg("--user").args(arguments).stdin(Stdio::null()).output().await;
    let reason = match done {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let what = format!("systemctl --user {} failed: {reason}", arguments.join(" "));
    Err(Failure::failed(
        what,
        "Try it from a session of yours, where systemd runs for you; or have cron run the command without --install-timer.",
    ))
}

/// A path as it can stand in a unit.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::failed(format!("{} is not UTF-8, which units are", path.display()), "Choose another path.")
    })
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()), "Check the path and its permissions.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_means_anything_to_systemd() {
        assert_eq!(quoted("plain"), "\"plain\"");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted(r#"echo "$x" 100% \n"#), r#""echo \"$$x\" 100%% \\n""#);
        assert_eq!(quoted("two\nlines"), "\"two\\nlines\"");
    }

    #[test]
    fn systemd_reads_every_unit_without_a_word() {
        for timer in [WATCH, RENEW] {
            let place = tempfile::tempdir().unwrap();
            let program = env::current_exe().unwrap();
            let line = [program.to_str().unwrap(), "renew", "--hook", "echo \"$x\" 100%"].map(str::to_owned);
            let units = timer.units().map(|name| place.path().join(name));
            fs::write(&units[0], timer.service_unit(&line)).unwrap();
            fs::write(&units[1], timer.timer_unit()).unwrap();
            let mut verify = std::process::Command::new("systemd-analyze");
            verify.args(["verify", "--user", "--man=no"]).args(&units).env("XDG_RUNTIME_DIR", place.path());
            let verify = verify.output().unwrap();
            let said = String::from_utf8_lossy(&verify.stderr).into_owned();
            assert!(verify.status.success() && !said.contains("inperson"), "{said}");
        }
    }
}
