//! What calls have left on stacks. Allocators wipe what is given back; a stack is given back by nobody, and keeps what a call
//! has put there until another one goes as deep. openmls derives and encrypts the keys of a path on rayon's threads, which sleep
//! when they are done: what they left would stay there for as long as there is nothing else to do.

use std::hint::black_box;

/// As deep as openmls goes, and more: 256 KiB of the 2 MiB that threads have.
const PAGES: u8 = 64;
const PAGE: usize = 4096;

/// Overwrites what earlier calls left on this thread's stack and on those of rayon's threads.
pub(super) fn overwrite() {
    down(PAGES);
    rayon::broadcast(|_| down(PAGES));
}

#[inline(never)]
fn down(pages: u8) -> u64 {
    let page = black_box([pages; PAGE]);
    let below = if pages == 0 { 0 } else { down(pages - 1) };
    below + u64::from(black_box(&page)[usize::from(pages)])
}

/// Overwrites them when it is dropped: the last part of what holds keys.
pub(super) struct Overwritten;

impl Drop for Overwritten {
    fn drop(&mut self) {
        overwrite();
    }
}
