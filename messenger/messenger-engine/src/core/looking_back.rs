//! Evidence that comes late (R-14 of docs/spec/rooms.md): of two offers in one ballot the second is seen when their epoch is over.
//! What was offered first there is kept with the decision, and whoever finds another one shows both to all, once.

use room_order::{Alarm, CommitId};

use super::Core;
use super::proofs::ballot;
use crate::api::RoomId;
use crate::room::DeviceKey;
use crate::wire::{RoomFrame, SignedHead};

impl Core {
    /// What was offered, in an epoch of which the decision is kept: its author's signature holds. It came from this device.
    pub(super) fn look_back(&mut self, id: RoomId, head: &SignedHead, from: DeviceKey) {
        let Some(inside) = self.inside(id) else { return };
        let Some(first) = inside.proofs.contradicted_by(head) else { return };
        let (parent, ballot) = (CommitId(head.head.parent), ballot(&head.head));
        let (one, other) = (CommitId(first.head.commit), CommitId(head.head.commit));
        if !inside.proofs.is_to_be_shown(parent, ballot) {
            return;
        }
        self.alarm(id, &Alarm::TwoOffers { parent, ballot, one, other }, Some(from));
        // Nobody needs the commits for it.
        for head in [first, head.clone()] {
            self.say_to_all(id, &RoomFrame::Offer { head, commit: Vec::new(), grants: Vec::new() });
        }
    }
}
