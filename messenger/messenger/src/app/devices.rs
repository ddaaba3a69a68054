//! One's own other devices, as the person types and sees it. She stands in the list herself, as long as one of them is
//! connected or was.

use jiff::civil::DateTime;
use messenger_engine::Command;

use super::{App, Effect, Entry, Pane};
use crate::own_devices::{Wish, code};

/// The command, for the help.
pub(crate) const COMMAND: (&str, &str) = ("/devices [give]", "call your other devices; also CODE, take, leave");

/// What `/devices` is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DevicesWish {
    Reach,
    Do(Wish),
}

/// Reads what follows `/devices`.
///
/// # Errors
/// One line for people.
pub(crate) fn parse(rest: &str) -> Result<DevicesWish, String> {
    Ok(DevicesWish::Do(match rest {
        "" => return Ok(DevicesWish::Reach),
        "give" => Wish::Give,
        "take" => Wish::Take,
        "leave" => Wish::Leave,
        code if code::is_one(code) => Wish::Confirm { code: code.to_owned() },
        _ => {
            return Err(
                "/devices alone calls your other devices; /devices CODE with the code that the other one shows; \
                        then /devices give, take or leave."
                    .to_owned(),
            );
        }
    }))
}

impl App {
    pub(super) fn wish_devices(&mut self, wish: DevicesWish) -> Vec<Effect> {
        match wish {
            DevicesWish::Do(wish) => vec![Effect::Devices(wish)],
            DevicesWish::Reach => {
                self.open_oneself();
                self.said("Calling your other devices: accept there.");
                vec![Effect::Engine(Command::ReachDevices)]
            }
        }
    }

    /// Something happened between one's own devices: it stands in the conversation with oneself, and is said.
    pub(crate) fn hear_of_devices(&mut self, words: String, now: DateTime) -> Vec<Effect> {
        let me = Entry::Person(self.me.identifier.clone());
        // Nothing is taken out of the hands of somebody who is writing.
        if !self.at_stake_here() && self.open_conversation().is_none_or(|open| open.draft.is_empty()) {
            self.open_oneself();
        }
        self.conversation_mut(&me).note(words.clone(), now);
        self.said(words);
        self.bell()
    }

    /// Where one's own devices are talked to.
    fn open_oneself(&mut self) {
        let me = self.me.identifier.clone();
        self.person_mut(&me);
        self.select(Entry::Person(me));
        self.pane = Pane::Message;
    }
}
