//! Who is reached in a room by way of somebody else, in words.

use identity::Identifier;
use messenger_engine::Via;

use super::Room;

impl Room {
    /// By way of whom somebody is reached, if nobody else's connection to her stands.
    pub(crate) fn via(&self, who: &Identifier) -> Option<&Identifier> {
        self.via.iter().find(|via| via.who == *who).map(|via| &via.by)
    }
}

/// Who is reached otherwise than before, each as one sentence without its end.
pub(crate) fn changed(before: &[Via], now: &[Via], name: impl Fn(&Identifier) -> String) -> Vec<String> {
    let new = now.iter().filter(|via| !before.contains(via));
    let new = new.map(|via| {
        let (who, by) = (name(&via.who), name(&via.by));
        format!("There is no connection to {who}: what is said goes via {by}")
    });
    let gone = before.iter().filter(|via| !now.iter().any(|other| other.who == via.who));
    let gone = gone.map(|via| format!("{} is no longer reached via {}", name(&via.who), name(&via.by)));
    new.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn via(who: &str, by: &str) -> Via {
        Via { who: Identifier::parse(who).unwrap(), by: Identifier::parse(by).unwrap() }
    }

    #[test]
    fn what_has_changed_is_said_and_nothing_else() {
        let say = |before: &[Via], now: &[Via]| {
            changed(before, now, |who| who.as_str().split('@').next().unwrap().to_owned())
        };
        let (bob, dave) = (via("bob@example.org", "carol@example.org"), via("dave@example.org", "carol@example.org"));
        assert!(say(&[], &[]).is_empty() && say(from_ref(&bob), from_ref(&bob)).is_empty());
        assert_eq!(
            say(from_ref(&bob), &[bob.clone(), dave.clone()]),
            ["There is no connection to dave: what is said goes via carol"]
        );
        assert_eq!(say(&[bob.clone(), dave.clone()], &[dave]), ["bob is no longer reached via carol"]);
        let by_erin = via("bob@example.org", "erin@example.org");
        assert_eq!(say(&[bob], &[by_erin]).len(), 1, "otherwise than before");
    }
}
