//! Connections, and the people they belong to.

use super::appearance::Announced;
use super::numbered::Numbered;
use super::timers::TimerKey;
use super::watching::Watching;
use super::{ConnectionId, Name, quota};
use directory_protocol::message::CallId;
use identity::Identifier;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Everybody who is connected, and everybody who is watched.
#[derive(Default)]
pub(super) struct People {
    pub(super) connections: Numbered<ConnectionId, Connection>,
    /// The connections of each connected person.
    devices: HashMap<Name, Vec<ConnectionId>>,
    pub(super) watching: Watching,
    announcements: u64,
}

/// One device's connection.
pub(super) struct Connection {
    pub(super) who: Name,
    /// SHA-256 of the device's SubjectPublicKeyInfo.
    pub(super) key: [u8; 32],
    pub(super) numbers: quota::Numbers,
    pub(super) round_trip: Duration,
    /// Calls that wait for an answer, made or ringing here.
    pub(super) calls: HashSet<CallId>,
    pub(super) frames: quota::Bucket,
    pub(super) announced: Option<Announced>,
    /// The lists that the next announcement brings into force, in the order of their names.
    pub(super) staged: [HashSet<Name>; 4],
    expiry: TimerKey,
}

/// What is left of a connection that has ended.
pub(super) struct Gone {
    pub(super) who: Name,
    pub(super) numbers: quota::Numbers,
    pub(super) expiry: TimerKey,
}

impl People {
    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many people have announced themselves on some connection.
    pub(super) fn present(&self) -> usize {
        let announced = |id: &ConnectionId| self.connections.get(id).is_some_and(|c| c.announced.is_some());
        self.devices.values().filter(|ids| ids.iter().any(announced)).count()
    }

    pub(super) fn watches(&self) -> usize {
        self.watching.count()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    /// Whose connection this is.
    pub(super) fn who(&self, id: ConnectionId) -> Name {
        Arc::clone(&self.connection(id).who)
    }

    /// A connection that is known to exist: the one a request came on, or one that a waiting call names.
    pub(super) fn connection(&self, id: ConnectionId) -> &Connection {
        self.connections.get(&id).expect("requests and waiting calls belong to live connections")
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> &mut Connection {
        self.connections.get_mut(&id).expect("requests belong to live connections")
    }

    pub(super) fn devices_of(&self, who: &Identifier) -> &[ConnectionId] {
        self.devices.get(who).map_or(&[], Vec::as_slice)
    }

    pub(super) fn connect(
        &mut self,
        id: ConnectionId,
        who: Identifier,
        key: [u8; 32],
        numbers: quota::Numbers,
        expiry: TimerKey,
        frames: quota::Bucket,
    ) {
        let who = self.name(who);
        self.devices.entry(Arc::clone(&who)).or_default().push(id);
        let connection = Connection {
            who,
            key,
            numbers,
            round_trip: Duration::ZERO,
            calls: HashSet::new(),
            frames,
            announced: None,
            staged: Default::default(),
            expiry,
        };
        self.connections.insert(id, connection);
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) -> Option<Gone> {
        let Connection { who, numbers, expiry, .. } = self.connections.remove(&id)?;
        if let Some(devices) = self.devices.get_mut(&who) {
            devices.retain(|device| *device != id);
            if devices.is_empty() {
                self.devices.remove(&who);
            }
        }
        self.watching.remove_watcher(id);
        Some(Gone { who, numbers, expiry })
    }

    /// The number of the next announcement.
    pub(super) fn next_turn(&mut self) -> u64 {
        self.announcements += 1;
        self.announcements
    }

    /// The shared form of an identifier, if somebody connected or watched has it already.
    pub(super) fn name(&self, who: Identifier) -> Name {
        let connected = self.devices.get_key_value(&who).map(|(name, _)| name);
        connected.or_else(|| self.watching.name(&who)).map_or_else(|| Arc::new(who), Arc::clone)
    }
}
