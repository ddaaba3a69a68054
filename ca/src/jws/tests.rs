use serde_json::json;

use super::*;
use crate::testing::Signer;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    // RFC 8037 appendix A.3.
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // RFC 7638 section 3.1; members beyond the required ones do not count.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
             tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91\
             CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap().thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let x = b64([9; 32]);
    for (jwk, what) in [
        (json!({"kty": "EC", "crv": "P-256", "x": x, "y": x}), "not on the curve"),
        (json!({"kty": "EC", "crv": "P-256", "x": x, "y": b64([9; 31])}), "31 bytes"),
        (json!({"kty": "EC", "crv": "P-384", "x": x, "y": x}), "P-384"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": x}), "private"),
        (json!({"kty": "oct", "k": x}), "private"),
        (json!({"kty": "RSA", "n": b64([0xff; 128]), "e": "AQAB"}), "128 bytes"),
        (json!({"kty": "RSA", "n": b64([0xff; 256]), "e": "Aw"}), "exponent"),
        (json!({"kty": "RSA", "n": b64([0xff; 2048]), "e": "AQAB"}), "2048 bytes"),
        (json!([]), "kty"),
        (json!({}), "kty"),
    ] {
        let error = PublicKey::from_jwk(&jwk).unwrap_err().to_string();
        assert!(error.contains(what), "{error} does not name {what}");
    }
}

#[test]
fn each_algorithm_verifies_and_an_altered_byte_does_not() {
    for signer in [Signer::ed25519(1), Signer::p256(), Signer::rsa()] {
        let protected = json!({"alg": signer.algorithm(), "nonce": "n", "url": "u", "jwk": signer.jwk()});
        let body = signer.sign(&protected, b"hello");
        let jws = UnverifiedJws::parse(&serde_json::to_vec(&body).unwrap()).unwrap();
        let KeyName::Itself(key) = jws.key() else { panic!("no jwk") };
        let key = key.clone();
        assert_eq!(jws.verify(&key).unwrap(), b"hello");

        let mut altered = body.clone();
        altered["payload"] = b64("hallo").into();
        let jws = UnverifiedJws::parse(&serde_json::to_vec(&altered).unwrap()).unwrap();
        assert_eq!(jws.verify(&key), Err(JwsError::Signature));
    }
}

#[test]
fn the_algorithm_must_be_the_keys_own() {
    let signer = Signer::ed25519(1);
    let protected = json!({"alg": "ES256", "nonce": "n", "url": "u", "jwk": signer.jwk()});
    let jws = UnverifiedJws::parse(&serde_json::to_vec(&signer.sign(&protected, b"")).unwrap()).unwrap();
    let KeyName::Itself(key) = jws.key() else { panic!("no jwk") };
    let key = key.clone();
    assert_eq!(jws.verify(&key), Err(JwsError::WrongAlgorithm { expected: "EdDSA", found: "ES256".into() }));
}

#[test]
fn what_is_no_signed_request_is_refused() {
    let signer = Signer::ed25519(1);
    let jwk = signer.jwk();
    let with = |protected: serde_json::Value| serde_json::to_vec(&signer.sign(&protected, b"")).unwrap();
    let good = json!({"alg": "EdDSA", "nonce": "n", "url": "u", "jwk": jwk});
    let mut unprotected: serde_json::Value = serde_json::from_slice(&with(good.clone())).unwrap();
    unprotected["header"] = json!({});
    let mut padded: serde_json::Value = serde_json::from_slice(&with(good)).unwrap();
    padded["payload"] = "aGVsbG8=".into();
    for body in [
        b"".to_vec(),
        b"{}".to_vec(),
        vec![b'['; 60_000],
        vec![0xff; 60_000],
        serde_json::to_vec(&unprotected).unwrap(),
        serde_json::to_vec(&padded).unwrap(),
        with(json!({"alg": "none", "url": "u", "jwk": jwk})),
        with(json!({"alg": "HS256", "url": "u", "jwk": jwk})),
        with(json!({"alg": "EdDSA", "url": "u"})),
        with(json!({"alg": "EdDSA", "url": "u", "jwk": jwk, "kid": "k"})),
        with(json!({"alg": "EdDSA", "jwk": jwk})),
        with(json!({"alg": "EdDSA", "url": "u", "jwk": jwk, "crit": ["b64"], "b64": false})),
    ] {
        assert!(UnverifiedJws::parse(&body).is_err(), "{}", String::from_utf8_lossy(&body[..body.len().min(200)]));
    }
}

#[test]
fn a_key_is_the_same_as_jwk_and_as_subject_public_key_info() {
    for signer in [Signer::ed25519(1), Signer::p256(), Signer::rsa()] {
        let spki = PublicKey::from_jwk(&signer.jwk()).unwrap().to_spki();
        let expected = match &signer {
            Signer::Ed25519(key) => der_of(aws_lc_rs::signature::KeyPair::public_key(key)),
            Signer::P256(key) => der_of(aws_lc_rs::signature::KeyPair::public_key(key)),
            Signer::Rsa(key) => der_of(aws_lc_rs::signature::KeyPair::public_key(&**key)),
        };
        assert_eq!(spki, expected, "{}", signer.algorithm());
    }
}

/// As AWS-LC writes it.
fn der_of<'a>(key: &impl aws_lc_rs::encoding::AsDer<aws_lc_rs::encoding::PublicKeyX509Der<'a>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}
