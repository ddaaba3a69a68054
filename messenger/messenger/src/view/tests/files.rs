//! Files in a conversation.

use identity::trust::Fingerprint;
use messenger_engine::{Direction, TransferId, TransferState};

use super::*;
use crate::places::Places;

fn offered(n: u8, name: &str, bytes: u64) -> Event {
    Event::FileOffered {
        transfer: TransferId([n; 16]),
        from: who("bob"),
        device: Fingerprint([1; 32]),
        room: None,
        name: name.to_owned(),
        folder: false,
        files: 1,
        bytes,
        media_type: Some("image/jpeg".to_owned()),
    }
}

fn stands(n: u8, direction: Direction, name: &str, state: TransferState, by: Option<Side>) -> Event {
    Event::FileState {
        transfer: TransferId([n; 16]),
        with: who("bob"),
        direction,
        name: name.to_owned(),
        state,
        by,
        reason: (state == TransferState::Failed).then(|| "the disk is full: 2 GB are free".to_owned()),
        path: (state == TransferState::Done && direction == Direction::In)
            .then(|| format!("/home/alice/Downloads/{name}")),
        left_out: (name == "notes").then_some(2),
    }
}

fn goes(n: u8, direction: Direction, done: u64, bytes: u64) -> Event {
    let (transfer, with) = (TransferId([n; 16]), who("bob"));
    Event::FileProgress { transfer, with, direction, done, bytes, rate: 12_500_000, left_s: Some(65) }
}

/// Files in every state.
fn files(size: (u16, u16)) -> App {
    let home = std::path::PathBuf::from("/home/alice");
    let mut app = online(&["bob"], size).placed(Places { downloads: home.join("Downloads"), home });
    let events = [
        offered(1, "picnic.jpg", 2_400_000),
        stands(1, Direction::In, "picnic.jpg", TransferState::Done, None),
        stands(
            2,
            Direction::Out,
            "holiday in the mountains, the whole of it, uncut and with sound.mkv",
            TransferState::Running,
            None,
        ),
        goes(2, Direction::Out, 730_000_000, 1_700_000_000),
        offered(3, "\u{202e}gpj.exe\x1b[2J", 900),
        stands(3, Direction::In, "\u{202e}gpj.exe\x1b[2J", TransferState::Refused, None),
        offered(4, "talk.ogg", 60_000_000_000),
        stands(4, Direction::In, "talk.ogg", TransferState::Failed, None),
        stands(5, Direction::Out, "notes", TransferState::Paused, Some(Side::Them)),
        goes(5, Direction::Out, 10, 40),
        offered(6, "table.jpg", 3_100_000),
    ];
    for event in events {
        app.hear(event, at(10, 41));
    }
    app
}

#[test]
fn files_at_both_sizes() {
    compare("files-80x24", &files(SMALL));
    compare("files-200x60", &files(LARGE));
}

#[test]
fn no_name_draws_over_its_neighbours_at_any_width() {
    for columns in 36..120 {
        let (text, _) = screen(&files((columns, 40)));
        assert!(!text.contains(['\x1b', '\u{202e}']), "{columns}: {text}");
        if columns >= 64 {
            assert!(text.contains("F6 takes it"), "{columns}: {text}");
        }
    }
}

/// What could not be had may be taken again (R-57 of docs/spec/rooms.md): why, and how.
#[test]
fn what_is_offered_still_is_shown_with_why_it_did_not_come() {
    let mut app = files((80, 40));
    let (with, name) = (who("bob"), "table.jpg".to_owned());
    let (transfer, state, reason) =
        (TransferId([6; 16]), TransferState::Offered, Some("\u{202e}not reached\x1b".into()));
    let (direction, by, path, left_out) = (Direction::In, None, None, None);
    app.hear(Event::FileState { transfer, with, direction, name, state, by, reason, path, left_out }, at(10, 42));
    let (text, _) = screen(&app);
    let last = text.rsplit("table.jpg").next().unwrap();
    assert!(last.contains("not reached") && last.contains("F6 takes it"), "{text}");
    assert!(!text.contains(['\x1b', '\u{202e}']), "{text}");
}
