//! Files in words: every change, and of what goes on for long a word now and then.

use messenger_engine::{Direction, Event, TransferState};

use crate::amount::{self, percent, size, span};
use crate::app::App;
use crate::app::files::Transfer;
use crate::text::harmless_line;
use crate::view::files::spoken;

/// Of smaller ones nobody wants to hear how far they are (bytes).
const WORTH_A_WORD: u64 = 10_000_000;
/// Of larger ones every tenth is told, else every quarter (bytes).
const LARGE: u64 = 1_000_000_000;

/// What is said of an event; `before` is the model before it heard of it.
pub(super) fn of_event(event: &Event, before: &App) -> Vec<String> {
    match event {
        Event::FileOffered { from, name, folder, files, bytes, media_type, .. } => {
            let kind = media_type.as_deref().map(|kind| format!(", {}", harmless_line(kind))).unwrap_or_default();
            let what = if *folder { format!("a folder of {files} files") } else { "a file".to_owned() };
            let (from, name, size) = (before.called_with_address(from), harmless_line(name), size(*bytes));
            let into = harmless_line(&before.shown_downloads());
            let number = before.next_file();
            vec![format!(
                "{from} offers {what}: {name}, {size}{kind}. /take {number} puts it into {into}, /refuse {number} refuses it."
            )]
        }
        Event::FileState { transfer, with, direction, name, state, by, reason, path, left_out } => {
            let known = before.transfer(*transfer);
            let left_out = left_out.unwrap_or_default();
            let without = amount::left_out(left_out).filter(|_| known.is_none_or(|known| known.left_out != left_out));
            if without.is_none() && known.is_some_and(|known| (known.state, known.by) == (*state, *by)) {
                return Vec::new();
            }
            let mut file = known.cloned().unwrap_or_else(|| {
                Transfer::new(*transfer, before.next_file(), with.clone(), *direction, name.clone())
            });
            (file.state, file.by, file.reason) = (*state, *by, reason.clone());
            file.shown = path.clone().unwrap_or(file.shown);
            let (number, name) = (file.number, harmless_line(&file.name));
            let words = match state {
                // What its rate is, is not known yet.
                TransferState::Running => "is on its way".to_owned(),
                _ => spoken(&file),
            };
            let way = match direction {
                Direction::In => "from",
                Direction::Out => "to",
            };
            let without = without.map(|without| format!(", {without}")).unwrap_or_default();
            vec![format!("File {number}, {name}{without}, {way} {}: {words}.", before.called_with_address(with))]
        }
        Event::RoomFileState { room, transfer, name, state, reason, left_out, .. } => {
            let me = before.me.identifier.clone();
            let file = before.transfer(*transfer).cloned();
            let file =
                file.unwrap_or_else(|| Transfer::new(*transfer, before.next_file(), me, Direction::Out, name.clone()));
            let file = Transfer { in_room: true, state: *state, reason: reason.clone(), by: None, ..file };
            let room = before.rooms.get(room).map(|room| harmless_line(&room.name)).unwrap_or_default();
            let without = amount::left_out(left_out.unwrap_or_default()).map(|without| format!(", {without}"));
            let (number, name, without) = (file.number, harmless_line(&file.name), without.unwrap_or_default());
            vec![format!("File {number}, {name}{without}, to all in {room}: {}.", spoken(&file))]
        }
        Event::FileProgress { transfer, done, bytes, left_s, .. } => {
            let Some(file) = before.transfer(*transfer).filter(|_| *bytes >= WORTH_A_WORD) else { return Vec::new() };
            let part = |done: u64| percent(done, *bytes) / if *bytes >= LARGE { 10 } else { 25 };
            if part(*done) == part(file.done) || done == bytes {
                return Vec::new();
            }
            let left = left_s.map(|left| format!(", {} left", span(left))).unwrap_or_default();
            vec![format!(
                "File {}, {}: {} percent{left}.",
                file.number,
                harmless_line(&file.name),
                percent(*done, *bytes)
            )]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use identity::trust::Fingerprint;
    use messenger_engine::{Side, TransferId};

    use super::*;
    use crate::app::tests::{app, now, who};

    const ID: TransferId = TransferId([5; 16]);

    fn told(app: &mut App, event: Event) -> Vec<String> {
        let lines = of_event(&event, app);
        app.hear(event, now());
        lines
    }

    fn state(state: TransferState, by: Option<Side>) -> Event {
        let path = (state == TransferState::Done).then(|| "/in/tea.iso".to_owned());
        Event::FileState {
            transfer: ID,
            with: who("bob"),
            direction: Direction::In,
            name: "tea.iso".to_owned(),
            state,
            by,
            reason: None,
            path,
            left_out: None,
        }
    }

    fn progress(done: u64) -> Event {
        Event::FileProgress {
            transfer: ID,
            with: who("bob"),
            direction: Direction::In,
            done,
            bytes: 100_000_000,
            rate: 1_000_000,
            left_s: Some(65),
        }
    }

    #[test]
    fn what_is_offered_to_all_is_told_with_its_room() {
        let mut app = app(&["bob"]);
        app.hear(crate::app::tests::room("alice", &["alice", "bob"]), now());
        let state = |state| {
            let (room, name) = (crate::app::tests::ROOM, "tea\x1b[2J".to_owned());
            Event::RoomFileState { room, transfer: ID, id: Some(9), name, state, reason: None, left_out: None }
        };
        let words = told(&mut app, state(TransferState::Offered)).concat();
        assert!(
            words.starts_with("File 1, tea␛[2J, to all in ") && words.contains("/cancel 1 withdraws it"),
            "{words}"
        );
        let words = told(&mut app, state(TransferState::Cancelled)).concat();
        assert!(words.contains("cancelled"), "{words}");
    }

    #[test]
    fn a_file_is_told_from_its_offer_to_its_end_and_not_all_the_time() {
        let mut app = app(&["bob"]);
        let offered = Event::FileOffered {
            transfer: ID,
            from: who("bob"),
            device: Fingerprint([1; 32]),
            room: None,
            name: "tea\x1b[2J.iso".to_owned(),
            folder: false,
            files: 1,
            bytes: 100_000_000,
            media_type: Some("application/x-iso".to_owned()),
        };
        let words = told(&mut app, offered).concat();
        assert!(
            words.contains("offers a file: tea␛[2J.iso, 100 MB, application/x-iso. /take 1 puts it into"),
            "{words}"
        );
        assert_eq!(told(&mut app, state(TransferState::Running, None)).len(), 1);
        assert_eq!(told(&mut app, state(TransferState::Running, None)), Vec::<String>::new(), "nothing changed");
        let said: Vec<_> = (1..100).flat_map(|n| told(&mut app, progress(n * 1_000_000))).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].ends_with("25 percent, 1 min 5 s left."), "{said:?}");
        let paused = told(&mut app, state(TransferState::Paused, Some(Side::Them))).concat();
        assert!(paused.contains("put off by them. /continue 1"), "{paused}");
        let done = told(&mut app, state(TransferState::Done, None)).concat();
        assert!(done.contains("File 1, tea␛[2J.iso, from bob@example.org: is in /in/tea.iso."), "{done}");
    }
}
