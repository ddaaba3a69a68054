//! The directory's frames, in one piece and in two; and what may be a question for one's own address, or its answer.
#![no_main]

use directory_protocol::frame::{FrameBuffer, decode_request, decode_response};
use directory_protocol::observation;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const SEEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4_433);

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_request(bytes);
    let _ = decode_response(bytes);
    let _ = observation::observed(bytes);
    if let Some(answer) = observation::answer(bytes, SEEN) {
        assert!(observation::is_stun(bytes) && observation::answer(&answer.bytes, SEEN).is_none());
        assert_eq!(observation::observed(&answer.bytes).map(|(_, seen)| seen), Some(SEEN));
    }
    let mut buffer = FrameBuffer::new();
    for part in bytes.chunks(bytes.len() / 2 + 1) {
        buffer.push(part);
        while let Ok(Some(frame)) = buffer.next() {
            let _ = decode_request(frame);
        }
    }
});
