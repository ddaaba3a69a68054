//! Submitting entries to a log elsewhere, in batches.
//!
//! A log that runs by itself takes entries at its submission prefix ([`router`]); an authority elsewhere submits there
//! through a [`RemoteLog`], which gathers what waits into one request and repeats it until there is an answer. The
//! messages are in [`tlog_proof::submission`], and `docs/spec/log.md` specifies them.
//!
//! Nothing here decides who may submit: whoever accepts connections does, by a [`Gate`].

mod remote;
mod server;

pub use remote::RemoteLog;
pub use server::{Gate, router};

#[cfg(test)]
mod tests;
