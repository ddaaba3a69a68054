//! Calls: where they wait, where they are placed, and which of others' are heard.

use super::*;
use crate::driver::directories::people::LOOK_AGAIN;
use crate::driver::directories::tidying::LOOK;
use crate::events::Told;

#[tokio::test]
async fn a_call_that_was_hung_up_while_its_callee_was_looked_for_is_not_placed() {
    let mut driver = driver();
    driver.calls(FIRST);
    driver.calls(SECOND);
    driver.asks(Ask::Cancel { call: FIRST });
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), [SECOND]);
    driver.asks(Ask::Cancel { call: SECOND });
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn no_call_that_waited_is_placed_after_one_has_left() {
    let mut driver = driver();
    driver.calls(FIRST);
    driver.directories.leave();
    driver.directories.come_back();
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn a_call_to_somebody_who_is_looked_for_no_longer_fails_at_once() {
    let mut driver = driver();
    driver.core.directory_up();
    let to = bob().to_string();
    let send = Command::Send { to: to.clone(), text: "hello".to_owned(), id: Some(7), reply_to: None };
    for command in [Command::AddContact { who: to.clone() }, send, Command::RemoveContact { who: to }] {
        driver.core.command(command, Now::read());
        driver.act();
    }
    let is_told =
        |told: &Told| matches!(told.event, Event::MessageState { id: 7, state: DeliveryState::NotDelivered, .. });
    assert!(driver.telling.pending.iter().any(is_told), "{:?}", driver.telling.pending);
}

#[tokio::test]
async fn who_calls_back_in_another_directory_is_heard_there_and_nobody_else() {
    let mut driver = driver();
    driver.core.directory_up();
    let send = Command::Send { to: bob().to_string(), text: "hello".to_owned(), id: Some(7), reply_to: None };
    driver.core.command(send, Now::read());
    driver.act();
    driver.finds_bob(at("example.net"));
    let number = driver.directories.others.values().next().unwrap().number;
    let hears = |driver: &mut Driver, what| driver.directories.heard(number, what, &mut driver.core, Now::read());
    hears(&mut driver, Happening::DirectoryUp);
    let own = driver.to_be_placed();
    let incoming = |call: CallId, caller: &str| {
        let (call_id, caller) = (call.0, caller.parse().unwrap());
        let purpose = directory_protocol::Purpose::Text;
        Happening::Directory(directory_protocol::DirectoryEvent::Incoming {
            call_id,
            caller,
            caller_key: [9; 32],
            purpose,
        })
    };
    hears(&mut driver, incoming(FIRST, "carol@example.net"));
    driver.act();
    assert_eq!(driver.to_be_placed(), own, "nobody knocks there");
    // Of two that cross the lower one stays, which is ours: one waits for it, and what else the directory makes up is kept
    // nowhere.
    let (waits, mut other) = (CallId([255; 16]), CallId([255; 16]));
    other.0[15] = 254;
    for made_up in [waits, other] {
        hears(&mut driver, incoming(made_up, bob().as_str()));
        driver.act();
        assert_eq!(driver.to_be_placed(), [own[0], waits]);
    }
    // Hers has the lower id: it stays, and is answered where it came from.
    let hers = CallId([0; 16]);
    hears(&mut driver, incoming(hers, bob().as_str()));
    driver.act();
    driver.ticks_after(LOOK);
    assert_eq!(driver.to_be_placed(), [hers]);
    // It lets nobody else's in, and goes with the call.
    hears(&mut driver, incoming(CallId([3; 16]), bob().as_str()));
    driver.act();
    assert_eq!(driver.to_be_placed(), [hers]);
    driver.core.command(Command::Block { who: bob().to_string() }, Now::read());
    driver.act();
    driver.ticks_after(LOOK * 2);
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn a_call_that_waits_for_a_directory_is_placed_elsewhere_once_that_one_is_given_up() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    driver.finds_bob(at("example.net"));
    driver.does_not_reach(&at("example.net"));
    driver.calls(FIRST);
    assert_eq!(driver.to_be_placed(), [FIRST]);
    driver.ticks_after(LATER + LOOK_AGAIN);
    assert_eq!(driver.links(), []);
    assert_eq!(driver.to_be_placed(), [], "it waits for the new search");
    driver.finds_bob(at("elsewhere.example"));
    assert_eq!(driver.to_be_placed(), [FIRST]);
}
