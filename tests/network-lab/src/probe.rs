//! What a router really does, found out by sending packets through it: mapping, filtering and hairpinning in the words of
//! RFC 4787, by the method of RFC 5780. The prober runs on a device behind the router; its servers on two addresses in the
//! internet, one of them on two ports.

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use story::process::{self, Running};
use story::{Context, Failure};

use crate::namespace::Namespace;
use crate::topology::OBSERVERS;
use crate::world;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How often something is tried that must not succeed by chance alone, or fail by it.
const TRIES: usize = 3;
/// The silence after which no echo comes any more.
const SILENCE: Duration = Duration::from_secs(2);
/// How long all questions may take together.
const PROBING: Duration = Duration::from_secs(30);
/// The largest message.
const MAX_BYTES: usize = 128;
/// The two ports of the servers.
const PORTS: [u16; 2] = [3478, 3479];

/// On what something depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependence {
    /// On nothing: everybody is the same.
    EndpointIndependent,
    /// On the other side's address.
    AddressDependent,
    /// On the other side's address and port.
    AddressAndPortDependent,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// On what the outside address of an inside socket depends (RFC 4787 section 4.1).
    pub mapping: Dependence,
    /// On what it depends who may send to it (section 5).
    pub filtering: Dependence,
    /// Whether two inside sockets reach each other by their outside addresses, and as these (section 6, REQ-9).
    pub hairpin: bool,
    /// Whether the outside address is another one than the device's own.
    pub translated: bool,
}

/// What became of many packets that a server sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echoes {
    /// So many came.
    pub came_back: usize,
    /// The quickest took so long.
    pub shortest: Duration,
}

/// So many packets are sent for [`Echoes`].
pub const ECHOES: usize = 500;

/// Probes from `host`, with servers in `internet`; by IPv6 or IPv4.
///
/// # Errors
/// A program cannot be started, or no server answers.
pub fn behaviour(host: &Namespace, internet: &Namespace, v6: bool) -> Result<Behaviour, Failure> {
    ask(host, internet, v6, "probe")
}

/// Has packets echoed to `host` by IPv6.
///
/// # Errors
/// A program cannot be started.
pub fn echoes(host: &Namespace, internet: &Namespace) -> Result<Echoes, Failure> {
    ask(host, internet, true, "echo")
}

/// Runs one of this program's own commands on a device, with the servers as arguments.
fn ask<T: DeserializeOwned>(host: &Namespace, internet: &Namespace, v6: bool, question: &str) -> Result<T, Failure> {
    let [one, other] = if v6 { [OBSERVERS[2], OBSERVERS[3]] } else { [OBSERVERS[0], OBSERVERS[1]] };
    let address = |ip: &str, port: u16| {
        let ip = ip.parse().context("reading an address")?;
        Ok::<_, Failure>(SocketAddr::new(ip, port).to_string())
    };
    let servers = [address(one, PORTS[0])?, address(one, PORTS[1])?, address(other, PORTS[0])?];
    let own = world::own_program()?;
    let mut serve = internet.command(&own)?;
    serve.arg("observe").args(&servers).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut observers = Running::start("the observers", serve)?;
    observers.first_line(PROBING)?;
    let mut probe = host.command(&own)?;
    probe.arg(question).args(&servers);
    let found = process::run("the prober", probe, PROBING)?.expect(0, "probing")?;
    serde_json::from_str(&found.stdout).context("reading what the prober found")
}

/// The servers: each tells whoever asks under which address it sees them, and sends to others from another one on demand.
///
/// # Errors
/// An address is not here.
pub fn observe(servers: &[SocketAddr]) -> Result<(), Failure> {
    let bind = |server: &SocketAddr| UdpSocket::bind(server).context(format!("binding {server}"));
    let sockets = servers.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    println!("observing");
    thread::scope(|scope| {
        for socket in &sockets {
            let sockets = &sockets;
            scope.spawn(move || {
                let mut buffer = [0; MAX_BYTES];
                loop {
                    let Ok((length, asker)) = socket.recv_from(&mut buffer) else { continue };
                    let question = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    // Whether an answer arrives is the asker's question.
                    let _ = answer(&question, asker, socket, sockets);
                }
            });
        }
    });
    Ok(())
}

fn answer(question: &str, asker: SocketAddr, socket: &UdpSocket, all: &[UdpSocket]) -> Option<usize> {
    if question == "where" {
        return socket.send_to(format!("seen {asker}").as_bytes(), asker).ok();
    }
    if question.starts_with("echo ") {
        return socket.send_to(question.as_bytes(), asker).ok();
    }
    let (number, address) = question.strip_prefix("from ")?.split_once(' ')?;
    let from = all.get(number.parse::<usize>().ok()?)?;
    from.send_to(format!("knock {number}").as_bytes(), address.parse::<SocketAddr>().ok()?).ok()
}

/// The prober, with the addresses of the servers: the first, the same with another port, another address.
///
/// # Errors
/// No server answers.
pub fn probe(servers: [SocketAddr; 3]) -> Result<Behaviour, Failure> {
    let own = own_address(servers[0])?;
    let socket = bind(own)?;
    let seen = [where_am_i(&socket, servers[0])?, where_am_i(&socket, servers[1])?, where_am_i(&socket, servers[2])?];
    let mapping = match seen {
        [one, port, address] if one == port && one == address => Dependence::EndpointIndependent,
        [one, port, _] if one == port => Dependence::AddressDependent,
        _ => Dependence::AddressAndPortDependent,
    };
    let translated = seen[0].ip() != own.ip();
    Ok(Behaviour { mapping, filtering: filtering(own, servers)?, hairpin: hairpin(own, servers[0])?, translated })
}

/// Which of the servers gets through to a socket that has spoken to the first one only.
fn filtering(own: SocketAddr, servers: [SocketAddr; 3]) -> Result<Dependence, Failure> {
    let (socket, control) = (bind(own)?, bind(own)?);
    let seen = where_am_i(&socket, servers[0])?;
    let gets_through = |number: usize| -> Result<bool, Failure> {
        for _ in 0..TRIES {
            let question = format!("from {number} {seen}");
            control.send_to(question.as_bytes(), servers[0]).context("asking a server to knock")?;
            if before_fence(&socket, servers[0])?.iter().any(|(words, _)| *words == format!("knock {number}")) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if !gets_through(0)? {
        return Err(Failure::new("expected a word from the server that was spoken to, came none: the line is dead"));
    }
    Ok(match () {
        () if gets_through(2)? => Dependence::EndpointIndependent,
        () if gets_through(1)? => Dependence::AddressDependent,
        () => Dependence::AddressAndPortDependent,
    })
}

/// Both sockets send to the other's outside address, so that filters let them.
fn hairpin(own: SocketAddr, server: SocketAddr) -> Result<bool, Failure> {
    let (one, other) = (bind(own)?, bind(own)?);
    let (seen_one, seen_other) = (where_am_i(&one, server)?, where_am_i(&other, server)?);
    for _ in 0..TRIES {
        // A router may answer that there is nobody, which the next call on the socket then reports.
        let _ = other.send_to(b"turn", seen_one);
        let _ = one.send_to(b"turn", seen_other);
        if let Some((_, from)) = before_fence(&other, server)?.into_iter().find(|(words, _)| words == "turn") {
            return Ok(from == seen_one);
        }
    }
    Ok(false)
}

/// What arrives before the answer to a question that is asked now. Lines keep the order of packets: what was sent before
/// that question and is not here by then does not come. So nothing has to be waited for that should not come.
fn before_fence(socket: &UdpSocket, server: SocketAddr) -> Result<Vec<(String, SocketAddr)>, Failure> {
    socket.send_to(b"where", server).context(format!("asking {server}"))?;
    let mut before = Vec::new();
    loop {
        match received(socket) {
            Some((words, from)) if from == server && words.starts_with("seen ") => return Ok(before),
            Some(heard) => before.push(heard),
            None => return Err(Failure::new(format!("expected an answer from {server}, came none"))),
        }
    }
}

/// Sends packets to a server that sends them back, one each millisecond.
///
/// # Errors
/// There is no way to it.
pub fn echo(server: SocketAddr) -> Result<Echoes, Failure> {
    let socket = bind(own_address(server)?)?;
    socket.set_read_timeout(Some(SILENCE)).context("setting a deadline")?;
    let began = Instant::now();
    let mut shortest = Duration::MAX;
    let mut came_back = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ECHOES {
                let _ = socket.send_to(format!("echo {}", began.elapsed().as_micros()).as_bytes(), server);
                thread::sleep(Duration::from_millis(1));
            }
        });
        while let Some((words, _)) = received(&socket) {
            let Some(Ok(sent)) = words.strip_prefix("echo ").map(str::parse) else { continue };
            shortest = shortest.min(began.elapsed().saturating_sub(Duration::from_micros(sent)));
            came_back += 1;
        }
    });
    Ok(Echoes { came_back, shortest })
}

fn bind(own: SocketAddr) -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::bind((own.ip(), 0)).context("binding a socket")?;
    socket.set_read_timeout(Some(ANSWER)).context("setting a deadline")?;
    Ok(socket)
}

/// The device's own address toward a server.
fn own_address(server: SocketAddr) -> Result<SocketAddr, Failure> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).context("binding a socket")?;
    socket.connect(server).context(format!("looking for a way to {server}"))?;
    socket.local_addr().context("looking at an own address")
}

fn where_am_i(socket: &UdpSocket, server: SocketAddr) -> Result<SocketAddr, Failure> {
    for _ in 0..TRIES {
        socket.send_to(b"where", server).context(format!("asking {server}"))?;
        if let Some((words, from)) = received(socket)
            && from == server
            && let Some(seen) = words.strip_prefix("seen ")
        {
            return seen.parse().context(format!("reading {seen}"));
        }
    }
    Err(Failure::new(format!("expected an answer from {server}, came none")))
}

fn received(socket: &UdpSocket) -> Option<(String, SocketAddr)> {
    let mut buffer = [0; MAX_BYTES];
    let (length, from) = socket.recv_from(&mut buffer).ok()?;
    Some((String::from_utf8_lossy(&buffer[..length]).into_owned(), from))
}
