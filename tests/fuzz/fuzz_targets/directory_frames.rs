//! The directory's frames, in one piece and in two.
#![no_main]

use directory_protocol::frame::{FrameBuffer, decode_request, decode_response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode_request(bytes);
    let _ = decode_response(bytes);
    let mut buffer = FrameBuffer::new();
    for part in bytes.chunks(bytes.len() / 2 + 1) {
        buffer.push(part);
        while let Ok(Some(frame)) = buffer.next() {
            let _ = decode_request(frame);
        }
    }
});
