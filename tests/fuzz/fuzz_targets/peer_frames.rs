//! What one device may send another: frames of talk, of rooms and of files, how a room stands, the invitation to an epoch and
//! the commit by which a guest enters it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use messenger_engine::room::{Standing, is_external_commit};
use messenger_engine::wire::{self, Channel, FileHead, Mark, Page, RoomFrame, RoomPlaintext, SignedInvitation, TalkFrame};

fuzz_target!(|bytes: &[u8]| {
    if let Some((prefix, _)) = bytes.split_first_chunk::<4>() {
        let _ = wire::body_length(*prefix, Channel::Talk);
        let _ = wire::body_length(*prefix, Channel::Files);
    }
    match wire::decode(bytes) {
        Ok(Some(TalkFrame::Mark { mark: mark @ Mark::File { .. }, .. })) => {
            let _ = mark.is_bounded();
        }
        Ok(Some(TalkFrame::MailCertificate { chain })) => {
            let _ = chain.is_bounded();
        }
        _ => {}
    }
    let _ = wire::decode::<RoomFrame>(bytes);
    if let Ok(Some(said)) = wire::decode::<RoomPlaintext>(bytes) {
        let _ = said.out_of_bounds();
    }
    let _ = is_external_commit(bytes);
    if let Some(invitation) = SignedInvitation::from_bytes(bytes) {
        assert_eq!(invitation.to_bytes(), bytes);
    }
    if let Ok(standing) = Standing::from_bytes(bytes) {
        assert_eq!(standing.to_bytes(), bytes);
    }
    let _ = wire::decode::<FileHead>(bytes);
    if let Ok(Some(page)) = wire::decode::<Page>(bytes) {
        let _ = page.entries.iter().all(wire::Entry::is_bounded);
    }
});
