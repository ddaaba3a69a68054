//! How a certificate is logged: its entry, its place, and who cosigned.

use identity::Identifier;
use identity::transparency::{LabelInput, Opening, TransparencyExtension, VrfProof, commitment, service_name_digest};
use tlog_proof::{Checkpoint, Entry, Hash, Proof, leaf_hash, root_from_inclusion, sign_checkpoint};

use super::draft::Draft;
use super::house::{DAY, House, seed};

const PERIOD: u64 = 7 * DAY;

/// Where the entry stands, and who cosigned when.
#[derive(Clone)]
pub(crate) struct Logging {
    pub(crate) origin: String,
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) slot: u8,
    /// Whose label it is.
    pub(crate) identifier: String,
    /// What the label is for, if not the period of the beginning.
    pub(crate) period: Option<u32>,
    /// Numbers of witnesses, and their times.
    pub(crate) cosigned: Vec<(usize, u64)>,
    /// The third byte says what kind of entry: a service's in place of a person's.
    pub(crate) swapped_kind: bool,
}

/// The entry goes into a log of any size: what else is in it are hashes from a seed.
pub(crate) fn log(
    house: &House,
    logging: &Logging,
    draft: &Draft,
    is_person: bool,
    begin: u64,
) -> TransparencyExtension {
    let period = logging.period.unwrap_or((begin / PERIOD) as u32);
    let opening = Opening::new(seed("opening"));
    let commitment = commitment(&opening, &draft.tbs());
    let (entry, vrf_proof) = entry(house, logging, is_person, period, commitment);
    let mut bytes = entry.encode();
    if logging.swapped_kind {
        bytes[1] ^= 0x02;
    }
    let leaf = leaf_hash(&bytes);
    let (path, root) = (0..=63)
        .find_map(|length| {
            let path: Vec<Hash> = (0..length).map(|level| Hash(seed(&format!("sibling at level {level}")))).collect();
            let root = root_from_inclusion(logging.index, logging.size, &leaf, &path).ok()?;
            Some((path, root))
        })
        .unwrap();
    let checkpoint = Checkpoint { origin: logging.origin.clone(), size: logging.size, root };
    let mut text = sign_checkpoint(&checkpoint, &house.log);
    for (witness, time) in &logging.cosigned {
        text.push_str(&house.witnesses[*witness].cosign(&checkpoint.to_body(), *time));
    }
    let proof = Proof { extra: None, index: logging.index, path, checkpoint: text };
    TransparencyExtension::build(period, logging.slot, vrf_proof, opening, &proof).unwrap()
}

fn entry(
    house: &House,
    logging: &Logging,
    is_person: bool,
    period: u32,
    commitment: [u8; 32],
) -> (Entry, Option<VrfProof>) {
    if !is_person {
        return (Entry::Service { name_digest: service_name_digest(&logging.identifier), commitment }, None);
    }
    let identifier = Identifier::from_canonical(&logging.identifier).unwrap();
    let input = LabelInput { origin: &logging.origin, identifier: &identifier, period, slot: logging.slot };
    let (label, proof) = house.vrf.evaluate(&input);
    (Entry::Certificate { label, commitment }, Some(proof))
}
