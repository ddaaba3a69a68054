//! How this device is present in other people's directories: unseen, and telling no more than a call from there needs.

use std::collections::BTreeSet;

use directory_protocol::{Announcement, Appearance, Audience, Details};
use identity::Identifier;

use crate::core::Presenting;

/// As many domains are named.
const NAMED: usize = 3;

/// Whose directory it is, for people: everybody's at a domain, or of people with phone numbers.
pub(super) fn domain(who: &Identifier) -> &str {
    who.domain().unwrap_or("phone numbers")
}

/// Some domains, in a few words.
pub(super) fn in_words(domains: &BTreeSet<&str>) -> String {
    let named: Vec<_> = domains.iter().take(NAMED).copied().collect();
    match domains.len() - named.len() {
        0 => named.join(" and "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// What to announce there. Invisible, so that nobody sees this device twice; without a note or an idle time, and open to
/// nobody's knock: whoever calls it asks its own directory. Who may see it stays, as far as it is about people of that
/// directory: a call to one of them is open only if she may see the caller.
pub(super) fn presenting(
    own: &Presenting,
    is_there: impl Fn(&Identifier) -> bool,
    contacts: &BTreeSet<Identifier>,
) -> Presenting {
    let own = &own.announcement;
    let of_there = |people: &[Identifier]| people.iter().filter(|who| is_there(who)).cloned().collect::<Vec<_>>();
    let visible_to = match &own.visible_to {
        Audience::Named(people) => Audience::Named(of_there(people)),
        other => other.clone(),
    };
    let announcement = Announcement {
        appearance: Appearance::Invisible,
        details: Details::default(),
        visible_to,
        may_knock: Audience::Nobody,
        contacts: contacts.iter().cloned().collect(),
        blocked: of_there(&own.blocked),
    };
    Presenting { announcement, idle: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory_protocol::{Capabilities, Status};

    fn people(names: &[&str]) -> Vec<Identifier> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn another_directory_is_told_of_its_own_people_alone() {
        let all = ["bob@beta.example", "carol@beta.example", "dora@alpha.example", "+4915112345678"];
        let announcement = Announcement {
            appearance: Appearance::As(Status::Busy),
            details: Details { capabilities: Capabilities::TEXT, idle_s: 7, note: "at lunch".to_owned() },
            visible_to: Audience::Named(people(&all)),
            may_knock: Audience::Everyone,
            contacts: people(&all),
            blocked: people(&["mallory@beta.example", "eve@gamma.example"]),
        };
        let own = Presenting { announcement, idle: None };
        let watched = people(&["bob@beta.example"]).into_iter().collect();
        let there = presenting(&own, |who| domain(who) == "beta.example", &watched).announcement;
        let expected = Announcement {
            appearance: Appearance::Invisible,
            details: Details::default(),
            visible_to: Audience::Named(people(&["bob@beta.example", "carol@beta.example"])),
            may_knock: Audience::Nobody,
            contacts: people(&["bob@beta.example"]),
            blocked: people(&["mallory@beta.example"]),
        };
        assert_eq!(there, expected);
        assert_eq!(domain(&people(&all)[3]), "phone numbers");
    }

    #[test]
    fn a_few_domains_are_named() {
        let words = |domains: &[&'static str]| in_words(&domains.iter().copied().collect());
        assert_eq!(words(&["b.example"]), "b.example");
        assert_eq!(words(&["b.example", "a.example"]), "a.example and b.example");
        assert_eq!(words(&["e", "d", "c", "b", "a"]), "a, b, c and 2 more");
    }
}
