//! A disk in memory that loses what was not synced, runs full, or turns read-only, for tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::Disk;

/// A disk whose power can be cut at any of its steps.
///
/// What a power cut leaves is as bad as POSIX allows: of the contents that were not synced any beginning
/// or nothing, of the names that were not synced any selection.
#[derive(Debug, Default)]
pub struct SimulatedDisk {
    state: Mutex<State>,
}

/// Names, each with what it stands for.
type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    /// Position in `contents`.
    File(usize),
}

#[derive(Debug, Clone)]
struct Content {
    bytes: Vec<u8>,
    synced: bool,
}

/// A change of names that is not durable yet.
#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Node),
    Move(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Default)]
struct State {
    contents: Vec<Content>,
    now: Names,
    durable: Names,
    pending: Vec<(PathBuf, Change)>,
    steps: u64,
    cut_at: Option<u64>,
    dead: bool,
    room: Option<usize>,
    read_only: bool,
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power at the `nth` step from now: that step and all later calls fail.
    pub fn cut_power_at(&self, nth: u64) {
        let mut state = self.lock();
        state.cut_at = Some(state.steps + nth);
    }

    /// Whether the power is cut.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Leaves room for so many bytes more; `None` for any number.
    pub fn set_room(&self, bytes: Option<usize>) {
        self.lock().room = bytes;
    }

    /// Refuses every change, as a file system that was remounted read-only does.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Cuts the power if it is not cut, and starts again on what is left. The seed selects what of the
    /// unsynced is left.
    pub fn restart(&self, seed: u64) {
        let mut state = self.lock();
        let mut coins = Coins(seed);
        let pending = std::mem::take(&mut state.pending);
        let mut names = std::mem::take(&mut state.durable);
        for (_, change) in pending {
            if coins.toss(2) == 0 {
                apply(&mut names, &change);
            }
        }
        // What lies in a folder that is gone is gone.
        let kept = names.clone();
        names.retain(|name, _| {
            let above = name.ancestors().skip(1).filter(|above| above.parent().is_some());
            above.into_iter().all(|above| kept.get(above) == Some(&Node::Folder))
        });
        for content in state.contents.iter_mut().filter(|content| !content.synced) {
            let left = coins.toss(content.bytes.len() as u64 + 1) as usize;
            content.bytes.truncate(left);
            content.synced = true;
        }
        state.now.clone_from(&names);
        state.durable = names;
        state.cut_at = None;
        state.dead = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere has not broken the maps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("simulated: the power is cut")) } else { Ok(()) }
    }

    /// One step that changes something.
    fn step(&mut self) -> io::Result<()> {
        self.alive()?;
        self.dead = self.cut_at.is_some_and(|at| self.steps >= at);
        self.steps += 1;
        self.alive()?;
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn change(&mut self, folder: Option<&Path>, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push((folder.unwrap_or(Path::new("")).to_owned(), change));
    }

    /// Writes as much as there is room for.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<usize> {
        let fits = self.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if let Some(room) = &mut self.room {
            *room -= fits;
        }
        self.contents.push(Content { bytes: bytes[..fits].to_vec(), synced: false });
        let file = self.contents.len() - 1;
        self.change(path.parent(), Change::Add(path.to_owned(), Node::File(file)));
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(file) }
    }
}

fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Add(path, node) => {
            names.insert(path.clone(), *node);
        }
        Change::Move(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Change::Remove(path) => names.retain(|name, _| !name.starts_with(path)),
    }
}

/// Reproducible chance (splitmix64).
struct Coins(u64);

impl Coins {
    fn toss(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

impl Disk for SimulatedDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.lock();
        state.alive()?;
        match state.now.get(path) {
            Some(Node::File(file)) => Ok(state.contents[*file].bytes.clone()),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.parent().is_none() || self.lock().now.get(path) == Some(&Node::Folder)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        if state.now.get(path) != Some(&Node::Folder) {
            state.change(path.parent(), Change::Add(path.to_owned(), Node::Folder));
        }
        Ok(())
    }

    /// Two steps, so that the power can be cut between writing and syncing.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        let file = state.write(path, bytes)?;
        state.step()?;
        state.contents[file].synced = true;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        if !state.now.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(to.parent(), Change::Move(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        let (synced, rest) = std::mem::take(&mut state.pending).into_iter().partition(|(folder, _)| folder == path);
        state.pending = rest;
        let synced: Vec<(PathBuf, Change)> = synced;
        synced.iter().for_each(|(_, change)| apply(&mut state.durable, change));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.step()?;
        state.change(path.parent(), Change::Remove(path.to_owned()));
        Ok(())
    }
}
