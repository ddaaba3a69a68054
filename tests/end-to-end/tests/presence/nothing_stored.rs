//! The directory as a process of its own: under file systems that are all read-only, its writes traced, its memory searched.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use directory_protocol::{Appearance, Details, Status};
use story::guard;
use story::homeserver::Homeserver;
use story::memory::{Needle, search_process};
use story::process::await_sight;

use super::program::{Running, SOON, person};

fn status_line(id: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

/// A size in /proc/PID/status.
fn kilobytes(id: u32, name: &str) -> u64 {
    let line = status_line(id, name);
    line.strip_suffix(" kB").and_then(|size| size.parse().ok()).unwrap_or_else(|| panic!("{name} {line:?}"))
}

/// Permits the program that it then becomes as large a core dump as may be.
const DUMPING: [&str; 4] = ["sh", "-c", r#"ulimit -S -c "$(ulimit -H -c)" && exec "$@""#, "sh"];

/// A limit of one byte is the kernel's word for no dump at all (core(5) says what 0 does not do).
fn dumps_nothing(id: u32) {
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let permitted: Vec<&str> = core.split_whitespace().take(2).collect();
    assert!(permitted == ["1", "1"] || permitted == ["0", "0"], "{core}");
}

fn write_bytes(id: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{id}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|bytes| bytes.parse().ok())
}

/// What the process had caused to be written before it became the program: the shell and what starts it are read from file
/// systems that may note when they were read last (relatime, once a day).
fn written_before(id: u32) -> u64 {
    let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap();
    let mut variables = environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    variables.find_map(|variable| variable.strip_prefix("WRITTEN_BEFORE=")).unwrap().parse().unwrap()
}

/// Makes every file system read-only for the program it then becomes, and ends with 99 if that is not permitted.
const READ_ONLY: &str = r#"
mount --make-rprivate / 2>/dev/null
while read -r _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done < /proc/self/mounts
if touch "$0" 2>/dev/null; then echo "the file systems stay writable" >&2; exit 99; fi
export WRITTEN_BEFORE="$(sed -n 's/^write_bytes: //p' "/proc/$$/io")"
exec "$@"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_runs_where_nothing_can_be_written() {
    let probe = tempfile::NamedTempFile::new().unwrap();
    let wrapper = ["unshare", "--mount", "sh", "-c", READ_ONLY, probe.path().to_str().unwrap()];
    let directory = match Running::start(&wrapper) {
        Ok(directory) => directory,
        Err(reason) => return story::skipped(format_args!("no read-only file systems can be made here: {reason}")),
    };
    directory.load().await;
    if let Some(bytes) = write_bytes(directory.id()) {
        assert_eq!(bytes - written_before(directory.id()), 0, "bytes it caused to be written to a disk");
    }
    assert!(directory.folder.path().join("directory.toml").exists());
}

/// The calls with which a process writes or makes files (strace's own classes leave some out).
const WRITES: &str = "trace=write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,openat,open,creat,rename,renameat,renameat2,\
                      link,linkat,symlink,symlinkat,mkdir,mkdirat,mknod,mknodat,unlink,unlinkat,fallocate,copy_file_range,sendfile,splice";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_it_writes_nothing() {
    let directory = Running::start(&[]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let trace = place.path().join("trace.txt");
    let id = directory.id().to_string();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-e", WRITES, "-o"]).arg(&trace).args(["-p", &id]).stderr(Stdio::null());
    let Ok(mut strace) = strace.spawn() else {
        return story::skipped("strace is missing (on Debian: apt-get install strace)");
    };
    let attached = |id: u32| status_line(id, "TracerPid:") != "0";
    let attached = await_sight("strace to attach", SOON, || {
        let ended = strace.try_wait().ok().flatten().is_some();
        (ended || attached(directory.id())).then_some(!ended)
    });
    if !attached.unwrap() {
        return story::skipped("strace may not attach to another process here");
    }
    directory.load().await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&strace), rustix::process::Signal::INT).unwrap();
    strace.wait().unwrap();
    let trace = std::fs::read_to_string(trace).unwrap();
    // Wake-ups between its own threads go through an eventfd; files are only read.
    let harmless = |line: &str| {
        let waking = line.contains("write(") && (line.contains("anon_inode:[event") || line.contains("socket:["));
        let reading = line.contains("openat(") && line.contains("O_RDONLY");
        waking || reading || !line.contains('(') || line.contains("resumed>") || line.contains("--- SIG")
    };
    let writes: Vec<&str> = trace.lines().filter(|line| !harmless(line)).collect();
    assert!(writes.is_empty(), "{} calls that write: {:?}", writes.len(), &writes[..writes.len().min(5)]);
    assert!(trace.contains("directory.pem"), "the trace shows that it looks at its files: the tracing works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_gone_is_nowhere_in_its_memory() {
    let directory = Running::start(&DUMPING).unwrap();
    let gone = story::random::unheard_of();
    let here: String = gone.chars().rev().collect();
    let (_stays, mut events) = directory.come(&here, &["somebody"]).await;
    let (leaves, mut told) = directory.come(&gone, &["somebody"]).await;
    let details = Details { note: "something she says".to_owned(), ..Details::default() };
    leaves.appear(Appearance::As(Status::Away), details).await.unwrap();
    leaves.look_up(&person(&gone)).await.unwrap();

    let (needle, control) = (Needle::new(&gone), Needle::new(&here));
    match search_process(directory.id(), &needle, &control) {
        Ok(search) => assert!(!search.found.is_empty(), "while she is there, she is found: the search works"),
        Err(error) => return story::skipped(format_args!("the kernel forbids reading memory: {error}")),
    }
    leaves.close();
    drop(leaves);
    while told.recv().await.is_some() {}
    // QUIC keeps a closed connection for three probe time-outs (RFC 9000 section 10.2).
    let clean = await_sight("her name to be gone from memory", SOON, || {
        search_process(directory.id(), &needle, &control).ok()?.nothing_found("the directory's memory").ok()
    });
    clean.unwrap();
    assert!(events.try_recv().is_ok(), "the other one is still connected");

    // Nothing can bring it to a disk either.
    dumps_nothing(directory.id());
    let [locked, resident] = ["VmLck:", "VmRSS:"].map(|name| kilobytes(directory.id(), name));
    let mut directory = directory;
    directory.child.kill().unwrap();
    let mut said = String::new();
    directory.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    if said.contains("cannot be locked") {
        assert_eq!(locked, 0, "it said: {said}");
    } else {
        // All of it is locked, whether it was touched already or not; pages of the kernel's own (vvar, vdso) cannot be.
        assert!(locked >= resident * 9 / 10, "{locked} kB of {resident} are locked, and it said nothing of it: {said}");
        assert!(resident > 0);
    }
}

#[test]
fn a_home_server_with_a_directory_in_it_leaves_no_core_dump() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let options = ["--https-port", "0", "--directory-port", "0"];
    let command = Homeserver::command_under(&DUMPING.map(str::to_owned), &folder, &options).unwrap();
    let server = Homeserver::start_with(&folder, command).unwrap();
    dumps_nothing(server.id());
    server.stop().unwrap();
}

#[test]
fn what_is_wrong_with_its_settings_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings: PathBuf = folder.path().join("directory.toml");
    let said = |text: &str| {
        std::fs::write(&settings, text).unwrap();
        let mut command = guard::command("directory").unwrap();
        let done = command.arg("serve").arg(&settings).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8(done.stderr).unwrap()
    };
    let complete = "listen = \"127.0.0.1:0\"\ntrust_policy = \"policy.json\"\ncertificate = \"directory.pem\"\n";
    assert!(said("listen = 7").contains("directory.toml is not what it should be"));
    assert!(said(&format!("{complete}lists = []")).contains("unknown field"));
    assert!(said(&format!("{complete}operator = \"0.0.0.0:4480\"")).contains("expected a loopback address"));
    assert!(said(complete).contains("policy.json cannot be read"));
    std::fs::write(folder.path().join("policy.json"), "{}").unwrap();
    std::fs::write(folder.path().join("directory.pem"), "").unwrap();
    assert!(said(complete).contains("policy.json is not what it should be"));
    assert!(Path::new(&settings).exists());
}
