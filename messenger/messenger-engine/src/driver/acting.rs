//! What the core asks for, and how it is done. Frames are put on their channels first and sent together: one after another, each
//! would wake whoever carries them.

use super::Driver;
use super::peer::Peer;
use crate::core::{Action, ConnectionId, Loss};
use crate::time::Now;
use crate::wire::{Channel, Close};

impl Driver {
    /// Does what the core asks for, and takes what it has to tell; returns whether there was anything.
    pub(super) fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.next_action() {
            acted = true;
            match action {
                Action::GoOnline => {
                    self.directories.come_back();
                    self.turn(true);
                }
                Action::GoOffline => {
                    self.directories.leave();
                    self.turn(false);
                }
                Action::Ask(ask) => self.directories.ask(ask, &mut self.core, Now::read()),
                Action::Connect { call, expected, meeting } => self.meetings.begin(call, expected, meeting),
                Action::Settled { call } => self.meetings.settle(call),
                Action::FollowNetwork => self.directories.follow(&mut self.core, Now::read()),
                Action::Reintroduce => self.directories.reintroduce(),
                Action::Send { connection, channel, bytes, frames } => {
                    self.put(connection, channel, (bytes, frames));
                }
                Action::File(task) => {
                    let peer = task.connection().and_then(|connection| self.peers.get(&connection));
                    self.files.begin(task, peer.map(Peer::connection));
                }
                Action::Close { connection, code } => {
                    if let Some(peer) = self.peers.remove(&connection) {
                        self.closing.retain(|goodbye| !goodbye.is_finished());
                        self.closing.push(peer.close(code));
                    }
                }
                Action::End => self.ended = true,
            }
        }
        let told = self.core.take_told();
        acted |= !told.is_empty();
        self.telling.take(told);
        acted
    }

    /// Connects to the directory, or leaves it. Peers hear the goodbye first: whoever is told by the directory that
    /// this device has gone must not still hold a connection to it on which a text would be lost.
    fn turn(&mut self, here: bool) {
        let (before, closing, wanted) = (self.turning.take(), std::mem::take(&mut self.closing), self.wanted.clone());
        self.turning = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            for goodbye in closing {
                let _ = goodbye.await;
            }
            wanted.send_modify(|changes| *changes += u64::from(changes.is_multiple_of(2) == here));
        }));
    }

    /// What the core asks for next. When that is nothing, everything that was put on a channel goes out, of which more may come.
    fn next_action(&mut self) -> Option<Action> {
        self.core.next_action().or_else(|| {
            self.send_what_was_put();
            self.core.next_action()
        })
    }

    fn put(&mut self, connection: ConnectionId, channel: Channel, frames: (Vec<u8>, usize)) {
        let Some(peer) = self.peers.get_mut(&connection) else { return };
        peer.put(channel, frames);
        if self.put_on.last() != Some(&connection) {
            self.put_on.push(connection);
        }
    }

    fn send_what_was_put(&mut self) {
        while let Some(connection) = self.put_on.pop() {
            if self.peers.get_mut(&connection).is_some_and(|peer| peer.send().is_err())
                && let Some(peer) = self.peers.remove(&connection)
            {
                peer.close(Close::STALLED);
                self.core.disconnected(connection, Loss::Ended, "the other side stopped reading", Now::read());
            }
        }
    }
}
