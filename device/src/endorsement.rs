//! Endorsements: one device of a person says of another that it is hers, so that her contacts need not be alarmed
//! (docs/spec/peer.md, "Endorsed devices").

use identity::UnixTime;
use identity::endorsement::{Endorsement, EndorsementError};
use identity::tls::device_fingerprint;
use identity::trust::Trust;
use identity::verify::{VerifiedPerson, VerifyError, verify_person};

use crate::{Home, HomeError};

/// Why a device is not endorsed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndorseError {
    /// The folder cannot be read or written, or nobody is enrolled there.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The device that endorses has no certificate that counts.
    #[error("the certificate of the device that endorses is refused by {0}")]
    Endorser(VerifyError),
    /// The device that is endorsed has none.
    #[error("the certificate of this device is refused by {0}")]
    Endorsed(VerifyError),
    /// It does not speak of this device, or has ended.
    #[error(transparent)]
    Endorsement(#[from] EndorsementError),
}

/// Takes what another device says of one that is enrolled here, and keeps it: on disk when this returns. Who endorses is
/// returned.
///
/// # Errors
/// [`EndorseError`]; nothing was kept.
pub fn accept(
    home: &Home,
    trust: &Trust,
    endorsement: &Endorsement,
    now: UnixTime,
) -> Result<VerifiedPerson, EndorseError> {
    let by = verify_person(&[endorsement.certificate().clone()], trust, now).map_err(EndorseError::Endorser)?;
    let own = home.locked_device(by.identifier())?;
    let own = verify_person(&own.chain, trust, now).map_err(EndorseError::Endorsed)?;
    let of = device_fingerprint(own.device_key());
    let fingerprint = endorsement.verify((by.identifier(), by.device_key()), (own.identifier(), of), now)?;
    home.keep_endorsement(own.identifier(), fingerprint, endorsement, now)?;
    Ok(by)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use ed25519_dalek::SigningKey;
    use identity::Identifier;
    use identity::testing::{Authority, NOON};

    use super::*;
    use crate::DeviceKey;
    use crate::device::{Enrolment, RenewalSeed};

    fn alice() -> Identifier {
        Identifier::parse("alice@example.org").unwrap()
    }

    /// A folder in which alice's new device is enrolled, and its key.
    fn enrolled(folder: &std::path::Path, authority: &Authority) -> (Home, SigningKey) {
        let home = Home::at(folder).unwrap();
        let policy = authority.policy();
        home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        let enrolment = Enrolment {
            identifier: alice(),
            authority: "Test authority 1".to_owned(),
            acme: "https://ca.example.org/acme/directory".to_owned(),
            policy: policy.fingerprint().to_string(),
            account: None,
            pending_order: None,
            renewal_seed: RenewalSeed::default(),
            revoked: false,
        };
        let (chain, key) = authority.issue_person(&alice(), NOON);
        let pending = home.begin_pending::<DeviceKey>(None, (), enrolment).unwrap();
        home.finish_pending(pending, chain).unwrap();
        (home, key)
    }

    /// What another device of alice's says of the one with this key.
    fn by_another(authority: &Authority, of: &SigningKey, begun: UnixTime) -> Endorsement {
        let (chain, key) = authority.issue_person(&alice(), begun);
        let by = verify_person(&chain, &authority.trust(), begun).unwrap();
        Endorsement::sign(&by, device_fingerprint(&of.verifying_key().to_bytes()), &key).unwrap()
    }

    fn later(days: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + days * 86_400))
    }

    #[test]
    fn what_speaks_of_this_device_is_kept_while_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(1, NOON);
        let (home, key) = enrolled(folder.path(), &authority);
        let trust = home.trust_at(NOON).unwrap();
        let first = by_another(&authority, &key, NOON);
        let by = accept(&home, &trust, &first, NOON).unwrap();
        assert_eq!(by.leaf(), first.certificate());
        assert_eq!(home.endorsements(&alice(), NOON).unwrap(), std::slice::from_ref(&first));
        let file = format!("devices/alice@example.org/endorsements/{}.pem", device_fingerprint(by.device_key()));
        let mode = fs::metadata(home.folder().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);

        // The newest, and the one beside it that holds for the longest.
        let [second, third] = [1, 2].map(|day| by_another(&authority, &key, later(day)));
        for one in [&second, &third] {
            accept(&home, &trust, one, later(2)).unwrap();
        }
        assert_eq!(home.endorsements(&alice(), later(2)).unwrap(), [third.clone(), second]);
        assert_eq!(home.endorsements(&alice(), later(15)).unwrap(), [third]);
        assert!(home.endorsements(&alice(), later(17)).unwrap().is_empty());
    }

    #[test]
    fn nothing_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(1, NOON);
        let (home, key) = enrolled(folder.path(), &authority);
        let trust = home.trust_at(NOON).unwrap();
        let of_another = by_another(&authority, &SigningKey::from_bytes(&[9; 32]), NOON);
        let refused = accept(&home, &trust, &of_another, NOON).unwrap_err();
        assert!(matches!(refused, EndorseError::Endorsement(EndorsementError::Device { .. })), "{refused}");
        let stranger = by_another(&Authority::new(2, NOON), &key, NOON);
        let refused = accept(&home, &trust, &stranger, NOON).unwrap_err();
        assert!(matches!(refused, EndorseError::Endorser(_)), "{refused}");
        let good = by_another(&authority, &key, NOON);
        let refused = accept(&home, &trust, &good, later(20)).unwrap_err();
        assert!(matches!(refused, EndorseError::Endorser(_)), "its certificate has ended: {refused}");
        assert!(home.endorsements(&alice(), NOON).unwrap().is_empty());
        fs::create_dir_all(home.folder().join("devices/alice@example.org/endorsements")).unwrap();
        fs::write(home.folder().join("devices/alice@example.org/endorsements/x.pem"), "no endorsement").unwrap();
        let damaged = home.endorsements(&alice(), NOON).unwrap_err();
        assert!(damaged.to_string().contains("x.pem is damaged"), "{damaged}");
    }
}
