//! Doors to the decoders of what nodes send each other, for fuzzing alone: nobody else needs them.
//!
//! They are there under `cfg(fuzzing)`, which cargo-fuzz sets, and in this crate's own tests.

use super::message::{Message, Sealed};
use super::{Cluster, ClusterConfig, ClusterInput, ClusterOutput};
use crate::config::{ClusterTiming, Limits, Timing};
use crate::state::{ConnectionId, Input};
use identity::Identifier;
use std::time::{Duration, Instant};

/// Two nodes of three, which hear each other, and one person on the first.
fn pair(now: &mut Instant) -> Option<[Cluster; 2]> {
    let nodes = ["one", "three", "two"].map(str::to_owned).to_vec();
    let node = |name: &str, incarnation| {
        let timing = ClusterTiming::DEFAULT;
        let (key, salt) = ([7; 32], [incarnation as u8; 16]);
        let config = ClusterConfig { name: name.to_owned(), nodes: nodes.clone(), key, incarnation, salt, timing };
        let bounds = (Timing::default(), Limits::default());
        Cluster::new(*now, config, bounds, true, None, Box::new(|| [3; 32])).ok()
    };
    let mut pair = [node("one", 1)?, node("three", 2)?];
    for _ in 0..8 {
        *now += Duration::from_millis(250);
        for from in 0..2 {
            for sealed in said(&mut pair[from], *now, ClusterInput::Here(Input::Tick)) {
                for answer in said(&mut pair[1 - from], *now, ClusterInput::Packet(sealed)) {
                    said(&mut pair[from], *now, ClusterInput::Packet(answer));
                }
            }
        }
    }
    let who = Identifier::parse("alice@example.org").ok()?;
    let (id, key, network) = (ConnectionId(1), [1; 32], [127, 0, 0, 1].into());
    let expires = *now + Duration::from_secs(3_600);
    said(&mut pair[0], *now, ClusterInput::Here(Input::Connected { id, who, key, network, expires }));
    Some(pair)
}

/// What a node sends to the other one.
fn said(node: &mut Cluster, now: Instant, input: ClusterInput) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    node.handle(now, input, &mut out);
    let packet =
        |output| if let ClusterOutput::Packet { to, sealed } = output { (to < 2).then_some(sealed) } else { None };
    out.into_iter().filter_map(packet).collect()
}

/// A node is sent whatever this is: as a packet, and, cut into pieces that begin with their lengths in two bytes, as what another
/// node has sealed and as the messages in it. It goes on.
pub fn packets(input: &[u8]) {
    let mut now = Instant::now();
    let Some([mut one, mut two]) = pair(&mut now) else { return };
    assert!(one.accepts(), "two of three hear each other");
    said(&mut one, now, ClusterInput::Packet(input.to_vec()));
    let mut rest = input;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (piece, after) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        rest = after;
        now += Duration::from_millis(50);
        let sealed = two.seal.seal(one.node(), piece);
        said(&mut one, now, ClusterInput::Packet(sealed));
        if let Ok(message) = minicbor::decode::<Message>(piece) {
            // What is read is written as it was read, or shorter, and read again as the same.
            let written = minicbor::to_vec(&message).expect("writing to a Vec cannot fail");
            assert_eq!(minicbor::decode::<Message>(&written).ok().as_ref(), Some(&message));
            one.told(now, two.node(), message);
        }
        if let Ok(read) = minicbor::decode::<Sealed>(piece) {
            let written = minicbor::to_vec(&read).expect("writing to a Vec cannot fail");
            assert_eq!(minicbor::decode::<Sealed>(&written).ok(), Some(read));
        }
    }
    for _ in 0..80 {
        now += Duration::from_millis(500);
        said(&mut one, now, ClusterInput::Here(Input::Tick));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_node_goes_on_whatever_another_one_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/cluster/messages.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let pieces = vectors.iter().map(|vector| {
            let bytes = data_encoding::HEXLOWER.decode(vector["hex"].as_str().unwrap().as_bytes()).unwrap();
            [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
        });
        let all: Vec<Vec<u8>> = pieces.collect();
        super::packets(&all.concat());
        // xorshift: it must be repeatable, not unpredictable.
        let mut random = 7_u64;
        for _ in 0..40 {
            let mut damaged = all.concat();
            for _ in 0..20 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let place = random as usize % damaged.len();
                damaged[place] ^= (random >> 32) as u8;
            }
            super::packets(&damaged);
        }
    }
}
