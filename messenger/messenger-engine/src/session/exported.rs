//! What both ends of one connection can derive from its handshake, and nobody else.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// The exporter label (RFC 8446 section 7.5) of [`Exported::session`]. RFC 5705 section 4 leaves labels that begin with
/// "EXPERIMENTAL" to everybody. The context is empty.
pub const SESSION_LABEL: &[u8] = b"EXPERIMENTAL-inperson-session";

/// The exporter label of [`Exported::resumption`]; the context is empty.
pub const RESUMPTION_LABEL: &[u8] = b"EXPERIMENTAL-inperson-resumption";

/// Keying material exported from one TLS connection.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Exported {
    /// The secret of a session that begins on it.
    pub session: [u8; 32],
    /// What ties a proof to it.
    pub resumption: [u8; 32],
}

/// Without the secrets.
impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exported")
    }
}
