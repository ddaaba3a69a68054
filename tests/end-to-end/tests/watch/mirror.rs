//! Through a mirror: the log does not learn that anybody looks.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use story::guard::{guarded, program};
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};

use super::SOON;

/// Serves copies of logs as C2SP tlog-mirror has it: below `<SHA-256 of the origin>/`, in plain HTTP.
struct Mirror {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Mirror {
    fn of(root: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                // One that goes away is no matter.
                let _ = answer(stream, &root);
            }
        });
        Self { url, asked }
    }
}

fn answer(stream: TcpStream, root: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/');
    let found = (!path.contains("..")).then(|| std::fs::read(root.join(path)).ok()).flatten();
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&body))
}

fn policy(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = guarded(&program("homeserver").unwrap()).unwrap();
    command.arg("policy").args(arguments).arg("--folder").arg(folder);
    process::run("homeserver", command, SOON).unwrap().expect(0, "homeserver policy").unwrap()
}

#[test]
fn the_log_is_not_asked_by_who_watches_through_a_mirror() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &server.outbox()).unwrap();
    let watch = |mirror: Option<&str>| {
        let mirror: Vec<_> = mirror.map(|url| ["--mirror", url]).into_iter().flatten().collect();
        alice.certtool(&[&["--json", "watch", alice.address(), "--once"], &mirror[..]].concat()).unwrap()
    };
    watch(None).expect(0, "a watch at the log").unwrap();

    // From here on the policy says that the log is where nobody answers: whoever asks it is told so.
    let draft = policy(&folder, &["draft"]).stdout;
    let next = place.path().join("next.json");
    std::fs::write(&next, draft.replace(&server.ready().log, "https://localhost:1/log")).unwrap();
    policy(&folder, &["sign", next.to_str().unwrap()]);
    process::await_sight("the update", SOON, || {
        alice.certtool(&["trust", "update", "--yes"]).unwrap();
        (alice.certtool_json(&["trust", "show"]).unwrap()["number"] == 2).then_some(())
    })
    .unwrap();
    watch(None).expect(4, "a log that is not there").unwrap();

    let origin = alice.certtool_json(&["trust", "show"]).unwrap()["authorities"][0]["log"].as_str().unwrap().to_owned();
    let root = place.path().join("mirror");
    std::fs::create_dir(&root).unwrap();
    let copy = root.join(hex::encode(Sha256::digest(&origin)));
    std::os::unix::fs::symlink(folder.join("log"), &copy).unwrap();
    let mirror = Mirror::of(root.clone());
    let clean = watch(Some(&mirror.url)).expect(0, "a watch through a mirror").unwrap();
    assert!(clean.stdout.contains("\"certificates\":[{"), "{}", clean.stdout);
    assert!(mirror.asked.load(Ordering::SeqCst) > 0);

    // A mirror is not believed: one that holds something else is refused.
    std::fs::remove_file(&copy).unwrap();
    watch(Some(&mirror.url)).expect(3, "an empty mirror").unwrap();
    watch(Some("http://127.0.0.1:1")).expect(4, "no mirror").unwrap();
    server.stop().unwrap();
}
