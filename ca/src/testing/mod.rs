//! What the tests of this crate share: an authority in memory whose store and log fail when told to, and an ACME
//! client.

mod client;
mod signer;
mod world;

pub(crate) use client::{Answer, Client};
pub(crate) use signer::Signer;
pub(crate) use world::{BASE, Fate, World, csr};
