//! Views go out after the texts, to who takes them, and come in without waiting for anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use identity::Identifier;

use super::world::{World, address, last_state, texts};
use crate::api::DeliveryState;
use crate::gossip::{Gossip, MAX_HEARD};
use crate::wire::{Channel, PolicyView, TalkFrame, Views, decode};

/// Tells one view, and writes down what it hears.
#[derive(Default)]
struct Notebook {
    own: Views,
    revision: AtomicU64,
    asked: Mutex<Vec<String>>,
    heard: Mutex<Vec<(Identifier, Views)>>,
}

impl Gossip for Notebook {
    fn views(&self, authority: &str) -> Option<Views> {
        self.asked.lock().unwrap().push(authority.to_owned());
        Some(self.own.clone())
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn heard(&self, from: &Identifier, views: Views) {
        self.heard.lock().unwrap().push((from.clone(), views));
    }
}

fn views(of: &str) -> Views {
    let policy = PolicyView { genesis: [1; 32], number: 3, digest: [2; 32] };
    Views { checkpoints: vec![format!("a checkpoint seen by {of}")], policies: vec![policy], ..Views::default() }
}

/// Alice and bob, of whom these take part in gossip.
fn world(gossips: &[&str]) -> (World, Vec<Arc<Notebook>>) {
    let mut world = World::of(&["alice", "bob"]);
    let mut notebooks = Vec::new();
    for name in gossips {
        let notebook = Arc::new(Notebook { own: views(name), ..Notebook::default() });
        world.gossip(name, notebook.clone());
        notebooks.push(notebook);
    }
    (world, notebooks)
}

/// The kinds of frames that somebody sent, in order.
fn sent(world: &World, who: &str) -> Vec<String> {
    let talk = world.tapped.iter().filter(|(name, channel, _)| name == who && *channel == Channel::Talk);
    let kind = |bytes: &[u8]| format!("{:?}", decode::<TalkFrame>(&bytes[4..]).unwrap().unwrap());
    talk.map(|(.., bytes)| kind(bytes).split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn both_tell_once_after_the_text_that_waits() {
    let (mut world, notebooks) = world(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.send("alice", "bob", "again", 2);
    assert_eq!(texts(&world.events("bob")), ["hello", "again"]);
    assert_eq!(sent(&world, "alice"), ["Hello", "Text", "Views", "MailCertificate", "Text"]);
    assert_eq!(sent(&world, "bob").iter().filter(|kind| *kind == "Views").count(), 1);
    for (notebook, from) in notebooks.iter().zip(["bob", "alice"]) {
        assert_eq!(*notebook.heard.lock().unwrap(), [(address(from).parse().unwrap(), views(from))]);
        assert_eq!(*notebook.asked.lock().unwrap(), ["town"], "it is told who certified the other");
    }
}

#[test]
fn a_program_that_knows_no_gossip_is_told_nothing() {
    let (mut world, notebooks) = world(&["alice"]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
    assert!(!sent(&world, "alice").contains(&"Views".to_owned()));
    assert!(notebooks[0].asked.lock().unwrap().is_empty());
    // One that takes none ignores it, should it come all the same.
    world.inject_talk("alice", "bob", TalkFrame::Views { views: views("alice") });
    world.send("alice", "bob", "still there?", 2);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn what_is_new_is_told_again_and_a_flood_is_not_listened_to() {
    let (mut world, notebooks) = world(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    notebooks[0].revision.store(1, Ordering::Relaxed);
    world.pass(crate::core::LOOK);
    assert_eq!(notebooks[1].heard.lock().unwrap().len(), 2);
    for _ in 0..100 {
        world.inject_talk("alice", "bob", TalkFrame::Views { views: views("alice") });
    }
    assert_eq!(notebooks[1].heard.lock().unwrap().len(), usize::from(MAX_HEARD));
    assert_eq!(world.wires("alice", "bob"), 1);
    // More than is allowed is no protocol.
    let views = Views { checkpoints: vec![String::new(); 9], ..Views::default() };
    world.inject_talk("alice", "bob", TalkFrame::Views { views });
    assert_eq!(world.wires("alice", "bob"), 0);
}
