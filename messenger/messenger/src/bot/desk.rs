//! Who may write how often, and whose text is next: what keeps one person, or all of them, from keeping a bot busy. No
//! clock and no processes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use identity::Identifier;

/// Texts of one person that are taken at once, after a silence.
pub(super) const AT_ONCE: u32 = 20;
/// After which time a person may write one text more.
pub(super) const ONE_MORE: Duration = Duration::from_secs(3);
/// Texts of one person that wait for the program.
pub(super) const WAITING_OF_ONE: usize = 8;
/// Texts that wait for the program altogether: with 32 KiB each, at most 8 MiB.
const WAITING: usize = 256;
/// Texts that are being answered at the same time, each by a process of its own.
pub(super) const AT_WORK: usize = 4;
/// People who are counted. One who has been silent for a minute needs no counting.
const COUNTED: usize = 1024;

/// A text, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) id: u64,
    pub(super) from: Identifier,
    pub(super) text: String,
    /// Instead of a text, a file or folder of theirs that has come.
    pub(super) file: Option<String>,
}

/// What becomes of a text that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Taken,
    /// It is not read; whoever wrote it has to be told.
    Refused,
    /// It is not read, and she was told so already.
    RefusedAgain,
}

/// How much of a person's allowance is used, and whether she was told that it is used up.
#[derive(Debug)]
struct Account {
    used: u32,
    since: Instant,
    told: bool,
}

impl Account {
    /// Gives back what has come back by `now`.
    fn refill(&mut self, now: Instant) {
        let back = now.saturating_duration_since(self.since).as_millis() / ONE_MORE.as_millis();
        let back = u32::try_from(back).unwrap_or(u32::MAX).min(self.used);
        self.used -= back;
        self.since = if self.used == 0 { now } else { self.since + ONE_MORE * back };
    }
}

/// Where texts wait for being answered: of one person one after another, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Desk {
    accounts: BTreeMap<Identifier, Account>,
    waiting: VecDeque<Text>,
    at_work: BTreeSet<Identifier>,
}

impl Desk {
    /// Takes a text, or does not.
    pub(super) fn admit(&mut self, text: Text, now: Instant) -> Admission {
        let full = self.waiting.len() >= WAITING
            || self.waiting.iter().filter(|one| one.from == text.from).count() >= WAITING_OF_ONE;
        let Some(account) = self.account(&text.from, now) else { return Admission::RefusedAgain };
        if full || account.used >= AT_ONCE {
            return if std::mem::replace(&mut account.told, true) {
                Admission::RefusedAgain
            } else {
                Admission::Refused
            };
        }
        account.used += 1;
        account.told = false;
        self.waiting.push_back(text);
        Admission::Taken
    }

    /// The text to be answered now, if there is one; [`Desk::done`] says when it is.
    pub(super) fn next(&mut self) -> Option<Text> {
        if self.at_work.len() >= AT_WORK {
            return None;
        }
        let at = self.waiting.iter().position(|text| !self.at_work.contains(&text.from))?;
        let text = self.waiting.remove(at)?;
        self.at_work.insert(text.from.clone());
        Some(text)
    }

    /// The text of this person that was at work is dealt with.
    pub(super) fn done(&mut self, from: &Identifier) {
        self.at_work.remove(from);
    }

    /// A person's account as it is now; nothing if so many write that there is no place to count her.
    fn account(&mut self, who: &Identifier, now: Instant) -> Option<&mut Account> {
        if !self.accounts.contains_key(who) {
            if self.accounts.len() >= COUNTED {
                self.accounts.retain(|_, account| {
                    account.refill(now);
                    account.used > 0
                });
            }
            if self.accounts.len() >= COUNTED {
                return None;
            }
            self.accounts.insert(who.clone(), Account { used: 0, since: now, told: false });
        }
        let account = self.accounts.get_mut(who)?;
        account.refill(now);
        Some(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(from: &str, id: u64) -> Text {
        Text { id, from: Identifier::parse(&format!("{from}@example.org")).unwrap(), text: "hi".to_owned(), file: None }
    }

    /// Takes the next one from the desk and puts it away.
    fn answered(desk: &mut Desk) -> Option<u64> {
        let next = desk.next()?;
        desk.done(&next.from);
        Some(next.id)
    }

    #[test]
    fn nobody_is_read_more_often_than_she_may_write_and_she_is_told_so_once() {
        let mut desk = Desk::default();
        let start = Instant::now();
        for id in 0..u64::from(AT_ONCE) {
            assert_eq!(desk.admit(text("alice", id), start), Admission::Taken, "{id}");
            assert_eq!(answered(&mut desk), Some(id));
        }
        assert_eq!(desk.admit(text("alice", 90), start), Admission::Refused);
        assert_eq!(desk.admit(text("alice", 91), start + ONE_MORE / 2), Admission::RefusedAgain);
        assert_eq!(desk.admit(text("bob", 1), start), Admission::Taken, "others are not kept out");
        assert_eq!(answered(&mut desk), Some(1));
        assert_eq!(desk.admit(text("alice", 92), start + ONE_MORE), Admission::Taken);
        assert_eq!(answered(&mut desk), Some(92));
        assert_eq!(desk.admit(text("alice", 93), start + ONE_MORE), Admission::Refused, "told once more");
        let later = start + ONE_MORE * AT_ONCE + ONE_MORE;
        for id in 0..u64::from(AT_ONCE) {
            assert_eq!(desk.admit(text("alice", id), later), Admission::Taken);
            answered(&mut desk);
        }
        assert_eq!(desk.admit(text("alice", 99), later), Admission::Refused, "a silence gives no more than that");
    }

    #[test]
    fn texts_of_one_person_are_answered_one_after_another_and_of_several_at_once() {
        let mut desk = Desk::default();
        let now = Instant::now();
        for one in [text("alice", 1), text("alice", 2), text("bob", 3)] {
            assert_eq!(desk.admit(one, now), Admission::Taken);
        }
        let first = desk.next().unwrap();
        assert_eq!((first.id, desk.next().unwrap().id), (1, 3));
        assert_eq!(desk.next(), None, "alice's second waits for her first");
        desk.done(&first.from);
        assert_eq!(desk.next().unwrap().id, 2);
    }

    #[test]
    fn what_waits_and_what_works_at_once_is_bounded() {
        let mut desk = Desk::default();
        let now = Instant::now();
        let mut id = 0;
        let mut taken = 0;
        for person in 0..100 {
            for n in 0..10 {
                id += 1;
                let admission = desk.admit(text(&format!("p{person}"), id), now);
                assert_eq!(admission == Admission::Taken, n < WAITING_OF_ONE && taken < WAITING, "{person} {n}");
                taken += usize::from(admission == Admission::Taken);
            }
        }
        assert_eq!((taken, desk.waiting.len()), (WAITING, WAITING));
        assert_eq!(std::iter::from_fn(|| desk.next()).count(), AT_WORK);
    }

    #[test]
    fn whom_nothing_has_to_be_remembered_of_is_forgotten_for_others() {
        let mut desk = Desk::default();
        let now = Instant::now();
        for person in 0..COUNTED {
            assert_eq!(desk.admit(text(&format!("p{person}"), 1), now), Admission::Taken);
            answered(&mut desk);
        }
        assert_eq!(desk.admit(text("alice", 1), now), Admission::RefusedAgain);
        assert_eq!(desk.admit(text("alice", 1), now + ONE_MORE), Admission::Taken);
        assert_eq!(desk.accounts.len(), 1);
    }
}
