//! What devices say to each other (docs/spec/peer.md): frames on unidirectional QUIC streams.
//!
//! Each side opens at most one stream of each [`Channel`], and one for each transfer of files that runs; its first byte names the channel, then frames follow: a
//! 4-byte big-endian length and a body of that length. A body is one CBOR item (RFC 8949) followed by zero bytes up to
//! a bucket size, so that an onlooker who counts bytes learns little about lengths.

mod circular;
mod file;
mod invitation;
mod letter;
mod mail;
mod mark;
mod order;
mod room;
mod room_text;
mod talk;
mod views;
mod vouchers;

use minicbor::{Decode, Encode};

pub use circular::{Circular, Circulated};
pub use file::{
    End, Entry, FileHead, FileWord, HASH_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_FILE_NAME_BYTES, MAX_MANIFEST_BYTES,
    MAX_MEDIA_TYPE_BYTES, MAX_PATH_BYTES, MAX_SIZE, Outline, PAGE_BYTES, Page, Wanted,
};
pub use invitation::{Invited, SignedInvitation};
pub use letter::{Enclosed, Letter};
pub use mail::{MAX_MAIL_CHAIN, MailChain};
pub use mark::{Author, MAX_READ, Mark, Target, is_emoji};
pub use order::{Acknowledged, Claimed, Granted, Head, QuotedAck, Signature, SignedGrant, SignedHead, Whereabouts};
pub use room::RoomFrame;
pub use room_text::{MAX_ROOM_TEXT_ID, RoomFile, RoomMark, RoomPlaintext, RoomTarget};
pub use talk::{Ack, NumberedFrame, Progress, Resume, TalkFrame, capability};
pub use views::{Contradiction, MAX_CHECKPOINT_BYTES, MAX_CONTRADICTIONS, MAX_PROOF, MAX_VIEWS, PolicyView, Views};
pub use vouchers::{MAX_VOUCHERS, Vouchers};

/// The application protocol of a peer connection (RFC 7301).
pub const ALPN: &[u8] = b"inperson/1";

/// The server name every dialler sends: a constant, so that it says nothing.
pub const SERVER_NAME: &str = "inperson";

/// The newest version of the frames that this crate speaks.
pub const VERSION: u16 = 1;

/// The smallest body: every acknowledgement and every short text is this long.
pub const SMALLEST_BUCKET_BYTES: usize = 256;

/// A frame begins with the length of its body.
const PREFIX_BYTES: usize = 4;

/// As long as a frame is at least.
pub(crate) const SMALLEST_FRAME_BYTES: usize = PREFIX_BYTES + SMALLEST_BUCKET_BYTES;

/// What a stream carries; its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Texts and acknowledgements: [`TalkFrame`]s of at most 64 KiB.
    Talk,
    /// The making and changing of rooms: [`RoomFrame`]s of at most 2 MiB, because a post-quantum welcome is large. On a
    /// stream of its own, so that no text waits behind one.
    Rooms,
    /// Files: a [`FileHead`], then the bytes of files, or [`Page`]s of a manifest, which are frames.
    Files,
}

impl Channel {
    /// The byte that opens a stream of this channel.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Talk => 1,
            Self::Rooms => 2,
            Self::Files => 3,
        }
    }

    /// The channel of a stream that begins with this byte; `None` for channels of later versions, whose streams are
    /// refused with [`Close::UNKNOWN_CHANNEL`].
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Talk),
            2 => Some(Self::Rooms),
            3 => Some(Self::Files),
            _ => None,
        }
    }

    /// The longest body on this channel.
    pub const fn max_body_bytes(self) -> usize {
        match self {
            Self::Talk | Self::Files => 64 * 1024,
            Self::Rooms => 2 * 1024 * 1024,
        }
    }
}

/// QUIC application error codes (RFC 9000 section 20.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close(pub u32);

impl Close {
    /// An orderly end: nothing to say for a while, or the program ends.
    pub const DONE: Self = Self(0);
    /// The other side broke the protocol.
    pub const PROTOCOL: Self = Self(1);
    /// The other side is not whom the directory introduced, or was not introduced at all. Says that nothing it sent was read.
    pub const NOT_INTRODUCED: Self = Self(2);
    /// A certificate of this connection is past its end, or no longer accepted.
    pub const EXPIRED: Self = Self(3);
    /// The other side stopped reading.
    pub const STALLED: Self = Self(4);
    /// A stream of a channel this version does not know (used to stop the stream, not the connection).
    pub const UNKNOWN_CHANNEL: Self = Self(5);
    /// The session goes on on another connection.
    pub const MOVED: Self = Self(6);
    /// The other side wants to go on with a session that it cannot prove to be its own.
    pub const NOT_ITS_SESSION: Self = Self(7);
    /// On a stream of the files channel, not on a connection: it is not wanted, or cannot go on; what is said on the talk
    /// channel tells why.
    pub const HALTED: Self = Self(8);
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced body is longer than the channel allows.
    #[error("expected a body of at most {max} bytes, found {found}")]
    TooLong {
        /// The channel's limit.
        max: usize,
        /// What was announced.
        found: usize,
    },
    /// The body is not the CBOR of a frame.
    #[error("expected a frame in CBOR, found: {0}")]
    Cbor(String),
    /// Something other than zeros follows the item.
    #[error("expected zeros after the frame, found another byte at {at}")]
    Padding {
        /// Offset in the body.
        at: usize,
    },
}

/// The frame with its length prefix and padding, ready for a stream of `channel`.
///
/// # Errors
/// [`FrameError::TooLong`] if it does not fit.
pub fn encode<T: Encode<()>>(frame: &T, channel: Channel) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::with_capacity(SMALLEST_FRAME_BYTES);
    encode_onto(frame, channel, &mut bytes)?;
    Ok(bytes)
}

/// As [`encode`], behind what is there already.
///
/// # Errors
/// [`FrameError::TooLong`] if it does not fit; then nothing was added.
pub fn encode_onto<T: Encode<()>>(frame: &T, channel: Channel, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = bytes.len();
    let body = start + PREFIX_BYTES;
    bytes.extend_from_slice(&[0; PREFIX_BYTES]);
    minicbor::encode(frame, &mut *bytes).expect("writing to a vector cannot fail");
    let (max, found) = (channel.max_body_bytes(), bytes.len() - body);
    if found > max {
        bytes.truncate(start);
        return Err(FrameError::TooLong { max, found });
    }
    let padded = bucket(found);
    bytes[start..body].copy_from_slice(&u32::try_from(padded).expect("at most 2 MiB").to_be_bytes());
    bytes.resize(body + padded, 0);
    Ok(())
}

/// The body length that a prefix announces, if the channel allows it. Checked before a byte of the body is read or
/// memory for it is taken.
///
/// # Errors
/// [`FrameError::TooLong`].
pub fn body_length(prefix: [u8; 4], channel: Channel) -> Result<usize, FrameError> {
    let max = channel.max_body_bytes();
    let found = u32::from_be_bytes(prefix) as usize;
    if found > max { Err(FrameError::TooLong { max, found }) } else { Ok(found) }
}

/// The frame in a body; `None` for a frame of a kind this version does not know, which is skipped.
///
/// # Errors
/// [`FrameError::Cbor`] or [`FrameError::Padding`].
pub fn decode<'b, T: Decode<'b, ()>>(body: &'b [u8]) -> Result<Option<T>, FrameError> {
    let mut decoder = minicbor::Decoder::new(body);
    let frame = match decoder.decode() {
        Ok(frame) => Some(frame),
        Err(error) if error.is_unknown_variant() => {
            decoder.set_position(0);
            decoder.skip().map_err(|e| FrameError::Cbor(e.to_string()))?;
            None
        }
        Err(error) => return Err(FrameError::Cbor(error.to_string())),
    };
    let (end, padding) = (decoder.position(), &body[decoder.position()..]);
    // Most of a short frame is padding: all of it at once is far quicker than byte by byte.
    if padding.iter().fold(0, |all, byte| all | byte) == 0 {
        return Ok(frame);
    }
    let offset = padding.iter().position(|byte| *byte != 0).unwrap_or_default();
    Err(FrameError::Padding { at: end + offset })
}

/// The bucket for a body: the next power of two from 256 bytes on.
fn bucket(length: usize) -> usize {
    length.next_power_of_two().max(SMALLEST_BUCKET_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two() {
        for (length, expected) in [(0, 256), (1, 256), (256, 256), (257, 512), (65_536, 65_536), (700_000, 1 << 20)] {
            assert_eq!(bucket(length), expected, "{length}");
        }
    }

    #[test]
    fn a_long_prefix_is_refused_before_reading() {
        assert_eq!(body_length([0xff; 4], Channel::Talk), Err(FrameError::TooLong { max: 65_536, found: 0xffff_ffff }));
        assert_eq!(body_length([0, 16, 0, 0], Channel::Rooms), Ok(1 << 20));
    }

    #[test]
    fn a_frame_survives_the_wire_and_its_length_tells_little() {
        let short = TalkFrame::Text { number: 1, id: 7, text: "a".into(), reply: None };
        let longer = TalkFrame::Text { number: 2, id: 8, text: "a".repeat(200), reply: None };
        let a = encode(&short, Channel::Talk).unwrap();
        let b = encode(&longer, Channel::Talk).unwrap();
        assert_eq!((a.len(), b.len()), (260, 260));
        assert_eq!(decode::<TalkFrame>(&a[4..]), Ok(Some(short)));
    }

    #[test]
    fn the_bytes_of_an_acknowledgement() {
        let bytes = encode(&TalkFrame::Ack { acks: vec![Ack { number: 5, refused: None }] }, Channel::Talk).unwrap();
        let expected = [
            0x00, 0x00, 0x01, 0x00, // length 256
            0x82, // array of 2
            0x03, // kind 3: acknowledgements
            0x81, // one of them
            0x81, 0x05, // [number 5]: taken
        ];
        assert_eq!(bytes[..expected.len()], expected);
        assert!(bytes[expected.len()..].iter().all(|b| *b == 0));
    }

    #[test]
    fn the_bytes_of_a_hello_that_resumes() {
        let progress = Progress { received: 5, unanswered: 300, room_frames: 0 };
        let resume = Some(Resume { session: [0x5e; 16], proof: [0x9f; 32], progress });
        let hello = TalkFrame::Hello { version: 1, run: [0xaa; 8], capabilities: 19, resume, endorsements: None };
        let bytes = encode(&hello, Channel::Talk).unwrap();
        let expected: Vec<u8> = [
            &[0x00, 0x00, 0x01, 0x00][..], // length 256
            &[0x85, 0x00, 0x01],           // array of 5: kind 0, version 1
            &[0x48],
            &[0xaa; 8],    // run
            &[0x13, 0x83], // capabilities; the session that goes on:
            &[0x50],
            &[0x5e; 16], // its name
            &[0x58, 0x20],
            &[0x9f; 32],                           // the proof
            &[0x83, 0x05, 0x19, 0x01, 0x2c, 0x00], // 5 received, 300 unanswered, no room frames
        ]
        .concat();
        assert_eq!(bytes[..expected.len()], expected);
        assert!(bytes[expected.len()..].iter().all(|b| *b == 0));
        assert_eq!(decode::<TalkFrame>(&bytes[4..]), Ok(Some(hello)));
        let plain = TalkFrame::Hello { version: 1, run: [0xaa; 8], capabilities: 19, resume: None, endorsements: None };
        assert_eq!(encode(&plain, Channel::Talk).unwrap()[4..7], [0x84, 0x00, 0x01], "as before");
    }

    #[test]
    fn the_bytes_of_a_hello_of_an_endorsed_device() {
        let endorsements = Some(Vouchers(vec![vec![0xe1; 3].into(), vec![0xe2].into()]));
        let hello = TalkFrame::Hello { version: 1, run: [0xaa; 8], capabilities: 19, resume: None, endorsements };
        let bytes = encode(&hello, Channel::Talk).unwrap();
        let expected: Vec<u8> = [
            &[0x00, 0x00, 0x01, 0x00][..], // length 256
            &[0x86, 0x00, 0x01],           // array of 6: kind 0, version 1
            &[0x48],
            &[0xaa; 8],                                  // run
            &[0x13, 0xf6],                               // capabilities; no session goes on
            &[0x82, 0x43, 0xe1, 0xe1, 0xe1, 0x41, 0xe2], // two endorsements
        ]
        .concat();
        assert_eq!(bytes[..expected.len()], expected);
        assert_eq!(decode::<TalkFrame>(&bytes[4..]), Ok(Some(hello)));
    }

    #[test]
    fn unknown_kinds_are_skipped_and_unknown_members_ignored() {
        let body = [0x82, 0x18, 0x63, 0x01, 0, 0]; // [99, 1]
        assert_eq!(decode::<TalkFrame>(&body), Ok(None));
        // [1, 1, 7, "a", null, 0]: a text that answers none, with a member of a later version
        let body = [0x86, 0x01, 0x01, 0x07, 0x61, 0x61, 0xf6, 0x00];
        assert_eq!(
            decode::<TalkFrame>(&body),
            Ok(Some(TalkFrame::Text { number: 1, id: 7, text: "a".into(), reply: None }))
        );
    }

    #[test]
    fn bytes_after_the_frame_must_be_zero() {
        let mut bytes =
            encode(&TalkFrame::Text { number: 1, id: 7, text: "a".into(), reply: None }, Channel::Talk).unwrap();
        *bytes.last_mut().unwrap() = 1;
        assert_eq!(decode::<TalkFrame>(&bytes[4..]), Err(FrameError::Padding { at: 255 }));
    }

    #[test]
    fn garbage_never_panics() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..600 {
            let body: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            let _ = decode::<TalkFrame>(&body);
            let _ = decode::<RoomFrame>(&body);
            let _ = decode::<RoomPlaintext>(&body);
            let _ = decode::<FileHead>(&body);
            let _ = decode::<Page>(&body);
        }
    }
}
