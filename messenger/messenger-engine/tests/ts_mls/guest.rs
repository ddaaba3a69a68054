//! Mona, whose device has another implementation of MLS: to engines a device as any other.

use std::time::Duration;

use directory_protocol::Role;
use messenger_engine::RoomSuite;
use messenger_engine::room::MyLeaf;
use messenger_engine::wire::{self, Ack, RoomFrame, RoomMark, RoomPlaintext, TalkFrame};
use quinn::Connection;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::links::{Heard, Links};
use crate::member::{Group, Member, bytes};
use crate::program::Program;
use crate::support::{PATIENCE, Puppet, Someone};

/// How she enters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the host's welcome.
    Welcome,
    /// By a commit of her own.
    Commit,
}

/// What the test has her do.
enum Order {
    Meet(Connection),
    /// With a text that is none of a room's.
    Greet,
    Say(String),
}

/// What the test learns of her.
enum Told {
    Epoch(Group),
    Text(String),
    /// About a text of hers.
    Reaction(String),
    Acknowledged,
}

/// The test's hand on her.
pub(crate) struct Guest {
    puppet: Puppet,
    orders: UnboundedSender<Order>,
    told: UnboundedReceiver<Told>,
    /// Her room, as it was told last.
    group: Option<Group>,
}

impl Guest {
    /// Calls alice, a contact, and has a conversation with her.
    pub(crate) async fn meets(alice: &mut Someone, name: &str, mut puppet: Puppet, program: Program, way: Way) -> Self {
        let (orders, to_do) = unbounded_channel();
        let (tell, told) = unbounded_channel();
        let (certificate, key) = (puppet.certificate.to_vec(), puppet.key.clone());
        let device = Device { program: Some(program), way, certificate, key, member: None, tell, said: 1, seen: 0 };
        tokio::spawn(device.live(to_do));
        let door = puppet.call_alice().await;
        let connecting = puppet.endpoint.connect_with(puppet.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
        let mut guest = Self { puppet, orders, told, group: None };
        guest.do_it(Order::Meet(connecting.await.unwrap()));
        guest.do_it(Order::Greet);
        assert_eq!(alice.hears(name).await, "hello");
        guest.is_acknowledged_by(1).await;
        guest
    }

    fn do_it(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "her device has failed");
    }

    /// Takes the next call, and is connected to whoever called.
    pub(crate) async fn is_called(&mut self) {
        let candidate = self.puppet.endpoint.local_addr().unwrap();
        let (caller, key) = self.puppet.called_at(vec![candidate]).await;
        self.puppet.show(Role::Listener, caller, &key, 0..60);
        let connection = self.puppet.accepted().await.unwrap();
        self.do_it(Order::Meet(connection));
    }

    pub(crate) fn say(&self, text: &str) {
        self.do_it(Order::Say(text.to_owned()));
    }

    async fn next<T>(&mut self, what: &str, mut question: impl FnMut(&Told) -> Option<T>) -> T {
        let search = async {
            loop {
                let told = self.told.recv().await.expect("her device goes on");
                if let Some(answer) = question(&told) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("mona waited for {what} in vain"))
    }

    /// The group in the next epoch that she comes into.
    pub(crate) async fn next_epoch(&mut self) -> Group {
        let question = |told: &Told| if let Told::Epoch(group) = told { Some(group.clone()) } else { None };
        let group = self.next("an epoch", question).await;
        self.group = Some(group.clone());
        group
    }

    /// The text that she reads next.
    pub(crate) async fn hears(&mut self) -> String {
        self.next("a text", |told| if let Told::Text(text) = told { Some(text.clone()) } else { None }).await
    }

    /// The reaction to her last text that she reads next.
    pub(crate) async fn hears_reaction(&mut self) -> String {
        let question = |told: &Told| if let Told::Reaction(emoji) = told { Some(emoji.clone()) } else { None };
        self.next("a reaction", question).await
    }

    /// Waits until so many devices have said that they show her text.
    pub(crate) async fn is_acknowledged_by(&mut self, devices: usize) {
        for _ in 0..devices {
            self.next("an acknowledgement", |told| matches!(told, Told::Acknowledged).then_some(())).await;
        }
    }

    /// The code of the epoch that she came into last.
    pub(crate) fn code(&self) -> String {
        self.group.as_ref().map(Group::code).unwrap_or_default()
    }

    /// How the room stands, in the bytes of the group's context.
    pub(crate) fn standing(&self) -> &[u8] {
        self.group.as_ref().map_or(&[], |group| &group.standing)
    }
}

/// Her device. What she cannot do ends it, and the test.
struct Device {
    /// Until she is in a room.
    program: Option<Program>,
    way: Way,
    certificate: Vec<u8>,
    key: ed25519_dalek::SigningKey,
    member: Option<Member>,
    tell: UnboundedSender<Told>,
    /// The number of her last text: the first was a greeting.
    said: u64,
    /// The greatest count of the room's epoch.
    seen: u32,
}

impl Device {
    async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        let (hear, mut heard) = unbounded_channel();
        let mut links = Links::new(hear);
        let mut beats = tokio::time::interval(Duration::from_secs(2));
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Meet(connection)) => links.add(connection).await,
                    Some(Order::Greet) => links.greet().await,
                    Some(Order::Say(text)) => self.say(text, &mut links).await,
                    None => return,
                },
                Some(heard) = heard.recv() => match heard {
                    Heard::Talk(from, frame) => self.talk(from, frame, &mut links).await,
                    Heard::Room(from, frame) => self.room(from, frame, &mut links).await,
                },
                _ = beats.tick() => self.beat(&mut links).await,
            }
        }
    }

    /// Her device, as the program is told of it.
    fn named(&self) -> serde_json::Value {
        json!({ "certificate": hex::encode(&self.certificate), "key": hex::encode(self.key.to_bytes()) })
    }

    async fn say(&mut self, text: String, links: &mut Links) {
        let member = self.member.as_mut().expect("she is in a room");
        self.said += 1;
        let plaintext =
            minicbor::to_vec(RoomPlaintext::Text { id: self.said, seen: self.seen, text, reply: None }).unwrap();
        self.seen += 1;
        let message = member.seal(&plaintext).unwrap();
        links.text(&member.group.members, member.group.room, &message).await;
    }

    async fn talk(&mut self, from: usize, frame: TalkFrame, links: &mut Links) {
        match frame {
            TalkFrame::RoomText { number, message, .. } => {
                let plaintext = self.member.as_mut().expect("she is in a room").open(&message);
                let (seen, told) = match minicbor::decode(&plaintext).unwrap() {
                    RoomPlaintext::Text { seen, text, .. } => (seen, Told::Text(text)),
                    RoomPlaintext::Mark { seen, mark: RoomMark::Reaction { on, emoji }, .. } => {
                        assert_eq!((on.device, on.id), (self.key.verifying_key().to_bytes(), self.said));
                        (seen, Told::Reaction(emoji))
                    }
                    other => panic!("{other:?}"),
                };
                self.seen = self.seen.max(seen + 1);
                let _ = self.tell.send(told);
                links.talk(from, &TalkFrame::Ack { acks: vec![Ack { number, refused: None }] }).await;
            }
            TalkFrame::Ack { acks } => {
                for ack in acks {
                    assert_eq!(ack.refused, None);
                    let _ = self.tell.send(Told::Acknowledged);
                }
            }
            _ => {}
        }
    }

    async fn room(&mut self, from: usize, frame: RoomFrame, links: &mut Links) {
        match (frame, &mut self.member) {
            (RoomFrame::Invite { room, suite, .. }, None) if self.way == Way::Commit => {
                assert_eq!(suite, RoomSuite::Classical.number());
                links.room_frame(from, &RoomFrame::Approach { room }).await;
            }
            (RoomFrame::Admission { room, group_info, invitation }, None) => {
                let (program, leaf) = (self.program.take(), MyLeaf::new(self.certificate.clone(), self.key.clone()));
                let program = program.expect("she enters once");
                let (member, commit) = Member::approaching(program, leaf, &self.named(), (&group_info, &invitation));
                self.member = Some(member);
                links.room_frame(from, &RoomFrame::Join { room, commit }).await;
            }
            (RoomFrame::Invite { room, suite, .. }, None) => {
                assert_eq!(suite, RoomSuite::Classical.number());
                let mut wish = self.named();
                wish["do"] = "key_package".into();
                let answer = self.program.as_mut().expect("she enters once").ask(&wish).unwrap();
                links.room_frame(from, &RoomFrame::Enter { room, key_package: bytes(&answer["key_package"]) }).await;
            }
            (RoomFrame::Welcome { welcome, epoch: Some(epoch), .. }, None) => {
                let (program, leaf) = (self.program.take(), MyLeaf::new(self.certificate.clone(), self.key.clone()));
                self.member = program.map(|program| Member::welcomed(program, leaf, &welcome, epoch));
                self.arrived(links).await;
            }
            (RoomFrame::Offer { head, commit, .. }, Some(member)) if member.is_in() => {
                if let Some(ack) = member.offered(&head, &commit) {
                    links.room_frame_to_all(&RoomFrame::Ack { head, ack }).await;
                }
            }
            (RoomFrame::Go { head, commit, acks }, Some(member)) => {
                let followed = member.told_to_go(&head, &commit, &acks);
                if followed {
                    self.arrived(links).await;
                }
            }
            (RoomFrame::Decline { reason, .. }, None) => panic!("mona is declined: {reason}"),
            _ => {}
        }
    }

    /// She has come into an epoch.
    async fn arrived(&mut self, links: &mut Links) {
        self.seen = 0;
        self.beat(links).await;
        if let Some(member) = &mut self.member {
            if member.group.removed {
                assert!(member.seal(b"one more").unwrap_err().contains("removed"), "she has no keys for more");
            }
            let _ = self.tell.send(Told::Epoch(member.group.clone()));
        }
    }

    async fn beat(&mut self, links: &mut Links) {
        if let Some((whereabouts, signature)) = self.member.as_ref().and_then(Member::whereabouts) {
            links.room_frame_to_all(&RoomFrame::Beat { whereabouts, signature, hears: None }).await;
        }
    }
}
