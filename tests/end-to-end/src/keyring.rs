//! A session with a keyring: a bus of its own with GNOME's keyring on it, unlocked by a password as at log-in.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::process::{self, Running};
use crate::{Context, Failure, guard};

/// How long each part of it may take on a very busy machine.
const SOON: Duration = Duration::from_secs(60);
const PASSWORD: &[u8] = b"log-in password";

/// It ends when it is dropped; what was kept in its keyring is there in the next one with the same folder.
#[derive(Debug)]
pub struct Session {
    // The keyring is the first to go.
    _keyring: Running,
    _bus: Running,
    address: String,
}

impl Session {
    /// Logs in whoever has this folder.
    ///
    /// # Errors
    /// `dbus-daemon` or `gnome-keyring-daemon` cannot be started, or says nothing.
    pub fn start(home: &Path) -> Result<Self, Failure> {
        let mut bus = guard::guarded(Path::new("dbus-daemon"))?;
        bus.args(["--session", "--nofork", "--print-address"]).stdout(Stdio::piped()).stdin(Stdio::null());
        let mut bus = Running::start("dbus-daemon", bus)?;
        let address = bus.first_line(SOON)?.trim().to_owned();
        std::fs::create_dir_all(home).context("making the session's folder")?;
        let mut keyring = guard::guarded(Path::new("gnome-keyring-daemon"))?;
        keyring.args(["--foreground", "--unlock", "--components=secrets"]);
        keyring.env("DBUS_SESSION_BUS_ADDRESS", &address).env("HOME", home).env("XDG_RUNTIME_DIR", home);
        keyring.env("XDG_DATA_HOME", home.join("data"));
        keyring.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keyring = Running::start("gnome-keyring-daemon", keyring)?;
        let stdin = keyring.take_stdin().context("the keyring's input is not in our hands")?;
        { stdin }.write_all(PASSWORD).context("unlocking the keyring")?;
        // It says where it is once it is there.
        keyring.first_line(SOON)?;
        Ok(Self { _keyring: keyring, _bus: bus, address })
    }

    /// Where its bus is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same as `env` takes it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("DBUS_SESSION_BUS_ADDRESS={}", self.address)
    }

    /// What the project's programs keep in it, by the names that a person sees there.
    ///
    /// # Errors
    /// `secret-tool` (libsecret) cannot be started, or finds no keyring.
    pub fn items(&self) -> Result<Vec<String>, Failure> {
        let mut search = guard::guarded(Path::new("secret-tool"))?;
        search.args(["search", "--all", "application", "inperson"]).env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        let found = process::run("secret-tool", search, SOON)?.expect(0, "secret-tool search")?.stdout;
        let names = found.lines().filter_map(|line| line.strip_prefix("label = "));
        Ok(names.filter(|name| name.starts_with("In Person: ")).map(ToOwned::to_owned).collect())
    }
}
