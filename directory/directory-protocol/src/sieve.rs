//! Taking datagrams out of what a socket has received, before QUIC sees it.

use quinn::udp::RecvMeta;

/// Leaves in a buffer what is to be kept. The kernel may have put several datagrams of one sender into it, all of one length
/// (the stride) but the last; where nothing is left, quinn finds an empty buffer and goes on.
pub fn sift(buffer: &mut [u8], meta: &mut RecvMeta, mut keep: impl FnMut(&[u8]) -> bool) {
    let length = meta.len.min(buffer.len());
    let stride = meta.stride.max(1);
    let (mut read, mut kept) = (0, 0);
    while read < length {
        let end = (read + stride).min(length);
        if keep(&buffer[read..end]) {
            buffer.copy_within(read..end, kept);
            kept += end - read;
        }
        read = end;
    }
    meta.len = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sifted(bytes: &[u8], stride: usize, keep: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut buffer = [bytes, &[0xee; 16]].concat();
        let mut meta = RecvMeta { len: bytes.len(), stride, ..RecvMeta::default() };
        sift(&mut buffer, &mut meta, keep);
        buffer.truncate(meta.len);
        buffer
    }

    #[test]
    fn what_is_kept_stays_in_order_and_keeps_its_borders() {
        assert_eq!(sifted(b"aabbccd", 2, |datagram| datagram[0] != b'b'), b"aaccd");
        assert_eq!(sifted(b"aabbccd", 2, |datagram| datagram == b"d"), b"d");
        assert_eq!(sifted(b"aabbccd", 2, |_| true), b"aabbccd");
        assert_eq!(sifted(b"aabbccd", 7, |_| false), b"");
        assert_eq!(sifted(b"", 0, |_| true), b"");
    }
}
