//! `messenger send`: one text to one person, and how far it got as the exit code.
//!
//! Nobody is there to read an answer, so nothing is taken that comes meanwhile: this device is invisible and lets nobody
//! knock, and what is sent to it all the same is acknowledged by nobody.

pub(crate) mod files;

use std::time::Duration;

use command_line::say;
use identity::Identifier;
use messenger_engine::{
    Audience, Command, DeliveryState, Engine, Event, Events, MAX_TEXT_BYTES, OwnStatus, PresenceSettings,
};
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::acquaintance;
use crate::contacts::Contacts;
use crate::failure::{Code, Failure};
use crate::run::ended_by_signal;
use crate::start::Prepared;
use crate::text::harmless_line;

/// How long getting online may take.
const ONLINE: Duration = Duration::from_secs(30);
/// How long leaving may take: by then it is known what became of a text that was under way.
const LEAVING: Duration = Duration::from_secs(3);
/// There is one text.
const ID: u64 = 1;

/// How far it got.
struct State(DeliveryState, String);

/// The text to be sent: the one named, else what stands on standard input, without the line end after it.
///
/// # Errors
/// There is none, or it is too long.
pub(crate) async fn text(named: Option<&str>) -> Result<String, Failure> {
    let text = match named {
        Some(text) => text.to_owned(),
        None => {
            let mut read = Vec::new();
            // With the line end, and one byte more than is taken.
            let input = tokio::io::stdin().take(MAX_TEXT_BYTES as u64 + 2);
            let mut input = std::pin::pin!(input);
            let done = input.read_to_end(&mut read).await;
            done.map_err(|error| Failure::new(format!("standard input cannot be read: {error}"), "name the text"))?;
            String::from_utf8(read).map_err(|_| usage("expected a text in UTF-8, found other bytes", "send a text"))?
        }
    };
    let text = match named {
        Some(_) => text.as_str(),
        None => text.strip_suffix('\n').unwrap_or(&text),
    };
    match text.len() {
        0 => Err(usage("expected a text, found nothing", "`messenger send WHO TEXT`, or a text on standard input")),
        1..=MAX_TEXT_BYTES => Ok(text.to_owned()),
        _ => Err(usage(&format!("expected a text of at most {MAX_TEXT_BYTES} bytes, found more"), "send it in parts")),
    }
}

fn usage(what: &str, remedy: &str) -> Failure {
    Failure::new(what, remedy).with(Code::Usage)
}

/// Sends it, and waits until it is known what became of it.
pub(crate) async fn run(mut prepared: Prepared, who: &str, text: String, json: bool) -> Result<(), Failure> {
    let to = recipient(who, &prepared.contacts)?;
    prepared.presence = invisible(prepared.presence);
    let (engine, mut events) = prepared.start_briefly(false)?;
    let sent = deliver(&prepared, (&engine, &mut events), &to, text).await;
    let State(state, reason) = sent?;
    if state == DeliveryState::Delivered {
        if json {
            say!("{}", json!({ "to": to, "state": state }));
        } else {
            say!("delivered to {to}");
        }
    }
    judge(state, &to, &reason)
}

/// Nobody sees this device, and nobody knocks.
pub(crate) fn invisible(presence: PresenceSettings) -> PresenceSettings {
    PresenceSettings {
        status: OwnStatus::Invisible,
        visible_to: Audience::Nobody,
        may_knock: Audience::Nobody,
        ..presence
    }
}

/// Keeps what is learnt of others.
pub(crate) fn kept(prepared: &Prepared, event: &Event) {
    if let Some(Event::Error { about, message, remedy }) = acquaintance::keep(prepared.book.home(), event) {
        tracing::warn!("{about}: {message}: {remedy}");
    }
}

/// What the exit says.
fn judge(state: DeliveryState, to: &Identifier, reason: &str) -> Result<(), Failure> {
    let reason = harmless_line(reason);
    match state {
        DeliveryState::Delivered => Ok(()),
        DeliveryState::NotDelivered => {
            let what = format!("not delivered to {to}: {reason}");
            Err(Failure::new(what, "later again: nobody keeps it for them").with(Code::Unreachable))
        }
        DeliveryState::Sending | DeliveryState::Unknown => {
            let what = format!("nobody knows whether it was delivered to {to}: {reason}");
            Err(Failure::new(what, "ask them; sent again, it may be shown twice").with(Code::Unknown))
        }
    }
}

/// Whoever has this address, or this name of one's own.
pub(crate) fn recipient(who: &str, contacts: &Contacts) -> Result<Identifier, Failure> {
    let parsed = match Identifier::parse(who) {
        Ok(who) => return Ok(who),
        Err(error) => error,
    };
    let called = |about: &crate::contacts::about::About| {
        about.name.as_ref().is_some_and(|name| name.as_str().to_lowercase() == who.to_lowercase())
    };
    let mut found = contacts.iter().filter(|(_, about)| called(about)).map(|(who, _)| who);
    match (found.next(), found.next()) {
        (Some(who), None) => Ok(who.clone()),
        (Some(one), Some(other)) => {
            Err(usage(&format!("{one} and {other} are both called {}", harmless_line(who)), "name the address"))
        }
        _ => Err(usage(
            &format!("nobody is called {}, and it is no address: {parsed}", harmless_line(who)),
            "bob@example.org, +14155550123, or a name as `messenger contacts list` has it",
        )),
    }
}

/// Goes online, sends, and leaves; the last state of the text.
async fn deliver(
    prepared: &Prepared,
    (engine, events): (&Engine, &mut Events),
    to: &Identifier,
    text: String,
) -> Result<State, Failure> {
    let mut signal = std::pin::pin!(ended_by_signal());
    let online = tokio::select! {
        online = online(events) => online.map_err(|reason| State(DeliveryState::NotDelivered, reason)),
        () = &mut signal => Err(State(DeliveryState::NotDelivered, "you ended it before it was sent".to_owned())),
    };
    let mut state = match online {
        Err(state) => state,
        Ok(()) => {
            engine.send(Command::Send { to: to.to_string(), text, id: Some(ID), reply_to: None }).await;
            let mut state = State(DeliveryState::Sending, "the program was ended meanwhile".to_owned());
            tokio::select! {
                done = follow(prepared, events, &mut state) => done?,
                () = &mut signal => {}
            }
            state
        }
    };
    // Whoever is ended in between learns from the engine's farewell how far it got.
    engine.send(Command::Quit).await;
    let under_way = state.0 == DeliveryState::Sending;
    let farewell = async {
        while let Some(event) = events.recv().await {
            events.not_taken();
            if under_way && let Some(later) = state_in(&event) {
                state = later;
            }
        }
    };
    let _ = tokio::time::timeout(LEAVING, farewell).await;
    Ok(state)
}

/// Until the directory knows this device; or why it does not.
pub(crate) async fn online(events: &mut Events) -> Result<(), String> {
    let online = async {
        loop {
            match events.recv().await {
                Some(Event::Online { .. }) => return Ok(()),
                Some(Event::Offline { reason }) => return Err(reason),
                Some(_) => events.not_taken(),
                None => return Err("the engine ended by itself".to_owned()),
            }
        }
    };
    tokio::time::timeout(ONLINE, online).await.unwrap_or_else(|_| Err("the directory did not answer".to_owned()))
}

/// Until it is known what became of the text.
async fn follow(prepared: &Prepared, events: &mut Events, state: &mut State) -> Result<(), Failure> {
    while let Some(event) = events.recv().await {
        // Nobody reads what others say.
        events.not_taken();
        kept(prepared, &event);
        match event {
            Event::Error { about, message, remedy } if about == "send" => return Err(Failure::new(message, remedy)),
            // A certificate that is refused, say: the state follows and has the same words.
            event => {
                if let Some(later) = state_in(&event) {
                    *state = later;
                }
                if state.0 != DeliveryState::Sending {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// How far the text got, if an event says so.
fn state_in(event: &Event) -> Option<State> {
    match event {
        Event::MessageState { id: ID, state, reason, .. } => {
            let reason = reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
            Some(State(*state, reason))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contacts::about::{About, OwnName};

    fn who(name: &str) -> Identifier {
        Identifier::parse(&format!("{name}@example.org")).unwrap()
    }

    #[test]
    fn whoever_is_meant_has_an_address_or_a_name_of_ones_own() {
        let named = |name: &str| About { name: Some(OwnName::try_from(name.to_owned()).unwrap()), ..About::default() };
        let contacts: Contacts =
            [(who("carol"), named("Auntie")), (who("dave"), named("Bär")), (who("eve"), named("bär"))].into();
        assert_eq!(recipient("Bob@Example.org", &contacts).unwrap(), who("bob"));
        assert_eq!(recipient("auntie", &contacts).unwrap(), who("carol"));
        for (wrong, told) in
            [("BÄR", "are both called"), ("uncle\u{1b}[2J", "nobody is called uncle␛[2J"), ("", "nobody")]
        {
            let failure = recipient(wrong, &contacts).unwrap_err();
            assert!(failure.happened.contains(told) && failure.code == Code::Usage, "{failure:?}");
        }
    }

    #[tokio::test]
    async fn a_text_is_neither_empty_nor_too_long() {
        let longest = "x".repeat(MAX_TEXT_BYTES);
        assert_eq!(text(Some(&longest)).await.unwrap(), longest);
        for wrong in ["", &format!("{longest}x")] {
            assert_eq!(text(Some(wrong)).await.unwrap_err().code, Code::Usage);
        }
    }

    #[test]
    fn only_what_was_delivered_is_a_success() {
        use DeliveryState::{Delivered, NotDelivered, Sending, Unknown};
        let code = |state| judge(state, &who("bob"), "gone").err().map(|failure| failure.code);
        assert_eq!(
            [Delivered, NotDelivered, Unknown, Sending].map(code),
            [None, Some(Code::Unreachable), Some(Code::Unknown), Some(Code::Unknown)]
        );
    }
}
