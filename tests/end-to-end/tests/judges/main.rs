//! Other people's implementations of the log's formats judge ours (`tests/judges/go`): notes and policies by
//! golang.org/x/mod/sumdb and filippo.io/torchwood, a served log by tessera's fsck, and litewitness as a witness of
//! our log; in Python aics-witness as another witness of our log, and aics-tlog, which checks it.
//!
//! They are built at the first run, below the build directory. Where that cannot be done, the tests say so and pass.

#![allow(clippy::unwrap_used)]

mod aics;
mod formats;
mod http;
mod litewitness;
mod proofs;
mod served;
mod tools;
mod witness;
