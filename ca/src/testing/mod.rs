//! What the tests of this crate share: an authority in memory whose store and log fail when told to, and an ACME
//! client.

mod client;
mod dns;
mod postgres;
mod signer;
mod world;

use std::time::{Duration, Instant};

use identity::certificate::Certificate;

use crate::store::Serial;

pub(crate) use client::{Answer, Client};
pub(crate) use dns::NameServer;
pub(crate) use postgres::Postgres;
pub(crate) use signer::Signer;
pub(crate) use world::{BASE, Fate, ORIGIN, World, csr, csr_for};

/// The serial number of a certificate (DER).
pub(crate) fn serial(der: &[u8]) -> Serial {
    Serial(Certificate::parse(der).unwrap().tbs().serial().try_into().unwrap())
}

/// Waits until it is so. A minute is far more than any of it takes.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
