//! `messenger bot`: a program answers. With `--echo` it sends every text back, with `--exec` it is somebody's own
//! ([`program`]; docs/bots.md). Marked as a bot to everybody it talks with; how often anybody is read is [bounded](desk).
//!
//! It prints what it does, never what people write.

mod desk;
pub(crate) mod program;

use std::time::{Duration, Instant};

use command_line::say;
use messenger_engine::{
    CertificateState, Command, DeliveryState, Direction, Engine, Event, Events, Purpose, TransferState, WatchVerdict,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::acquaintance;
use crate::amount::size;
use crate::clock;
use crate::failure::{Code, Failure};
use crate::run::ended_by_signal;
use crate::start::Prepared;
use crate::text::harmless_line;
use desk::{AT_ONCE, Admission, Desk, ONE_MORE, Text};
use program::{Outcome, Program};

/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(3);

/// Who answers.
#[derive(Debug, Clone)]
pub(crate) enum Answerer {
    /// Every text goes back as it came.
    Echo,
    /// A program of somebody's own.
    Program(Program),
}

impl Answerer {
    async fn answer(&self, text: &Text) -> Outcome {
        match self {
            Self::Echo => Outcome::of(Ok(Some(text.text.clone()))),
            Self::Program(program) => program.answer(text).await,
        }
    }
}

/// Which files are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intake {
    /// The folder into which they are put.
    pub(crate) into: String,
    /// The largest file or folder (bytes).
    pub(crate) most: u64,
}

/// Runs until a signal ends it.
pub(crate) async fn run(
    prepared: Prepared,
    answerer: Answerer,
    (public, intake): (bool, Option<Intake>),
    json: bool,
) -> Result<(), Failure> {
    let (engine, mut events) = prepared.start(true)?;
    let mut bot = Bot { engine, answerer, public, intake, json, desk: Desk::default(), at_work: JoinSet::new() };
    let ended = bot.serve(&prepared, &mut events).await;
    // Whoever is at work is killed: nobody would hear the answer.
    bot.at_work.shutdown().await;
    let trouble = ended?;
    let _ = tokio::time::timeout(LEAVING, bot.engine.leave(&mut events)).await;
    match trouble {
        Some(reason) => {
            Err(Failure::new(format!("never got online: {reason}"), "is the home server running?")
                .with(Code::Unreachable))
        }
        None => Ok(()),
    }
}

struct Bot {
    engine: Engine,
    answerer: Answerer,
    public: bool,
    intake: Option<Intake>,
    json: bool,
    desk: Desk,
    at_work: JoinSet<(Text, Outcome)>,
}

impl Bot {
    /// Until a signal comes; then why it never got online, if it did not.
    async fn serve(&mut self, prepared: &Prepared, events: &mut Events) -> Result<Option<String>, Failure> {
        let mut signal = std::pin::pin!(ended_by_signal());
        let mut trouble = Some("the directory did not answer".to_owned());
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                Some(done) = self.at_work.join_next() => {
                    // A task that panicked would have its person wait for ever: that is a fault of ours, and ends the bot.
                    let (text, outcome) = done.map_err(|error| Failure::new(error, "report it"))?;
                    self.answered(&text, outcome).await;
                    continue;
                }
                () = &mut signal => return Ok(trouble),
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
                self.tell(event);
            }
            match reaction(event, self.public, self.intake.as_ref()) {
                Reaction::Nothing => {}
                Reaction::Say(command) => {
                    self.engine.send(command).await;
                }
                Reaction::Answer(text) => self.take(text).await,
            }
        }
    }

    /// Takes a text to the desk, or says that it does not.
    async fn take(&mut self, text: Text) {
        let (from, id) = (text.from.clone(), text.id);
        let admission = self.desk.admit(text, Instant::now());
        if admission != Admission::Taken {
            self.note("too_many", &json!({ "from": from, "id": id }), &format!("{from} writes too much: not read"));
        }
        if admission == Admission::Refused {
            let words = format!(
                "This was not read: too many texts at once. After {AT_ONCE}, one in {} s is read; nothing more is said of this until then.",
                ONE_MORE.as_secs()
            );
            self.engine.send(send(&from, words)).await;
        }
        self.work();
    }

    /// Puts to work what can be.
    fn work(&mut self) {
        while let Some(text) = self.desk.next() {
            let answerer = self.answerer.clone();
            self.at_work.spawn(async move {
                let outcome = answerer.answer(&text).await;
                (text, outcome)
            });
        }
    }

    /// Sends what came of a text.
    async fn answered(&mut self, text: &Text, outcome: Outcome) {
        let about = json!({ "from": text.from, "id": text.id });
        if !outcome.words.is_empty() {
            let mut about = about.clone();
            about["words"] = json!(outcome.words);
            self.note("program_says", &about, &format!("the program says: {}", outcome.words.trim_end()));
        }
        for path in outcome.offers {
            self.engine
                .send(Command::FileOffer {
                    to: text.from.to_string(),
                    path,
                    transfer: None,
                    device: None,
                    media_type: None,
                })
                .await;
        }
        match outcome.answer {
            Ok(Some(words)) => {
                self.engine.send(send(&text.from, words)).await;
            }
            Ok(None) => {}
            Err(reason) => {
                let mut about = about.clone();
                about["reason"] = json!(reason);
                self.note("no_answer", &about, &format!("no answer to {}: the program failed, {reason}", text.from));
            }
        }
        self.desk.done(&text.from);
        self.work();
    }

    /// Prints what the engine told, if it is worth it.
    fn tell(&self, event: &Event) {
        if let Some(words) = report(event) {
            self.print(object(event), &words);
        }
    }

    /// Prints something of the bot's own.
    fn note(&self, event: &str, about: &Value, words: &str) {
        let mut object = about.clone();
        object["event"] = json!(event);
        self.print(object, &harmless_line(words));
    }

    fn print(&self, mut object: Value, words: &str) {
        let now = jiff::Zoned::now();
        if self.json {
            object["at"] = json!(now.timestamp().to_string());
            say!("{object}");
        } else {
            say!("{} {words}", now.strftime("%H:%M:%S"));
        }
    }
}

/// What the bot does about an event.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    Nothing,
    Say(Command),
    Answer(Text),
}

/// Bots do not answer bots: two of them would talk for ever.
fn reaction(event: Event, public: bool, intake: Option<&Intake>) -> Reaction {
    match event {
        Event::Message { bot: true, .. } => Reaction::Nothing,
        Event::Message { id, from, text, .. } => Reaction::Answer(Text { id, from, text, file: None }),
        Event::FileOffered { transfer, room, bytes, .. } => Reaction::Say(match intake {
            Some(intake) if room.is_none() && bytes <= intake.most => {
                Command::FileAccept { transfer, into: intake.into.clone() }
            }
            Some(intake) if room.is_none() => {
                let reason = format!("this bot takes files of at most {}", size(intake.most));
                Command::FileRefuse { transfer, reason: Some(reason) }
            }
            _ => Command::FileRefuse { transfer, reason: Some("this bot takes no files".to_owned()) },
        }),
        Event::FileState { with, state: TransferState::Done, direction: Direction::In, path: Some(path), .. } => {
            Reaction::Answer(Text { id: 0, from: with, text: String::new(), file: Some(path) })
        }
        Event::Incoming { call, purpose: Purpose::Text, contact, .. } if public || contact => {
            Reaction::Say(Command::Accept { call })
        }
        Event::Incoming { call, .. } => Reaction::Say(Command::Decline { call }),
        Event::RoomInvitation { room, .. } => Reaction::Say(Command::RoomDecline { room }),
        _ => Reaction::Nothing,
    }
}

fn send(to: &identity::Identifier, text: String) -> Command {
    Command::Send { to: to.to_string(), text, id: None, reply_to: None }
}

/// What is printed: who and what, no texts.
fn report(event: &Event) -> Option<String> {
    Some(match event {
        Event::Online { identifier, directory } => format!("{identifier} is online at {}", harmless_line(directory)),
        Event::Offline { reason } => format!("offline: {}", harmless_line(reason)),
        Event::Incoming { from, .. } => format!("{from} knocks"),
        Event::FirstSeen { who, authority, .. } => format!("{who} is certified by {}", harmless_line(authority)),
        Event::Message { from, text, .. } => format!("{from} wrote {} bytes", text.len()),
        Event::MessageState { to, state: DeliveryState::Delivered, .. } => format!("answer delivered to {to}"),
        Event::MessageState { to, state: DeliveryState::NotDelivered | DeliveryState::Unknown, reason, .. } => {
            format!(
                "answer not delivered to {to}: {}",
                harmless_line(reason.as_deref().unwrap_or("no reason was given"))
            )
        }
        Event::FileOffered { from, bytes, .. } => format!("{from} offers a file of {}", size(*bytes)),
        Event::FileState { with, direction, state, reason, .. } if state.is_over() => {
            let way = match direction {
                Direction::In => "from",
                Direction::Out => "to",
            };
            let state = json!(state);
            let state = state.as_str().unwrap_or_default();
            // What failed here names files.
            let reason = reason.as_ref().filter(|_| *direction == Direction::Out);
            let reason = reason.map(|reason| format!(": {}", harmless_line(reason))).unwrap_or_default();
            format!("a file {way} {with}: {state}{reason}")
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

/// The same for programs: the event as docs/headless.md has it; how long a text is in place of the text.
fn object(event: &Event) -> Value {
    let mut object = json!(event);
    if let Some(text) = object.as_object_mut().and_then(|object| object.remove("text")) {
        object["bytes"] = json!(text.as_str().unwrap_or_default().len());
    }
    // A name is content, and the path has it.
    if matches!(event, Event::FileOffered { .. } | Event::FileState { .. })
        && let Some(object) = object.as_object_mut()
    {
        object.remove("name");
        object.remove("path");
        if matches!(event, Event::FileState { direction: Direction::In, .. }) {
            object.remove("reason");
        }
    }
    object
}

#[cfg(test)]
mod tests;
