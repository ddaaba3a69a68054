//! Pebble 2.4 stops for good when somebody reads an authorization while somebody else makes an order: the first holds the
//! authorization and waits for the store, the second holds the store and waits for each authorization in turn
//! (`WebFrontEndImpl.Authz` and `MemoryStore.FindValidAuthorization`). So that its figures can be had at all, its clients do
//! the two in turns: many of one kind at a time, never both.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What is not to be under way together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Order = 0,
    Authorization = 1,
}

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The kind whose turn it is, by number.
    open: usize,
    under_way: usize,
    waiting: [usize; 2],
    /// So many of those who waited when the turn began have not begun yet.
    invited: usize,
}

/// One request under way; ends with this value.
pub(super) struct Turn(Arc<Turns>);

/// Somebody who waits; given up with this value.
struct Waiting<'a>(&'a Turns, usize);

impl Turns {
    /// Waits for a turn of this kind.
    pub(super) async fn take(self: &Arc<Self>, kind: Kind) -> Turn {
        let kind = kind as usize;
        let mut waits = None;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.enter(kind, waits.is_some()) {
                return Turn(Arc::clone(self));
            }
            if waits.is_none() {
                self.lock().waiting[kind] += 1;
                waits = Some(Waiting(self, kind));
                // The turn may have changed between the two.
                continue;
            }
            changed.await;
        }
    }

    fn enter(&self, kind: usize, waited: bool) -> bool {
        let mut state = self.lock();
        if state.under_way == 0 && state.invited == 0 {
            state.open = kind;
        }
        let others_wait = state.waiting[1 - kind] > 0;
        let may = state.open == kind && (!others_wait || state.under_way == 0 || (waited && state.invited > 0));
        if may {
            state.under_way += 1;
            state.invited = state.invited.saturating_sub(usize::from(waited));
        }
        may
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting[self.1] -= 1;
        // Whoever gives up is invited no more.
        state.invited = state.invited.min(state.waiting[state.open]);
        if state.under_way == 0 {
            self.0.changed.notify_waiters();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            let other = 1 - state.open;
            if state.waiting[other] > 0 {
                state.open = other;
            }
            state.invited = state.waiting[state.open];
            self.0.changed.notify_waiters();
        }
    }
}
