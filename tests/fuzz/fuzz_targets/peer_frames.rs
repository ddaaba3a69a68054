//! What one device may send another: frames of talk and of rooms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messenger_engine::wire::{self, Channel, RoomFrame, RoomPlaintext, TalkFrame};

fuzz_target!(|bytes: &[u8]| {
    if let Some((prefix, _)) = bytes.split_first_chunk::<4>() {
        let _ = wire::body_length(*prefix, Channel::Talk);
    }
    let _ = wire::decode::<TalkFrame>(bytes);
    let _ = wire::decode::<RoomFrame>(bytes);
    let _ = wire::decode::<RoomPlaintext>(bytes);
});
