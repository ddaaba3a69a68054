//! A storage in memory that can be told to fail, for tests.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{File, Storage};

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The write fails, and nothing of it was persisted.
    NotPersisted,
    /// The write fails, but all of it was persisted.
    Persisted,
    /// The write fails; of several files every other one was persisted.
    HalfPersisted,
}

impl Fault {
    /// Every way to fail.
    pub const ALL: [Self; 3] = [Self::NotPersisted, Self::Persisted, Self::HalfPersisted];
}

/// Files in memory, with a fault to be injected at a chosen write.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    writes: u64,
    planned: Option<Planned>,
    dead: bool,
}

#[derive(Debug, Clone, Copy)]
struct Planned {
    write: u64,
    fault: Fault,
    then_dead: bool,
}

impl MemoryStorage {
    /// An empty one that never fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the `nth` write from now (0 is the next one) fail once.
    pub fn fail_write(&self, nth: u64, fault: Fault) {
        self.plan(nth, fault, false);
    }

    /// Lets the `nth` write from now fail, and after it every call, as if the process had died there.
    pub fn die_at_write(&self, nth: u64, fault: Fault) {
        self.plan(nth, fault, true);
    }

    /// Takes calls again, as after a restart; planned faults are forgotten.
    pub fn revive(&self) {
        let mut state = self.lock();
        state.dead = false;
        state.planned = None;
    }

    /// Whether a planned death has happened.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// How many writes there were, failed ones included.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// All paths, in order.
    pub fn paths(&self) -> Vec<String> {
        self.lock().files.keys().cloned().collect()
    }

    /// A copy of what is persisted.
    pub fn snapshot(&self) -> Self {
        let files = self.lock().files.clone();
        Self { state: Mutex::new(State { files, ..State::default() }) }
    }

    /// Changes a file behind the owner's back; gives whether there was one.
    pub fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        self.lock().files.get_mut(path).map(change).is_some()
    }

    fn plan(&self, nth: u64, fault: Fault, then_dead: bool) {
        let mut state = self.lock();
        state.planned = Some(Planned { write: state.writes + nth, fault, then_dead });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere has not broken the map.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("injected: the process is dead")) } else { Ok(()) }
    }

    fn fault_now(&mut self) -> Option<Fault> {
        let number = self.writes;
        self.writes += 1;
        let planned = self.planned.filter(|planned| planned.write == number)?;
        self.planned = None;
        self.dead = planned.then_dead;
        Some(planned.fault)
    }
}

impl Storage for MemoryStorage {
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let state = self.lock();
        state.alive()?;
        Ok(state.files.get(path).cloned())
    }

    fn put_all(&self, files: &[File]) -> io::Result<()> {
        let mut state = self.lock();
        state.alive()?;
        let fault = state.fault_now();
        let step = match fault {
            None | Some(Fault::Persisted) => 1,
            Some(Fault::HalfPersisted) => 2,
            Some(Fault::NotPersisted) => usize::MAX,
        };
        let skip = usize::from(fault == Some(Fault::NotPersisted)) * files.len();
        for file in files.iter().skip(skip).step_by(step) {
            state.files.insert(file.path.clone(), file.bytes.clone());
        }
        fault.map_or(Ok(()), |fault| Err(io::Error::other(format!("injected: {fault:?}"))))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.alive()?;
        let below = format!("{path}/");
        state.files.retain(|name, _| name != path && !name.starts_with(&below));
        Ok(())
    }
}
