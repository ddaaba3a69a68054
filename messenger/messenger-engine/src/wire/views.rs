//! What a device has seen of logs and policies, as it tells a peer.

use minicbor::{Decode, Encode};

/// Most checkpoints, and most policies, in a frame.
pub const MAX_VIEWS: usize = 8;

/// Most contradictions in a frame.
pub const MAX_CONTRADICTIONS: usize = 2;

/// The longest checkpoint in a frame, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 4096;

/// Most hashes of a consistency proof (RFC 6962 section 2.1.2) over fewer than 2^64 entries.
pub const MAX_PROOF: usize = 65;

/// The views of one device. See [`super::TalkFrame::Views`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Views {
    /// Signed checkpoints, as text.
    #[n(0)]
    pub checkpoints: Vec<String>,
    /// Which version of each trust policy is in force.
    #[n(1)]
    pub policies: Vec<PolicyView>,
    /// Proofs that a log has signed two histories.
    #[n(2)]
    pub contradictions: Vec<Contradiction>,
}

/// A version of a trust policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PolicyView {
    /// SHA-256 of its first version.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub genesis: [u8; 32],
    /// Its number.
    #[n(1)]
    pub number: u64,
    /// SHA-256 of it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub digest: [u8; 32],
}

/// Two checkpoints of one log that cannot both be true (docs/spec/evidence.md, `split-view`).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Contradiction {
    /// The checkpoint of the smaller tree.
    #[n(0)]
    pub older: String,
    /// The checkpoint of the larger tree.
    #[n(1)]
    pub newer: String,
    /// The root over as many of the larger tree's first entries as the smaller one has: base64.
    #[n(2)]
    pub beginning: String,
    /// The consistency proof from there: base64.
    #[n(3)]
    pub proof: Vec<String>,
}

impl Views {
    /// Whether every part is within its limit; together they are within a frame's, then.
    pub fn is_bounded(&self) -> bool {
        let checkpoint = |text: &String| text.len() <= MAX_CHECKPOINT_BYTES;
        let hash = |text: &String| text.len() <= 44;
        self.checkpoints.len() <= MAX_VIEWS
            && self.checkpoints.iter().all(checkpoint)
            && self.policies.len() <= MAX_VIEWS
            && self.contradictions.len() <= MAX_CONTRADICTIONS
            && self.contradictions.iter().all(|one| {
                [&one.older, &one.newer].into_iter().all(checkpoint)
                    && hash(&one.beginning)
                    && one.proof.len() <= MAX_PROOF
                    && one.proof.iter().all(hash)
            })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty() && self.policies.is_empty() && self.contradictions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, TalkFrame, decode, encode};

    fn largest() -> Views {
        let checkpoint = "c".repeat(MAX_CHECKPOINT_BYTES);
        let hash = "h".repeat(44);
        Views {
            checkpoints: vec![checkpoint.clone(); MAX_VIEWS],
            policies: vec![PolicyView { genesis: [1; 32], number: u64::MAX, digest: [2; 32] }; MAX_VIEWS],
            contradictions: vec![
                Contradiction {
                    older: checkpoint.clone(),
                    newer: checkpoint,
                    beginning: hash.clone(),
                    proof: vec![hash; MAX_PROOF],
                };
                MAX_CONTRADICTIONS
            ],
        }
    }

    #[test]
    fn the_largest_views_fit_into_a_frame_and_come_back() {
        let views = largest();
        assert!(views.is_bounded());
        let frame = TalkFrame::Views { views };
        let bytes = encode(&frame, Channel::Talk).unwrap();
        assert_eq!(decode::<TalkFrame>(&bytes[4..]), Ok(Some(frame)));
    }

    #[test]
    fn what_is_too_long_or_too_many_is_not_within_limits() {
        let spoiled = |spoil: fn(&mut Views)| {
            let mut views = largest();
            spoil(&mut views);
            views.is_bounded()
        };
        assert!(!spoiled(|views| views.checkpoints.push(String::new())));
        assert!(!spoiled(|views| views.checkpoints[0].push('x')));
        assert!(!spoiled(|views| views.policies.push(views.policies[0])));
        assert!(!spoiled(|views| views.contradictions.push(views.contradictions[0].clone())));
        assert!(!spoiled(|views| views.contradictions[0].older.push('x')));
        assert!(!spoiled(|views| views.contradictions[0].beginning.push('x')));
        assert!(!spoiled(|views| views.contradictions[1].proof.push(String::new())));
        assert!(!spoiled(|views| views.contradictions[1].proof[3].push('x')));
    }

    #[test]
    fn the_bytes_of_views() {
        let views = Views {
            checkpoints: vec!["c".into()],
            policies: vec![PolicyView { genesis: [1; 32], number: 7, digest: [2; 32] }],
            contradictions: Vec::new(),
        };
        let bytes = encode(&TalkFrame::Views { views }, Channel::Talk).unwrap();
        let mut expected = vec![0x00, 0x00, 0x01, 0x00]; // length 256
        expected.extend([0x82, 0x04]); // array of 2: kind 4, views
        expected.extend([0x83, 0x81, 0x61, b'c']); // array of 3: one checkpoint of one byte
        expected.extend([0x81, 0x83, 0x58, 0x20]); // one policy: array of 3, 32 bytes
        expected.extend([1; 32]);
        expected.extend([0x07, 0x58, 0x20]); // number 7, 32 bytes
        expected.extend([2; 32]);
        expected.extend([0x80]); // no contradiction
        assert_eq!(bytes[..expected.len()], expected);
    }
}
