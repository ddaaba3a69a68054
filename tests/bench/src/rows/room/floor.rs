//! What is left of a talk in a room when all is taken away that makes a messenger: one member seals a text by bare openmls and
//! writes it to a bare quinn stream to each of the others, who open it by bare openmls. Nobody acknowledges, numbers, checks or
//! keeps anything. A messenger does all that as well, and can save no more than what openmls' own store takes, which ours does not.

use std::time::{Duration, Instant};

use identity::{UnixTime, testing::Authority};
use messenger_engine::RoomSuite;
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;

use super::super::message::alice_and_bob;
use super::Device;
use super::bare::{Bare, Member};
use crate::measure::median;
use crate::quic::Ends;

/// Who talks, and where it comes out when each of the others has read a text.
pub(super) struct Talkers {
    speaker: Member,
    streams: Vec<SendStream>,
    read: mpsc::UnboundedReceiver<Instant>,
    _ends: Vec<Ends>,
}

impl Talkers {
    /// A room of so many, who have said something.
    pub(super) async fn new(members: usize) -> Self {
        let authority = Authority::new(8, UnixTime::now());
        let devices = (1..=members).map(|number| Device::new(&authority, number)).collect();
        let mut everybody = Bare::new(&authority, RoomSuite::default(), devices).into_members();
        let speaker = everybody.pop().expect("a room has a member");
        let (tell, read) = mpsc::unbounded_channel();
        let (mut streams, mut ends) = (Vec::new(), Vec::new());
        for other in everybody {
            let (here, dialled, accepted) = alice_and_bob().await;
            tokio::spawn(listen(other, accepted, tell.clone()));
            streams.push(dialled.open_uni().await.expect("streams are free"));
            ends.push(here);
        }
        let mut talkers = Self { speaker, streams, read, _ends: ends };
        talkers.p50(1).await;
        talkers
    }

    /// Microseconds from a word of hers until another one has read it: the median over so many texts and all others.
    pub(super) async fn p50(&mut self, texts: usize) -> f64 {
        let mut took = Vec::with_capacity(texts * self.streams.len());
        for _ in 0..texts {
            let began = Instant::now();
            let text = self.speaker.say();
            let length = u32::try_from(text.len()).expect("a text is short").to_be_bytes();
            let frame = [&length[..], &text].concat();
            for stream in &mut self.streams {
                stream.write_all(&frame).await.expect("the stream is open");
            }
            for _ in &self.streams {
                let at = self.read.recv().await.expect("all listen");
                took.push(at - began);
            }
        }
        let micros = |took: &Duration| took.as_secs_f64() * 1e6;
        median(took.iter().map(micros).collect())
    }
}

/// Reads all texts, and says when.
async fn listen(mut member: Member, connection: Connection, read: mpsc::UnboundedSender<Instant>) {
    let mut stream = connection.accept_uni().await.expect("she opens a stream");
    let (mut length, mut text) = ([0; 4], Vec::new());
    while stream.read_exact(&mut length).await.is_ok() {
        text.resize(u32::from_be_bytes(length) as usize, 0);
        stream.read_exact(&mut text).await.expect("the text comes");
        member.hear(&text);
        if read.send(Instant::now()).is_err() {
            return;
        }
    }
}
