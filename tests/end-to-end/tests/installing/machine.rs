//! A clean Debian that boots for one test: its own systemd, its own network, nothing in it but what Debian has at the least.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use story::guard;
use story::install;
use story::process::{self, Finished, Running};
use story::terminal::Terminal;

/// How long one command may take on a very busy machine.
const SOON: Duration = Duration::from_secs(180);
/// What a smallest Debian lacks for a server that somebody can log in to and look at. It comes from a mirror of Debian.
const BESIDE: &str = "systemd,dbus,libpam-systemd,curl,ca-certificates,iproute2";

/// It ends, and is gone, when this is dropped.
pub(crate) struct Machine {
    /// The process that is its first.
    leader: u32,
    container: Running,
    folder: tempfile::TempDir,
}

impl Drop for Machine {
    /// Whoever keeps a container does not take it along when it is killed; with its first process everything in it ends.
    fn drop(&mut self) {
        let first = first_process(self.container.id()).and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(first) = first {
            let _ = kill_process(first, Signal::KILL);
            let _ = self.container.wait(SOON);
        }
    }
}

/// The release of Debian that this machine runs: programs are linked against its libraries.
fn release() -> Option<String> {
    let about = std::fs::read_to_string("/etc/os-release").ok()?;
    about.contains("\nID=debian").then_some(())?;
    about.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).map(ToOwned::to_owned)
}

/// The files of a clean Debian in one archive, fetched once.
fn archive() -> Option<PathBuf> {
    let root = is_root();
    let Some(release) = release().filter(|_| root) else {
        story::skipped("no clean Debian is booted here (it takes root, and a Debian)");
        return None;
    };
    let tools = guard::programs().unwrap().parent().unwrap().join("tools");
    let archive = tools.join(format!("debian-{release}-{}.tar", BESIDE.replace(',', "-")));
    let _alone = install::alone(&archive).unwrap();
    if !archive.exists() {
        let part = archive.with_extension("part.tar");
        install::fetch("mmdebstrap", || {
            let mut command = guard::guarded(Path::new("mmdebstrap"))?;
            command.args(["--quiet", "--variant=minbase", &format!("--include={BESIDE}"), &release]).arg(&part);
            Ok(command)
        })
        .unwrap();
        std::fs::rename(part, &archive).unwrap();
    }
    Some(archive)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

impl Machine {
    /// Boots one; nothing if that cannot be done here.
    pub(crate) fn boot() -> Option<Self> {
        let archive = archive()?;
        let folder = tempfile::tempdir_in(archive.parent().unwrap()).unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut unpack = Command::new("tar");
        unpack.arg("--directory").arg(&root).args(["--extract", "--file"]).arg(archive);
        assert!(unpack.status().unwrap().success());
        let mut container = guard::guarded(Path::new("systemd-nspawn")).unwrap();
        container.args(["--quiet", "--boot", "--private-network", "--register=no", "--keep-unit", "--settings=no"]);
        container.args(["--hostname=server", "--resolv-conf=off", "--timezone=off", "--directory"]).arg(&root);
        // Two tests may have one at the same time.
        let name =
            format!("--machine=inperson-{}", folder.path().file_name().unwrap().to_string_lossy().replace('.', ""));
        let said = folder.path().join("console");
        container
            .arg(name)
            .stdin(Stdio::null())
            .stdout(process::sink(&said).unwrap())
            .stderr(process::sink(&said).unwrap());
        let container = Running::start("systemd-nspawn", container).unwrap();
        let mut machine = Self { leader: 0, container, folder };
        let up = process::await_sight("a clean Debian that has booted", SOON, || {
            if machine.container.ended().unwrap().is_some() {
                return Some(false);
            }
            machine.leader = first_process(machine.container.id())?;
            let state = machine.tries("systemctl is-system-running").stdout;
            ["running", "degraded"].contains(&state.trim()).then_some(true)
        });
        if up.unwrap() {
            return Some(machine);
        }
        let said = std::fs::read_to_string(said).unwrap_or_default();
        story::skipped(format_args!("a clean Debian does not boot here (systemd-nspawn): {said}"));
        None
    }

    /// Where a file of it lies outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join("root").join(inside.trim_start_matches('/'))
    }

    /// Puts files into root's folder.
    pub(crate) fn bring(&self, file: &Path) {
        std::fs::copy(file, self.path("root").join(file.file_name().unwrap())).unwrap();
    }

    /// A command line of root's, or of somebody else's, in her folder.
    pub(crate) fn command(&self, who: &str, line: &str) -> Command {
        let mut command = guard::guarded(Path::new("nsenter")).unwrap();
        let leader = self.leader.to_string();
        command
            .args(["--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]);
        let home = if who == "root" { "/root".to_owned() } else { format!("/home/{who}") };
        command.args(["env", "-i", "LANG=C.UTF-8", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive", "NO_COLOR=1"]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").arg(format!("HOME={home}"));
        command.args(["runuser", "-u", who, "--", "sh", "-e", "-c"]).arg(format!("cd {home}\n{line}"));
        command
    }

    /// The same in a terminal; `folder` is for that alone.
    pub(crate) fn terminal(&self, who: &str, line: &str, folder: &Path) -> Terminal {
        let command = self.command(who, &format!("export TERM=xterm-256color\n{line}"));
        let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        // Without the guard, whose parent is this process: tmux starts it, and ends it when it is ended itself.
        let [_, _, program, arguments @ ..] = &arguments[..] else { panic!("a guarded command: {arguments:?}") };
        Terminal::start_any(folder, (100, 30), &[], (Path::new(program), arguments)).unwrap()
    }

    /// Somebody's own systemd, as if she had logged in; gives the line by which her commands find it.
    pub(crate) fn log_in(&self, who: &str) -> String {
        self.sh(&format!("loginctl enable-linger {who}"));
        let finds = "export XDG_RUNTIME_DIR=/run/user/$(id -u)".to_owned();
        process::await_sight("her own systemd", SOON, || {
            let line = format!("{finds}\nsystemctl --user is-active timers.target");
            let asked = process::run(&line, self.command(who, &line), SOON).unwrap();
            (asked.stdout == "active\n").then_some(())
        })
        .unwrap();
        finds
    }

    /// What root types, however it ends.
    pub(crate) fn tries(&self, line: &str) -> Finished {
        process::run(line, self.command("root", line), SOON).unwrap()
    }

    /// What root types; it has to succeed.
    pub(crate) fn sh(&self, line: &str) -> Finished {
        self.tries(line).expect(0, line).unwrap()
    }
}

/// The first process of the container that this process keeps.
fn first_process(keeper: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    let [only] = children.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let name = std::fs::read_to_string(format!("/proc/{only}/comm")).ok()?;
    (name.trim() == "systemd").then(|| only.parse().ok())?
}
