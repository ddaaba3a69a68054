//! The directory as a process of its own: `directory serve directory.toml`.
//!
//! It reads a few files when it starts and looks at them again every few seconds; it writes none, ever. What it is told by
//! people lives in memory that no core dump and no swap shows, and that is wiped when it is given back.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod program;

use std::process::ExitCode;

/// Wipes every piece of memory when it is given back: copies of what people sent lie in buffers of QUIC and TLS as well, which
/// only the allocator reaches.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    program::main()
}
