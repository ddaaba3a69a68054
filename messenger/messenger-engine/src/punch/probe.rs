//! The probe: 28 bytes that only the two devices of one introduction (and the directory that made it) can write.
//!
//! ```text
//! 0       1       2        4              12                    28
//! | 0x0a  | kind  | number |     tag      | MAC                  |
//! ```

use std::fmt;

use directory_protocol::{ProbeKey, Role};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// How long every probe is.
pub const PROBE_BYTES: usize = 28;

/// How every probe begins. Its two highest bits are zero, which no QUIC version 1 packet has as long as both sides leave
/// the fixed bit alone (RFC 9000 section 17.2, RFC 9287), and it is none of the first bytes of STUN, ZRTP, DTLS, TURN or
/// RTP (RFC 9443).
pub const FIRST_BYTE: u8 = 0x0a;

const TAG: std::ops::Range<usize> = 4..12;
const MAC: std::ops::Range<usize> = 12..PROBE_BYTES;
const LABEL: &[u8] = b"inperson-probe-v1\0";

/// Names an introduction and a direction to whoever knows its key: what a receiver looks up before it computes anything.
pub type Tag = [u8; 8];

/// What a probe says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Whether it asks or answers.
    pub kind: Kind,
    /// Its own number; in an answer, the number of what is answered.
    pub number: u16,
}

/// The two kinds of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Asks whether its sender is heard.
    Probe = 0,
    /// Says so, to where the probe came from.
    Answer = 1,
}

/// The key of what one side sends.
#[derive(ZeroizeOnDrop)]
pub struct DirectionKey {
    key: [u8; 32],
    #[zeroize(skip)]
    tag: Tag,
}

impl DirectionKey {
    /// The key of the probes that the side with this role sends. Each direction has its own, so that nobody takes for the
    /// other's what came back from a mirror.
    pub fn of(sender: Role, probe_key: &ProbeKey) -> Self {
        let direction = match sender {
            Role::Dialler => 0,
            Role::Listener => 1,
        };
        let key = Zeroizing::new(hmac(&probe_key.0, &[LABEL, &[direction]]));
        let mut tag = Tag::default();
        tag.copy_from_slice(&hmac(&key, &[b"tag"])[..TAG.len()]);
        Self { key: *key, tag }
    }

    /// What its probes are found by.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Writes a probe.
    pub fn seal(&self, probe: Probe) -> [u8; PROBE_BYTES] {
        let mut bytes = [0; PROBE_BYTES];
        bytes[0] = FIRST_BYTE;
        bytes[1] = probe.kind as u8;
        bytes[2..TAG.start].copy_from_slice(&probe.number.to_be_bytes());
        bytes[TAG].copy_from_slice(&self.tag);
        let mac = hmac(&self.key, &[&bytes[..MAC.start]]);
        bytes[MAC].copy_from_slice(&mac[..MAC.len()]);
        bytes
    }

    /// What a probe says, if it was written with this key.
    pub fn open(&self, probe: &UnverifiedProbe) -> Option<Probe> {
        let bytes = &probe.0;
        let mut mac = keyed(&self.key);
        mac.update(&bytes[..MAC.start]);
        mac.verify_truncated_left(&bytes[MAC]).ok()?;
        let kind = match bytes[1] {
            0 => Kind::Probe,
            1 => Kind::Answer,
            _ => return None,
        };
        Some(Probe { kind, number: u16::from_be_bytes([bytes[2], bytes[3]]) })
    }
}

impl fmt::Debug for DirectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectionKey(…)")
    }
}

/// A datagram that looks like a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnverifiedProbe([u8; PROBE_BYTES]);

impl UnverifiedProbe {
    /// Takes a datagram for a probe by its length and its first byte.
    pub fn read(datagram: &[u8]) -> Option<Self> {
        let bytes: [u8; PROBE_BYTES] = datagram.try_into().ok()?;
        (bytes[0] == FIRST_BYTE).then_some(Self(bytes))
    }

    /// What its key is found by.
    pub fn tag(&self) -> Tag {
        let mut tag = Tag::default();
        tag.copy_from_slice(&self.0[TAG]);
        tag
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
