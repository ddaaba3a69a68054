//! What goes on between this device and others of the same person, shown.

use super::{Effect, Session, now};
use crate::own_devices::{Note, Step};
use crate::settings;

impl Session {
    /// Does what is to be done, or has the model ask for it.
    pub(super) fn carry_out(&mut self, steps: Vec<Step>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for step in steps {
            match step {
                Step::Engine(command) => effects.push(Effect::Engine(command)),
                Step::Wrong(event) => effects.extend(self.app.hear(event, now())),
                Step::Tell(Note::DeviceInvitation { link, .. }) => self.app.show_invitation(link),
                Step::Tell(note) => {
                    if let Note::DeviceTaken { .. } = note {
                        self.take_over();
                    }
                    effects.extend(self.app.hear_of_devices(note.words(), now()));
                }
            }
        }
        effects
    }

    /// What is on the disk counts here, too. The engine was told already.
    fn take_over(&mut self) {
        match self.book.load() {
            Ok(contacts) => drop(self.app.imported(contacts)),
            Err(error) => self.app.tell_wrong(format!("{error}.")),
        }
        match settings::load(self.book.home()) {
            Ok(behaviour) => self.app.behave(behaviour),
            Err(error) => self.app.tell_wrong(format!("{error}.")),
        }
    }
}
