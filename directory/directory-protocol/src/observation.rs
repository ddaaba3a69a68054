//! Where one is seen from: STUN binding requests and their answers (RFC 8489), as little of it as that takes. No I/O.
//!
//! A directory says in ANNOUNCED where a device's connection comes from. That tells nothing about the other address family,
//! nor whether a router gives the device another address for every remote one; so it answers these as well, at its own
//! port and at a second one. Anybody may ask, and learns her own address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest request that is looked at, in bytes.
pub const MAX_REQUEST_BYTES: usize = 548;

/// Names a request: drawn at random, 96 bits (RFC 8489 section 5).
pub type Transaction = [u8; 12];

/// Its type and value; nothing if it is damaged.
type Attribute<'a> = Option<(u16, &'a [u8])>;

const HEADER: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
/// RFC 8489 section 14.2.
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// RFC 5780 section 7.2, of which the flag "change port" alone is known.
const CHANGE_REQUEST: u16 = 0x0003;
const CHANGE_PORT: [u8; 4] = [0, 0, 0, 2];
/// Attributes below it must be understood by whoever reads them (RFC 8489 section 14).
const OPTIONAL: u16 = 0x8000;

/// A request for one's own address.
pub fn request(transaction: &Transaction) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    write_header(&mut bytes, BINDING_REQUEST, 0, transaction);
    bytes
}

/// A request for one's own address, to be answered from the other port: it arrives only if what stands before the asker lets
/// in what it has not asked for.
pub fn request_from_other_port(transaction: &Transaction) -> [u8; HEADER + 8] {
    let mut bytes = [0; HEADER + 8];
    write_header(&mut bytes, BINDING_REQUEST, 8, transaction);
    bytes[HEADER..HEADER + 2].copy_from_slice(&CHANGE_REQUEST.to_be_bytes());
    bytes[HEADER + 3] = 4;
    bytes[HEADER + 4..].copy_from_slice(&CHANGE_PORT);
    bytes
}

/// What to answer, and by which of the two ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The datagram.
    pub bytes: Vec<u8>,
    /// Whether it is to leave by the port that was not asked.
    pub from_other_port: bool,
}

/// Whether a datagram is meant for this module, and not for QUIC: its type begins with two zero bits, which no packet of
/// QUIC version 1 has, and the cookie stands in its place.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0xc0 == 0 && datagram[4..8] == COOKIE
}

/// The answer to a request that came from this address; nothing to whatever else it may be. Attributes that must be
/// understood are not, but for the wish to be answered from the other port.
pub fn answer(datagram: &[u8], from: SocketAddr) -> Option<Answer> {
    if datagram.len() > MAX_REQUEST_BYTES {
        return None;
    }
    let (transaction, attributes) = read(datagram, BINDING_REQUEST)?;
    let mut from_other_port = false;
    for attribute in attributes {
        match attribute? {
            (CHANGE_REQUEST, value) if value == CHANGE_PORT => from_other_port = true,
            (kind, _) if kind < OPTIONAL => return None,
            _ => {}
        }
    }
    let value = xored(from, &transaction);
    let length = u16::try_from(4 + value.len()).ok()?;
    let mut bytes = vec![0; HEADER];
    write_header(&mut bytes, BINDING_SUCCESS, length, &transaction);
    bytes.extend_from_slice(&XOR_MAPPED_ADDRESS.to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(&value);
    Some(Answer { bytes, from_other_port })
}

/// The transaction of a successful answer and the address in it.
pub fn observed(datagram: &[u8]) -> Option<(Transaction, SocketAddr)> {
    let (transaction, attributes) = read(datagram, BINDING_SUCCESS)?;
    for attribute in attributes {
        let (kind, value) = attribute?;
        if kind == XOR_MAPPED_ADDRESS {
            return Some((transaction, unxored(value, &transaction)?));
        }
    }
    None
}

fn write_header(bytes: &mut [u8], kind: u16, length: u16, transaction: &Transaction) {
    bytes[..2].copy_from_slice(&kind.to_be_bytes());
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..8].copy_from_slice(&COOKIE);
    bytes[8..HEADER].copy_from_slice(transaction);
}

/// The transaction and the attributes of a message of this kind; an attribute that ends beyond the message is none.
fn read(datagram: &[u8], kind: u16) -> Option<(Transaction, impl Iterator<Item = Attribute<'_>>)> {
    let (header, mut rest) = datagram.split_at_checked(HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != kind.to_be_bytes() || header[4..8] != COOKIE || length != rest.len() || !length.is_multiple_of(4)
    {
        return None;
    }
    let mut transaction = Transaction::default();
    transaction.copy_from_slice(&header[8..]);
    let attributes = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = attribute(rest);
        rest = attribute.map(|(.., after)| after).unwrap_or_default();
        Some(attribute.map(|(kind, value, _)| (kind, value)))
    });
    Some((transaction, attributes))
}

/// The first attribute, its value padded to a multiple of four bytes, and what follows.
fn attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(4)?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (padded, after) = rest.split_at_checked(length.next_multiple_of(4))?;
    Some((u16::from_be_bytes([head[0], head[1]]), &padded[..length], after))
}

/// What an address is mixed with (RFC 8489 section 14.2), so that routers that rewrite addresses in passing do not find it.
fn mask(transaction: &Transaction) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE);
    mask[4..].copy_from_slice(transaction);
    mask
}

fn xored(address: SocketAddr, transaction: &Transaction) -> Vec<u8> {
    let (family, ip): (u8, Vec<u8>) = match address.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mask = mask(transaction);
    let [high, low] = address.port().to_be_bytes();
    let mut value = vec![0, family, high ^ mask[0], low ^ mask[1]];
    value.extend(ip.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
    value
}

fn unxored(value: &[u8], transaction: &Transaction) -> Option<SocketAddr> {
    let (head, ip) = value.split_at_checked(4)?;
    let mask = mask(transaction);
    let port = u16::from_be_bytes([head[2] ^ mask[0], head[3] ^ mask[1]]);
    let plain: Vec<u8> = ip.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip: IpAddr = match (head[1], ip.len()) {
        (1, 4) => Ipv4Addr::from(<[u8; 4]>::try_from(plain).ok()?).into(),
        (2, 16) => Ipv6Addr::from(<[u8; 16]>::try_from(plain).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 section 2.1, without the attributes that need a password: the transaction of its vectors.
    const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_addresses_of_rfc_5769() {
        // Sections 2.2 and 2.3: the values of XOR-MAPPED-ADDRESS.
        let cases = [
            ("192.0.2.1:32853", "0001a147e112a643"),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
        ];
        for (address, value) in cases {
            let value = hex::decode(value).unwrap();
            assert_eq!(xored(at(address), &TRANSACTION), value);
            assert_eq!(unxored(&value, &TRANSACTION), Some(at(address)));
        }
    }

    #[test]
    fn a_request_is_answered_with_where_it_came_from() {
        for address in ["192.0.2.1:32853", "[2001:db8::7]:1"] {
            let answered = answer(&request(&TRANSACTION), at(address)).unwrap();
            assert_eq!(observed(&answered.bytes), Some((TRANSACTION, at(address))));
            assert!(!answered.from_other_port);
            let otherwise = answer(&request_from_other_port(&TRANSACTION), at(address)).unwrap();
            assert_eq!(otherwise, Answer { from_other_port: true, ..answered });
        }
        let mapped = answer(&request(&TRANSACTION), at("[::ffff:192.0.2.1]:32853")).unwrap();
        assert_eq!(observed(&mapped.bytes), Some((TRANSACTION, at("192.0.2.1:32853"))));
    }

    #[test]
    fn the_sample_request_of_rfc_5769_wants_more_than_is_understood() {
        // Its USERNAME and MESSAGE-INTEGRITY must be understood.
        let sample = [
            "000100582112a442b7e7a701bc34d686fa87dfae",
            "802200105354554e207465737420636c69656e74",
            "002400046e0001ff",
            "80290008932ff9b151263b36",
            "000600096576746a3a68367659202020",
            "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2",
            "80280004e57a3bcf",
        ];
        let sample = hex::decode(sample.concat()).unwrap();
        assert!(is_stun(&sample));
        assert_eq!(answer(&sample, at("192.0.2.1:1")), None);
    }

    #[test]
    fn attributes_that_need_not_be_understood_are_passed_over() {
        let mut asked = request(&TRANSACTION).to_vec();
        asked.extend_from_slice(&[0x80, 0x22, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0]);
        asked[3] = 12;
        assert!(answer(&asked, at("192.0.2.1:1")).is_some());
    }

    #[test]
    fn anything_else_gets_no_answer() {
        let good = request(&TRANSACTION);
        let from = at("192.0.2.1:1");
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], from), None);
        }
        for bit in 0..64 {
            let mut other = good;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(answer(&other, from), None, "bit {bit}");
        }
        let answered = answer(&good, from).unwrap();
        assert_eq!(answer(&answered.bytes, from), None, "or two directories would talk for ever");
        // Another address (RFC 5780's "change IP") is not to be had.
        let mut elsewhere = request_from_other_port(&TRANSACTION);
        elsewhere[27] = 6;
        assert_eq!(answer(&elsewhere, from), None);
        // An attribute that ends beyond the message; a message too long.
        let mut cut = good.to_vec();
        cut.extend_from_slice(&[0x80, 0x22, 0xff, 0xff]);
        cut[3] = 4;
        assert_eq!(answer(&cut, from), None);
        let mut long = [&good[..], &[0x80, 0x22, 2, 12], &[0; 524]].concat();
        long[2..4].copy_from_slice(&528_u16.to_be_bytes());
        assert_eq!(long.len(), MAX_REQUEST_BYTES);
        assert!(answer(&long, from).is_some());
        long.extend_from_slice(&[0x80, 0x22, 0, 0]);
        long[2..4].copy_from_slice(&532_u16.to_be_bytes());
        assert_eq!(answer(&long, from), None);
    }

    #[test]
    fn no_answer_is_longer_than_half_a_packet_more() {
        let longest = answer(&request(&TRANSACTION), at("[2001:db8::7]:1")).unwrap();
        assert_eq!(longest.bytes.len(), 44, "20 bytes asked for it; with IPv6 and UDP, 92 to 68");
    }
}
