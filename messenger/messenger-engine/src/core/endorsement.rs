//! Endorsements: what other devices of a person say of the one that says Hello, verified before anybody hears of it.

use identity::Identifier;
use identity::endorsement::Endorsement;
use identity::trust::Fingerprint;

use super::{Core, SessionId};
use crate::api::Purpose;
use crate::room::Person;
use crate::time::Now;
use crate::wire::{MAX_VOUCHERS, Vouchers};

impl Core {
    /// Tells peers what other devices of the person say of this one, in the sessions that begin.
    pub fn endorsed(&mut self, endorsements: Vec<Endorsement>) {
        self.endorsements = endorsements;
    }

    /// What Hello says of it: to those whom the person knows or talks to. Fellow members of a room keep no devices of hers,
    /// and need not learn which others there are.
    pub(super) fn vouchers_for(&self, who: &Identifier, purpose: Purpose, now: Now) -> Option<Vouchers> {
        if purpose != Purpose::Text && !self.is_contact(who) {
            return None;
        }
        let hold = self.endorsements.iter().filter(|one| one.until() >= now.unix.as_secs());
        let vouchers: Vec<_> = hold.take(MAX_VOUCHERS).map(|one| one.to_cbor().into()).collect();
        (!vouchers.is_empty()).then_some(Vouchers(vouchers))
    }

    /// The other side has said Hello: now it can be told who is there.
    pub(super) fn introduce_opened(
        &mut self,
        session: SessionId,
        person: &Person,
        vouchers: Option<Vouchers>,
        now: Now,
    ) {
        let endorsed_by = self.endorsers(person, vouchers, now);
        if let Some(link) = self.links.get_mut(&session) {
            link.endorsed_by = Some(endorsed_by.clone());
        }
        self.introduce(person, endorsed_by);
    }

    /// Which devices of the same person endorse the one at the other end. What does not count is passed over: then the
    /// device is as if nobody had said anything of it.
    fn endorsers(&self, person: &Person, vouchers: Option<Vouchers>, now: Now) -> Vec<Fingerprint> {
        let endorser = |bytes: &[u8]| {
            let endorsement = Endorsement::from_cbor(bytes).map_err(|error| error.to_string())?;
            let of = (&person.identifier, Fingerprint(person.device.spki_digest()));
            // A certificate that is looked at further was shown by whoever has its key, and names the same person: what is
            // wrong with somebody else's is no news.
            let key = self.credentials.key(endorsement.certificate()).ok_or("its certificate has no device's key")?;
            endorsement.is_signed(&key, of).map_err(|error| error.to_string())?;
            // By every rule as it stands now: who was revoked endorses nobody.
            let by = self.credentials.verify(endorsement.certificate(), now)?;
            endorsement.verify((&by.identifier, &by.device.0), of, now.unix).map_err(|error| error.to_string())
        };
        let mut found = Vec::new();
        for voucher in vouchers.map(|vouchers| vouchers.0).unwrap_or_default() {
            match endorser(&voucher) {
                Ok(by) if !found.contains(&by) => found.push(by),
                Ok(_) => {}
                Err(error) => tracing::debug!(who = %person.identifier, error, "an endorsement does not count"),
            }
        }
        found
    }
}
