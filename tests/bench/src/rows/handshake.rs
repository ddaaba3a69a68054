//! A mutual QUIC handshake with full verification at both ends, beside the same handshake with webpki alone.

use std::sync::Arc;

pub(super) use bench_held::bare;
use identity::{
    Identifier, UnixTime,
    testing::{Authority, private_key},
    tls::PersonVerifier,
    trust::Trust,
};
use tokio::runtime::Runtime;

use crate::{
    measure::{Pair, Scale, cpu, paired},
    quic::{Credential, Ends, Verifiers},
};

const ROUNDS: usize = 15;
const HANDSHAKES: usize = 20;

/// Certificates that neither end has seen before.
pub(crate) fn first(runtime: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let trust = world.authority.trust();
    world.compare(runtime, scale, || full(trust.clone()))
}

/// Certificates that both ends have seen before.
pub(crate) fn again(runtime: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let verifiers = full(world.authority.trust());
    world.compare(runtime, scale, || verifiers.clone())
}

fn full(trust: Arc<Trust>) -> Verifiers {
    let verifier = Arc::new(PersonVerifier::new(trust));
    Verifiers { of_clients: verifier.clone(), of_servers: verifier }
}

struct World {
    authority: Authority,
    alice: Credential,
    bob: Credential,
}

impl World {
    fn new() -> Self {
        let now = UnixTime::now();
        let authority = Authority::new(2, now);
        let credential = |address: &str| {
            let identifier = Identifier::parse(address).expect("an address");
            let (chain, key) = authority.issue_person(&identifier, now);
            Credential { chain, key: private_key(&key) }
        };
        let (alice, bob) = (credential("alice@example.org"), credential("bob@example.org"));
        Self { authority, alice, bob }
    }

    /// CPU time of both ends together, in microseconds per handshake.
    fn compare(&self, runtime: &Runtime, scale: Scale, full: impl Fn() -> Verifiers) -> Pair {
        let ends = runtime.block_on(async { Ends::new() });
        let bare = bare(&self.authority);
        let sample = |verifiers: &dyn Fn() -> Verifiers| {
            runtime.block_on(async {
                let start = cpu();
                for _ in 0..HANDSHAKES {
                    let (dialled, accepted) = ends.handshake(&self.alice, &self.bob, &verifiers()).await;
                    dialled.close(0u32.into(), b"");
                    accepted.closed().await;
                }
                (cpu() - start).as_secs_f64() * 1e6 / HANDSHAKES as f64
            })
        };
        paired(ROUNDS * scale.factor, || sample(&full), || sample(&|| bare.clone()))
    }
}
