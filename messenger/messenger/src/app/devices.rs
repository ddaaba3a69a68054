//! One's own other devices, as the person types and sees it. She stands in the list herself, as long as one of them is
//! connected or was.

use jiff::civil::DateTime;
use messenger_engine::Command;

use super::{App, Cover, Effect, Entry, Pane, slash};
use crate::own_devices::{SecretLink, Wish, code};

/// The command, for the help.
pub(crate) const COMMAND: (&str, &str) =
    ("/devices [add]", "call your other devices; add a new one; CODE, give, take, leave");

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
        "add" => Wish::Invite,
        link if slash::is_link(link) => Wish::Join { link: link.to_owned().into() },
        "give" => Wish::Give,
        "take" => Wish::Take,
        "leave" => Wish::Leave,
        code if code::is_one(code) => Wish::Confirm { code: code.to_owned() },
        _ => {
            return Err(
                "/devices add shows how a new device is added. /devices alone calls those that you have; /devices CODE \
                        with the code that the other one shows; then /devices give, take or leave."
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

    /// The link by which a new device is added covers the screen until it calls.
    pub(crate) fn show_invitation(&mut self, link: SecretLink) {
        self.cover = Some(Cover::Invitation { link });
    }

    /// A device in one's own name calls: perhaps the one that the invitation is for.
    pub(super) fn uncover_for(&mut self, entry: &Entry) {
        if let Some(Cover::Invitation { .. }) = self.cover {
            self.cover = None;
            self.select(entry.clone());
            self.pane = Pane::List;
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

#[cfg(test)]
mod tests {
    use messenger_engine::{CallId, Event, Purpose};

    use super::*;
    use crate::app::tests::{app, now, typed, who};
    use crate::keys::{Action, Place};

    #[test]
    fn an_invitation_covers_the_screen_until_the_new_device_calls() {
        let mut app = app(&["bob"]);
        assert_eq!(typed(&mut app, "/devices add"), [Effect::Devices(Wish::Invite)]);
        let link = format!("inperson:alice@example.org?genesis={}&invite=x", "5f".repeat(32));
        assert_eq!(
            typed(&mut app, &format!("/devices {link}")),
            [Effect::Devices(Wish::Join { link: link.clone().into() })],
            "what is wrong with it is said where it is taken"
        );
        app.show_invitation(link.clone().into());
        assert_eq!(app.place(), Place::Helping);
        let knock = |from: &str, n: u8| Event::Incoming {
            call: CallId([n; 16]),
            from: who(from),
            purpose: Purpose::Call,
            contact: false,
        };
        app.hear(knock("carol", 1), now());
        assert!(app.cover.is_some(), "somebody else waits");
        app.hear(knock("alice", 2), now());
        assert_eq!((app.cover.is_none(), &app.selected), (true, &Some(Entry::Knock(CallId([2; 16])))));
        app.show_invitation(link.into());
        app.act(Action::Close, now());
        assert!(app.cover.is_none());
    }
}
