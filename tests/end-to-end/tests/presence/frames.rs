//! Every frame of running conversations, as it goes over the wire between our own clients and our own directory, judged by
//! other people's CDDL (tests/directory-client/judge.py).
//!
//! A tap stands between a device and the directory: to the device it is the directory (it has its certificate), to the
//! directory it is the device (it has hers). It hands on every byte and writes every frame down.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use directory::{Directory, DirectoryConfig, Timing};
use directory_protocol::client::{client_config, transport};
use directory_protocol::frame::FrameBuffer;
use directory_protocol::{
    ALPN, Announcement, Answer, Appearance, Audience, Capabilities, Details, DirectoryClient, DirectoryEvent, Invite,
    Outcome, Purpose, Status,
};
use identity::testing::{Authority, private_key};
use identity::tls::PersonVerifier;
use identity::{Identifier, UnixTime};
use messenger_engine::{
    Audience as Seers, Command, DirectoryAddress, Engine, EngineConfig, Event, Events, OwnStatus, PresenceSettings,
};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};

const NAME: &str = "directory.example.org";
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(30);

/// What went over the wire: `request` or `response`, and the frame's body.
type Written = Arc<Mutex<Vec<(&'static str, Vec<u8>)>>>;

struct Town {
    authority: Authority,
    resolver: Arc<SingleCertAndKey>,
    directory: SocketAddr,
    written: Written,
    _stop: DropGuard,
}

fn person(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn hour_ago() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3_600))
}

impl Town {
    fn new() -> Self {
        let authority = Authority::new(1, hour_ago());
        let (chain, key) = authority.issue_service(NAME, hour_ago());
        let certified = CertifiedKey::from_der(chain, key, &identity::tls::provider()).unwrap();
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let mut config = DirectoryConfig::new(LOOPBACK, resolver.clone(), authority.trust());
        config.timing = Timing { no_answer: Duration::from_secs(3), ..Timing::default() };
        let directory = Directory::bind(config).unwrap();
        let address = directory.local_addr();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { directory.serve(stopped).await });
        Self { authority, resolver, directory: address, written: Written::default(), _stop: stop.drop_guard() }
    }

    /// A tap for a device with this chain and key.
    fn tap(&self, device: quinn::ClientConfig) -> SocketAddr {
        let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(PersonVerifier::new(self.authority.trust())))
            .with_cert_resolver(self.resolver.clone());
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        server.transport_config(Arc::new(transport()));
        let endpoint = quinn::Endpoint::server(server, LOOPBACK).unwrap();
        let (address, directory, written) = (endpoint.local_addr().unwrap(), self.directory, self.written.clone());
        tokio::spawn(async move {
            let up = quinn::Endpoint::client(LOOPBACK).unwrap();
            while let Some(incoming) = endpoint.accept().await {
                let near = incoming.await.unwrap();
                let far = up.connect_with(device.clone(), directory, NAME).unwrap().await.unwrap();
                tokio::spawn(relay(near, far, written.clone()));
            }
        });
        address
    }

    /// Somebody who asks the directory herself.
    async fn client(&self, name: &str) -> (DirectoryClient, Receiver<DirectoryEvent>) {
        let (chain, key) = self.authority.issue_person(&person(name), hour_ago());
        let config = client_config(chain, private_key(&key), self.authority.trust()).unwrap();
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        DirectoryClient::connect(&endpoint, self.tap(config.clone()), NAME, config).await.unwrap()
    }

    /// Somebody with a whole messenger.
    fn engine(&self, name: &str, contacts: &[&str]) -> (Engine, Events) {
        let (chain, key) = self.authority.issue_person(&person(name), hour_ago());
        let device = client_config(chain.clone(), private_key(&key), self.authority.trust()).unwrap();
        let address = self.tap(device).to_string();
        let config = EngineConfig {
            identifier: person(name),
            chain,
            key: Arc::new(key),
            enrolled_under: self.authority.trust().policies()[0].fingerprint(),
            trust: self.authority.trust(),
            directory: DirectoryAddress { name: NAME.to_owned(), address },
            bind: LOOPBACK,
            offered: messenger_engine::OfferedAddresses::default(),
            pinholes: false,
            contacts: contacts.iter().map(|name| person(name)).collect(),
            presence: PresenceSettings::default(),
            bot: false,
            endorsements: Vec::new(),
            mail_certificate: Vec::new(),
            gossip: None,
            whereabouts: None,
        };
        Engine::start(config).unwrap()
    }
}

async fn relay(near: quinn::Connection, far: quinn::Connection, written: Written) {
    let (near_send, near_receive) = near.accept_bi().await.unwrap();
    let (far_send, far_receive) = far.open_bi().await.unwrap();
    tokio::select! {
        () = pump("request", near_receive, far_send, written.clone()) => far.close(0_u8.into(), b""),
        () = pump("response", far_receive, near_send, written) => near.close(0_u8.into(), b""),
    }
}

async fn pump(direction: &'static str, mut from: quinn::RecvStream, mut to: quinn::SendStream, written: Written) {
    let mut frames = FrameBuffer::new();
    while let Ok(Some(chunk)) = from.read_chunk(65_536, true).await {
        frames.push(&chunk.bytes);
        while let Some(body) = frames.next().unwrap() {
            written.lock().unwrap().push((direction, body.to_vec()));
        }
        if to.write_all(&chunk.bytes).await.is_err() {
            return;
        }
    }
}

/// Where something comes from.
trait Source<T> {
    async fn next(&mut self) -> Option<T>;
}

impl<T> Source<T> for Receiver<T> {
    async fn next(&mut self) -> Option<T> {
        self.recv().await
    }
}

impl Source<Event> for Events {
    async fn next(&mut self) -> Option<Event> {
        self.recv().await
    }
}

async fn until<T: std::fmt::Debug>(events: &mut impl Source<T>, wanted: impl Fn(&T) -> bool) -> T {
    let search = async {
        loop {
            let event = events.next().await.expect("it goes on");
            if wanted(&event) {
                return event;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("it came")
}

/// Two messengers: they see, write, hide and block.
async fn two_messengers(town: &Town) {
    let (alice, mut to_alice) = town.engine("alice", &["bob", "carol"]);
    let (bob, mut to_bob) = town.engine("bob", &["alice"]);
    let sees = |event: &Event| matches!(event, Event::Presence { who, online: true, .. } if *who == person("bob"));
    until(&mut to_alice, sees).await;
    alice
        .send(Command::Send { to: "bob@example.org".to_owned(), text: "hello".to_owned(), id: Some(1), reply_to: None })
        .await;
    until(&mut to_bob, |event| matches!(event, Event::Message { .. })).await;
    let text = Some("at lunch ☕".to_owned());
    bob.send(Command::SetStatus { status: OwnStatus::Away, text }).await;
    until(&mut to_alice, |event| matches!(event, Event::Presence { seen, .. } if seen.text.starts_with("at lunch")))
        .await;
    bob.send(Command::SetAudience {
        visible_to: Some(Seers::Named([person("alice")].into())),
        may_knock: Some(Seers::Contacts),
    })
    .await;
    bob.send(Command::Block { who: "alice@example.org".to_owned() }).await;
    until(&mut to_alice, |event| matches!(event, Event::Presence { online: false, .. })).await;
    alice.send(Command::RemoveContact { who: "carol@example.org".to_owned() }).await;
    alice.send(Command::Quit).await;
    bob.send(Command::Quit).await;
    until(&mut to_bob, |event| matches!(event, Event::Offline { .. })).await;
}

/// Three clients that use whatever there is.
async fn three_clients(town: &Town) {
    let (dora, mut to_dora) = town.client("dora").await;
    let (erin, mut to_erin) = town.client("erin").await;
    let (stranger, mut to_stranger) = town.client("frank").await;
    let details = Details { capabilities: Capabilities::VOICE, idle_s: 70_000, note: "x".repeat(200) };
    let announcement = Announcement {
        details: details.clone(),
        may_knock: Audience::Named(vec![person("dora"), person("frank")]),
        blocked: vec![person("gina")],
        ..Announcement::available((0..900).map(|n| person(&format!("contact-{n}"))).chain([person("dora")]).collect())
    };
    erin.announce(announcement).await.unwrap();
    dora.announce(Announcement::available(vec![person("erin")])).await.unwrap();
    dora.watch(vec![person("erin"), person("frank")]).await.unwrap();
    dora.look_up(&person("erin")).await.unwrap();
    dora.look_up(&person("frank")).await.unwrap();
    let wrong = Details { note: "two\nlines".to_owned(), ..details.clone() };
    erin.appear(Appearance::Invisible, wrong.clone()).await.unwrap_err();
    erin.appear(Appearance::As(Status::DoNotDisturb), details).await.unwrap();
    let invite = |call: u8, callee: &str, purpose| Invite {
        call_id: [call; 16],
        callee: person(callee),
        purpose,
        candidates: vec!["192.0.2.7:4433".parse().unwrap(), "[2001:db8::7]:65535".parse().unwrap()],
        device: None,
    };
    for (call, purpose) in [(1, Purpose::Text), (2, Purpose::Call), (3, Purpose::Room)] {
        dora.invite(invite(call, "erin", purpose)).await.unwrap();
        until(&mut to_erin, |event| matches!(event, DirectoryEvent::Incoming { .. })).await;
        let answer = match purpose {
            Purpose::Text => Answer::Accept { candidates: vec!["198.51.100.9:9".parse().unwrap()] },
            Purpose::Call => Answer::Decline,
            Purpose::Room => Answer::Busy,
        };
        erin.answer([call; 16], answer).await.unwrap();
        until(&mut to_dora, |event| match event {
            DirectoryEvent::Go { .. } => true,
            DirectoryEvent::Outcome { outcome, .. } => *outcome != Outcome::Ringing,
            _ => false,
        })
        .await;
    }
    stranger.invite(invite(4, "nobody", Purpose::Call)).await.unwrap();
    // To herself: her other devices are meant, and she has none.
    stranger.invite(invite(5, "frank", Purpose::Call)).await.unwrap();
    let no_answer = DirectoryEvent::Outcome { call_id: [4; 16], outcome: Outcome::NoAnswer };
    until(&mut to_stranger, |event| *event == no_answer).await;
    stranger.invite(invite(6, "erin", Purpose::Call)).await.unwrap();
    stranger.cancel([6; 16]).await.unwrap();
    stranger.invite(Invite { device: Some([7; 32]), ..invite(7, "erin", Purpose::Text) }).await.unwrap();
    until(&mut to_erin, |event| matches!(event, DirectoryEvent::Outcome { outcome: Outcome::Cancelled, .. })).await;
    dora.unwatch(vec![person("frank")]).await.unwrap();
    erin.close();
    until(&mut to_dora, |event| matches!(event, DirectoryEvent::Presence { presence, .. } if !presence.is_online()))
        .await;
    // The note broke the rules that the CDDL cannot express, and was refused; its frame is one all the same.
    assert!(!wrong.note_is_acceptable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_conversations_are_made_of_the_frames_in_the_cddl() {
    let Some(python) = super::python() else { return };
    let town = Town::new();
    two_messengers(&town).await;
    three_clients(&town).await;
    let written = std::mem::take(&mut *town.written.lock().unwrap());
    let judged =
        tokio::task::spawn_blocking(move || judge(&python, "directory.cddl", &written)).await.unwrap().unwrap();
    // Each request, each answer, each event.
    for number in (0..=9).chain(64..=67).chain(96..=99) {
        assert!(
            judged[number.to_string()].as_u64().is_some_and(|count| count > 0),
            "{number} was never sent: {judged}"
        );
    }
}

/// How many of each frame were judged, or what the first that is none was told.
pub(super) fn judge(
    python: &std::path::Path,
    cddl: &str,
    written: &[(&'static str, Vec<u8>)],
) -> Result<serde_json::Value, String> {
    let mut command = story::guard::guarded(python).unwrap();
    command.arg("-B").arg(super::root().join("tests/directory-client/judge.py"));
    command.arg(super::root().join("docs/spec").join(cddl));
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = String::new();
    for (direction, body) in written {
        lines.push_str(&format!("{direction} {}\n", hex::encode(body)));
    }
    // It reads everything before it says anything.
    let mut stdin = judge.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let said = judge.wait_with_output().unwrap();
    writing.join().unwrap().ok();
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&said.stdout).unwrap())
}
