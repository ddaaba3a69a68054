//! Disks of which only outlines are known, and streams that end when the test says so.

use std::collections::BTreeMap;

use crate::api::TransferId;
use crate::core::{FetchEnd, FileTask, LookedAt, ServeEnd};
use crate::wire::{Outline, Wanted};

use super::World;

/// One end of a stream: whose, and what was asked for.
struct End {
    name: String,
    wanted: Wanted,
}

#[derive(Default)]
struct Stream {
    giver: Option<End>,
    taker: Option<End>,
}

pub(in crate::core::tests) struct Desk {
    /// What lies where.
    pub(in crate::core::tests) shelves: BTreeMap<String, Outline>,
    /// What is there already of something, by its name.
    pub(in crate::core::tests) begun: BTreeMap<String, Result<Wanted, String>>,
    streams: BTreeMap<(TransferId, u64), Stream>,
    /// How many links are in a folder.
    pub(in crate::core::tests) links: BTreeMap<String, u64>,
    /// Who has forgotten what, and whether it was kept.
    pub(in crate::core::tests) forgotten: Vec<(String, TransferId, bool)>,
}

impl Default for Desk {
    /// With one file.
    fn default() -> Self {
        let tea = Outline { name: "tea".into(), folder: false, files: 1, bytes: 1_000, media_type: None, room: None };
        Self {
            shelves: BTreeMap::from([("/tea".to_owned(), tea)]),
            begun: BTreeMap::new(),
            streams: BTreeMap::new(),
            links: BTreeMap::new(),
            forgotten: Vec::new(),
        }
    }
}

impl World {
    pub(super) fn file_task(&mut self, name: &str, task: FileTask) {
        let now = self.now();
        match task {
            FileTask::Look { transfer, path } => {
                let left_out = self.desk.links.get(&path).copied().unwrap_or_default();
                let found = self.desk.shelves.get(&path).cloned().map(|what| LookedAt { what, left_out });
                let found = found.ok_or_else(|| "no such file".to_owned());
                self.core(name).file_looked_at(transfer, found, now);
            }
            FileTask::Begin { transfer, what, .. } => {
                let first = if what.folder { Wanted::Manifest } else { Wanted::Files { entry: 0, offset: 0 } };
                let begun = self.desk.begun.get(&what.name).cloned().unwrap_or(Ok(first));
                self.core(name).file_begun(transfer, begun.map(FetchEnd::Left), now);
            }
            FileTask::Serve { transfer, request, wanted, .. } => {
                let stream = self.desk.streams.entry((transfer, request)).or_default();
                stream.giver = Some(End { name: name.to_owned(), wanted });
            }
            FileTask::Fetch { transfer, request, wanted, .. } => {
                let stream = self.desk.streams.entry((transfer, request)).or_default();
                stream.taker = Some(End { name: name.to_owned(), wanted });
            }
            FileTask::Halt { transfer } => self.break_streams(|of| of == transfer),
            FileTask::Forget { transfer, keep } => {
                self.break_streams(|of| of == transfer);
                self.desk.forgotten.push((name.to_owned(), transfer, keep));
            }
        }
    }

    fn break_streams(&mut self, which: impl Fn(TransferId) -> bool) {
        let streams = std::mem::take(&mut self.desk.streams);
        let (cut, kept) = streams.into_iter().partition::<BTreeMap<_, _>, _>(|((of, _), _)| which(*of));
        self.desk.streams = kept;
        for ((transfer, request), stream) in cut {
            self.end_stream(transfer, request, stream, ServeEnd::Cut, FetchEnd::Left);
        }
    }

    fn end_stream(
        &mut self,
        transfer: TransferId,
        request: u64,
        stream: Stream,
        given: ServeEnd,
        taken: impl Fn(Wanted) -> FetchEnd,
    ) {
        let now = self.now();
        if let Some(End { name, .. }) = stream.giver
            && self.nodes.contains_key(&name)
        {
            self.core(&name).file_served(transfer, request, given, now);
        }
        if let Some(End { name, wanted }) = stream.taker
            && self.nodes.contains_key(&name)
        {
            self.core(&name).file_fetched(transfer, request, taken(wanted), now);
        }
    }

    /// The connection under all streams has gone.
    pub(in crate::core::tests) fn streams_break(&mut self) {
        self.break_streams(|_| true);
        self.settle();
    }

    /// Every stream with two ends ends so, at either end.
    pub(in crate::core::tests) fn streams_end(&mut self, given: &ServeEnd, taken: &FetchEnd) {
        let whole = |stream: &Stream| stream.giver.is_some() && stream.taker.is_some();
        let streams = std::mem::take(&mut self.desk.streams);
        let (ended, kept): (BTreeMap<_, _>, BTreeMap<_, _>) = streams.into_iter().partition(|(_, one)| whole(one));
        self.desk.streams = kept;
        for ((transfer, request), stream) in ended {
            let (giver, taker) = (stream.giver.as_ref().unwrap(), stream.taker.as_ref().unwrap());
            assert_eq!(giver.wanted, taker.wanted);
            self.end_stream(transfer, request, stream, given.clone(), |_| taken.clone());
        }
        self.settle();
    }

    /// What is wanted on the streams that have both ends.
    pub(in crate::core::tests) fn running(&self) -> Vec<Wanted> {
        let whole = self.desk.streams.values().filter(|stream| stream.taker.is_some());
        whole.filter_map(|stream| stream.giver.as_ref().map(|giver| giver.wanted)).collect()
    }

    /// So much of what runs has come to somebody.
    pub(in crate::core::tests) fn moved(&mut self, name: &str, done: u64) {
        let now = self.now();
        let running: Vec<(TransferId, u64)> = self.desk.streams.keys().copied().collect();
        for (transfer, request) in running {
            self.core(name).file_moved(transfer, request, done, now);
        }
        self.settle();
    }
}
