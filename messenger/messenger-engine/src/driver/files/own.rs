//! The disk of this machine, as the crate `file-transfer` has it.

use std::path::Path;

use file_transfer::{GiveError, Incoming, Offer, Outgoing, Position, TakeError};

use super::disk::{Disk, Reading, Sink, Source};
use crate::wire::{Entry, HASH_BYTES, Outline, Wanted};

/// Files by their paths.
pub(in crate::driver) struct OwnDisk;

impl Disk for OwnDisk {
    fn look(&self, path: &str) -> Result<Box<dyn Source>, String> {
        Ok(Box::new(Outgoing::look(Path::new(path)).map_err(not_given)?))
    }

    fn begin(&self, into: &str, what: &Outline, from: &str) -> Result<Box<dyn Sink>, String> {
        let Outline { name, folder, files, bytes, .. } = what.clone();
        let offer = Offer { name, folder, files, bytes };
        Ok(Box::new(Incoming::begin(Path::new(into), &offer, from).map_err(not_taken)?))
    }
}

fn not_given(error: GiveError) -> String {
    error.to_string()
}

fn not_taken(error: TakeError) -> String {
    error.to_string()
}

impl Source for Outgoing {
    fn outline(&self) -> Outline {
        let Offer { name, folder, files, bytes } = self.offer().clone();
        Outline { name, folder, files, bytes, media_type: self.media_type().map(str::to_owned), room: None }
    }

    fn left_out(&self) -> u64 {
        self.left_out()
    }

    fn entry(&self, entry: u64) -> Option<Entry> {
        let file_transfer::Entry { path, size } = self.entry(entry)?.clone();
        Some(Entry { path, size })
    }

    fn open(&self, entry: u64, offset: u64, enough: &dyn Fn() -> bool) -> Result<Box<dyn Reading>, String> {
        Ok(Box::new(self.open(entry, offset, enough).map_err(not_given)?))
    }
}

impl Reading for file_transfer::Reading {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        self.read(buffer).map_err(not_given)
    }

    fn hash(self: Box<Self>) -> Result<[u8; HASH_BYTES], String> {
        (*self).hash().map_err(not_given)
    }
}

impl Sink for Incoming {
    fn list_anew(&mut self) {
        self.list_anew();
    }

    fn page(&mut self, entries: Vec<Entry>) -> Result<(), String> {
        let entries = entries.into_iter().map(|Entry { path, size }| file_transfer::Entry { path, size });
        self.page(entries.collect()).map_err(not_taken)
    }

    fn left(&self) -> Option<Wanted> {
        self.left().map(|left| match left {
            Position::Manifest => Wanted::Manifest,
            Position::Files { entry, offset } => Wanted::Files { entry, offset },
        })
    }

    fn expects(&self) -> u64 {
        self.expects()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.write(bytes).map_err(not_taken)
    }

    fn finish(&mut self, hash: [u8; HASH_BYTES]) -> Result<(), String> {
        self.finish(&hash).map_err(not_taken)
    }

    fn complete(&mut self) -> Result<String, String> {
        Ok(self.complete().map_err(not_taken)?.to_string_lossy().into_owned())
    }

    fn done(&self) -> u64 {
        self.done()
    }

    fn forget(self: Box<Self>, keep: bool) {
        // What is only dropped stays, if there is anything.
        if !keep || (self.done() == 0 && !self.is_placed()) {
            self.discard();
        }
    }
}
