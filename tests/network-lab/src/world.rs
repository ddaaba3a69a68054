//! A network of one's own: the lab leaves the machine's network and mounts behind before it makes anything. The kernel
//! takes all of it away with the last process inside, so that nothing can be left over, whatever ends the lab.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use story::{Context, Failure, process};
use tempfile::TempDir;

/// The exit code that says: this machine does not permit it, nothing was tested.
pub const NOT_PERMITTED: u8 = 3;

/// Says that this process is inside already.
const INSIDE: &str = "NETWORK_LAB_INSIDE";
/// How long a command that configures something may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The name under which everybody in the lab knows the home server.
pub const SERVER_NAME: &str = "home.lab.example";
/// The name of another one, which some of them belong to; it is on the same machine.
pub const OTHER_SERVER_NAME: &str = "abroad.lab.example";
/// Its addresses.
pub const SERVER_V4: &str = "203.0.113.6";
/// See [`SERVER_V4`].
pub const SERVER_V6: &str = "2001:db8:1::2";
/// The port of its directory.
pub const DIRECTORY_PORT: u16 = 8444;

/// Where the lab keeps its files, inside its own world.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

/// Why there is no world.
#[derive(Debug)]
pub enum NoWorld {
    /// The machine does not permit it: only root may make networks here.
    NotPermitted(String),
    /// Something is broken.
    Failed(Failure),
}

impl World {
    /// The world, from the inside. From the outside this becomes the same program inside, and returns only if that fails.
    ///
    /// # Errors
    /// Networks may not be made here, or something went wrong in doing so.
    pub fn enter() -> Result<Self, NoWorld> {
        if std::env::var_os(INSIDE).is_none() {
            return Err(become_inside());
        }
        Self::furnish().map_err(NoWorld::Failed)
    }

    fn furnish() -> Result<Self, Failure> {
        // `ip netns` keeps namespaces in /run/netns; this /run is seen by nobody else, and gone with this program.
        command("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
        let folder = tempfile::Builder::new().prefix("network-lab.").tempdir_in("/run").context("making a folder")?;
        let hosts = folder.path().join("hosts");
        let servers = format!("{SERVER_NAME} {OTHER_SERVER_NAME}");
        let names = format!("127.0.0.1 localhost\n::1 localhost\n{SERVER_V4} {servers}\n{SERVER_V6} {servers}\n");
        std::fs::write(&hosts, names).context("writing the names")?;
        command("mount", &["--bind", &hosts.to_string_lossy(), "/etc/hosts"])?;
        Ok(Self { folder })
    }

    /// A folder that is gone when the lab ends.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Replaces this process by the same program with a network and mounts of its own.
fn become_inside() -> NoWorld {
    let mut options = vec!["--mount", "--net"];
    if let Err(refusal) = permitted(&options) {
        // Some kernels let everybody be root in a world of their own.
        options.extend(["--user", "--map-root-user"]);
        if permitted(&options).is_err() {
            return NoWorld::NotPermitted(format!("only root may make networks on this machine ({refusal})"));
        }
    }
    let own = match std::env::current_exe().context("finding this program's own path") {
        Ok(own) => own,
        Err(failure) => return NoWorld::Failed(failure),
    };
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = Command::new("unshare").args(&options).arg("--").arg(own).args(arguments).env(INSIDE, "1").exec();
    NoWorld::Failed(Failure::new(format!("cannot start unshare (of util-linux): {error}")))
}

/// What the lab needs of a machine, in a network that ends with the attempt.
const ATTEMPT: &str = "mount -t tmpfs tmpfs /run
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
ip link set lo up
ip link add attempt type vxlan id 1 local 127.0.0.1 remote 127.0.0.2 dstport 4789 dev lo
nft add table inet attempt
ethtool -K attempt tx off";

/// Whether this machine lets us make a network and configure it, or what it says instead.
fn permitted(options: &[&str]) -> Result<(), String> {
    let mut attempt = Command::new("unshare");
    attempt.args(options).args(["--", "sh", "-ec", ATTEMPT]);
    match process::run("unshare", attempt, PATIENCE) {
        Ok(done) if done.code == 0 => Ok(()),
        Ok(done) => Err(done.stderr.trim().to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

/// Runs a command that configures something.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(arguments);
    let line = format!("{program} {}", arguments.join(" "));
    Ok(process::run(program, command, PATIENCE)?.expect(0, &line)?.stdout)
}

/// Runs `ip` with the words of a line.
pub(crate) fn ip(line: &str) -> Result<(), Failure> {
    command("ip", &line.split_whitespace().collect::<Vec<_>>()).map(drop)
}

/// Runs a command that reads what to do from its standard input.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) -> Result<String, Failure> {
    let mut command = Command::new(program);
    command.args(arguments);
    let mut running = process::collect(program, command)?;
    running.type_line(input);
    Ok(running.finish(PATIENCE)?.expect(0, &format!("{program} {} with\n{input}\n", arguments.join(" ")))?.stdout)
}

/// This program, for its own child processes.
///
/// # Errors
/// Its path cannot be found out.
pub fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().context("finding this program's own path")
}
