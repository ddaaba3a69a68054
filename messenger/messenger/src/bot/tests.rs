use super::*;
use identity::Identifier;
use identity::trust::Fingerprint;
use messenger_engine::CallId;

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn knock(purpose: Purpose, contact: bool) -> Event {
    Event::Incoming { call: CallId([1; 16]), from: alice(), purpose, contact }
}

fn message(bot: bool) -> Event {
    Event::Message { id: 5, from: alice(), text: "hi".to_owned(), bot, reply_to: None }
}

#[tokio::test]
async fn echoes_once() {
    let text = Text { id: 5, from: alice(), text: "hi".to_owned(), file: None };
    assert_eq!(reaction(message(false), false, None), Reaction::Answer(text.clone()));
    assert_eq!(Answerer::Echo.answer(&text).await.answer, Ok(Some("hi".to_owned())));
    let state = Event::MessageState { id: 5, to: alice(), state: DeliveryState::Delivered, reason: None };
    assert_eq!(reaction(state, true, None), Reaction::Nothing);
}

#[test]
fn bots_do_not_answer_bots() {
    assert_eq!(reaction(message(true), true, None), Reaction::Nothing);
}

#[test]
fn strangers_need_public() {
    let call = CallId([1; 16]);
    assert_eq!(reaction(knock(Purpose::Text, false), false, None), Reaction::Say(Command::Decline { call }));
    assert_eq!(reaction(knock(Purpose::Text, false), true, None), Reaction::Say(Command::Accept { call }));
    assert_eq!(reaction(knock(Purpose::Call, true), true, None), Reaction::Say(Command::Decline { call }));
}

#[test]
fn a_bot_takes_no_files_unless_it_has_a_place_for_them_and_none_that_are_too_large() {
    use messenger_engine::{RoomId, TransferId};
    let transfer = TransferId([4; 16]);
    let offered = |bytes, room| Event::FileOffered {
        transfer,
        from: alice(),
        device: Fingerprint([1; 32]),
        room,
        name: "secret.txt".to_owned(),
        folder: false,
        files: 1,
        bytes,
        media_type: None,
    };
    let intake = Intake { into: "/in".to_owned(), most: 1000 };
    let refused = |reaction| matches!(reaction, Reaction::Say(Command::FileRefuse { reason: Some(_), .. }));
    assert!(refused(reaction(offered(1, None), true, None)), "by default none");
    assert!(refused(reaction(offered(1001, None), true, Some(&intake))));
    assert!(refused(reaction(offered(1, Some(RoomId([1; 16]))), true, Some(&intake))));
    let taken = Command::FileAccept { transfer, into: "/in".to_owned() };
    assert_eq!(reaction(offered(1000, None), true, Some(&intake)), Reaction::Say(taken));
    let done = Event::FileState {
        transfer,
        with: alice(),
        direction: Direction::In,
        name: "secret.txt".to_owned(),
        state: TransferState::Done,
        by: None,
        reason: None,
        path: Some("/in/secret.txt".to_owned()),
        left_out: None,
    };
    assert!(!format!("{:?}{}", report(&done), object(&done)).contains("secret"));
    assert!(!format!("{:?}{}", report(&offered(1, None)), object(&offered(1, None))).contains("secret"));
    let Reaction::Answer(text) = reaction(done, false, None) else { panic!("the program is told") };
    assert_eq!(text.file.as_deref(), Some("/in/secret.txt"));
}

#[test]
fn an_alarm_is_said_aloud() {
    let watch = |verdict| Event::Watch {
        verdict,
        authority: "localhost".to_owned(),
        found: Vec::new(),
        evidence: Vec::new(),
        message: "there is something in your name".to_owned(),
        remedy: "tell everybody".to_owned(),
    };
    let alarm = report(&watch(WatchVerdict::Alarm)).unwrap();
    assert_eq!(alarm, "ALARM: there is something in your name. tell everybody");
    assert_eq!(report(&watch(WatchVerdict::Blind)).unwrap(), "there is something in your name. tell everybody");
}

#[test]
fn prints_no_texts() {
    let event = Event::Message { id: 5, from: alice(), text: "secret".to_owned(), bot: false, reply_to: None };
    assert_eq!(report(&event).unwrap(), "alice@example.org wrote 6 bytes");
    let object = object(&event);
    assert_eq!(object["event"], "message", "{object}");
    assert_eq!((&object["from"], &object["bytes"]), (&json!("alice@example.org"), &json!(6)), "{object}");
    assert!(!object.to_string().contains("secret"), "{object}");
}
