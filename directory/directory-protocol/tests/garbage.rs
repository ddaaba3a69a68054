//! Whatever arrives, reading it ends with a value or an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use directory_protocol::frame::{FrameBuffer, LENGTH_BYTES, decode_request, decode_response, encode};
use directory_protocol::limits::MAX_FRAME_BYTES;
use directory_protocol::message::{Purpose, Request};
use identity::Identifier;
use proptest::prelude::*;

fn invite(id: u32, candidates: usize) -> Request {
    Request::Invite {
        id,
        call_id: [9; 16],
        callee: Identifier::parse("bob@example.org").unwrap(),
        purpose: Purpose::Text,
        candidates: vec!["192.0.2.7:4433".parse().unwrap(); candidates],
        device: (candidates == 2).then_some([9; 32]),
    }
}

proptest! {
    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..2048)) {
        decode_request(&body).ok();
        decode_response(&body).ok();
    }

    /// Bytes that look like CBOR get deeper into the decoder.
    #[test]
    fn array_headers_and_small_numbers(body in proptest::collection::vec(prop_oneof![0u8..32, 0x40u8..0x60, 0x60u8..0x80, 0x80u8..0xa0, Just(0xf6), Just(0x9f), Just(0xff)], 0..256)) {
        decode_request(&body).ok();
        decode_response(&body).ok();
    }

    #[test]
    fn a_frame_with_one_byte_changed(position in 0usize..60, value: u8) {
        let mut body = encode(&invite(1, 2))[LENGTH_BYTES..].to_vec();
        let position = position % body.len();
        body[position] = value;
        decode_request(&body).ok();
    }

    /// However the stream is cut, the same frames come out.
    #[test]
    fn any_pieces(ids in proptest::collection::vec(any::<u32>(), 1..20), cuts in proptest::collection::vec(1usize..50, 1..200)) {
        let stream: Vec<u8> = ids.iter().flat_map(|id| encode(&invite(*id, 3))).collect();
        let mut buffer = FrameBuffer::new();
        let mut seen = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            buffer.push(piece);
            while let Some(body) = buffer.next().unwrap() {
                seen.push(body.to_vec());
            }
            buffer.shrink();
            rest = after;
            if rest.is_empty() { break }
        }
        let expected: Vec<Vec<u8>> = ids.iter().map(|id| encode(&invite(*id, 3))[LENGTH_BYTES..].to_vec()).collect();
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_kept() {
    let mut buffer = FrameBuffer::new();
    buffer.push(&u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_be_bytes());
    assert!(buffer.next().is_err());
}

#[test]
fn deep_nesting_ends() {
    let nested = [vec![0x83, 0x18, 31, 0x01], vec![0x81; MAX_FRAME_BYTES]].concat();
    assert!(decode_request(&nested).is_err());
}
