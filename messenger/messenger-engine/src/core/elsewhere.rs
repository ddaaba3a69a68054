//! What the core hears of other directories than its own: the driver asks them, and says here what has become of it.

use identity::Identifier;

use super::Core;

impl Core {
    /// The directory of these people is not reached: nothing is known of them any more.
    pub fn lost_elsewhere(&mut self, people: &[Identifier]) {
        self.forget_presence_of(people);
    }

    /// Somebody's directory is not found, or not reached. To be told once as long as it is the same.
    pub fn trouble_elsewhere(&mut self, about: &str, message: &str, remedy: &str) {
        self.error(about, message, remedy);
    }
}
