//! Asking a router by PCP (RFC 6887) to let in what comes for one UDP port: requests and answers as bytes, and one exchange.
//! Requests leave from the address that the hole is for: a router compares the two (section 8.1), and for IPv6 the system
//! would choose another toward a router's link-local address. That is why no library asks: none can be told from where.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

/// Where a router listens (RFC 6887 section 19.1).
pub(super) const PORT: u16 = 5351;
/// The version of the protocol; 0 is NAT-PMP, an older one.
const VERSION: u8 = 2;
/// The operation, and the bit that marks an answer (sections 7.1 and 7.2).
const MAP: u8 = 1;
const ANSWER: u8 = 0x80;
/// The number of UDP among protocols.
const UDP: u8 = 17;
/// A header and what MAP adds (section 11.1).
const HEADER_BYTES: usize = 24;
const MAP_BYTES: usize = 60;
/// No message is longer (section 7).
const MAX_BYTES: usize = 1100;
/// How long each try waits. The RFC begins with 3 s, for servers far away; a router on the same link answers in milliseconds.
const WAITS: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];
/// A router may promise more; nothing is relied on for longer than a day (section 15).
const LONGEST: u32 = 24 * 60 * 60;

/// Which hole is meant. The same number renews and closes it (section 11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) inside: SocketAddr,
    pub(super) nonce: [u8; 12],
    /// What the router gave before, so that it gives the same again.
    pub(super) outside: Option<SocketAddr>,
    /// In seconds; 0 closes.
    pub(super) lifetime: u32,
}

/// What a router granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) outside: SocketAddr,
    pub(super) lifetime: Duration,
}

/// Why there is no hole.
#[derive(Debug, thiserror::Error)]
pub(super) enum PcpError {
    #[error("nobody answers PCP at {0}")]
    Silent(SocketAddr),
    #[error("no way to the router: {0}")]
    Socket(#[from] io::Error),
    #[error("the router refuses by PCP: {}", reason(*.0))]
    Refused(u8),
    #[error("the router opens nothing by PCP")]
    Nothing,
}

/// What a result code means (section 7.4).
fn reason(code: u8) -> String {
    let known = match code {
        1 => "it speaks another version",
        2 => "not authorized",
        8 => "no resources left",
        9 => "protocol not supported",
        10 => "too many holes already",
        11 => "the outer address is not to be had",
        12 => "a router in between changes addresses",
        other => return format!("code {other}"),
    };
    known.to_owned()
}

impl Request {
    /// The bytes of a MAP request (sections 7.1 and 11.1).
    pub(super) fn to_bytes(self) -> [u8; MAP_BYTES] {
        let mut bytes = [0; MAP_BYTES];
        bytes[0] = VERSION;
        bytes[1] = MAP;
        bytes[4..8].copy_from_slice(&self.lifetime.to_be_bytes());
        bytes[8..24].copy_from_slice(&octets(self.inside.ip()));
        bytes[24..36].copy_from_slice(&self.nonce);
        bytes[36] = UDP;
        bytes[40..42].copy_from_slice(&self.inside.port().to_be_bytes());
        let any = match self.inside.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // Closing names no address (section 15).
        let outside = self.outside.filter(|_| self.lifetime > 0).unwrap_or(SocketAddr::new(any, 0));
        bytes[42..44].copy_from_slice(&outside.port().to_be_bytes());
        bytes[44..60].copy_from_slice(&octets(outside.ip()));
        bytes
    }

    /// Reads an answer; nothing if it is none to this request, which is then waited for on (section 8.3).
    fn answered(&self, bytes: &[u8]) -> Option<Result<Granted, PcpError>> {
        // NAT-PMP, the older protocol, says so in eight bytes (RFC 6886 section 3.5, RFC 6887 section 9).
        if bytes.len() >= 8 && bytes[0] != VERSION && bytes[1] & ANSWER != 0 {
            return Some(Err(PcpError::Refused(1)));
        }
        if bytes.len() < HEADER_BYTES || bytes.len() > MAX_BYTES || !bytes.len().is_multiple_of(4) {
            return None;
        }
        if bytes[1] != ANSWER | MAP {
            return None;
        }
        let refused = |code| Some(Err(PcpError::Refused(code)));
        let Some(map) = bytes.get(HEADER_BYTES..MAP_BYTES) else {
            // An error about a request that was not understood may be as short as its header.
            return if bytes[3] == 0 { None } else { refused(bytes[3]) };
        };
        let is_mine = map[..12] == self.nonce && map[12] == UDP && map[16..18] == self.inside.port().to_be_bytes();
        if !is_mine {
            return None;
        }
        if bytes[3] != 0 {
            return refused(bytes[3]);
        }
        let ip: [u8; 16] = map[20..36].try_into().ok()?;
        let port = u16::from_be_bytes([map[18], map[19]]);
        let lifetime = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]).min(LONGEST);
        let outside = SocketAddr::new(Ipv6Addr::from(ip).to_canonical(), port);
        if self.lifetime > 0 && (port == 0 || outside.ip().is_unspecified() || lifetime == 0) {
            return Some(Err(PcpError::Nothing));
        }
        Some(Ok(Granted { outside, lifetime: Duration::from_secs(lifetime.into()) }))
    }

    /// Asks the router, a few times if it is silent.
    pub(super) async fn ask(self, router: SocketAddr) -> Result<Granted, PcpError> {
        let socket = self.socket(router).await?;
        let request = self.to_bytes();
        for wait in WAITS {
            let answer = tokio::time::timeout(wait, async {
                socket.send(&request).await?;
                self.listen(&socket).await
            });
            match answer.await {
                // Nobody listens there (ICMP).
                Ok(Err(PcpError::Socket(error))) if error.kind() == io::ErrorKind::ConnectionRefused => break,
                Ok(answer) => return answer,
                Err(_) => continue,
            }
        }
        Err(PcpError::Silent(router))
    }

    /// Has the hole closed.
    pub(super) async fn close(self, router: SocketAddr) -> Result<(), PcpError> {
        Self { lifetime: 0, ..self }.ask(router).await.map(drop)
    }

    /// Sends it and waits for nothing.
    pub(super) async fn send_once(self, router: SocketAddr) -> Result<(), PcpError> {
        self.socket(router).await?.send(&self.to_bytes()).await?;
        Ok(())
    }

    async fn socket(&self, router: SocketAddr) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddr::new(self.inside.ip(), 0)).await?;
        socket.connect(router).await?;
        Ok(socket)
    }

    async fn listen(&self, socket: &UdpSocket) -> Result<Granted, PcpError> {
        // One more byte than the longest: what fills it is longer, and none.
        let mut bytes = [0; MAX_BYTES + 1];
        loop {
            let length = socket.recv(&mut bytes).await?;
            if let Some(answer) = self.answered(&bytes[..length]) {
                return answer;
            }
        }
    }
}

/// IPv4 addresses are mapped into IPv6 (section 5).
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let nonce = *b"twelve bytes";
        Request { inside: "192.168.1.7:4000".parse().unwrap(), nonce, outside: None, lifetime: 1_800 }
    }

    /// What a router says to `request`, with this result code.
    fn answer(request: &[u8], code: u8) -> Vec<u8> {
        let mut answer = request.to_vec();
        answer[1] |= ANSWER;
        answer[3] = code;
        answer[4..8].copy_from_slice(&900_u32.to_be_bytes());
        answer[8..24].fill(0);
        answer[42..44].copy_from_slice(&61_000_u16.to_be_bytes());
        answer[44..60].copy_from_slice(&octets("203.0.113.1".parse().unwrap()));
        answer
    }

    #[test]
    fn a_request_is_what_the_rfc_draws() {
        let expected = "02010000 00000708 00000000000000000000ffffc0a80107 7477656c7665206279746573 11000000 0fa0 0000 \
                        00000000000000000000ffff00000000";
        assert_eq!(hex::encode(request().to_bytes()), expected.replace(' ', ""));
        let again = Request { outside: Some("203.0.113.1:61000".parse().unwrap()), ..request() }.to_bytes();
        assert_eq!(hex::encode(&again[40..]), "0fa0ee4800000000000000000000ffffcb007101");
        let closing = Request { lifetime: 0, outside: Some("203.0.113.1:61000".parse().unwrap()), ..request() };
        assert_eq!(hex::encode(&closing.to_bytes()[40..]), "0fa0000000000000000000000000ffff00000000");
        let ipv6 = Request { inside: "[2001:db8::7]:4000".parse().unwrap(), ..request() }.to_bytes();
        assert_eq!(hex::encode(&ipv6[8..24]), "20010db8000000000000000000000007");
        assert_eq!(ipv6[44..], [0; 16]);
    }

    #[test]
    fn an_answer_says_where_and_for_how_long() {
        let granted = request().answered(&answer(&request().to_bytes(), 0)).unwrap().unwrap();
        let outside = "203.0.113.1:61000".parse().unwrap();
        assert_eq!(granted, Granted { outside, lifetime: Duration::from_secs(900) });
        let mut for_ever = answer(&request().to_bytes(), 0);
        for_ever[4..8].fill(0xff);
        assert_eq!(request().answered(&for_ever).unwrap().unwrap().lifetime, Duration::from_secs(86_400));
    }

    #[test]
    fn refusals_are_told() {
        let told = |bytes: &[u8]| request().answered(bytes).map(|answer| answer.unwrap_err().to_string());
        let bytes = request().to_bytes();
        assert_eq!(
            told(&answer(&bytes, 12)).unwrap(),
            "the router refuses by PCP: a router in between changes addresses"
        );
        assert_eq!(told(&answer(&bytes, 99)).unwrap(), "the router refuses by PCP: code 99");
        assert!(told(&answer(&bytes, 3)[..24]).unwrap().contains("code 3"), "a header alone");
        let nat_pmp = [0, 0x80, 0, 1, 0, 0, 0x30, 0x39];
        assert!(told(&nat_pmp).unwrap().contains("another version"));
        let mut nowhere = answer(&bytes, 0);
        nowhere[56..60].fill(0);
        assert_eq!(told(&nowhere).unwrap(), "the router opens nothing by PCP");
    }

    #[test]
    fn what_is_no_answer_to_it_is_passed_over() {
        let good = answer(&request().to_bytes(), 0);
        for at in [1, 24, 35, 36, 40, 41] {
            let mut other = good.clone();
            other[at] ^= 1;
            assert!(request().answered(&other).is_none(), "byte {at}");
        }
        for length in 0..good.len() {
            assert!(request().answered(&good[..length]).is_none(), "{length} bytes");
        }
        let long = [&good[..], &[0; MAX_BYTES]].concat();
        assert!(request().answered(&long).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(mut bytes: Vec<u8>, keep in 0..MAP_BYTES) {
            let _ = request().answered(&bytes);
            // The same behind a good beginning.
            bytes.splice(0..0, answer(&request().to_bytes(), 0)[..keep].iter().copied());
            let _ = request().answered(&bytes);
        }
    }

    #[tokio::test]
    async fn a_silent_router_is_asked_again() {
        let router = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = router.local_addr().unwrap();
        let request = Request { inside: "127.0.0.1:4000".parse().unwrap(), ..request() };
        let answering = async {
            let mut bytes = [0; MAX_BYTES];
            let (_, _) = router.recv_from(&mut bytes).await.unwrap();
            let (length, from) = router.recv_from(&mut bytes).await.unwrap();
            router.send_to(b"not this", from).await.unwrap();
            router.send_to(&answer(&bytes[..length], 0), from).await.unwrap();
        };
        let (granted, ()) = tokio::join!(request.ask(at), answering);
        assert_eq!(granted.unwrap().outside, "203.0.113.1:61000".parse().unwrap());
    }
}
