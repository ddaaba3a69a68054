//! What other devices of a person say of the one that says Hello.

use identity::endorsement::MAX_ENDORSEMENT_BYTES;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The most endorsements in a Hello. With what else stands there they fit into a frame.
pub const MAX_VOUCHERS: usize = 2;

/// Endorsements as they travel: each an [`identity::endorsement::Endorsement`] in CBOR. What cannot be read counts as if it
/// were not there, as a later version may have another form.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Vouchers(#[n(0)] pub Vec<ByteVec>);

impl Vouchers {
    /// Whether they are within their limits.
    pub fn is_bounded(&self) -> bool {
        self.0.len() <= MAX_VOUCHERS && self.0.iter().all(|one| one.len() <= MAX_ENDORSEMENT_BYTES)
    }
}
