//! Many messages under way, one way, beside the same frames over bare quinn.
//!
//! Both sides put the same number of frames of the same length on one stream, and have as many without an answer at a time as
//! the protocol lets be. Both answer on a stream of their own, in one frame for all that came together, as long as the engine's
//! acknowledgement is. The bare side finds its frames by their lengths, makes, reads and checks nothing of what is in them, shows
//! nobody a text, keeps none to be sent again: that is what the row compares. What making, reading and telling them takes is
//! told beside it ([`floor`]).

mod floor;

use std::time::Instant;

use messenger_engine::{
    DeliveryState, Event,
    session::WINDOW,
    wire::{Ack, Channel, TalkFrame, encode},
};
use quinn::{Connection, RecvStream, SendStream};
use tokio::{runtime::Runtime, sync::Semaphore};

use floor::Floor;

use super::{ROUNDS, TEXT, Talk, alice_and_bob};
use crate::{
    measure::{Pair, Part, Scale, median, paired},
    quic::Ends,
};

/// Messages in one round.
const STREAMED: usize = 10_000;
/// As many have no acknowledgement yet at a time as a sender's window lets out (docs/spec/peer.md, section 3).
const UNDER_WAY: usize = WINDOW;
/// How many pieces of a stream are taken together, as the engine takes them.
const PIECES: usize = 32;
/// The length that precedes a frame's body.
const PREFIX: usize = 4;

/// Messages in a second, here and beside it.
pub(super) fn paced(runtime: &Runtime, scale: Scale) -> Pair {
    let mut talk = runtime.block_on(Talk::new());
    let mut bare = runtime.block_on(OneWay::new());
    let mut floor = runtime.block_on(Floor::new());
    let per_second = |began: Instant| STREAMED as f64 / began.elapsed().as_secs_f64();
    let mut at_least = Vec::new();
    let pair = paired(
        ROUNDS * scale.factor,
        || {
            let began = Instant::now();
            runtime.block_on(talk.many(STREAMED));
            per_second(began)
        },
        || {
            let began = Instant::now();
            runtime.block_on(floor.many(STREAMED));
            at_least.push(per_second(began));
            let began = Instant::now();
            runtime.block_on(bare.many(STREAMED));
            per_second(began)
        },
    );
    let name = "where frames are made, read and told as events, and nothing else is done".to_owned();
    let part = Part { name, figure: median(at_least), unit: "messages/s", times: 1.0 };
    Pair { parts: vec![part], ..pair }
}

impl Talk {
    /// Sends so many, of which [`UNDER_WAY`] have no acknowledgement yet at a time.
    async fn many(&mut self, count: usize) {
        let (alice, bob, events, places) = (&self.alice, &self.bob, &mut self.events, Semaphore::new(UNDER_WAY));
        let sending = async {
            for _ in 0..count {
                places.acquire().await.expect("it is never closed").forget();
                assert!(alice.send(Self::text(bob)).await, "the engine runs");
            }
        };
        let receiving = async {
            let mut left = count;
            while left > 0 {
                let mut delivered = usize::from(is_delivery(&events.recv().await.expect("the engine runs")));
                while let Ok(event) = events.try_recv() {
                    delivered += usize::from(is_delivery(&event));
                }
                left -= delivered;
                places.add_permits(delivered);
            }
        };
        tokio::join!(sending, receiving);
    }
}

/// Whether one more has arrived.
fn is_delivery(event: &Event) -> bool {
    match event {
        Event::MessageState { state: DeliveryState::Delivered, .. } => true,
        Event::MessageState { state: DeliveryState::Sending, .. } => false,
        Event::MessageState { reason, .. } => panic!("a message was not delivered: {reason:?}"),
        _ => false,
    }
}

/// A stream of texts' frames, and one that answers them.
struct OneWay {
    frame: Vec<u8>,
    send: SendStream,
    answers: RecvStream,
    _ends: Ends,
    _connection: Connection,
}

impl OneWay {
    async fn new() -> Self {
        let (ends, dialled, accepted) = alice_and_bob().await;
        let text = TalkFrame::Text { number: 1 << 16, id: 1 << 52, text: TEXT.to_owned(), reply: None };
        let frame = encode(&text, Channel::Talk).expect("a short text");
        // The stream is there for the other end with its first byte.
        let mut send = dialled.open_uni().await.expect("streams are free");
        send.write_all(&[Channel::Talk.byte()]).await.expect("the stream is open");
        tokio::spawn(answer(accepted));
        let mut answers = dialled.accept_uni().await.expect("bob answers");
        answers.read_exact(&mut [0]).await.expect("bob answers");
        Self { frame, send, answers, _ends: ends, _connection: dialled }
    }

    /// Sends so many, of which [`UNDER_WAY`] have no answer yet at a time.
    async fn many(&mut self, count: usize) {
        let (frame, send, answers, places) =
            (&self.frame, &mut self.send, &mut self.answers, Semaphore::new(UNDER_WAY));
        let sending = async {
            for _ in 0..count {
                places.acquire().await.expect("it is never closed").forget();
                send.write_all(frame).await.expect("the stream is open");
            }
        };
        let receiving = async {
            let (mut left, mut body) = (count, Vec::new());
            while left > 0 {
                let mut prefix = [0; PREFIX];
                answers.read_exact(&mut prefix).await.expect("the answer comes");
                body.resize(u32::from_be_bytes(prefix) as usize, 0);
                answers.read_exact(&mut body).await.expect("the answer comes");
                let answered = usize::from(u16::from_be_bytes([body[0], body[1]]));
                left -= answered;
                places.add_permits(answered);
            }
        };
        tokio::join!(sending, receiving);
    }
}

/// Says of all frames that came together how many they were. They are found in what came by the length that precedes each.
async fn answer(connection: Connection) {
    let mut frames = connection.accept_uni().await.expect("alice opens a stream");
    frames.read_exact(&mut [0]).await.expect("alice opens a stream");
    let mut answers = connection.open_uni().await.expect("streams are free");
    answers.write_all(&[Channel::Talk.byte()]).await.expect("the stream is open");
    let acknowledgements: Vec<Vec<u8>> = (0..=UNDER_WAY).map(acknowledgement).collect();
    let (mut pieces, mut unread): ([_; PIECES], Vec<u8>) = Default::default();
    while let Ok(Some(count)) = frames.read_chunks(&mut pieces).await {
        pieces[..count].iter().for_each(|piece| unread.extend_from_slice(piece));
        let (mut whole, mut done) = (0, 0);
        while let Some(prefix) = unread[done..].first_chunk::<PREFIX>() {
            let end = done + PREFIX + u32::from_be_bytes(*prefix) as usize;
            if end > unread.len() {
                break;
            }
            (whole, done) = (whole + 1, end);
        }
        unread.drain(..done);
        if whole > 0 && answers.write_all(&acknowledgements[whole]).await.is_err() {
            return;
        }
    }
}

/// A frame as long as the engine's acknowledgement of so many, that begins with their number.
fn acknowledgement(of: usize) -> Vec<u8> {
    let acks = (0..of).map(|number| Ack { number: (1 << 16) + number as u64, refused: None }).collect();
    let mut frame = encode(&TalkFrame::Ack { acks }, Channel::Talk).expect("as many as fit");
    let of = u16::try_from(of).expect("as many as fit").to_be_bytes();
    frame[PREFIX..][..of.len()].copy_from_slice(&of);
    frame
}
