//! The watch as a timer of the owner's own systemd: every hour, at a minute drawn anew each time, and soon after start if
//! the computer was off meanwhile.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use device::KeyForm;
use key_store::PassphraseSource;
use tokio::process::Command;

use super::Watch;
use crate::context::Context;
use crate::failure::{Exit, Failure};

const SERVICE: &str = "inperson-watch.service";
const TIMER: &str = "inperson-watch.timer";

const TIMER_UNIT: &str = "\
# Made by certtool watch --install-timer; certtool watch --remove-timer takes it away.
[Unit]
Description=Every hour: look for certificates in my name that are not mine

[Timer]
OnCalendar=hourly
# At a minute that nobody can tell beforehand, and not everybody at once.
RandomizedDelaySec=50min
Persistent=true

[Install]
WantedBy=timers.target
";

/// Writes both units and has systemd start the timer.
pub(super) async fn install(context: &Context, watch: &Watch) -> Result<Exit, Failure> {
    let folder = folder()?;
    let program = env::current_exe().map_err(Failure::system)?;
    let home = fs::canonicalize(context.home.folder()).map_err(Failure::system)?;
    let mut line = command_line(&program, &home, watch)?;
    if let Some(source) = passphrase(context)? {
        line.splice(1..1, ["--passphrase".to_owned(), source.to_string()]);
    }
    let service = service_unit(&line);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| cannot(&path, &error))
    };
    fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    write(SERVICE, &service)?;
    write(TIMER, TIMER_UNIT)?;
    systemctl(&["daemon-reload"]).await?;
    systemctl(&["enable", "--now", TIMER]).await?;
    context.output.step(&format!("systemd looks every hour; the units are in {}", folder.display()));
    context.output.step(
        "The last look: systemctl --user status inperson-watch. Also while you are logged out: loginctl enable-linger",
    );
    Ok(Exit::Ok)
}

/// From where the looks get the passphrase, if they need one. Nobody will be there to be asked, in no folder that is known
/// now, and with no credential, which our unit does not load.
fn passphrase(context: &Context) -> Result<Option<PassphraseSource>, Failure> {
    let refused = |what: &str| Err(Failure::failed(what, "Use --passphrase file:/ABSOLUTE/PATH."));
    match &context.passphrase {
        Some(PassphraseSource::File(path)) if path.is_absolute() => Ok(context.passphrase.clone()),
        Some(PassphraseSource::File(_)) => refused("the looks start in no folder that a relative path could begin at"),
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

/// Stops the timer and removes both units.
pub(super) async fn remove(context: &Context) -> Result<Exit, Failure> {
    let folder = folder()?;
    if !folder.join(TIMER).exists() {
        return Err(Failure::failed(format!("there is no timer in {}", folder.display()), ""));
    }
    systemctl(&["disable", "--now", TIMER]).await?;
    for name in [SERVICE, TIMER] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(&path, &error)),
            _ => {}
        }
    }
    systemctl(&["daemon-reload"]).await?;
    context.output.step("The timer is gone; nothing looks by itself any more");
    Ok(Exit::Ok)
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

fn command_line(program: &Path, home: &Path, watch: &Watch) -> Result<Vec<String>, Failure> {
    let mut line = vec![text(program)?, "--quiet".to_owned(), "--home".to_owned(), text(home)?, "watch".to_owned()];
    let mut option = |name: &str, value: &str| line.extend([name.to_owned(), value.to_owned()]);
    if let Some(authority) = &watch.authority {
        option("--authority", authority);
    }
    if let Some(mirror) = &watch.mirror {
        option("--mirror", mirror);
    }
    if let Some(hook) = &watch.ways.hook {
        option("--hook", hook);
    }
    for address in &watch.ways.mail {
        option("--mail", address.as_str());
    }
    if !watch.ways.mail.is_empty() {
        option("--sendmail", &text(&watch.ways.sendmail)?);
    }
    if watch.ways.notify || !watch.ways.any() {
        line.push("--notify".to_owned());
    }
    line.push("--once".to_owned());
    line.extend(watch.identifier.as_ref().map(ToString::to_string));
    Ok(line)
}

fn service_unit(command: &[String]) -> String {
    let command: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    format!(
        "# Made by certtool watch --install-timer; certtool watch --remove-timer takes it away.\n\
         [Unit]\nDescription=Look for certificates in my name that are not mine\n\n\
         [Service]\nType=oneshot\nExecStart={}\n\
         # Offline: the next look will do. An alarm (3) or blindness (5) is shown as a failed unit.\n\
         SuccessExitStatus=4\nNice=10\n",
        command.join(" ")
    )
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
        "Try it from a session of yours, where systemd runs for you; or have cron run certtool watch --once.",
    ))
}

fn text(path: &Path) -> Result<String, Failure> {
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
}
