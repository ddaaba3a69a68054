//! `messenger bot --echo`: sends every text back, once. Marked as a bot to everybody it talks with.
//!
//! It prints what it does, never what people write.

use command_line::say;
use messenger_engine::{CertificateState, Command, DeliveryState, Event, Purpose, WatchVerdict};
use serde_json::{Value, json};

use crate::acquaintance;
use crate::clock;
use crate::failure::{Code, Failure};
use crate::run::ended_by_signal;
use crate::start::Prepared;
use crate::text::harmless_line;

/// Runs until a signal ends it.
pub(crate) async fn run(prepared: Prepared, public: bool, json: bool) -> Result<(), Failure> {
    let (engine, mut events) = prepared.start(true)?;
    let mut signal = std::pin::pin!(ended_by_signal());
    let mut trouble = Some("the directory did not answer".to_owned());
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut signal => break,
        };
        let Some(event) = event else {
            return Err(Failure::new("the engine ended by itself", "start again; RUST_LOG=debug says more"));
        };
        match &event {
            Event::Online { .. } => trouble = None,
            Event::Offline { reason } if trouble.is_some() => trouble = Some(reason.clone()),
            _ => {}
        }
        let problem = acquaintance::keep(prepared.book.home(), &event);
        for event in [Some(&event), problem.as_ref()].into_iter().flatten() {
            let now = jiff::Zoned::now();
            match report(event) {
                Some(_) if json => say!("{}", object(event, now.timestamp())),
                Some(words) => say!("{} {words}", now.strftime("%H:%M:%S")),
                None => {}
            }
        }
        if let Some(command) = answer(event, public) {
            engine.send(command).await;
        }
    }
    let _ = tokio::time::timeout(std::time::Duration::from_secs(3), engine.leave(&mut events)).await;
    match trouble {
        Some(reason) => {
            Err(Failure::new(format!("never got online: {reason}"), "is the home server running?")
                .with(Code::Unreachable))
        }
        None => Ok(()),
    }
}

/// What the bot does about an event. Bots do not answer bots: two of them would talk for ever.
fn answer(event: Event, public: bool) -> Option<Command> {
    match event {
        Event::Message { bot: true, .. } => None,
        Event::Message { from, text, .. } => {
            Some(Command::Send { to: from.to_string(), text, id: None, reply_to: None })
        }
        Event::Incoming { call, purpose: Purpose::Text, contact, .. } if public || contact => {
            Some(Command::Accept { call })
        }
        Event::Incoming { call, .. } => Some(Command::Decline { call }),
        Event::RoomInvitation { room, .. } => Some(Command::RoomDecline { room }),
        _ => None,
    }
}

/// What is printed: who and what, no texts.
fn report(event: &Event) -> Option<String> {
    Some(match event {
        Event::Online { identifier, directory } => format!("{identifier} is online at {}", harmless_line(directory)),
        Event::Offline { reason } => format!("offline: {}", harmless_line(reason)),
        Event::Incoming { from, .. } => format!("{from} knocks"),
        Event::FirstSeen { who, authority, .. } => format!("{who} is certified by {}", harmless_line(authority)),
        Event::Message { from, text, .. } => format!("{from} wrote {} bytes", text.len()),
        Event::MessageState { to, state: DeliveryState::Delivered, .. } => format!("echo delivered to {to}"),
        Event::MessageState { to, state: DeliveryState::NotDelivered | DeliveryState::Unknown, reason, .. } => {
            format!("echo not delivered to {to}: {}", harmless_line(reason.as_deref().unwrap_or("no reason was given")))
        }
        Event::Contradiction { message, evidence, remedy, .. } => {
            let evidence = evidence.as_deref().map(|path| format!(" (proof: {path})")).unwrap_or_default();
            harmless_line(&format!("ALARM: {message}{evidence}. {remedy}"))
        }
        Event::Watch { verdict, message, remedy, .. } => {
            let loud = if *verdict == WatchVerdict::Alarm { "ALARM: " } else { "" };
            harmless_line(&format!("{loud}{message}. {remedy}"))
        }
        Event::Certificate { state: CertificateState::Renewed, not_after, .. } => {
            format!("the certificate was renewed, until {}", clock::day(*not_after))
        }
        Event::Certificate { message, remedy, .. } => {
            let part = |words: &Option<String>| words.clone().unwrap_or_default();
            harmless_line(&format!("the certificate: {}. {}", part(message), part(remedy)))
        }
        Event::Error { about, message, remedy } => harmless_line(&format!("{about}: {message}. {remedy}")),
        _ => return None,
    })
}

/// The same for programs: the event as docs/headless.md has it, and when; how long a text is in place of the text.
fn object(event: &Event, now: jiff::Timestamp) -> Value {
    let mut object = json!(event);
    object["at"] = json!(now.to_string());
    if let Some(text) = object.as_object_mut().and_then(|object| object.remove("text")) {
        object["bytes"] = json!(text.as_str().unwrap_or_default().len());
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;
    use messenger_engine::CallId;

    fn alice() -> Identifier {
        Identifier::parse("alice@example.org").unwrap()
    }

    fn knock(purpose: Purpose, contact: bool) -> Event {
        Event::Incoming { call: CallId([1; 16]), from: alice(), purpose, contact }
    }

    #[test]
    fn echoes_once() {
        let event = Event::Message { id: 5, from: alice(), text: "hi".to_owned(), bot: false, reply_to: None };
        assert_eq!(
            answer(event, false),
            Some(Command::Send { to: "alice@example.org".to_owned(), text: "hi".to_owned(), id: None, reply_to: None })
        );
        let state = Event::MessageState { id: 5, to: alice(), state: DeliveryState::Delivered, reason: None };
        assert_eq!(answer(state, true), None);
    }

    #[test]
    fn bots_do_not_answer_bots() {
        let event = Event::Message { id: 5, from: alice(), text: "hi".to_owned(), bot: true, reply_to: None };
        assert_eq!(answer(event, true), None);
    }

    #[test]
    fn strangers_need_public() {
        let call = CallId([1; 16]);
        assert_eq!(answer(knock(Purpose::Text, false), false), Some(Command::Decline { call }));
        assert_eq!(answer(knock(Purpose::Text, false), true), Some(Command::Accept { call }));
        assert_eq!(answer(knock(Purpose::Call, true), true), Some(Command::Decline { call }));
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
        let object = object(&event, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(object["event"], "message", "{object}");
        assert_eq!((&object["from"], &object["bytes"]), (&json!("alice@example.org"), &json!(6)), "{object}");
        assert!(!object.to_string().contains("secret"), "{object}");
    }
}
