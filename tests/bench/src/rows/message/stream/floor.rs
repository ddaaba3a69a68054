//! What is left of a messenger's engine when all is taken away that makes it one: commands come over a channel, frames are made
//! by the engine's codec and go out together, the other end reads them, hands each text over to a client in an event, and
//! answers; the answers are read, and told as events. Nothing is looked up, numbered for good, kept to be sent again, checked or
//! waited for.

use messenger_engine::{
    Command, DeliveryState, Event,
    wire::{Ack, Channel, TalkFrame, body_length, decode, encode_onto},
};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::{Semaphore, mpsc};

use super::super::{TEXT, alice_and_bob, person};
use super::{PIECES, UNDER_WAY};
use crate::quic::Ends;

/// How many commands are carried out together, and how many events may wait.
const TOGETHER: usize = 64;

/// Two ends, and alice's client.
pub(super) struct Floor {
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Vec<Event>>,
    _ends: Ends,
}

impl Floor {
    pub(super) async fn new() -> Self {
        let (ends, dialled, accepted) = alice_and_bob().await;
        let (commands, commanded) = mpsc::channel(UNDER_WAY);
        let (tell, events) = mpsc::channel(UNDER_WAY);
        tokio::spawn(receive(accepted));
        tokio::spawn(send(dialled, commanded, tell));
        Self { commands, events, _ends: ends }
    }

    /// Sends so many, of which [`UNDER_WAY`] have no answer yet at a time.
    pub(super) async fn many(&mut self, count: usize) {
        let (commands, events, places) = (&self.commands, &mut self.events, Semaphore::new(UNDER_WAY));
        let bob = person("bob@example.org");
        let sending = async {
            for _ in 0..count {
                places.acquire().await.expect("it is never closed").forget();
                let text = Command::Send { to: bob.to_string(), text: TEXT.to_owned(), id: None, reply_to: None };
                commands.send(text).await.expect("alice runs");
            }
        };
        let receiving = async {
            let mut left = count;
            while left > 0 {
                let told = events.recv().await.expect("alice runs").len();
                left -= told;
                places.add_permits(told);
            }
        };
        tokio::join!(sending, receiving);
    }
}

/// Alice's engine.
async fn send(connection: Connection, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<Vec<Event>>) {
    let mut stream = connection.open_uni().await.expect("streams are free");
    stream.write_all(&[Channel::Talk.byte()]).await.expect("the stream is open");
    let mut answers = Frames::of(connection.accept_uni().await.expect("bob answers"));
    let (mut number, mut come) = (0, Vec::with_capacity(TOGETHER));
    let bob = person("bob@example.org");
    loop {
        tokio::select! {
            count = commands.recv_many(&mut come, TOGETHER) => {
                if count == 0 || put(&mut stream, come.drain(..), &mut number).await.is_none() {
                    return;
                }
            }
            frames = answers.next() => {
                let Some(frames) = frames else { return };
                let acks = frames.into_iter().flat_map(|frame| match frame {
                    TalkFrame::Ack { acks } => acks,
                    _ => Vec::new(),
                });
                let told = |ack: Ack| {
                    let (to, state) = (bob.clone(), DeliveryState::Delivered);
                    Event::MessageState { id: ack.number, to, state, reason: None }
                };
                if events.send(acks.map(told).collect()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn put(stream: &mut SendStream, commands: impl Iterator<Item = Command>, number: &mut u64) -> Option<()> {
    let mut bytes = Vec::new();
    for command in commands {
        let Command::Send { text, .. } = command else { continue };
        *number += 1;
        // As long as the numbers that an engine draws.
        let frame = TalkFrame::Text { number: *number, id: (1 << 52) + *number, text, reply: None };
        encode_onto(&frame, Channel::Talk, &mut bytes).expect("a short text");
    }
    stream.write_chunk(bytes.into()).await.ok()
}

/// Bob's engine, and his client, who takes what he is told.
async fn receive(connection: Connection) {
    let mut frames = Frames::of(connection.accept_uni().await.expect("alice opens a stream"));
    let mut answers = connection.open_uni().await.expect("streams are free");
    answers.write_all(&[Channel::Talk.byte()]).await.expect("the stream is open");
    let (tell, mut told) = mpsc::channel::<Vec<Event>>(UNDER_WAY);
    tokio::spawn(async move { while told.recv().await.is_some() {} });
    let alice = person("alice@example.org");
    while let Some(come) = frames.next().await {
        let (mut events, mut acks) = (Vec::with_capacity(come.len()), Vec::with_capacity(come.len()));
        for frame in come {
            let TalkFrame::Text { number, id, text, .. } = frame else { continue };
            acks.push(Ack { number, refused: None });
            events.push(Event::Message { id, from: alice.clone(), text, bot: false, reply_to: None });
        }
        let mut bytes = Vec::new();
        encode_onto(&TalkFrame::Ack { acks }, Channel::Talk, &mut bytes).expect("as many as fit");
        if tell.send(events).await.is_err() || answers.write_chunk(bytes.into()).await.is_err() {
            return;
        }
    }
}

/// The frames of a stream.
struct Frames {
    stream: RecvStream,
    unread: Vec<u8>,
    /// The channel's byte was read.
    opened: bool,
}

impl Frames {
    fn of(stream: RecvStream) -> Self {
        Self { stream, unread: Vec::new(), opened: false }
    }

    /// Those that came together. Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Option<Vec<TalkFrame>> {
        loop {
            let come = self.whole();
            if !come.is_empty() {
                return Some(come);
            }
            let mut pieces: [_; PIECES] = Default::default();
            let count = self.stream.read_chunks(&mut pieces).await.ok()??;
            pieces[..count].iter().for_each(|piece| self.unread.extend_from_slice(piece));
            if !self.opened {
                self.opened = true;
                self.unread.remove(0);
            }
        }
    }

    fn whole(&mut self) -> Vec<TalkFrame> {
        let (mut come, mut done) = (Vec::new(), 0);
        // An answer names up to as many as may be without one.
        while come.len() < UNDER_WAY
            && let Some(prefix) = self.unread[done..].first_chunk::<4>()
        {
            let start = done + prefix.len();
            let end = start + body_length(*prefix, Channel::Talk).expect("no longer than it may be");
            if end > self.unread.len() {
                break;
            }
            come.extend(decode(&self.unread[start..end]).expect("a frame of the engine's codec"));
            done = end;
        }
        self.unread.drain(..done);
        come
    }
}
