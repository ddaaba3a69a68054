//! AES-GCM (NIST SP 800-38D) as a stream. AWS-LC offers it for whole messages alone; so its AES in counter mode makes the
//! keystream, and the crate `ghash` the hash. Tests compare this with AWS-LC's own, and with a vector of NIST's.

use aws_lc_rs::cipher::{Algorithm, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use zeroize::Zeroizing;

use crate::error::CmsError;

/// Of AES (bytes).
const BLOCK: usize = 16;
/// A nonce as everybody writes it; others would be hashed first.
pub(super) const NONCE: usize = 12;
/// A whole tag.
pub(super) const TAG: usize = 16;
/// Most content under one key and nonce: 2^32 - 2 blocks (SP 800-38D section 5.2.1.1). Beyond, the counter would begin anew.
pub(super) const MOST: u64 = ((1 << 32) - 2) * BLOCK as u64;
/// What the output needs to be longer than the input.
pub(super) const SPARE: usize = BLOCK;

/// One message that is being encrypted or decrypted.
pub(super) struct Gcm {
    keystream: StreamingEncryptingKey,
    /// Before anything was hashed.
    begin: GHash,
    hash: GHash,
    /// The beginning of a block of ciphertext whose end has not come yet.
    held: Vec<u8>,
    length: u64,
    mask: Zeroizing<[u8; BLOCK]>,
}

impl Gcm {
    pub(super) fn new(algorithm: &'static Algorithm, key: &[u8], nonce: &[u8; NONCE]) -> Result<Self, CmsError> {
        let subkey = next_block(&mut keystream(algorithm, key, [0; BLOCK])?)?;
        let begin = GHash::new(&(*subkey).into());
        let mut first = [0; BLOCK];
        first[..NONCE].copy_from_slice(nonce);
        first[BLOCK - 1] = 1;
        // The first block of the keystream masks the tag, and those after it the content. That the library counts with all
        // 128 bits and GCM with 32 makes no difference below MOST.
        let mut keystream = keystream(algorithm, key, first)?;
        let mask = next_block(&mut keystream)?;
        Ok(Self { keystream, hash: begin.clone(), begin, held: Vec::with_capacity(BLOCK), length: 0, mask })
    }

    /// Encrypts a portion into `out`, which is longer by [`SPARE`]: what came of it.
    pub(super) fn encrypt<'a>(&mut self, clear: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], CmsError> {
        self.count(clear.len())?;
        let sealed = apply(&mut self.keystream, clear, out)?;
        self.absorb(sealed);
        Ok(sealed)
    }

    /// Decrypts a portion; it counts for nothing before the tag was compared.
    pub(super) fn decrypt<'a>(&mut self, sealed: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], CmsError> {
        self.count(sealed.len())?;
        self.absorb(sealed);
        apply(&mut self.keystream, sealed, out)
    }

    /// The tag of everything, and of what is authenticated beside it.
    pub(super) fn tag(mut self, beside: &[u8]) -> [u8; TAG] {
        self.hash.update_padded(&self.held);
        let bits = |bytes: u64| (bytes * 8).to_be_bytes();
        self.hash.update_padded(&[bits(beside.len() as u64), bits(self.length)].concat());
        let mut tag: [u8; TAG] = self.hash.finalize().into();
        if !beside.is_empty() {
            // It is hashed before the content, and in a message it stands behind. The hash is linear: that of both is the sum
            // of the one of the content alone, and of the one of this with zeros in place of the content.
            let mut alone = self.begin;
            alone.update_padded(beside);
            zeros(&mut alone, self.length.div_ceil(BLOCK as u64) + 1);
            xor(&mut tag, &alone.finalize().into());
        }
        xor(&mut tag, &self.mask);
        tag
    }

    /// As if so much had been encrypted before.
    #[cfg(test)]
    pub(super) fn pretend(&mut self, length: u64) {
        self.length = length;
    }

    fn count(&mut self, more: usize) -> Result<(), CmsError> {
        self.length += more as u64;
        match self.length > MOST {
            true => Err(CmsError::Content("AES-GCM protects no more than 64 GiB at once: split the file")),
            false => Ok(()),
        }
    }

    fn absorb(&mut self, mut sealed: &[u8]) {
        if !self.held.is_empty() {
            let (missing, rest) = sealed.split_at(sealed.len().min(BLOCK - self.held.len()));
            self.held.extend_from_slice(missing);
            sealed = rest;
            if self.held.len() < BLOCK {
                return;
            }
            self.hash.update_padded(&self.held);
            self.held.clear();
        }
        let (whole, begun) = sealed.split_at(sealed.len() / BLOCK * BLOCK);
        self.hash.update_padded(whole);
        self.held.extend_from_slice(begun);
    }
}

fn keystream(
    algorithm: &'static Algorithm,
    key: &[u8],
    first: [u8; BLOCK],
) -> Result<StreamingEncryptingKey, Unspecified> {
    let key = UnboundCipherKey::new(algorithm, key)?;
    StreamingEncryptingKey::less_safe_ctr(key, EncryptionContext::Iv128(first.into()))
}

fn next_block(keystream: &mut StreamingEncryptingKey) -> Result<Zeroizing<[u8; BLOCK]>, CmsError> {
    let mut out = Zeroizing::new([0; BLOCK + SPARE]);
    let block = apply(keystream, &[0; BLOCK], &mut out[..])?;
    Ok(Zeroizing::new(block.try_into().map_err(|_| CmsError::Library)?))
}

/// In counter mode as much comes out as went in.
fn apply<'a>(keystream: &mut StreamingEncryptingKey, from: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], CmsError> {
    let written = keystream.update(from, out)?.written().len();
    if written == from.len() { Ok(&out[..written]) } else { Err(CmsError::Library) }
}

fn zeros(hash: &mut GHash, blocks: u64) {
    const MANY: [u8; 256 * BLOCK] = [0; 256 * BLOCK];
    let mut left = blocks * BLOCK as u64;
    while left > 0 {
        let now = left.min(MANY.len() as u64);
        hash.update_padded(&MANY[..now as usize]);
        left -= now;
    }
}

fn xor(into: &mut [u8; BLOCK], other: &[u8; BLOCK]) {
    into.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}
