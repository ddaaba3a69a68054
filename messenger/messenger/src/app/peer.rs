//! Who is at the other end: what the certificate proves, whether its device was met before, and the code that two people
//! compare.

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::Peer;

use super::{App, Cover, Effect, Entry};
use crate::contacts::devices::Meeting;

impl App {
    /// A conversation with somebody's device begins. A contact's first device is kept without a word, a known one is no
    /// news; one that a known device endorses stands in the conversation, and in /verify. Any other is told aloud: it may be a
    /// new telephone, and it may be somebody who reads her mail.
    pub(super) fn hear_peer(&mut self, peer: Peer, now: DateTime) -> Vec<Effect> {
        let who = peer.who.clone();
        let person = self.person_mut(&who);
        let (device, endorsed_by) = (peer.device, peer.endorsed_by.clone());
        person.peer = Some(peer);
        if !person.contact {
            return Vec::new();
        }
        let meeting = person.about.devices.meet(device, &endorsed_by);
        if meeting == Meeting::Known {
            return Vec::new();
        }
        let mut effects = vec![Effect::About(who.clone(), Box::new(person.about.clone()))];
        if meeting == Meeting::Endorsed {
            let compared = person.about.devices.all().iter().any(|known| known.compared);
            self.conversation_mut(&Entry::Person(who.clone())).note(endorsed(&who, compared), now);
        } else if meeting == Meeting::Another {
            let words = another(&who);
            self.conversation_mut(&Entry::Person(who)).note(words.clone(), now);
            self.wrong(words);
            effects.extend(self.bell());
        }
        effects
    }

    /// Shows who is at the other end of the conversation that is open.
    pub(super) fn show_identity(&mut self) {
        match &self.selected {
            Some(Entry::Person(who)) => {
                // The page stays as it is while two people read it to each other, whoever comes meanwhile.
                let peer = self.people.get(who).and_then(|person| person.peer.clone()).map(Box::new);
                self.cover = Some(Cover::Identity { who: who.clone(), peer: peer.clone(), scroll: 0 });
                let who = who.clone();
                self.person_mut(&who).shown = peer.map(|peer| peer.device);
            }
            _ => self.wrong("Choose a person first."),
        }
    }

    /// Whether those whom one knows are told one's certificate for mail, from now on.
    pub(super) fn tell_mail_certificate(&mut self, told: bool) -> Vec<Effect> {
        self.behaviour.tell_mail_certificate = told;
        self.said(match told {
            true => "Whom you know is told your certificate for mail, if you have one.",
            false => "Nobody is told your certificate for mail any more; who has it keeps it until it ends.",
        });
        vec![Effect::Behave(self.behaviour.clone())]
    }

    /// The two people have compared the code: it was the same.
    pub(super) fn compared(&mut self, now: DateTime) -> Vec<Effect> {
        let (who, person) = match self.chosen_contact() {
            Ok(contact) => contact,
            Err(problem) => {
                self.wrong(problem);
                return Vec::new();
            }
        };
        // What was compared is what /verify showed, not what may have come since.
        let Some(device) = person.shown else {
            let words = match person.peer {
                Some(_) => "Compare the code first: /verify shows it.",
                None => "Write to them first: the code comes from the certificates that both devices show.",
            };
            self.wrong(words);
            return Vec::new();
        };
        person.about.devices.meet(device, &[]);
        person.about.devices.compare(device);
        let about = Box::new(person.about.clone());
        self.conversation_mut(&Entry::Person(who.clone()))
            .note("You have compared the code that /verify showed: that device is theirs".to_owned(), now);
        vec![Effect::About(who, about)]
    }
}

/// What is said, and not aloud, of a device that a known one endorses.
fn endorsed(who: &Identifier, compared: bool) -> String {
    let with = if compared { "; you have compared the code with another one, and not with this one" } else { "" };
    format!("{who} comes with another device of theirs: one that you know endorses it{with} (/verify)")
}

/// What is said of a device that was not met before.
fn another(who: &Identifier) -> String {
    format!(
        "{who} comes with a device that you have not met: a new one of theirs, or somebody who reads their mail. Ask them \
         in another way than this; /verify shows the code to compare"
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use identity::trust::Fingerprint;
    use messenger_engine::Event;

    use super::*;
    use crate::app::Notice;
    use crate::app::tests::{app, now, typed, who};
    use crate::settings::Settings;

    pub(crate) fn peer(name: &str, device: u8) -> Event {
        endorsed_peer(name, device, &[])
    }

    fn endorsed_peer(name: &str, device: u8, by: &[u8]) -> Event {
        Event::Peer(Peer {
            who: who(name),
            device: Fingerprint([device; 32]),
            authority: "Example Home".to_owned(),
            serial: "2f61a0".to_owned(),
            not_before: 1_795_435_200,
            not_after: 1_796_644_800,
            log: "home.example.org/log/2026".to_owned(),
            index: 7,
            witnesses: vec!["home.example.org/witness".to_owned()],
            witnessed_only_by_operator: true,
            endorsed_by: by.iter().map(|by| Fingerprint([*by; 32])).collect(),
            code: "H6AH-7PG2-CE7R-MM8Z-Y4FD-6P1A".to_owned(),
        })
    }

    fn kept(effects: &[Effect]) -> bool {
        effects.iter().any(|effect| matches!(effect, Effect::About(..)))
    }

    #[test]
    fn a_second_device_is_told_aloud_and_the_first_one_is_not() {
        let mut app = app(&["bob"]);
        assert!(kept(&app.hear(peer("bob", 1), now())) && app.notice.is_none(), "first sight");
        assert!(app.hear(peer("bob", 1), now()).is_empty(), "as before");
        let heard = app.hear(peer("bob", 2), now());
        assert!(kept(&heard) && heard.contains(&Effect::Bell), "{heard:?}");
        assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("have not met")));
        assert!(app.hear(peer("bob", 2), now()).is_empty(), "once");
        // Nothing is kept of who is no contact.
        assert!(app.hear(peer("mallory", 3), now()).is_empty());
        assert_eq!(app.people[&who("bob")].about.devices.all().len(), 2);
    }

    #[test]
    fn whether_a_certificate_for_mail_is_told_is_kept() {
        let mut app = app(&["bob"]);
        for (command, told) in [("/mail off", false), ("/mail on", true)] {
            let behaviour = Settings { tell_mail_certificate: told, ..Settings::default() };
            assert_eq!(typed(&mut app, command), [Effect::Behave(behaviour)]);
        }
    }

    #[test]
    fn an_endorsed_device_is_noted_and_rings_no_bell() {
        let mut app = app(&["bob"]);
        app.hear(peer("bob", 1), now());
        let heard = app.hear(endorsed_peer("bob", 2, &[1]), now());
        assert!(kept(&heard) && heard.len() == 1 && app.notice.is_none(), "{heard:?}");
        let said = |app: &App| format!("{:?}", app.conversations[&Entry::Person(who("bob"))]);
        assert!(said(&app).contains("one that you know endorses it (/verify)"));
        let known = app.people[&who("bob")].about.devices.get(Fingerprint([2; 32])).cloned().unwrap();
        assert_eq!((known.endorsed_by, known.compared), (Some(Fingerprint([1; 32])), false));
        // By one that nobody knows: as if nothing had been said.
        assert!(app.hear(endorsed_peer("bob", 3, &[9]), now()).contains(&Effect::Bell));
        // What two people compared is said of that device alone.
        app.select(Entry::Person(who("bob")));
        app.hear(peer("bob", 1), now());
        typed(&mut app, "/verify");
        app.cover = None;
        typed(&mut app, "/verified");
        app.hear(endorsed_peer("bob", 4, &[1]), now());
        assert!(said(&app).contains("you have compared the code with another one, and not with this one"));
    }

    #[test]
    fn a_code_is_compared_with_the_device_that_is_there() {
        let mut app = app(&["bob"]);
        app.select(Entry::Person(who("bob")));
        assert!(typed(&mut app, "/verified").is_empty());
        assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.starts_with("Write to them first")));
        app.hear(peer("bob", 1), now());
        assert!(typed(&mut app, "/verified").is_empty(), "nothing was shown yet");
        typed(&mut app, "/verify");
        app.cover = None;
        // Whoever comes while they compare is not whom they compared.
        app.hear(peer("bob", 2), now());
        assert!(kept(&typed(&mut app, "/verified")));
        let compared: Vec<_> = app.people[&who("bob")].about.devices.all().iter().map(|known| known.compared).collect();
        assert_eq!(compared, [true, false]);
        typed(&mut app, "/verify");
        assert!(matches!(&app.cover, Some(Cover::Identity { who: shown, .. }) if *shown == who("bob")));
    }
}
