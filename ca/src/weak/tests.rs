use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::testing::Signer;

/// Moduli of the faulty generator, published to test detectors (github.com/titanous/rocacheck), and sound ones beside
/// them: SubjectPublicKeyInfo, base64.
const ROCA: [&str; 2] = [
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlze9c7qGdjDLVR/ntk+4ZkfMcYsAnmfTFHfe3Xv7jRQqPCXCULtr0y0jG3aRJmEenoXO9uDveqr4\
     3gFB9yvAdLEhu0aJqpB7lNZ+yXsvfVp/96dkSN8oWYL/dd9Z7GQOvVniHUY3Xsd7zdw2eYOyHSXhhA2Ttwnj3c1jEYfC0y9q1cU99aL0ogGDqolcOvlkJu+mGb\
     +6+WyboFa1gwRukYxBHZWKiHCt/eihvXsPTzTlXmTXWdGJtA1xZDnCBWuZ90b5R0agXVIESTl0cCyHaQM/tLZmktJIU+Eu7ALBXemPg9kh3SCnYd3/YvDGCtYS\
     XOWthHwlP5CImRBcQaNncQIDAQAB",
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnDSwGO+LetuWIPxBrWIVEZhfr8VB7tnXBnFaNev61bT1lViBUAN8rmMBw2rd/a6Lw4SjDi+3Fc7h\
     pQtccMyrz3Z52VVsuS1Df94/2GJ2J+B8qw0dTHQoVjPGaOrRads5cjrI1fvgcKNhfwXHd8jh6fCHwVIruU8E2wgTu91ceTzAODzCe1aWbE0QMYTV11E0t2+vt8\
     08AWsYMDOWMIOa0sFZD1DzQSw1YC74YV92yDGsHA4JNZVl6JB0H21lxENKrkOF9MJx+doXHiEEfwNC3F7kf2QDd+3oyRcrrGZt9rhfRPQckUnYM495nfaQcHzT\
     XyIySnY0s6PkwbgL4B44dQIDAQAB",
];
const SOUND: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtA+5PaMwafUZVIU0kXo+u3EbF45Sw+11yOuYReWxp5dGLCmqk6Ukq+PvZ9Ygq7xrOQzuUx/dY1rF\
     qB0tz3Z4KurqpK/aVwj+nEhRckEAtbls9qeGcMxdTgPvf8KJbjR6gw0jXdQKeLTIojXNtUSFPpOm0tsAT0SAqGHZF9jFzBOHlpyyhiWvtZpZaUQMXRQwoptaHu\
     g7tPBjZHm3n+baJH8TVua9Kx8zVsrGBzZnGh7Ybap9ZxvNg2m0BMi/jMhoNr7c3eQBrrkcxqrb0GIdHbg94w9W7Ds3v01FPb6qjKbW8Z2ZAm1lGM/3imodT8z3\
     hLXYDUGWXUTGuaRWWKr8+QIDAQAB";

fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

#[test]
fn keys_of_the_faulty_generator_are_told_from_sound_ones() {
    let none = BlockedKeys::default();
    for key in ROCA {
        assert_eq!(none.check(&decode(key)), Err(WeakKey::Roca));
    }
    assert_eq!(none.check(&decode(SOUND)), Ok(()));
    let Signer::Rsa(fresh) = Signer::rsa() else { panic!("an RSA key") };
    let public = aws_lc_rs::encoding::AsDer::as_der(aws_lc_rs::signature::KeyPair::public_key(&*fresh));
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = public.unwrap();
    assert_eq!(none.check(public.as_ref()), Ok(()));
}

#[test]
fn primes_that_lie_close_together_are_found() {
    // An odd number of 1024 bits, and odd ones a little above it: whether they are primes does not matter to the method.
    let mut low = [0x5a; 128];
    (low[0], low[127]) = (0xc3, 0x17);
    let low = number(&low).unwrap();
    let product = |distance: u64| {
        let high = low.wrapping_add(&U8192::from_u64(distance));
        low.wrapping_mul(&high).to_be_bytes()
    };
    for distance in [2, 4096, 1 << 40] {
        assert!(has_close_primes(product(distance).as_ref()), "{distance}");
    }
    // Far apart: the high one has other leading bits.
    let far = low.wrapping_mul(&low.wrapping_add(&low.shr_vartime(3)).wrapping_add(&U8192::from_u64(1)));
    assert!(!has_close_primes(far.to_be_bytes().as_ref()));
    assert!(!has_close_primes(&[0xff; 2000]), "too long to be looked at");
}

#[test]
fn what_is_on_the_list_is_refused() {
    let key = decode(SOUND);
    let digest = hex::encode(KeyDigest::of(&key).0);
    let list = BlockedKeys::parse(&format!("# leaked\n\n{} in a public repository\n", digest.to_uppercase())).unwrap();
    assert_eq!(list.check(&key), Err(WeakKey::Blocked));
    assert_eq!(list.check(b"not a key at all"), Ok(()));
    assert_eq!(BlockedKeys::parse("# fine\nabc").unwrap_err(), BlockedKeysError { line: 2 });
}
