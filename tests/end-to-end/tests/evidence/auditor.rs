//! A fork shown to one client: nothing in it is wrong, until it is held against what others are shown.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use transparency_log::storage::{FolderStorage, Storage};

use super::{Forked, files, judge};

/// Serves the log in a folder as a mirror would, for as long as the test runs.
fn serve(log: &Path) -> String {
    let storage: Arc<dyn Storage> = Arc::new(FolderStorage::open(log));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, transparency_log::server::router(storage)).await.unwrap();
        });
    });
    url
}

#[test]
fn a_fork_shown_to_one_client_is_found_by_who_compares() {
    let forked = Forked::new(&["alice"]);
    let auditor = forked.person("auditor");
    let server = forked.start();
    forked.enrol(&server, &["bob"]);
    server.stop().unwrap();
    let others_see = forked.begin_the_other().join("log");
    let server = forked.start();
    forked.enrol(&server, &["carol", "dave"]);
    auditor.trust(server.ready()).unwrap();
    let audit = |sources: &[&str]| {
        let sources: Vec<_> = sources.iter().flat_map(|url| ["--source", url]).collect();
        auditor.certtool(&[&["--json", "audit"], &sources[..]].concat()).unwrap()
    };

    // Alone, and beside the witness that is shown the same, all is in order.
    audit(&[]).expect(0, "an audit of what this client is shown").unwrap();
    let witness = server.ready().log.replace("/log", "/witness");
    let clean = audit(&[&witness, &server.ready().log]).expect(0, "an audit beside the witness").unwrap();
    let sources = &clean.json().unwrap()["sources"];
    assert_eq!((&sources[0]["verdict"], &sources[1]["verdict"]), (&"agrees".into(), &"agrees".into()), "{sources}");

    let mirror = serve(&others_see);
    let found = audit(&[&mirror]).expect(3, "an audit beside a mirror").unwrap();
    let compared = &found.json().unwrap()["sources"][0];
    assert_eq!(compared["verdict"], "split-view", "{compared}");
    let [file] = &*files(&auditor) else { panic!("{}", found.text()) };
    assert_eq!(compared["evidence"], file.to_str().unwrap());
    let judgement = judge(forked.place.path(), file);
    assert!(judgement["of"].as_str().unwrap().starts_with("the log localhost"), "{judgement}");

    // The log goes on, its checkpoints are cosigned anew: the same contradiction is the same file.
    forked.enrol(&server, &["erin"]);
    let text = auditor.certtool(&["audit", "--source", &mirror]).unwrap().expect(3, "another audit").unwrap().text();
    assert!(text.contains("another history") && text.contains(file.to_str().unwrap()), "{text}");
    assert!(!text.contains("keeps its promise"), "{text}");
    assert_eq!(&*files(&auditor), std::slice::from_ref(file));

    // Silence is no agreement, and another log is no source.
    let silent = audit(&["http://127.0.0.1:1"]).expect(4, "an audit beside nobody").unwrap();
    assert_eq!(silent.json().unwrap()["sources"][0]["verdict"], "silent");
    server.stop().unwrap();
}

#[test]
fn a_log_that_shows_less_than_a_mirror_is_behind() {
    let forked = Forked::new(&["alice"]);
    let auditor = forked.person("auditor");
    let server = forked.start();
    forked.enrol(&server, &["bob"]);
    server.stop().unwrap();
    // The mirror has everything, the log shows what it was before: an honest history, cut off.
    let mirror = serve(&forked.begin_the_other().join("log"));
    let server = forked.start();
    auditor.trust(server.ready()).unwrap();
    let audit = ["--json", "audit", "--source", &mirror];
    let found = auditor.certtool(&audit).unwrap().expect(3, "an audit of a log that hides the rest").unwrap();
    assert_eq!(found.json().unwrap()["sources"][0]["verdict"], "behind", "{}", found.text());
    assert!(files(&auditor).is_empty(), "an old state proves nothing to others");
    server.stop().unwrap();
}
