//! What an answer of the domain name system proves about the very name that was asked. Each record comes with the proof that
//! the resolver library has made for it alone (RFC 4035 section 5); which of them belong to the question, whether absence is
//! proven, and where signed zones end is decided here, for whoever carries answers may add records that are true elsewhere.
//!
//! It asks nobody, and knows no time.

use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3, RRSIG};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType, RecordTypeSet};

/// Zones with more rounds of hashing count as unsigned (RFC 9276 section 3.2), as they do for the library.
const MAX_ITERATIONS: u16 = 100;

/// What came of one question.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    /// The library has verified that what stands in `authorities` denies what was asked.
    pub(super) denied: bool,
}

/// What was heard of the name that was asked.
#[derive(Debug)]
pub(super) struct Said<'a> {
    pub(super) records: Vec<&'a Record>,
    /// These are all there are; or, if there is none, that there is none.
    pub(super) proven: bool,
}

impl Heard {
    /// The records of this name and kind, and no others.
    pub(super) fn of(&self, name: &Name, kind: RecordType) -> Said<'_> {
        let own = |record: &&Record| record.record_type() == kind && record.name == *name;
        let records: Vec<_> = self.answers.iter().filter(own).collect();
        let proven = match records.is_empty() {
            true => self.denied && self.zone_of_denials().is_some_and(|zone| zone.zone_of(name)),
            false => records.iter().all(|record| record.proof.is_secure()) && self.is_its_own(name, kind),
        };
        Said { records, proven }
    }

    /// Whether the signature is there, and an answer made from a wildcard is proven to be the name's by whoever signed it
    /// (RFC 4035 section 5.3.4). The library takes any denials for that, and none where an unsigned record stands by them.
    fn is_its_own(&self, name: &Name, kind: RecordType) -> bool {
        let signatures: Vec<_> = signatures(&self.answers).collect();
        let own = signatures.iter().find(|(owner, one)| *owner == name && one.input().type_covered == kind);
        let Some((_, own)) = own else { return false };
        let wild = |(owner, one): &(&Name, &RRSIG)| one.input().num_labels < owner.num_labels();
        if !signatures.iter().any(wild) {
            return true;
        }
        let by = |one: &RRSIG| (one.input().signer_name.clone(), one.input().num_labels);
        let one_made_all = signatures.iter().all(|(_, one)| by(one) == by(own));
        one_made_all && self.zone_of_denials() == Some(own.input().signer_name.clone())
    }

    /// Whose proven denials these are, if they are all of one zone.
    fn zone_of_denials(&self) -> Option<Name> {
        let mut zones = self.denials().map(|(record, _)| self.zone(record));
        let first = zones.next()??;
        zones.all(|zone| zone.as_ref() == Some(&first)).then_some(first)
    }

    fn denials(&self) -> impl Iterator<Item = (&Record, Denial<'_>)> {
        self.authorities.iter().filter(|record| record.proof.is_secure()).filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC(nsec)) => Some((record, Denial::Named(nsec))),
            RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => Some((record, Denial::Hashed(nsec3))),
            _ => None,
        })
    }

    /// Who signed a denial: of several signatures the library marks the one that it has verified.
    fn zone(&self, denial: &Record) -> Option<Name> {
        let verified = self.authorities.iter().filter(|record| record.proof.is_secure());
        let of =
            |(owner, one): &(&Name, &RRSIG)| **owner == denial.name && one.input().type_covered == denial.record_type();
        signatures(verified).find(of).map(|(_, one)| one.input().signer_name.clone())
    }

    /// What the answer to a question for the DS records of a name says of the name. `zone` is the signed zone that its
    /// parent is in, or is. The library takes records of zones further up for an answer, too: those of a parent that leaves
    /// out unsigned delegations (opt-out, RFC 5155 section 6) would cover any name below a signed one.
    pub(super) fn cut(&self, name: &Name, zone: &Name) -> Cut {
        let own = || self.answers.iter().filter(|record| record.proof.is_secure() && record.name == *name);
        let mut keys = own().filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DS(ds)) => {
                Some(ds.algorithm().is_supported() && ds.digest_type().is_supported())
            }
            _ => None,
        });
        // RFC 4035 section 5.2: a zone with none but unknown algorithms is one without signatures.
        if let Some(first) = keys.next() {
            return if first || keys.any(|known| known) { Cut::Signed } else { Cut::Unsigned };
        }
        if own().any(|record| record.record_type() == RecordType::CNAME) {
            return Cut::Inside;
        }
        let of_zone = self.denials().filter(|(record, _)| self.zone(record).as_ref() == Some(zone));
        of_zone.map(|(record, denial)| denial.cut(&record.name, name, zone)).max().unwrap_or(Cut::Unknown)
    }
}

fn signatures<'a>(records: impl IntoIterator<Item = &'a Record>) -> impl Iterator<Item = (&'a Name, &'a RRSIG)> {
    records.into_iter().filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(one)) => Some((&record.name, one)),
        _ => None,
    })
}

/// What a name is to the signed zone above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cut {
    /// Nothing is proven.
    Unknown,
    /// A name of that zone.
    Inside,
    /// A zone of its own that is not signed.
    Unsigned,
    /// A zone of its own that is signed.
    Signed,
}

impl Cut {
    /// By the kinds of records that the signed zone above has for the name.
    fn by(kinds: &RecordTypeSet) -> Self {
        match (kinds.contains(RecordType::NS), kinds.contains(RecordType::DS) || kinds.contains(RecordType::SOA)) {
            (_, true) => Self::Unknown,
            (true, false) => Self::Unsigned,
            (false, false) => Self::Inside,
        }
    }
}

/// A record of what there is not.
enum Denial<'a> {
    Named(&'a NSEC),
    Hashed(&'a NSEC3),
}

impl Denial<'_> {
    fn cut(&self, owner: &Name, name: &Name, zone: &Name) -> Cut {
        match self {
            Self::Named(nsec) if owner == name => Cut::by(nsec.type_set()),
            // Nothing but names below it: it is one of the zone, without records.
            Self::Named(nsec) if owner < name && name.zone_of(nsec.next_domain_name()) => Cut::Inside,
            Self::Named(_) => Cut::Unknown,
            Self::Hashed(nsec3) if nsec3.iterations() > MAX_ITERATIONS => Cut::Unsigned,
            Self::Hashed(nsec3) => hashed(nsec3, owner, name, zone).unwrap_or(Cut::Unknown),
        }
    }
}

/// The same by hashes (RFC 5155).
fn hashed(nsec3: &NSEC3, owner: &Name, name: &Name, zone: &Name) -> Option<Cut> {
    if owner.base_name() != *zone {
        return None;
    }
    let from = data_encoding::BASE32_DNSSEC.decode(owner.iter().next()?).ok()?;
    let hash = nsec3.hash_algorithm().hash(nsec3.salt(), name, nsec3.iterations()).ok()?;
    let (hash, from, to) = (hash.as_ref(), from.as_slice(), nsec3.next_hashed_owner_name());
    if hash == from {
        return Some(Cut::by(nsec3.type_set()));
    }
    let covers = if from < to { from < hash && hash < to } else { from < hash || hash < to };
    (covers && nsec3.opt_out()).then_some(Cut::Unsigned)
}

#[cfg(test)]
mod tests;
