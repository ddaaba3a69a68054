//! The certificate for mail of a device's person, as it travels.

use identity::MAX_CERTIFICATE_BYTES;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The most certificates in a chain for mail. With what else stands in the frame they fit into it.
pub const MAX_MAIL_CHAIN: usize = 3;

/// A chain for mail, leaf first, each certificate in DER; empty where there is none, or none is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct MailChain(#[n(0)] pub Vec<ByteVec>);

impl MailChain {
    /// Whether it is within its limits.
    pub fn is_bounded(&self) -> bool {
        self.0.len() <= MAX_MAIL_CHAIN
            && self.0.iter().all(|certificate| (1..=MAX_CERTIFICATE_BYTES).contains(&certificate.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, TalkFrame, decode, encode};

    #[test]
    fn the_largest_chain_fits_into_a_frame_and_what_is_more_is_beyond_the_limits() {
        let largest = MailChain(vec![vec![0x30; MAX_CERTIFICATE_BYTES].into(); MAX_MAIL_CHAIN]);
        assert!(largest.is_bounded() && MailChain::default().is_bounded());
        let frame = TalkFrame::MailCertificate { chain: largest.clone() };
        let bytes = encode(&frame, Channel::Talk).unwrap();
        assert_eq!(decode::<TalkFrame>(&bytes[4..]), Ok(Some(frame)));
        let spoiled = |spoil: fn(&mut Vec<ByteVec>)| {
            let mut chain = largest.clone();
            spoil(&mut chain.0);
            chain.is_bounded()
        };
        assert!(!spoiled(|chain| chain.push(vec![0x30].into())));
        assert!(!spoiled(|chain| chain[1].push(0)));
        assert!(!spoiled(|chain| chain[2] = Vec::new().into()));
    }

    #[test]
    fn the_bytes_of_a_certificate_for_mail() {
        let chain = MailChain(vec![vec![0x30, 0x01].into(), vec![0x30].into()]);
        let bytes = encode(&TalkFrame::MailCertificate { chain }, Channel::Talk).unwrap();
        let expected = [
            0x00, 0x00, 0x01, 0x00, // length 256
            0x82, 0x08, // array of 2: kind 8, a certificate for mail
            0x82, // two certificates
            0x42, 0x30, 0x01, // the leaf, of 2 bytes
            0x41, 0x30, // its issuer's, of 1 byte
        ];
        assert_eq!(bytes[..expected.len()], expected);
        let none = encode(&TalkFrame::MailCertificate { chain: MailChain::default() }, Channel::Talk).unwrap();
        assert_eq!(none[4..7], [0x82, 0x08, 0x80]);
    }
}
