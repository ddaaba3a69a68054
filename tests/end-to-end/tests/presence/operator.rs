//! What the operator of a directory sees: whether it is well, how many there are and what has happened; and how it ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use directory_protocol::client::client_config;
use directory_protocol::client::{CloseReason, ConnectError, RequestError};
use directory_protocol::message::ErrorCode;
use directory_protocol::{Appearance, CloseCode, Details, DirectoryClient, DirectoryEvent, Invite, Purpose, Status};
use identity::testing::{Authority, private_key};
use story::process::await_sight;

use super::program::{Running, SOON, hour_ago, person};

/// The status and the body.
fn get(directory: &Running, path: &str) -> (u16, String) {
    let mut asked = TcpStream::connect(directory.operator).unwrap();
    asked.set_read_timeout(Some(SOON)).unwrap();
    write!(asked, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    asked.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn figure(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(|value| value.parse().unwrap())
}

/// Figures are a second old at most.
fn await_figure(directory: &Running, name: &str, value: f64) -> String {
    let look = || Some(get(directory, "/metrics").1).filter(|text| figure(text, name) == Some(value));
    await_sight(name, SOON, look).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_how_it_is_and_how_many_there_are_and_of_nobody_who() {
    let directory = Running::start(&[]).unwrap();
    assert_eq!(get(&directory, "/health"), (200, "{\"status\":\"ok\",\"files\":\"ok\",\"lists\":\"ok\"}\n".to_owned()));
    assert_eq!(get(&directory, "/elsewhere").0, 404);

    let (alice, _to_alice) = directory.come("alice", &["bob", "nobody"]).await;
    let (bob, mut to_bob) = directory.come("bob", &["alice"]).await;
    let candidates = vec!["127.0.0.1:9".parse().unwrap()];
    let invite = |call_id, callee: &str| {
        let (callee, candidates) = (person(callee), candidates.clone());
        Invite { call_id, callee, purpose: Purpose::Text, candidates, device: None }
    };
    alice.invite(invite([1; 16], "bob")).await.unwrap();
    let nowhere = Invite { candidates: vec!["0.0.0.0:0".parse().unwrap()], ..invite([2; 16], "bob") };
    let refused = alice.invite(nowhere).await;
    assert!(matches!(refused, Err(RequestError::Refused { error: ErrorCode::BadCandidates, .. })));
    while !matches!(to_bob.recv().await.unwrap(), DirectoryEvent::Incoming { .. }) {}
    bob.answer([1; 16], directory_protocol::Answer::Decline).await.unwrap();
    let details = Details { note: "words of hers".to_owned(), ..Details::default() };
    bob.appear(Appearance::As(Status::Away), details).await.unwrap();

    // Somebody whose authority is another one.
    let stranger = Authority::new(2, hour_ago());
    let (chain, key) = stranger.issue_person(&person("mallory"), hour_ago());
    let config = client_config(chain, private_key(&key), directory.authority.trust()).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = DirectoryClient::connect(&endpoint, directory.address, super::program::NAME, config).await;
    assert!(matches!(refused, Err(ConnectError::Closed(CloseReason::CertificateRefused(_)))), "{:?}", refused.err());

    let text = await_figure(&directory, "inperson_directory_handshakes_total{result=\"failed\"}", 1.0);
    let of =
        |name: &str| figure(&text, &format!("inperson_directory_{name}")).unwrap_or_else(|| panic!("{name}: {text}"));
    assert_eq!((of("serving"), of("people"), of("connections"), of("watches")), (1.0, 2.0, 2.0, 3.0));
    assert_eq!(of("handshakes_total{result=\"accepted\"}"), 2.0);
    assert_eq!((of("calls_total{what=\"begun\"}"), of("calls_total{what=\"declined\"}")), (1.0, 1.0));
    assert_eq!((of("requests_refused_total{number=\"4\"}"), of("calls_waiting")), (1.0, 0.0));
    let rules = |line: &&str| line.starts_with("inperson_directory_certificates_refused_total{rule=");
    assert_eq!(text.lines().filter(rules).count(), 1, "{text}");
    assert!(figure(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6), "{text}");
    for of_somebody in ["alice", "bob", "mallory", "nobody", "example.org", "127.0.0.1", "words"] {
        assert!(!text.contains(of_somebody), "{of_somebody} in {text}");
    }

    // A file that cannot be taken up is for somebody to look at, and no reason to send people elsewhere.
    std::fs::write(directory.folder.path().join("people.crl"), "damaged").unwrap();
    let degraded = "{\"status\":\"degraded\",\"files\":\"failing\",\"lists\":\"ok\"}\n";
    await_sight("word of the file", SOON, || (get(&directory, "/health") == (200, degraded.to_owned())).then_some(()))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_told_to_stop_it_tells_everybody_to_come_back_and_ends() {
    let mut directory = Running::start(&[]).unwrap();
    let (_alice, mut events) = directory.come("alice", &[]).await;
    let id = rustix::process::Pid::from_child(&directory.child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let told = loop {
        if let DirectoryEvent::Closed { reason } = events.recv().await.unwrap() {
            break reason;
        }
    };
    assert_eq!(told, CloseReason::ByDirectory(CloseCode::Stopping));
    let ended = await_sight("its end", SOON, || directory.child.try_wait().unwrap()).unwrap();
    assert!(ended.success(), "{ended}");
}
