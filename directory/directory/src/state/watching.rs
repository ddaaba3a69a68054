//! Who watches whom, and what each watcher was last told.

use super::appearance::Shown;
use super::numbered::Numbered;
use super::people::People;
use super::{ConnectionId, Name, Output, Refusal, encoded};
use bytes::Bytes;
use directory_protocol::message::{ErrorCode, Presence, Response};
use identity::Identifier;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// The watch lists, from both sides.
#[derive(Default)]
pub(super) struct Watching {
    /// Of each watched person: who watches, and what she was last told.
    watchers: HashMap<Name, Numbered<ConnectionId, Shown>>,
    /// Of each watching connection: whom it watches.
    lists: Numbered<ConnectionId, HashSet<Name>>,
}

impl Watching {
    /// How many watches there are.
    pub(super) fn count(&self) -> usize {
        self.lists.values().map(HashSet::len).sum()
    }

    /// The shared form of the identifier of somebody who is watched.
    pub(super) fn name(&self, who: &Identifier) -> Option<&Name> {
        self.watchers.get_key_value(who).map(|(name, _)| name)
    }

    /// Whether this connection watches somebody.
    pub(super) fn watches(&self, id: ConnectionId, who: &Identifier) -> bool {
        self.lists.get(&id).is_some_and(|list| list.contains(who))
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove_watcher(&mut self, id: ConnectionId) {
        for who in self.lists.remove(&id).unwrap_or_default() {
            self.remove(id, &who);
        }
    }

    /// Forgets who watches anybody else.
    pub(super) fn keep_only(&mut self, keeps: impl Fn(&Identifier) -> bool) {
        self.watchers.retain(|who, _| keeps(who));
        // Whoever watches somebody is among her watchers: `keeps` may be dear, and lists are long.
        let watchers = &self.watchers;
        self.lists.retain(|_, list| {
            list.retain(|who| watchers.contains_key(who));
            !list.is_empty()
        });
    }

    fn remove(&mut self, id: ConnectionId, who: &Identifier) {
        if let Some(watchers) = self.watchers.get_mut(who) {
            watchers.remove(&id);
            if watchers.is_empty() {
                self.watchers.remove(who);
            }
        }
    }
}

impl People {
    /// Adds people to a watch list and tells at once who of them is there.
    pub(super) fn watch(
        &mut self,
        now: Instant,
        id: ConnectionId,
        people: Vec<Identifier>,
        limit: usize,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let watcher = self.who(id);
        let list = self.watching.lists.get(&id);
        let new: HashSet<Identifier> =
            people.into_iter().filter(|who| !list.is_some_and(|list| list.contains(who))).collect();
        if list.map_or(0, HashSet::len) + new.len() > limit {
            return Err(ErrorCode::ListTooLong.into());
        }
        for who in new {
            let shown = self.shown(&who, &watcher);
            let who = self.name(who);
            if shown.is_some() {
                out.push(Output::Send { to: id, frame: presence_frame(now, &who, &shown) });
            }
            self.watching.lists.entry(id).or_default().insert(Arc::clone(&who));
            self.watching.watchers.entry(who).or_default().insert(id, shown);
        }
        Ok(())
    }

    /// Takes people off a watch list.
    pub(super) fn unwatch(&mut self, id: ConnectionId, people: &[Identifier]) {
        for who in people {
            if self.watching.lists.get_mut(&id).is_some_and(|list| list.remove(who)) {
                self.watching.remove(id, who);
            }
        }
    }

    /// Tells every watcher of `who` for whom something has changed.
    pub(super) fn push_presence(&mut self, now: Instant, who: &Name, out: &mut Vec<Output>) {
        let Some(watchers) = self.watching.watchers.get(&**who) else { return };
        let shown = |id: &ConnectionId| self.shown(who, &self.connection(*id).who);
        let changed: Vec<(ConnectionId, Shown)> = watchers
            .iter()
            .map(|(id, told)| (*id, told, shown(id)))
            .filter(|(_, told, now)| *told != now)
            .map(|(id, _, now)| (id, now))
            .collect();
        let Some(watchers) = self.watching.watchers.get_mut(&**who) else { return };
        // Almost always all watchers are told the same: encode it once.
        let mut last: Option<(Shown, Bytes)> = None;
        for (id, shown) in changed {
            let frame = match &last {
                Some((same, frame)) if *same == shown => frame.clone(),
                _ => presence_frame(now, who, &shown),
            };
            last = Some((shown.clone(), frame.clone()));
            watchers.insert(id, shown);
            out.push(Output::Send { to: id, frame });
        }
    }
}

fn presence_frame(now: Instant, who: &Name, shown: &Shown) -> Bytes {
    let presence = shown.as_ref().map_or(Presence::Offline, |seen| seen.told(now));
    encoded(&Response::presence(Identifier::clone(who), presence))
}
