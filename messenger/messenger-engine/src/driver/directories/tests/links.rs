//! Links: for whom there is one, when people are looked for again, and who is told what.

use super::*;

/// Two authorities whose policies name the same directory, and the roots of both.
fn two_authorities() -> (Arc<Trust>, [[u8; 32]; 2]) {
    let policies =
        [5, 6].map(|seed| Authority::new(seed, UnixTime::now()).policy_with_directory("dir.example", "127.0.0.1:2"));
    let roots = [&policies[0], &policies[1]].map(|policy| policy.authorities[0].root_digest().unwrap().0);
    (Arc::new(Trust::new(policies.to_vec()).unwrap()), roots)
}

fn knows(trust: &Trust, who: &str, (seed, root): (u64, [u8; 32])) {
    trust.meet(&who.parse().unwrap(), &format!("Test authority {seed}"), &root, UnixTime::now()).unwrap();
}

#[tokio::test]
async fn whoever_is_not_found_where_an_old_card_says_is_looked_for_again_and_it_is_said() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    driver.calls(FIRST);
    driver.finds_bob(old());
    driver.told();
    driver.does_not_reach(&old());
    assert_eq!(driver.told(), [(bob().to_string(), "somebody else is asked".to_owned())]);
    assert_eq!(driver.to_be_placed(), [], "the call waits for the new search");
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), [FIRST]);
    let watching = driver.directories.others.iter().filter(|(_, other)| other.watched.contains(&bob()));
    assert_eq!(watching.map(|(key, _)| key.directory.name.as_str()).collect::<Vec<_>>(), ["example.net"]);

    // Nobody knows better of this one: the call fails, and it is said of the domain.
    driver.does_not_reach(&at("example.net"));
    let told = driver.told();
    assert!(told.iter().any(|(about, remedy)| about == "example.net" && remedy.contains("contact card")), "{told:?}");
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn what_is_proven_for_one_person_is_believed_of_those_alone_for_whom_it_is_proven() {
    let (trust, [five, six]) = two_authorities();
    let (bob, carol, dora) = (bob(), "carol@example.net".parse().unwrap(), "dora@example.net".parse().unwrap());
    knows(&trust, bob.as_str(), (5, five));
    knows(&trust, "carol@example.net", (6, six));
    let mut driver = driver_with(Arc::default(), trust.clone());
    for who in [&bob, &carol, &dora] {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(who, at("dir.example"));
    }
    let link = |of: &'static str| ("dir.example", of, vec![of]);
    let (of_bob, of_carol, of_dora) = (link("bob@example.net"), link("carol@example.net"), link("dora@example.net"));
    assert_eq!(driver.links(), [of_bob, of_carol.clone(), of_dora], "whoever is known by nobody is open to both");

    // She is met, by the authority that speaks for bob, too.
    knows(&trust, "dora@example.net", (5, five));
    driver.ticks();
    driver.finds(&dora, at("dir.example"));
    let of_both = ("dir.example", "bob@example.net", vec!["bob@example.net", "dora@example.net"]);
    assert_eq!(driver.links(), [of_both, of_carol.clone()]);
    // As soon as the link is bob's no more, it is verified as dora's.
    trust.set_bindings(Bindings::default());
    knows(&trust, "dora@example.net", (5, five));
    knows(&trust, "carol@example.net", (6, six));
    knows(&trust, bob.as_str(), (6, six));
    driver.ticks();
    for who in [&bob, &dora] {
        driver.finds(who, at("dir.example"));
    }
    let of_both = ("dir.example", "carol@example.net", vec!["bob@example.net", "carol@example.net"]);
    assert_eq!(driver.links(), [of_both, link("dora@example.net")]);
}

#[tokio::test]
async fn whoever_has_to_be_reached_anew_is_not_shown_as_the_old_connection_showed_her() {
    let (trust, [five, six]) = two_authorities();
    let people = [bob(), "dora@example.net".parse().unwrap()];
    let mut driver = driver_with(Arc::default(), trust.clone());
    driver.core.directory_up();
    driver.own_is_reached(true, Duration::ZERO);
    for who in &people {
        knows(&trust, who.as_str(), (5, five));
        driver.ticks();
        driver.core.command(Command::AddContact { who: who.to_string() }, Now::read());
        driver.act();
        driver.finds(who, at("dir.example"));
    }
    let number = driver.directories.others.values().next().unwrap().number;
    let presence = directory_protocol::Presence::plain(directory_protocol::Status::Available);
    for who in &people {
        let (who, presence) = (who.clone(), presence.clone());
        let event = Happening::Directory(directory_protocol::DirectoryEvent::Presence { who, presence });
        driver.directories.heard(number, event, &mut driver.core, Now::read());
    }
    assert_eq!(driver.shown(), people.clone().map(|who| (who, true)));
    // Another authority speaks for the one for whom that directory was verified: the other one has lost it, too.
    trust.set_bindings(Bindings::default());
    knows(&trust, bob().as_str(), (6, six));
    knows(&trust, "dora@example.net", (5, five));
    driver.ticks();
    assert_eq!(driver.shown(), people.map(|who| (who, false)));
}

#[tokio::test]
async fn people_of_many_domains_share_a_link_and_each_link_is_told_of_its_own() {
    let (trust, [five, six]) = two_authorities();
    let mut driver = driver_with(Arc::default(), trust.clone());
    let people: Vec<Identifier> = (1..=9).map(|n| format!("bob@{n}.example").parse().unwrap()).collect();
    let other: Identifier = "eve@1.example".parse().unwrap();
    people.iter().for_each(|who| knows(&trust, who.as_str(), (6, six)));
    knows(&trust, other.as_str(), (5, five));
    let mut announcement = directory_protocol::Announcement::available(Vec::new());
    // Whom nobody looked for is not told anywhere, whoever else of her domain is found there.
    let mallory: Identifier = "mallory@1.example".parse().unwrap();
    announcement.blocked = people.iter().chain([&other, &mallory]).cloned().collect();
    driver.asks(Ask::Announce(Box::new(Presenting { announcement, idle: None })));
    for who in people.iter().chain([&other]) {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(who, at("dir.example"));
    }
    assert_eq!(driver.directories.others.len(), 2);
    let blocked = |who| {
        let (key, _) = driver.directories.others.iter().find(|(_, link)| link.watched.contains(who)).unwrap();
        driver.directories.presenting_at(key).unwrap().announcement.blocked
    };
    assert_eq!(blocked(&people[0]), people);
    assert_eq!(blocked(&other), std::slice::from_ref(&other));
    // What is wrong with it is said once.
    driver.own_is_reached(true, Duration::ZERO);
    let number = driver.directories.others.values().find(|link| link.watched.len() == 9).unwrap().number;
    let down = || Happening::DirectoryDown("nobody answers".to_owned());
    driver.directories.heard(number, down(), &mut driver.core, Now::read());
    driver.directories.heard(number, down(), &mut driver.core, Now::read());
    let told: Vec<_> = driver.told().into_iter().map(|(about, _)| about).collect();
    assert_eq!(told, ["dir.example"]);
}

#[tokio::test]
async fn whoever_is_asked_for_again_is_looked_for_where_her_card_says_by_now() {
    let cards = Arc::new(Cards::default());
    let mut driver = driver_with(cards.clone(), two_authorities().0);
    driver.asks(Ask::Watch { who: bob() });
    driver.directories.found(&bob(), Ok(Whereabouts::Here), &mut driver.core, Now::read());
    assert_eq!(driver.links(), []);
    cards.say(&bob(), Whereabouts::At(at("dir.example")));
    driver.asks(Ask::Watch { who: bob() });
    assert_eq!(driver.links(), [("dir.example", "bob@example.net", vec!["bob@example.net"])]);
    // It is the same still.
    let number = driver.directories.opened;
    driver.asks(Ask::Watch { who: bob() });
    assert_eq!(driver.directories.opened, number);

    // The search that is under way ends, and the call that waits for it is placed there.
    let carol: Identifier = "carol@example.net".parse().unwrap();
    driver.asks(Ask::Invite { call: FIRST, callee: carol.clone(), purpose: Purpose::Text, device: None });
    assert_eq!(driver.to_be_placed(), []);
    cards.say(&carol, Whereabouts::At(at("dir.example")));
    driver.asks(Ask::Watch { who: carol });
    assert_eq!(driver.to_be_placed(), [FIRST]);
}

#[tokio::test]
async fn what_is_wrong_with_each_of_two_people_is_said_once() {
    let mut driver = driver();
    let people = [bob(), "carol@example.net".parse().unwrap()];
    for turn in 0..2 {
        for who in &people {
            driver.asks(Ask::Unwatch { who: who.clone() });
            driver.asks(Ask::Watch { who: who.clone() });
            let not_found = NotFound { message: format!("{who} is known by another"), remedy: "ask".to_owned() };
            driver.directories.found(who, Err(not_found), &mut driver.core, Now::read());
        }
        assert_eq!(driver.told().len(), if turn == 0 { 2 } else { 0 });
    }
}

#[tokio::test]
async fn whoever_was_not_found_is_looked_for_again_with_a_card_or_from_another_network() {
    let cards = Arc::new(Cards::default());
    let mut driver = driver_with(cards.clone(), two_authorities().0);
    let nobody = || NotFound { message: "nobody answers".to_owned(), remedy: "wait".to_owned() };
    let follow = |driver: &mut Driver| driver.directories.follow(&mut driver.core, Now::read());
    let card = |driver: &mut Driver| driver.asks(Ask::Watch { who: bob() });
    for again in [&follow as &dyn Fn(&mut Driver), &card] {
        cards.found.lock().unwrap().clear();
        driver.asks(Ask::Unwatch { who: bob() });
        driver.asks(Ask::Watch { who: bob() });
        driver.directories.found(&bob(), Err(nobody()), &mut driver.core, Now::read());
        cards.say(&bob(), Whereabouts::At(at("dir.example")));
        assert!(driver.links().iter().all(|(_, _, watched)| watched.is_empty()));
        again(&mut driver);
        assert!(driver.links().iter().any(|(_, _, watched)| watched == &["bob@example.net"]));
    }
}
