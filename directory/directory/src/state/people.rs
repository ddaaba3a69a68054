//! Connections, what each has announced, and the presence that follows from it.

use super::timers::TimerKey;
use super::watching::Watching;
use super::{ConnectionId, Name, Refusal, quota};
use directory_protocol::message::{AudienceKind, CallId, ErrorCode, ListName, Presence, Status};
use identity::Identifier;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// Everybody who is connected, and everybody who is watched.
#[derive(Default)]
pub(super) struct People {
    pub(super) connections: HashMap<ConnectionId, Connection>,
    /// The connections of each connected person.
    devices: HashMap<Name, Vec<ConnectionId>>,
    pub(super) watching: Watching,
}

/// One device's connection.
pub(super) struct Connection {
    pub(super) who: Name,
    /// SHA-256 of the device's SubjectPublicKeyInfo.
    pub(super) key: [u8; 32],
    pub(super) round_trip: Duration,
    /// Calls that wait for an answer, made or ringing here.
    pub(super) calls: HashSet<CallId>,
    pub(super) frames: quota::Bucket,
    announced: Option<Announced>,
    staged: [HashSet<Name>; 3],
    expiry: TimerKey,
}

/// What a connection has announced.
struct Announced {
    status: Status,
    visible_to: Audience,
    may_knock: Audience,
}

/// A resolved audience. Two audiences may share one list of contacts.
enum Audience {
    Nobody,
    Everyone,
    These(Arc<HashSet<Name>>),
}

impl Audience {
    fn includes(&self, who: &Identifier) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everyone => true,
            Self::These(people) => people.contains(who),
        }
    }
}

/// What is left of a connection that has ended.
pub(super) struct Gone {
    pub(super) who: Name,
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

    fn connection_mut(&mut self, id: ConnectionId) -> &mut Connection {
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
        expiry: TimerKey,
        frames: quota::Bucket,
    ) {
        let who = self.name(who);
        self.devices.entry(Arc::clone(&who)).or_default().push(id);
        let connection = Connection {
            who,
            key,
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
        let Connection { who, expiry, .. } = self.connections.remove(&id)?;
        if let Some(devices) = self.devices.get_mut(&who) {
            devices.retain(|device| *device != id);
            if devices.is_empty() {
                self.devices.remove(&who);
            }
        }
        self.watching.remove_watcher(id);
        Some(Gone { who, expiry })
    }

    /// Appends people to a list that the next announcement brings into force.
    pub(super) fn stage(
        &mut self,
        id: ConnectionId,
        list: ListName,
        people: Vec<Identifier>,
        limit: usize,
    ) -> Result<(), Refusal> {
        let names: Vec<Name> = people.into_iter().map(|who| self.name(who)).collect();
        let staged = &mut self.connection_mut(id).staged[list as usize];
        staged.extend(names);
        if staged.len() > limit {
            // The list cannot be what the person meant: an announcement of half of it would surprise her.
            *staged = HashSet::new();
            return Err(ErrorCode::ListTooLong.into());
        }
        Ok(())
    }

    /// Brings an announcement and the staged lists into force. Gives whose presence may have changed.
    pub(super) fn announce(
        &mut self,
        id: ConnectionId,
        status: Status,
        visible_to: AudienceKind,
        may_knock: AudienceKind,
    ) -> Name {
        let connection = self.connection_mut(id);
        let [contacts, visible, knocking] = mem::take(&mut connection.staged).map(Arc::new);
        let resolve = |kind, named| match kind {
            AudienceKind::Nobody => Audience::Nobody,
            AudienceKind::Everyone => Audience::Everyone,
            AudienceKind::Contacts => Audience::These(Arc::clone(&contacts)),
            AudienceKind::Named => Audience::These(named),
        };
        let (visible_to, may_knock) = (resolve(visible_to, visible), resolve(may_knock, knocking));
        connection.announced = Some(Announced { status, visible_to, may_knock });
        Arc::clone(&connection.who)
    }

    /// What `asker` may know of `who`: of the devices visible to the asker, the most available one.
    pub(super) fn presence(&self, who: &Identifier, asker: &Identifier) -> Presence {
        let visible = |announced: &&Announced| who == asker || announced.visible_to.includes(asker);
        let statuses = self.announced(who).map(|(_, announced)| announced).filter(visible).map(|a| a.status);
        statuses.min().map_or(Presence::Offline, Presence::Online)
    }

    /// The devices of `callee` that a call by `caller` may reach.
    pub(super) fn knockable<'a>(
        &'a self,
        callee: &'a Identifier,
        caller: &'a Identifier,
    ) -> impl Iterator<Item = ConnectionId> + 'a {
        self.announced(callee).filter(|(_, announced)| announced.may_knock.includes(caller)).map(|(id, _)| id)
    }

    fn announced(&self, who: &Identifier) -> impl Iterator<Item = (ConnectionId, &Announced)> {
        let ids = self.devices_of(who).iter();
        ids.filter_map(|id| Some((*id, self.connections.get(id)?.announced.as_ref()?)))
    }

    /// The shared form of an identifier, if somebody connected or watched has it already.
    pub(super) fn name(&self, who: Identifier) -> Name {
        let connected = self.devices.get_key_value(&who).map(|(name, _)| name);
        connected.or_else(|| self.watching.name(&who)).map_or_else(|| Arc::new(who), Arc::clone)
    }
}
