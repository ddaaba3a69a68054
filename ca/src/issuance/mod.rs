//! The issuance core: what a certificate goes through between a proven identifier and a signature, as types.
//!
//! ```text
//! Proven ─► Planned ─lint─► Linted ─log proof─► Logged ─sign─► Issued
//! ```
//!
//! * [`Planned`]: a TBSCertificate without its transparency extension, and the place of its label in the log. For
//!   people it takes a [`Proven`](crate::proven::Proven) identifier, so that no label is computed for anybody else's.
//! * [`Linted`]: its profile's lints found nothing. Only now there is an entry for the log.
//! * [`Logged`]: a proof was verified that this very entry stands in the authority's log, under a checkpoint that a
//!   quorum of witnesses cosigned in time. **No other certificate can be signed**: a [`SigningInput`], which is all a
//!   [`Signer`] takes, is made in this module alone, and used up. (The one other maker is [`sign_crl`], from a plan.)
//! * [`Issued`]: signed; and what was signed, without its transparency extension, is the linted plan to the byte.
//!
//! What it does: decide. What it never does: I/O, ask a clock, draw randomness; those are arguments. So it can be
//! proven, fuzzed, ported. [`Planned::restore`] takes up after a crash from what was stored, through the same gates.

mod issued;
mod learned;
mod linted;
mod logged;
mod planned;
mod revocation;
mod signer;

pub use issued::{Issued, SignError};
pub use learned::{LearnError, learn, origin_of};
pub use linted::{LintError, Linted};
pub use logged::{LogError, Logged, MAX_LOGGING, is_too_late};
pub use planned::{PersonInput, Planned, RestoreError, ServiceInput};
pub use revocation::{CrlSignError, sign_crl};
pub use signer::{Signer, SignerError, SigningInput};

#[cfg(test)]
mod tests;
