//! The directory as a process of its own: under file systems that are all read-only, its writes traced, its memory searched.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use directory_protocol::client::client_config;
use directory_protocol::{Announcement, Appearance, Details, DirectoryClient, DirectoryEvent, Status};
use identity::testing::{Authority, private_key};
use identity::{Identifier, UnixTime};
use story::guard;
use story::memory::{Needle, search_process};
use story::process::await_sight;

const NAME: &str = "directory.example.org";
const SOON: Duration = Duration::from_secs(30);

fn hour_ago() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3_600))
}

fn person(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
}

/// A directory that runs, and the authority whose people it serves.
struct Running {
    authority: Authority,
    folder: tempfile::TempDir,
    child: std::process::Child,
    address: std::net::SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    /// Starts it under `wrapper`, if that can be.
    fn start(wrapper: &[&str]) -> Result<Self, String> {
        let authority = Authority::new(1, hour_ago());
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = authority.issue_service(NAME, hour_ago());
        let mut certificate = pem("PRIVATE KEY", key.secret_der());
        chain.iter().for_each(|one| certificate.push_str(&pem("CERTIFICATE", one)));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("directory.pem", certificate.as_bytes());
        write("policy.json", &authority.policy().canonical());
        write("people.crl", &authority.people_crl(1, hour_ago(), &[]));
        let settings = "listen = \"127.0.0.1:0\"\ntrust_policy = \"policy.json\"\ncertificate = \"directory.pem\"\n\
                        revocation_lists = [\"people.crl\"]\n";
        write("directory.toml", settings.as_bytes());
        let wrapper: Vec<String> = wrapper.iter().map(|&word| word.to_owned()).collect();
        let mut command = guard::guarded_under(&wrapper, &guard::program("directory").unwrap()).unwrap();
        command.args(["serve", "--json"]).arg(folder.path().join("directory.toml"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (send, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = output.read_line(&mut line);
            let _ = send.send(line);
        });
        let line = said.recv_timeout(SOON).expect("the directory is ready, or refuses");
        let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) else {
            child.kill().ok();
            let said = child.wait_with_output().unwrap();
            return Err(String::from_utf8_lossy(&said.stderr).trim().to_owned());
        };
        let address = ready["listen"].as_str().unwrap().parse().unwrap();
        Ok(Self { authority, folder, child, address })
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    async fn come(
        &self,
        name: &str,
        contacts: &[&str],
    ) -> (DirectoryClient, tokio::sync::mpsc::Receiver<DirectoryEvent>) {
        let (chain, key) = self.authority.issue_person(&person(name), hour_ago());
        let config = client_config(chain, private_key(&key), self.authority.trust()).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let (client, events) = DirectoryClient::connect(&endpoint, self.address, NAME, config).await.unwrap();
        let contacts: Vec<_> = contacts.iter().map(|name| person(name)).collect();
        client.announce(Announcement::available(contacts.clone())).await.unwrap();
        client.watch(contacts).await.unwrap();
        (client, events)
    }

    /// People who come, look, change, call and go.
    async fn load(&self) {
        let (alice, _to_alice) = self.come("alice", &["bob"]).await;
        for n in 0..20_u32 {
            let (bob, _to_bob) = self.come(&format!("bob-{n}"), &["alice"]).await;
            for _ in 0..5 {
                alice.look_up(&person(&format!("bob-{n}"))).await.unwrap();
                let details = Details { idle_s: n, note: format!("note {n}"), ..Details::default() };
                bob.appear(Appearance::As(Status::Away), details).await.unwrap();
            }
            bob.close();
        }
    }
}

fn status_line(id: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
}

fn write_bytes(id: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{id}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|bytes| bytes.parse().ok())
}

/// Makes every file system read-only for the program it then becomes, and ends with 99 if that is not permitted.
const READ_ONLY: &str = r#"
mount --make-rprivate / 2>/dev/null
while read -r _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done < /proc/self/mounts
if touch "$0" 2>/dev/null; then echo "the file systems stay writable" >&2; exit 99; fi
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
        assert_eq!(bytes, 0, "bytes it caused to be written to a disk");
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
    let directory = Running::start(&[]).unwrap();
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
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", directory.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().rev().nth(2), Some("0"), "{core}");
    if status_line(directory.id(), "VmLck:") == "0 kB" {
        let mut directory = directory;
        directory.child.kill().unwrap();
        let mut said = String::new();
        directory.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("cannot be locked"), "its memory is not locked, and it said: {said}");
    }
}

#[test]
fn what_is_wrong_with_its_settings_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings: PathBuf = folder.path().join("directory.toml");
    let said = |text: &str| {
        std::fs::write(&settings, text).unwrap();
        let mut command = guard::guarded(&guard::program("directory").unwrap()).unwrap();
        let done = command.arg("serve").arg(&settings).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8(done.stderr).unwrap()
    };
    let complete = "listen = \"127.0.0.1:0\"\ntrust_policy = \"policy.json\"\ncertificate = \"directory.pem\"\n";
    assert!(said("listen = 7").contains("directory.toml is not what it should be"));
    assert!(said(&format!("{complete}lists = []")).contains("unknown field"));
    assert!(said(complete).contains("policy.json cannot be read"));
    std::fs::write(folder.path().join("policy.json"), "{}").unwrap();
    std::fs::write(folder.path().join("directory.pem"), "").unwrap();
    assert!(said(complete).contains("policy.json is not what it should be"));
    assert!(Path::new(&settings).exists());
}
