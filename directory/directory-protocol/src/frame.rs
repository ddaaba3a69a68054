//! Frames: a big-endian 32-bit length, then that many bytes of CBOR, at most [`MAX_FRAME_BYTES`].
//!
//! Pure: bytes in, values out. [`FrameBuffer`] collects what a stream delivers in pieces of any size.

use crate::limits::MAX_FRAME_BYTES;
use crate::message::{ErrorCode, Request, Response};
use minicbor::{Decode, Decoder, Encode};

/// Bytes of the length before each frame.
pub const LENGTH_BYTES: usize = 4;

/// Room for a frame that holds one identifier and little else.
const USUAL_BYTES: usize = 64;

/// Why bytes are not a frame. After any of these the stream has lost its meaning, and the connection is closed with
/// [`CloseCode::Malformed`](crate::CloseCode::Malformed).
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The announced length is beyond the limit.
    #[error("a frame has at most {MAX_FRAME_BYTES} bytes, this one announces {found}")]
    TooLong {
        /// The announced length in bytes.
        found: usize,
    },
    /// The bytes are not the CBOR of any frame.
    #[error("a frame is one CBOR array of the specified shape: {0}")]
    NotAFrame(#[from] minicbor::decode::Error),
    /// The array is followed by more bytes.
    #[error("a frame holds one CBOR item, this one has {found} bytes after it")]
    Trailing {
        /// Bytes left over.
        found: usize,
    },
}

/// The frame for a value, its length in front.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Most frames are shorter than that, and none of them should move while it grows.
    let mut frame = Vec::with_capacity(USUAL_BYTES);
    frame.extend([0; LENGTH_BYTES]);
    minicbor::encode(value, &mut frame).expect("writing to a Vec cannot fail");
    let length = u32::try_from(frame.len() - LENGTH_BYTES).expect("frames are built from bounded fields");
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    frame
}

/// The number of a frame that [`encode`] made, without looking at the rest of it.
pub fn number(frame: &[u8]) -> Option<u32> {
    let mut decoder = Decoder::new(frame.get(LENGTH_BYTES..)?);
    decoder.array().ok()??;
    decoder.u32().ok()
}

/// What a directory makes of the body of a client's frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A request to carry out.
    Request(Request),
    /// A well-formed request of a kind this version does not know: to be answered with [`ErrorCode::UnknownRequest`].
    Unknown {
        /// The request id.
        id: u32,
    },
}

impl Received {
    /// The answer that an unknown request gets.
    pub fn refusal(id: u32) -> Response {
        Response::Refused { id, error: ErrorCode::UnknownRequest, wait_ms: 0 }
    }
}

/// Reads the body of a frame sent by a client.
pub fn decode_request(body: &[u8]) -> Result<Received, FrameError> {
    match decode_one(body) {
        Ok(request) => Ok(Received::Request(request)),
        Err(FrameError::NotAFrame(error)) => {
            unknown_request(body).map(|id| Received::Unknown { id }).ok_or(error.into())
        }
        Err(error) => Err(error),
    }
}

/// Reads the body of a frame sent by a directory. `None`: well-formed, but of a kind this version does not know, to be ignored.
pub fn decode_response(body: &[u8]) -> Result<Option<Response>, FrameError> {
    match decode_one(body) {
        Ok(response) => Ok(Some(response)),
        Err(FrameError::NotAFrame(error)) if error.is_unknown_variant() && is_unknown_response(body) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The head of an array of indefinite length (RFC 8949 section 3.2.2).
const INDEFINITE_ARRAY: u8 = 0x9f;

fn decode_one<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Result<T, FrameError> {
    // Derived code would take an array of indefinite length as well.
    if body.first() == Some(&INDEFINITE_ARRAY) {
        return Err(minicbor::decode::Error::message("arrays have a definite length").into());
    }
    let mut decoder = Decoder::new(body);
    let value = decoder.decode()?;
    nothing_after(&decoder, body)?;
    Ok(value)
}

fn nothing_after(decoder: &Decoder<'_>, body: &[u8]) -> Result<(), FrameError> {
    match body.len() - decoder.position() {
        0 => Ok(()),
        found => Err(FrameError::Trailing { found }),
    }
}

/// The first request number that no version of ours uses, and the number after the last one kept for requests.
const UNKNOWN_REQUESTS: std::ops::Range<u32> = 10..32;

/// The request id of a single well-formed CBOR array whose number stands for a request of a later version.
fn unknown_request(body: &[u8]) -> Option<u32> {
    let number = leading_number(body)?;
    let mut decoder = Decoder::new(body);
    decoder.array().ok()??;
    decoder.u32().ok()?;
    UNKNOWN_REQUESTS.contains(&number).then(|| decoder.u32().ok())?
}

fn is_unknown_response(body: &[u8]) -> bool {
    leading_number(body).is_some_and(|number| (68..96).contains(&number) || (100..128).contains(&number))
}

/// The first element of the array, if the body is one well-formed CBOR array.
fn leading_number(body: &[u8]) -> Option<u32> {
    let mut decoder = Decoder::new(body);
    decoder.skip().ok()?;
    nothing_after(&decoder, body).ok()?;
    let mut decoder = Decoder::new(body);
    decoder.array().ok()??;
    decoder.u32().ok()
}

/// Collects the bytes of a stream and gives them back frame by frame.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// Where the next frame begins; what lies before has been handed out.
    start: usize,
}

impl FrameBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what the stream delivered. Call [`next`](Self::next) until it gives `None` before appending more: then the
    /// buffer holds less than one frame beyond what was appended last.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The body of the next complete frame, if there is one.
    #[allow(clippy::should_implement_trait, reason = "it lends from the buffer, which an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = &self.bytes[self.start..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let found = u32::from_be_bytes(*length) as usize;
        if found > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong { found });
        }
        if rest.len() < found {
            return Ok(None);
        }
        self.start += LENGTH_BYTES + found;
        Ok(Some(&rest[..found]))
    }

    /// Gives memory back once everything was handed out, so that an idle connection holds none.
    pub fn shrink(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes = Vec::new();
            self.start = 0;
        }
    }
}
