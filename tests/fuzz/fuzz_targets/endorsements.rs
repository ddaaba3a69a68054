//! What one device says of another, as it travels and as a file.
#![no_main]

use identity::endorsement::Endorsement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(endorsement) = Endorsement::from_cbor(bytes) {
        assert_eq!(endorsement.to_cbor(), bytes, "there is one encoding");
        assert_eq!(Endorsement::from_pem(endorsement.to_pem().as_bytes()), Ok(endorsement));
    }
    let _ = Endorsement::from_pem(bytes);
});
