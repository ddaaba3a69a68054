//! What comes on a stream, put where it belongs. Nothing is kept here but a frame of the manifest, or a hash, that is not
//! whole yet.

use super::disk::Sink;
use crate::wire::{self, Channel, HASH_BYTES, Page, Wanted};

/// One stream that is unpacked.
pub(super) struct Unpacker {
    manifest: bool,
    /// A frame, or a hash, that is not whole yet.
    part: Vec<u8>,
    over: bool,
}

impl Unpacker {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { manifest: wanted == Wanted::Manifest, part: Vec::new(), over: false }
    }

    /// Takes what came next.
    ///
    /// # Errors
    /// Why it is not what was offered, or cannot be written; for people.
    pub(super) fn take(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        if self.manifest { self.page(bytes, sink) } else { self.file(bytes, sink) }
    }

    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    fn page(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        self.part.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(prefix) = self.part[done..].first_chunk::<4>() {
            let length = wire::body_length(*prefix, Channel::Files).map_err(|error| error.to_string())?;
            let Some(body) = self.part.get(done + 4..done + 4 + length) else { break };
            if self.over {
                return Err("the list of files goes on after its end".into());
            }
            let Page { entries } =
                wire::decode(body).map_err(|error| error.to_string())?.ok_or("expected a list of files")?;
            if let Some(bad) = entries.iter().position(|entry| !entry.is_bounded()) {
                return Err(format!("the path or the size of a file is too long ({bad} on its page)"));
            }
            self.over = entries.is_empty();
            sink.page(entries)?;
            done += 4 + length;
        }
        self.part.drain(..done);
        if self.over && !self.part.is_empty() {
            return Err("the list of files goes on after its end".into());
        }
        Ok(())
    }

    fn file(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) -> Result<(), String> {
        while !bytes.is_empty() {
            if sink.left().is_none() {
                return Err("more comes than was offered".into());
            }
            let expected = usize::try_from(sink.expects()).unwrap_or(usize::MAX);
            if expected > 0 {
                let (of_file, rest) = bytes.split_at(expected.min(bytes.len()));
                sink.write(of_file)?;
                bytes = rest;
                continue;
            }
            let (of_hash, rest) = bytes.split_at((HASH_BYTES - self.part.len()).min(bytes.len()));
            self.part.extend_from_slice(of_hash);
            bytes = rest;
            if let Ok(hash) = <[u8; HASH_BYTES]>::try_from(self.part.as_slice()) {
                self.part.clear();
                sink.finish(hash)?;
                // Of what is there already only the hash is asked for, in a stream of its own.
                self.over = !matches!(sink.left(), Some(Wanted::Files { offset: 0, .. }));
                if self.over && sink.left().is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
