//! The operating system's randomness, in the shapes this crate needs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::Serial;

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: there is no safe way to go on.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the operating system gives randomness");
    out
}

/// A URL path segment nobody can guess: 128 bits, 22 characters.
pub(crate) fn id() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>())
}

/// A certificate serial number: 126 random bits. The top bit is clear, so that it is positive in 16 bytes (RFC 5280
/// section 4.1.2.2), and the next is set, so that it always takes 16.
pub(crate) fn serial() -> Serial {
    let mut out = bytes::<16>();
    out[0] = (out[0] & 0x3f) | 0x40;
    Serial(out)
}

/// One of `choices`, evenly: `None` if there are none. (The bias of the remainder over 2^64 is below 2^-58 for 32
/// choices.)
pub(crate) fn one_of<T: Copy>(choices: &[T]) -> Option<T> {
    let draw = u64::from_le_bytes(bytes::<8>());
    let length = u64::try_from(choices.len()).ok().filter(|n| *n > 0)?;
    let at = usize::try_from(draw % length).ok()?;
    choices.get(at).copied()
}
