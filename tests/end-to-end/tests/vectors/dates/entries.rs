//! What the library says about each vector.

use std::time::Duration;

use data_encoding::BASE64;
use identity::trust::{Trust, TrustPolicy};
use identity::verify::{Revocation, SignerKind, UnverifiedDate, VerifyError, verify_dated};
use identity::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};

use super::vector::{DateVector, Says};
use crate::entries::all_right;
use crate::files::read_all;
use crate::vector::Kind;

#[test]
fn the_library_agrees() {
    let mut wrong = Vec::new();
    for vector in read_all::<DateVector>() {
        match by_library(&vector) {
            Ok(says) if vector.says.as_ref() == Some(&says) => {}
            Ok(says) => wrong.push(format!("{}: expected {:?}, found {says:?}", vector.name, vector.says)),
            Err(error) if error.rule.id() == vector.rule => {}
            Err(error) => wrong.push(format!("{}: {error}", vector.name)),
        }
    }
    all_right(&wrong);
}

fn by_library(vector: &DateVector) -> Result<Says, VerifyError> {
    let policy = TrustPolicy::parse(vector.policy.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
    let trust = Trust::new(vec![policy]).unwrap();
    let decode = |der: &String| BASE64.decode(der.as_bytes()).unwrap();
    for list in vector.crls.iter().map(decode) {
        trust.install_crl(&list, UnixTime::since_unix_epoch(Duration::from_secs(vector.crls_at)))?;
    }
    let chain: Vec<CertificateDer> = vector.chain.iter().map(decode).map(CertificateDer::from).collect();
    let kind = match vector.kind {
        Kind::Mail => SignerKind::Mailbox,
        Kind::Person => SignerKind::Device,
        other => panic!("{}: {other:?} signs nothing", vector.name),
    };
    let date = UnverifiedDate::parse(&vector.proof)?;
    let signed = verify_dated(&chain, kind, &Sha256::digest(vector.signature()).into(), &date, &trust)?;
    Ok(Says {
        identifier: signed.signer.identifier().to_string(),
        authority: signed.signer.authority().to_owned(),
        revocation: match signed.signer.revocation() {
            Revocation::Good { .. } => "good".to_owned(),
            Revocation::Unknown => "unknown".to_owned(),
            other => format!("{other:?}"),
        },
        revoked_later: signed.revoked_later.map(|time| time.as_secs()),
        date: signed.date.time.as_secs(),
        origin: signed.date.origin,
        index: signed.date.index,
        witnesses: signed.date.witnesses,
    })
}
