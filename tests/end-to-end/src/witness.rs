//! A witness in a process of its own (`transparency-log witness`), which knows one log; and how people come to demand it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::homeserver::Homeserver;
use crate::process::{self, Finished, Running};
use crate::{Context, Failure, guard, ports};

/// How long each of the commands here may take on a very busy machine.
const SOON: Duration = Duration::from_secs(60);

/// What policies that start with this server's own call its witness.
const OWN: &str = "localhost/witness";

/// A running witness.
#[derive(Debug)]
pub struct Witness {
    config: PathBuf,
    key: String,
    url: String,
    running: Running,
}

impl Witness {
    /// The name under which it cosigns.
    pub const NAME: &str = "witness.example.com/w1";

    /// Starts one in `place` that knows this server's log, and has the server ask it from its next start on.
    ///
    /// # Errors
    /// A program has not been built, or one of them refuses.
    pub fn of(server: &Homeserver, place: &Path) -> Result<Self, Failure> {
        let log = log_key(server.folder())?;
        let (config, port) = (place.join("witness.toml"), ports::own()?);
        let settings = format!(
            "name = \"{}\"\nfolder = {:?}\n[port]\nlisten = \"127.0.0.1:{port}\"\n\
             requests_per_second = 100\nburst = 1000\n[[log]]\nkey = {log:?}\n",
            Self::NAME,
            place.join("witness")
        );
        std::fs::write(&config, settings).context("writing the witness's settings")?;
        let keys = run("transparency-log", &["witness", "--config", &text(&config), "--show-key"])?.stdout;
        // It has a key of either kind; policies name the one of Ed25519, which comes first.
        let key = keys.lines().next().context("the witness has shown no key")?.to_owned();
        let url = format!("http://127.0.0.1:{port}");
        let running = start(&config)?;
        run("homeserver", &["witness", "add", &url, "--key", &key, "--folder", &text(server.folder())])?;
        Ok(Self { config, key, url, running })
    }

    /// Its line in a tlog-policy, where it is called `w1`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("witness w1 {} {}\n", self.key, self.url)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Starts it again, as it was.
    ///
    /// # Errors
    /// It is not ready in time.
    pub fn start_again(&mut self) -> Result<(), Failure> {
        self.running = start(&self.config)?;
        Ok(())
    }
}

fn start(config: &Path) -> Result<Running, Failure> {
    let mut command = guard::command("transparency-log")?;
    command.args(["witness", "--json", "--config"]).arg(config).stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(process::sink(&config.with_extension("log"))?);
    let mut running = Running::start("witness", command)?;
    let line = running.first_line(SOON)?;
    if line.contains('{') { Ok(running) } else { Err(Failure::new(format!("the witness has not started: {line}"))) }
}

/// A server whose log cannot grow without a witness elsewhere: a version of its trust policy demands both, and it was
/// started anew.
///
/// # Errors
/// A program has not been built, or one of them refuses.
pub fn demanded(server: Homeserver, place: &Path) -> Result<(Homeserver, Witness), Failure> {
    let witness = Witness::of(&server, place)?;
    let both = format!("{}group both all {OWN} w1\nquorum both\n", witness.line());
    let server = another_quorum(server, |policy| policy.replace(&own_quorum(), &both))?;
    Ok((server, witness))
}

/// The line of a tlog-policy by which the server's own witness is enough.
#[must_use]
pub fn own_quorum() -> String {
    format!("quorum {OWN}\n")
}

/// The next version of the trust policy, with another quorum: drafted, signed, published, and the server started anew.
///
/// # Errors
/// It is refused, or not published in time; or the server does not start by it.
pub fn another_quorum(server: Homeserver, change: impl Fn(&str) -> String) -> Result<Homeserver, Failure> {
    let folder = server.folder().to_owned();
    let draft = run("homeserver", &["policy", "draft", "--folder", &text(&folder)])?;
    let mut next: Value = serde_json::from_str(&draft.stdout).context("reading the draft of a policy")?;
    let policy = next["tlog_policy"].as_str().context("the draft has no tlog_policy")?;
    next["tlog_policy"] = change(policy).into();
    let file = folder.with_added_extension("next.json");
    std::fs::write(&file, next.to_string()).context("writing the next policy")?;
    run("homeserver", &["policy", "sign", &text(&file), "--folder", &text(&folder)])?;
    let published = folder.join(format!("policies/{}.json", next["number"]));
    process::await_sight("the next version", SOON, || published.exists().then_some(()))?;
    server.stop()?;
    Homeserver::start(&folder, &[])
}

/// The verifier key of the log that this server's first trust policy names.
fn log_key(folder: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(folder.join("policy.json")).context("reading the trust policy")?;
    let policy: Value = serde_json::from_slice(&bytes).context("reading the trust policy")?;
    let mut lines = policy["tlog_policy"].as_str().context("the trust policy has no tlog_policy")?.lines();
    let log = lines.find_map(|line| line.strip_prefix("log ")).context("the trust policy names no log")?;
    Ok(log.split(' ').next().unwrap_or(log).to_owned())
}

fn run(program: &str, arguments: &[&str]) -> Result<Finished, Failure> {
    process::run_program(program, arguments, SOON)?.expect(0, &format!("{program} {}", arguments.join(" ")))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
