//! Where a certificate stands in its log: the entry that was made for it, and the C2SP tlog-proof that its transparency
//! extension holds. Nothing here asks a network, and nothing is believed that a key of the policy does not confirm.

use identity::certificate::{Certificate, SubjectName};
use identity::transparency::LabelInput;
use identity::transparency::{ExtensionError, TransparencyExtension, VrfPublicKey, commitment, service_name_digest};
use identity::trust::TrustPolicy;
use identity::{Identifier, UnixTime};
use tlog_proof::{
    Entry, Hash, MerkleError, PolicyError, PolicyVerdict, Proof, ProofError, leaf_hash, root_from_inclusion,
};

/// Why a certificate has no place in a log that is trusted, or a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// No transparency extension, or a malformed one.
    #[error("expected a certificate with a proof that it stands in a log, found {0}")]
    Extension(String),
    /// The log is none of a pinned policy.
    #[error("expected a proof of a log in a pinned trust policy, found one of {found}")]
    Log {
        /// The origin in the proof.
        found: String,
    },
    /// The certificate's name cannot be the one in the log.
    #[error("expected a certificate of one person or one service, found {0}")]
    Subject(String),
    /// The VRF proof does not give a label for this person.
    #[error("expected a VRF proof for {who}, period {period}, slot {slot}; it is not right for the key of this log")]
    Label {
        /// The person.
        who: Identifier,
        /// The period.
        period: u32,
        /// The slot.
        slot: u8,
    },
    /// Entry and path lead nowhere.
    #[error("inclusion path: {0}")]
    Path(#[from] MerkleError),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The policy's logs and witnesses.
    #[error("the trust policy: {0}")]
    Policy(String),
    /// The proof is not this certificate's.
    #[error("expected the proof that is in the certificate, found another one: {differs}")]
    Other {
        /// The first part that differs.
        differs: &'static str,
    },
}

impl From<ExtensionError> for PlaceError {
    fn from(error: ExtensionError) -> Self {
        Self::Extension(error.to_string())
    }
}

/// A certificate's place in its log, as it says itself.
#[derive(Debug, Clone)]
pub struct Place {
    /// What is in the certificate.
    pub extension: TransparencyExtension,
    /// What the log must hold.
    pub entry: Entry,
    /// The root to which entry and path lead. That the log has signed it, [`check`] says.
    pub root: Hash,
}

impl Place {
    /// The same as a tlog-proof.
    pub fn proof(&self) -> Proof {
        self.extension.to_proof(&self.root)
    }
}

/// Finds the place that a certificate says it has.
///
/// # Errors
/// It says none, or one in a log that no policy lists.
pub fn place(leaf: &Certificate, policies: &[TrustPolicy]) -> Result<Place, PlaceError> {
    let tbs = leaf.tbs();
    let extension = tbs.transparency()?.ok_or_else(|| PlaceError::Extension("none".to_owned()))?;
    let shards = policies
        .iter()
        .flat_map(|policy| policy.authorities.iter().filter_map(|authority| policy.shards(authority).ok()).flatten());
    let mut last = PlaceError::Log { found: extension.origin.clone() };
    let commitment = commitment(&extension.opening, &tbs.without_transparency().encode());
    // Two policies may each have a log of that name: the label fits the key of one.
    for shard in shards.filter(|shard| shard.origin == extension.origin) {
        match entry(leaf, &extension, &shard.vrf_key, commitment) {
            Ok(entry) => {
                let leaf = leaf_hash(&entry.encode());
                let root = root_from_inclusion(extension.index, extension.tree_size, &leaf, &extension.path)?;
                return Ok(Place { extension, entry, root });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn entry(
    leaf: &Certificate,
    extension: &TransparencyExtension,
    key: &VrfPublicKey,
    commitment: [u8; 32],
) -> Result<Entry, PlaceError> {
    let names = leaf.tbs().subject_names();
    let [name] = &*names else { return Err(PlaceError::Subject(format!("{} names", names.len()))) };
    let text = match name {
        SubjectName::Dns(name) => {
            return Ok(Entry::Service { name_digest: service_name_digest(name), commitment });
        }
        SubjectName::Email(text) | SubjectName::InternationalEmail(text) | SubjectName::Phone(text) => text,
        _ => return Err(PlaceError::Subject("another kind of name".to_owned())),
    };
    let identifier = Identifier::parse(text).map_err(|error| PlaceError::Subject(error.to_string()))?;
    let proof =
        extension.vrf_proof.as_ref().ok_or_else(|| PlaceError::Extension("one without VRF proof".to_owned()))?;
    let (period, slot) = (extension.period, extension.slot);
    let input = LabelInput { origin: &extension.origin, identifier: &identifier, period, slot };
    let label = key.verify(&input, proof);
    let label = label.map_err(|_| PlaceError::Label { who: identifier.clone(), period, slot })?;
    Ok(Entry::Certificate { label, commitment })
}

/// Checks that an entry stands where a proof says: in a log, and under a quorum, of one of these policies, of whom each
/// counted when it signed.
///
/// # Errors
/// It does not hold under any of them.
pub fn check(proof: &Proof, entry: &[u8], policies: &[TrustPolicy]) -> Result<PolicyVerdict, PlaceError> {
    let leaf = leaf_hash(entry);
    let mut last = PlaceError::Policy("expected a pinned trust policy, found none".to_owned());
    for policy in policies {
        match check_under(proof, &leaf, policy) {
            Ok(verdict) => return Ok(verdict),
            // The policy that knows the log has more to say than one that does not.
            Err(PlaceError::Proof(ProofError::Policy(PolicyError::UnknownLog { found, .. }))) => {
                if matches!(last, PlaceError::Policy(_)) {
                    last = PlaceError::Log { found };
                }
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn check_under(proof: &Proof, leaf: &Hash, policy: &TrustPolicy) -> Result<PolicyVerdict, PlaceError> {
    let incomplete = |error: identity::trust::PolicyError| PlaceError::Policy(error.to_string());
    let ever = proof.verify(leaf, &policy.log_policy().map_err(incomplete)?)?;
    let time = ever.cosigned.iter().map(|by| by.time).max().unwrap_or_default();
    let then = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
    Ok(proof.verify(leaf, &policy.log_policy_at(then).map_err(incomplete)?)?)
}

/// Checks that a proof says what a certificate's extension says, to the last bit, and gives the entry.
///
/// # Errors
/// It is another one; the first difference is named.
pub fn same(proof: &Proof, place: &Place) -> Result<(), PlaceError> {
    let (found, expected) = (TransparencyExtension::from_proof(proof)?, &place.extension);
    let differs = |differs| Err(PlaceError::Other { differs });
    if found.origin != expected.origin {
        return differs("the log");
    }
    if (found.index, found.tree_size) != (expected.index, expected.tree_size) {
        return differs("index or size of the tree");
    }
    if found.path != expected.path {
        return differs("the inclusion path");
    }
    if proof.checkpoint != place.proof().checkpoint {
        return differs("the checkpoint or its signatures");
    }
    if found.to_der() != expected.to_der() {
        return differs("period, slot, opening or VRF proof");
    }
    Ok(())
}
