//! What goes on a stream: of files their bytes and hashes, of a folder its manifest.

use super::disk::Source;
use crate::wire::{Channel, PAGE_BYTES, Page, Wanted, encode};

/// So much of a file is read at once.
const PIECE: usize = 128 * 1024;

/// Whoever takes pieces does not want any more.
pub(super) struct Enough;

/// Why it is not all that was wanted.
pub(super) enum Unpacked {
    Enough,
    Failed(String),
}

impl From<Enough> for Unpacked {
    fn from(Enough: Enough) -> Self {
        Self::Enough
    }
}

/// What goes next, and how many bytes of a file are in it.
pub(super) type Piece = (Vec<u8>, usize);

/// Hands on what is wanted, piece by piece, until it is `enough`.
pub(super) fn pack(
    source: &dyn Source,
    wanted: Wanted,
    enough: &dyn Fn() -> bool,
    mut hand_on: impl FnMut(Piece) -> Result<(), Enough>,
) -> Result<(), Unpacked> {
    match wanted {
        Wanted::Manifest => manifest(source, &mut hand_on),
        Wanted::Files { entry, offset } => files(source, (entry, offset), enough, &mut hand_on),
    }
}

fn manifest(source: &dyn Source, hand_on: &mut impl FnMut(Piece) -> Result<(), Enough>) -> Result<(), Unpacked> {
    let (mut page, mut weight) = (Page::default(), 0);
    let send = |page: Page, hand_on: &mut dyn FnMut(Piece) -> Result<(), Enough>| {
        let bytes = encode(&page, Channel::Files).map_err(|error| Unpacked::Failed(error.to_string()))?;
        hand_on((bytes, 0)).map_err(Unpacked::from)
    };
    for entry in (0..).map_while(|entry| source.entry(entry)) {
        weight += entry.weight();
        page.entries.push(entry);
        if weight >= PAGE_BYTES {
            send(std::mem::take(&mut page), hand_on)?;
            weight = 0;
        }
    }
    if !page.entries.is_empty() {
        send(page, hand_on)?;
    }
    send(Page::default(), hand_on)
}

fn files(
    source: &dyn Source,
    (first, mut offset): (u64, u64),
    enough: &dyn Fn() -> bool,
    hand_on: &mut impl FnMut(Piece) -> Result<(), Enough>,
) -> Result<(), Unpacked> {
    let files = source.outline().files;
    if first > files || (first == files && offset > 0) {
        return Err(Unpacked::Failed(format!("expected a request for one of {files} files, found the {first}th")));
    }
    for entry in first..files {
        let mut reading = source.open(entry, std::mem::take(&mut offset), enough).map_err(Unpacked::Failed)?;
        loop {
            let mut piece = vec![0; PIECE];
            let read = reading.read(&mut piece).map_err(Unpacked::Failed)?;
            if read == 0 {
                break;
            }
            piece.truncate(read);
            hand_on((piece, read))?;
        }
        hand_on((reading.hash().map_err(Unpacked::Failed)?.to_vec(), 0))?;
    }
    Ok(())
}
