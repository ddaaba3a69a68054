//! When a certificate is renewed: around half of its life, at a moment that nobody but this device can tell beforehand.
//!
//! Renewals at exactly half a life would stand in the log at the same distance from each other for ever, and link the
//! entries of one person, whose labels tell nothing (docs/spec/privacy.md).

use identity::UnixTime;
use identity::certificate::Certificate;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::Enrolment;

/// When the certificate of a device becomes due for renewal, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// From here on it is to be renewed: between two and three fifths of its life.
    pub from: UnixTime,
    /// Its end.
    pub not_after: UnixTime,
}

impl Due {
    /// Of this device's leaf, which is not verified here; why it cannot be said, if it does not parse.
    pub fn of(chain: &[CertificateDer<'static>], enrolment: &Enrolment) -> Result<Self, String> {
        let der = chain.first().ok_or("an empty chain")?;
        let leaf = Certificate::parse(der).map_err(|error| error.to_string())?;
        let (begin, not_after) = (leaf.tbs().not_before(), leaf.tbs().not_after());
        let life = not_after.as_secs().saturating_sub(begin.as_secs());
        let offset = offset(life, draw(enrolment, der));
        let from = std::time::Duration::from_secs(begin.as_secs().saturating_add(offset));
        Ok(Self { from: UnixTime::since_unix_epoch(from), not_after })
    }

    /// In the window (seconds since 1970) that the authority asks for (RFC 9773 section 4.2): the device's own moment in it,
    /// the same each time.
    pub(super) fn within<K>(self, device: &crate::Holder<K>, start: u64, end: u64) -> Self {
        let draw = device.chain.first().map_or(0, |der| draw(&device.enrolment, der));
        let into = (u128::from(end.saturating_sub(start)) * u128::from(draw)) >> 64;
        let from = start.saturating_add(u64::try_from(into).expect("less than the window"));
        Self { from: UnixTime::since_unix_epoch(std::time::Duration::from_secs(from)), ..self }
    }
}

/// The same number for the same certificate each time, so that looking often does not make it earlier; and one that
/// follows from a secret of the device, so that nobody else knows it.
fn draw(enrolment: &Enrolment, der: &[u8]) -> u64 {
    let digest = Sha256::new_with_prefix(b"inperson-renewal-v1\0")
        .chain_update(enrolment.renewal_seed.0)
        .chain_update(Sha256::digest(der))
        .finalize();
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}

/// From two to three fifths of a life, evenly, in seconds.
fn offset(life: u64, draw: u64) -> u64 {
    let fifth = life / 5;
    let within = (u128::from(fifth) * u128::from(draw)) >> 64;
    fifth * 2 + u64::try_from(within).expect("less than a fifth")
}

#[cfg(test)]
mod tests {
    use identity::Identifier;
    use identity::testing::{Authority, NOON};

    use super::*;
    use crate::{AccountKey, Device, DeviceKey, RenewalSeed};

    const DAY: u64 = 86_400;

    fn device(authority: &Authority) -> Device {
        let identifier = Identifier::parse("alice@example.org").unwrap();
        let (chain, _) = authority.issue_person(&identifier, NOON);
        let enrolment = Enrolment {
            identifier: identifier.clone(),
            authority: String::new(),
            acme: String::new(),
            policy: String::new(),
            account: None,
            pending_order: None,
            renewal_seed: RenewalSeed::generate().unwrap(),
            revoked: false,
        };
        let (key, account) = (DeviceKey::generate().unwrap(), AccountKey::generate().unwrap());
        Device { identifier, chain, key, account, enrolment }
    }

    #[test]
    fn a_renewal_lies_between_two_and_three_fifths() {
        assert_eq!(offset(14 * DAY, 0), 14 * DAY / 5 * 2);
        assert_eq!(offset(14 * DAY, u64::MAX), 14 * DAY / 5 * 3 - 1);
        assert_eq!(offset(0, 7), 0);
        assert!(offset(u64::MAX, u64::MAX) < u64::MAX);
    }

    #[test]
    fn a_window_that_the_authority_asks_for_is_kept() {
        let device = device(&Authority::new(1, NOON));
        let due = Due::of(&device.chain, &device.enrolment).unwrap();
        let asked = due.within(&device, 1000, 2000);
        assert!((1000..2000).contains(&asked.from.as_secs()) && asked.not_after == due.not_after);
        assert_eq!(asked, due.within(&device, 1000, 2000));
        assert_eq!(due.within(&device, 5, 5).from.as_secs(), 5);
    }

    #[test]
    fn each_device_draws_its_own_moment_and_keeps_it() {
        let authority = Authority::new(1, NOON);
        let devices: Vec<_> = (0..30).map(|_| device(&authority)).collect();
        let moment = |device: &Device| Due::of(&device.chain, &device.enrolment).unwrap().from.as_secs();
        let mut moments: Vec<_> = devices.iter().map(moment).collect();
        let again: Vec<_> = devices.iter().map(moment).collect();
        assert_eq!(moments, again);
        let life = 14 * DAY;
        let (earliest, latest) = (NOON.as_secs() + life / 5 * 2, NOON.as_secs() + life / 5 * 3);
        assert!(moments.iter().all(|moment| (earliest..=latest).contains(moment)), "{moments:?}");
        moments.sort_unstable();
        moments.dedup();
        // Of almost three days of seconds, 30 even draws are 20 or fewer, or all within half of them, never in practice.
        assert!(moments.len() > 20, "{moments:?}");
        assert!(moments[moments.len() - 1] - moments[0] > life / 10, "{moments:?}");
    }
}
