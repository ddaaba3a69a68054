//! People who are found in another directory than one's own, at real directories.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use identity::Identifier;
use messenger_engine::whereabouts::{DirectoryElsewhere, Find, Search, Whereabouts};
use messenger_engine::{DirectoryAddress, EngineConfig, Event, NotFound, examine};
use support::{Someone, Town, identifier};
use tokio::sync::watch;

/// More than a directory takes requests at once (docs/spec/directory.md, section 7).
const MANY: usize = 3_000;

/// Where people are found, as a test says it.
struct Guide<F>(F);

impl<F: Fn(&Identifier) -> Search + Send + Sync> Find for Guide<F> {
    fn find(&self, who: &Identifier) -> Search {
        (self.0)(who)
    }

    fn find_again(&self, who: &Identifier, _: Duration) -> Search {
        self.find(who)
    }

    fn not_reached(&self, _: &Identifier, _: &DirectoryElsewhere) -> Option<String> {
        None
    }

    fn was_cut_off(&self, _: Duration) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_who_are_found_one_by_one_do_not_cost_the_connection() {
    let town = Town::new().await;
    let address = town.another_directory("localhost").to_string();
    let there = |name: &str| EngineConfig {
        directory: DirectoryAddress { name: "localhost".to_owned(), address: address.clone() },
        ..town.config(name, &["alice"])
    };
    let _yves = Someone::start(there("yves")).await;
    let _zoe = Someone::start(there("zoe")).await;
    let (found, rest) = watch::channel(false);
    let directory = DirectoryElsewhere { name: "localhost".to_owned(), addresses: vec![address.clone()] };
    let mut config = town.config("alice", &["yves", "zoe"]);
    config.contacts.extend((0..MANY).map(|number| identifier(&format!("bob{number}"))));
    // Zoe is found at once, the rest when it is said.
    config.whereabouts = Some(Arc::new(Guide(move |who: &Identifier| -> Search {
        let (directory, mut rest, is_first) = (directory.clone(), rest.clone(), *who == identifier("zoe"));
        Box::pin(async move {
            if !is_first {
                rest.wait_for(|found| *found).await.unwrap();
            }
            Ok(Whereabouts::At(directory))
        })
    })));
    let mut alice = Someone::start(config).await;
    alice.sees("zoe", true).await;
    found.send(true).unwrap();
    // Of the last one she hears on the connection on which she heard of the first.
    let (yves, zoe) = (identifier("yves"), identifier("zoe"));
    let connected = |event: &Event| match event {
        Event::Presence { who, online: false, .. } if *who == zoe => Some(false),
        Event::Presence { who, online: true, .. } if *who == yves => Some(true),
        _ => None,
    };
    assert!(alice.wait("yves", connected).await, "the connection was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_whether_the_directories_of_contacts_are_reached() {
    let town = Town::new().await;
    let address = town.another_directory("localhost").to_string();
    let there = |name: &str| {
        Ok(Whereabouts::At(DirectoryElsewhere { name: name.to_owned(), addresses: vec![address.clone()] }))
    };
    let nowhere = NotFound { message: "no domain says".to_owned(), remedy: "ask".to_owned() };
    let mut config = town.config("alice", &["yves", "zoe", "xenia", "walter", "bob"]);
    // Xenia's has another certificate than it should.
    let said = [
        ("yves", there("localhost")),
        ("zoe", there("localhost")),
        ("xenia", there("other.example.org")),
        ("walter", Err(nowhere)),
    ];
    config.whereabouts = Some(Arc::new(Guide(move |who: &Identifier| -> Search {
        let said = said.iter().find(|(name, _)| who.as_str().starts_with(name));
        Box::pin(std::future::ready(said.map_or(Ok(Whereabouts::Here), |(_, said)| said.clone())))
    })));
    let found = examine(config).await.unwrap();
    let [reached, refused] = &found.elsewhere[..] else { panic!("{:?}", found.elsewhere) };
    assert_eq!((&reached.name[..], &reached.addresses[..]), ("localhost", &[address.clone()][..]));
    assert_eq!(reached.contacts, ["yves", "zoe"].map(identifier));
    assert!(reached.round_trip_ms.is_some_and(|took| took > 0.0) && reached.trouble.is_none(), "{reached:?}");
    assert_eq!((&refused.name[..], &refused.contacts[..]), ("other.example.org", &[identifier("xenia")][..]));
    assert!(refused.round_trip_ms.is_none() && refused.trouble.is_some(), "{refused:?}");
    let [one] = &found.nowhere[..] else { panic!("{:?}", found.nowhere) };
    assert_eq!((&one.who, &one.trouble.message[..]), (&identifier("walter"), "no domain says"));
}
