//! How far a text of one's own got in a room: on how many devices, whose it is not on, and why.

use identity::Identifier;
use messenger_engine::Missing;

use crate::text::harmless_line;

/// How many people are named of those who lack a text, or are lost.
const NAMED: usize = 4;
/// How the engine begins the reason where it cannot know.
const UNKNOWN: &str = "unknown: ";

/// See the module.
pub(crate) struct Delivered {
    /// `on 4 of 5 devices; not carol@example.org's`.
    pub(crate) count: String,
    /// Whether more is to come.
    pub(crate) pending: bool,
    /// Why not on the others: each reason once, with whose they are unless it is the only one.
    pub(crate) why: Vec<String>,
}

impl Delivered {
    /// Of a text to so many other devices; people are called by `name`.
    pub(crate) fn new(
        delivered: usize,
        missing: &[Missing],
        others: usize,
        name: impl Fn(&Identifier) -> String,
    ) -> Self {
        let is_unknown = |one: &&Missing| one.reason.starts_with(UNKNOWN);
        let mut count = match (delivered, others) {
            (all, others) if all >= others && others > 1 => format!("on all {others} devices"),
            (all, others) if all >= others => "delivered".to_owned(),
            (0, _) if missing.len() >= others => "on none of the devices".to_owned(),
            (some, others) => format!("on {some} of {others} devices"),
        };
        // Of a text that reached nobody the reasons say enough.
        if delivered > 0 || missing.len() < others {
            let (unknown, not): (Vec<&Missing>, Vec<&Missing>) = missing.iter().partition(is_unknown);
            for (how, whose) in [("not", not), ("perhaps", unknown)] {
                if !whose.is_empty() {
                    count = format!("{count}; {how} {}", named(&whose, "'s", &name));
                }
            }
        }
        Self { count, pending: delivered + missing.len() < others, why: reasons(missing, name) }
    }
}

fn reasons(missing: &[Missing], name: impl Fn(&Identifier) -> String) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&Missing>)> = Vec::new();
    for one in missing {
        match groups.iter_mut().find(|(reason, _)| *reason == one.reason) {
            Some((_, whose)) => whose.push(one),
            None => groups.push((&one.reason, vec![one])),
        }
    }
    let alone = groups.len() == 1 && missing.len() > 1;
    let words = groups.into_iter().map(|(reason, whose)| match alone {
        true => harmless_line(reason),
        false => format!("{}: {}", named(&whose, "", &name), harmless_line(reason)),
    });
    words.collect()
}

/// Each once, and no more of them than anybody reads.
fn named(whose: &[&Missing], ending: &str, name: &impl Fn(&Identifier) -> String) -> String {
    let mut names: Vec<String> = Vec::new();
    for one in whose {
        let name = format!("{}{ending}", name(&one.who));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(name: &str, reason: &str) -> Missing {
        let who = Identifier::parse(&format!("{name}@example.org")).unwrap();
        Missing { who, reason: reason.to_owned() }
    }

    fn of(delivered: usize, missing: &[Missing], others: usize) -> (String, Vec<String>) {
        let first = |who: &Identifier| who.as_str().split('@').next().unwrap().to_owned();
        let Delivered { count, why, .. } = Delivered::new(delivered, missing, others, first);
        (count, why)
    }

    #[test]
    fn whoever_lacks_a_text_is_named() {
        let carol = [missing("carol", "no direct connection")];
        let expected = ("on 4 of 5 devices; not carol's".to_owned(), vec!["carol: no direct connection".to_owned()]);
        assert_eq!(of(4, &carol, 5), expected);
        assert_eq!(of(1, &[], 1).0, "delivered");
        assert_eq!(of(5, &[], 5).0, "on all 5 devices");
        assert_eq!(of(2, &carol, 5).0, "on 2 of 5 devices; not carol's", "and more to come");
        assert_eq!(of(0, &carol, 1), ("on none of the devices".to_owned(), expected.1));
    }

    #[test]
    fn what_nobody_knows_is_not_denied() {
        let two = [missing("carol", "unknown: the connection was lost"), missing("bob", "gone")];
        let (count, why) = of(3, &two, 5);
        assert_eq!(count, "on 3 of 5 devices; not bob's; perhaps carol's");
        assert_eq!(why, ["carol: unknown: the connection was lost", "bob: gone"]);
    }

    #[test]
    fn nobody_reads_a_list_of_two_hundred() {
        let all: Vec<Missing> = (0..200).map(|number| missing(&format!("p{number}"), "gone")).collect();
        let (count, why) = of(7, &all, 207);
        assert_eq!(count, "on 7 of 207 devices; not p0's, p1's, p2's, p3's and 196 more");
        assert_eq!(why, ["gone"]);
        let twice = [missing("bob", "gone"), missing("bob", "gone")];
        assert_eq!(of(1, &twice, 3).0, "on 1 of 3 devices; not bob's", "two devices of one person");
    }
}
