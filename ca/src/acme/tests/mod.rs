//! The protocol from outside: a client, the router, an authority in memory.

mod accounts;
mod announcements;
mod away;
mod caa;
mod codes;
mod date;
mod door;
mod enrolment;
mod external;
mod front_ends;
mod gateway;
mod identifiers;
mod limits;
mod locked;
mod mailboxes;
mod openid;
mod openness;
mod operator;
mod parts;
mod phone;
mod privacy;
mod renewal;
mod replies;
mod revocation;
mod rollover;
mod status;
mod stolen;
mod trail;
mod waiting;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::CertificateDer;

/// The certificates of a PEM chain.
fn chain(pem: &str) -> Vec<CertificateDer> {
    let blocks = pem.split_inclusive("-----END CERTIFICATE-----\n");
    blocks.map(|block| crate::pem::decode("CERTIFICATE", block).unwrap().to_vec().into()).collect()
}

fn alice() -> identity::Identifier {
    identity::Identifier::parse("alice@example.org").unwrap()
}

/// A device's key.
fn device() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}
