//! What the person keeps about her contacts: their names, groups and alerts, and when she saw them last.

use std::collections::BTreeMap;

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::Command;

use super::{App, Effect, Entry, Notice, Person};
use crate::contacts::Contacts;
use crate::contacts::about::{About, Alert, LastSeen, OwnName};

impl App {
    /// The same, with what was kept about contacts before.
    pub(crate) fn knowing(mut self, contacts: Contacts) -> Self {
        for (who, about) in contacts {
            self.person_mut(&who).about = about;
        }
        self
    }

    /// What somebody is called here: the name of one's own, else the address.
    pub(crate) fn called(&self, who: &Identifier) -> String {
        self.people.get(who).map_or_else(|| who.to_string(), |person| person.called(who))
    }

    /// As [`App::called`], with the address beside a name: for where it matters who somebody is.
    pub(crate) fn called_with_address(&self, who: &Identifier) -> String {
        match self.people.get(who).and_then(|person| person.about.name.as_ref()) {
            Some(name) => format!("{name} ({who})"),
            None => who.to_string(),
        }
    }

    pub(super) fn rename(&mut self, name: Option<OwnName>) -> Result<Vec<Effect>, String> {
        self.change_about(|about| about.name = name)
    }

    pub(super) fn regroup(&mut self, group: Option<OwnName>) -> Result<Vec<Effect>, String> {
        self.change_about(|about| about.group = group)
    }

    pub(super) fn set_alert(&mut self, alert: Alert) -> Result<Vec<Effect>, String> {
        let effects = self.change_about(|about| about.alert = alert)?;
        self.said(match alert {
            Alert::Never => "You are not told when they come or go.",
            Alert::Once => "You are told when they come online, once.",
            Alert::Always => "You are told whenever they come or go.",
        });
        Ok(effects)
    }

    /// Changes what is kept about the contact whose conversation is open.
    fn change_about(&mut self, change: impl FnOnce(&mut About)) -> Result<Vec<Effect>, String> {
        let (who, person) = self.chosen_contact()?;
        change(&mut person.about);
        Ok(vec![Effect::About(who, Box::new(person.about.clone()))])
    }

    /// The contact whose conversation is open.
    pub(super) fn chosen_contact(&mut self) -> Result<(Identifier, &mut Person), String> {
        let contact = match &self.selected {
            Some(Entry::Person(who)) => self.people.get_mut(who).filter(|person| person.contact).map(|one| (who, one)),
            _ => None,
        };
        let contact = contact.map(|(who, person)| (who.clone(), person));
        contact.ok_or_else(|| "Choose a contact first; /add makes one of somebody.".to_owned())
    }

    /// Tells of somebody's coming or going, if that is wanted. `before` is what was known of it.
    pub(super) fn alert(&mut self, who: &Identifier, before: Option<bool>) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(who) else { return Vec::new() };
        let online = person.online == Some(true);
        let mut effects = Vec::new();
        let told = match person.about.alert {
            Alert::Never => false,
            // How things stand on connecting is what was waited for, too.
            Alert::Once => online && before != Some(true),
            Alert::Always => before.is_some_and(|before| before != online),
        };
        if told && person.about.alert == Alert::Once {
            person.about.alert = Alert::Never;
            effects.push(Effect::About(who.clone(), Box::new(person.about.clone())));
        }
        if told {
            let words = format!("{} {}", self.called(who), if online { "came online" } else { "went offline" });
            // What went wrong stays there to be read.
            if !matches!(self.notice, Some(Notice::Wrong(_))) {
                self.said(words.clone());
            }
            effects.extend(self.bell());
            effects.extend(self.announce(words, String::new()));
        }
        effects
    }

    /// Whoever is seen now is seen at `now`: kept in the model; what is to be kept on disk comes back.
    pub(crate) fn see_last(&mut self, now: DateTime) -> BTreeMap<Identifier, LastSeen> {
        let seen = LastSeen::new(now);
        let here = self.people.iter_mut().filter(|(_, person)| person.contact && person.online == Some(true));
        let here = here.map(|(who, person)| {
            person.about.seen = Some(seen);
            (who.clone(), seen)
        });
        here.collect()
    }

    /// Somebody is not seen any more since `now`.
    pub(super) fn saw_last(&mut self, who: &Identifier, now: DateTime) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(who).filter(|person| person.contact) else { return Vec::new() };
        let seen = LastSeen::new(now);
        person.about.seen = Some(seen);
        vec![Effect::Seen([(who.clone(), seen)].into())]
    }

    /// The list on disk after others were taken into it: who is new there is new here.
    pub(crate) fn imported(&mut self, contacts: Contacts) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut new = 0;
        let me = self.me.identifier.clone();
        for (who, about) in contacts.into_iter().filter(|(who, _)| *who != me) {
            let person = self.person_mut(&who);
            person.about = about;
            if !std::mem::replace(&mut person.contact, true) {
                new += 1;
                effects.push(Effect::Engine(Command::AddContact { who: who.to_string() }));
            }
        }
        self.said(if new == 1 { "1 contact is new.".to_owned() } else { format!("{new} contacts are new.") });
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::{app, now, presence, typed, who};
    use crate::app::{Group, OwnStatus};

    fn name(text: &str) -> OwnName {
        OwnName::try_from(text.to_owned()).unwrap()
    }

    fn list(app: &App) -> Vec<(Group, String)> {
        let person = |entry| match entry {
            Entry::Person(who) => app.called(&who),
            other => panic!("{other:?}"),
        };
        app.list().into_iter().map(|(group, entry)| (group, person(entry))).collect()
    }

    #[test]
    fn names_and_groups_order_the_list_and_are_kept() {
        let mut app = app(&["bob", "carol", "dave"]);
        app.select(Entry::Person(who("carol")));
        let about = About { name: Some(name("Auntie")), ..About::default() };
        assert_eq!(typed(&mut app, "/name Auntie"), [Effect::About(who("carol"), Box::new(about.clone()))]);
        let about = About { group: Some(name("Family")), ..about };
        assert_eq!(typed(&mut app, "/group Family"), [Effect::About(who("carol"), Box::new(about))]);
        app.hear(presence("dave", true), now());
        let contacts = |name: &str| (Group::Contacts, format!("{name}@example.org"));
        let family = |name: &str| (Group::Named("Family".to_owned()), name.to_owned());
        assert_eq!(list(&app), [contacts("dave"), contacts("bob"), family("Auntie")]);
        assert_eq!(app.called_with_address(&who("carol")), "Auntie (carol@example.org)");
        typed(&mut app, "/name");
        assert_eq!(app.called(&who("carol")), "carol@example.org");
        typed(&mut app, "/name bob@example.org");
        assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("could pass for one")));
    }

    #[test]
    fn who_is_waited_for_is_told_once_and_others_whenever() {
        let bell = |effects: &[Effect]| effects.contains(&Effect::Bell);
        let mut app = app(&["bob", "carol"]);
        app.select(Entry::Person(who("bob")));
        typed(&mut app, "/alert once");
        app.select(Entry::Person(who("carol")));
        typed(&mut app, "/alert on");
        assert!(!bell(&app.hear(presence("carol", true), now())), "how things stand is no news");
        assert!(bell(&app.hear(presence("carol", false), now())));
        let heard = app.hear(presence("bob", true), now());
        assert!(bell(&heard) && heard.contains(&Effect::About(who("bob"), Box::default())), "{heard:?}");
        assert_eq!(app.notice, Some(Notice::Said("bob@example.org came online".to_owned())));
        app.hear(presence("bob", false), now());
        assert!(!bell(&app.hear(presence("bob", true), now())), "once");
        app.settings.status = OwnStatus::DoNotDisturb;
        assert!(!bell(&app.hear(presence("carol", true), now())));
    }

    #[test]
    fn when_they_were_seen_last_is_kept_of_contacts_alone() {
        let mut app = app(&["bob", "carol"]);
        let seen = LastSeen::new(now());
        app.hear(presence("bob", true), now());
        app.hear(presence("carol", true), now());
        let heard = app.hear(presence("bob", false), now());
        assert_eq!(heard, [Effect::Seen([(who("bob"), seen)].into())]);
        assert_eq!(app.people[&who("bob")].about.seen, Some(seen));
        app.person_mut(&who("mallory")).online = Some(true);
        assert_eq!(app.see_last(now()), [(who("carol"), seen)].into());
    }

    #[test]
    fn an_imported_list_adds_who_is_new() {
        let mut app = app(&["bob"]);
        let about = About { name: Some(name("Carol")), ..About::default() };
        let contacts: Contacts =
            [(who("alice"), About::default()), (who("bob"), About::default()), (who("carol"), about)].into();
        let added = [Effect::Engine(Command::AddContact { who: "carol@example.org".to_owned() })];
        assert_eq!(app.imported(contacts), added, "oneself is no contact");
        assert_eq!(app.called(&who("carol")), "Carol");
    }
}
