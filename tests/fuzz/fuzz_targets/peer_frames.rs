//! What one device may send another: frames of talk, of rooms and of files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messenger_engine::wire::{self, Channel, FileHead, Mark, Page, RoomFrame, RoomPlaintext, TalkFrame};

fuzz_target!(|bytes: &[u8]| {
    if let Some((prefix, _)) = bytes.split_first_chunk::<4>() {
        let _ = wire::body_length(*prefix, Channel::Talk);
        let _ = wire::body_length(*prefix, Channel::Files);
    }
    if let Ok(Some(TalkFrame::Mark { mark: mark @ Mark::File { .. }, .. })) = wire::decode(bytes) {
        let _ = mark.is_bounded();
    }
    let _ = wire::decode::<RoomFrame>(bytes);
    let _ = wire::decode::<RoomPlaintext>(bytes);
    let _ = wire::decode::<FileHead>(bytes);
    if let Ok(Some(page)) = wire::decode::<Page>(bytes) {
        let _ = page.entries.iter().all(wire::Entry::is_bounded);
    }
});
