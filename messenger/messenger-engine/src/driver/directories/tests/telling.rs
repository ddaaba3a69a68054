//! What another directory is told of this device, and how often.

use super::*;
use directory_protocol::message::chunks;
use directory_protocol::{Announcement, Audience};

/// The frames of the announcements among these, and how many people are in them.
fn announced(asked: &[Ask]) -> (usize, usize) {
    let announcements = asked.iter().filter_map(|ask| match ask {
        Ask::Announce(presenting) => Some(&presenting.announcement),
        _ => None,
    });
    let frames = |lists: [&[Identifier]; 3]| lists.iter().map(|list| chunks(list).count()).sum::<usize>() + 1;
    announcements.fold((0, 0), |(sent, people), announcement| {
        let Audience::Named(named) = &announcement.visible_to else { panic!("an audience of named people") };
        let lists = [&announcement.contacts[..], named, &announcement.blocked];
        (sent + frames(lists), people + lists.iter().map(|list| list.len()).sum::<usize>())
    })
}

/// As many contacts as there may be, a thousand of whom may see her.
fn contacts() -> (Vec<Identifier>, Presenting) {
    let people: Vec<Identifier> = (0..10_000).map(|n| format!("bob{n}@example.net").parse().unwrap()).collect();
    let mut announcement = Announcement::available(people.clone());
    announcement.visible_to = Audience::Named(people[..1_000].to_vec());
    (people, Presenting { announcement, idle: None })
}

#[tokio::test]
async fn what_another_directory_is_told_grows_with_its_people_and_not_with_their_square() {
    let mut driver = driver();
    let (people, presenting) = contacts();
    driver.asks(Ask::Announce(Box::new(presenting)));
    let now = Now::read();
    let there = || Ok(Whereabouts::At(at("example.net")));
    driver.directories.found(&people[0], there(), &mut driver.core, now);
    let mut asked = listen(&mut driver, &at("example.net"));
    for who in &people[1..] {
        driver.directories.found(who, there(), &mut driver.core, now);
        driver.directories.tick(&mut driver.core, now);
    }
    let later = Now { instant: now.instant + Duration::from_secs(1), ..now };
    driver.directories.tick(&mut driver.core, later);
    let asked = drain(&mut asked);
    // Each of ten thousand names once among the contacts, and a thousand of them in the audience, a few hundred to a frame.
    let (frames, listed) = announced(&asked);
    assert_eq!(listed, 11_000);
    assert!(frames < 30, "{frames} frames");
    let watched = asked.iter().filter(|ask| matches!(ask, Ask::Watch { .. })).count();
    assert_eq!(watched, 9_999);
    // Nothing has changed since.
    let mut asked = listen(&mut driver, &at("example.net"));
    driver.directories.tick(&mut driver.core, Now { instant: later.instant + Duration::from_secs(9), ..now });
    assert_eq!(drain(&mut asked), []);
}

#[tokio::test]
async fn contacts_who_are_found_at_once_are_told_of_at_once() {
    let cards = Arc::new(Cards::default());
    let (people, presenting) = contacts();
    people.iter().for_each(|who| cards.say(who, Whereabouts::At(at("example.net"))));
    let mut driver = driver_with(cards, Authority::new(5, UnixTime::now()).trust());
    driver.asks(Ask::Watch { who: people[0].clone() });
    let mut asked = listen(&mut driver, &at("example.net"));
    driver.asks(Ask::Announce(Box::new(presenting)));
    let asked = drain(&mut asked);
    assert_eq!(announced(&asked).1, 11_000);
    // They leave together, too.
    let mut asked = listen(&mut driver, &at("example.net"));
    people.iter().for_each(|who| driver.asks(Ask::Unwatch { who: who.clone() }));
    driver.ticks_after(Duration::from_secs(1));
    assert_eq!(announced(&drain(&mut asked)), (1, 0));
}

#[tokio::test]
async fn a_call_is_placed_behind_what_it_shows_its_caller_by() {
    let mut driver = driver();
    let (people, presenting) = contacts();
    driver.asks(Ask::Announce(Box::new(presenting)));
    driver.finds(&people[0], at("example.net"));
    let number = driver.directories.others.values().next().unwrap().number;
    let mut asked = listen(&mut driver, &at("example.net"));
    let call = |call, n: usize| Ask::Invite { call, callee: people[n].clone(), purpose: Purpose::Text, device: None };
    let what = |asked: &mut _| -> Vec<String> {
        let what = |ask: Ask| match ask {
            Ask::Announce(presenting) => format!("{} contacts", presenting.announcement.contacts.len()),
            Ask::Watch { .. } => "one more".to_owned(),
            Ask::Invite { .. } => "a call".to_owned(),
            other => format!("{other:?}"),
        };
        drain(asked).into_iter().map(what).collect()
    };
    // One that waits until the directory is reached.
    driver.finds(&people[1], at("example.net"));
    driver.asks(call(FIRST, 1));
    driver.finds(&people[2], at("example.net"));
    driver.directories.heard(number, Happening::DirectoryUp, &mut driver.core, Now::read());
    assert_eq!(what(&mut asked), ["one more", "2 contacts", "one more", "3 contacts", "a call"]);
    // One that does not have to.
    driver.finds(&people[3], at("example.net"));
    driver.asks(call(SECOND, 3));
    driver.asks(call(CallId([3; 16]), 3));
    assert_eq!(what(&mut asked), ["one more", "4 contacts", "a call", "a call"]);
}
