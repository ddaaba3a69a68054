//! Two checkpoints of one log that cannot both be true.

use tlog_proof::{Hash, UnverifiedCheckpoint, VerifiedCheckpoint, verify_consistency};

use super::{Culprit, EvidenceError, Shown};
use crate::trust::TrustPolicy;

/// No consistency proof has more hashes.
const MAX_PROOF: usize = 128;

/// The newer tree proves that its beginning has another root than the one that the log signed.
pub(super) fn judge(
    policy: &TrustPolicy,
    older: &str,
    newer: &str,
    beginning: &str,
    proof: &[String],
) -> Result<Shown, EvidenceError> {
    let notes = [UnverifiedCheckpoint::parse(older)?, UnverifiedCheckpoint::parse(newer)?];
    let log = policy.log_policy()?;
    let signed = |note: &UnverifiedCheckpoint| -> Result<VerifiedCheckpoint, EvidenceError> {
        log.check_log(note).map_err(|e| EvidenceError::value("checkpoint", "one that a log of the policy signed", e))
    };
    let (first, second) = (signed(&notes[0])?, signed(&notes[1])?);
    if first.origin != second.origin {
        return Err(EvidenceError::value("newer", format_args!("a checkpoint of {}", first.origin), &second.origin));
    }
    if first.size == 0 || first.size > second.size {
        let expected = format_args!("a tree of 1 to {} entries", second.size);
        return Err(EvidenceError::value("older", expected, first.size));
    }
    if proof.len() > MAX_PROOF {
        return Err(EvidenceError::value("proof", format_args!("at most {MAX_PROOF} hashes"), proof.len()));
    }
    let hash = |text: &str| -> Result<Hash, EvidenceError> {
        text.parse().map_err(|e| EvidenceError::value("hash", "32 bytes in base64", e))
    };
    let beginning = hash(beginning)?;
    let proof = proof.iter().map(|text| hash(text)).collect::<Result<Vec<_>, _>>()?;
    verify_consistency(first.size, &beginning, second.size, &second.root, &proof)?;
    if beginning == first.root {
        let expected = "another root than that of the older checkpoint";
        return Err(EvidenceError::value("beginning", expected, "the same: both checkpoints are of one tree"));
    }
    let both = log.witnesses.iter().filter(|w| notes.iter().all(|note| note.verify_cosignature(&w.vkey).is_ok()));
    let both: Vec<_> = both.map(|witness| witness.vkey.name().to_owned()).collect();
    let mut proven = vec![
        format!("{} signed that its first {} entries have the root {}.", first.origin, first.size, first.root),
        format!(
            "It also signed a tree of {} entries whose first {} have the root {beginning}: it shows two histories.",
            second.size, first.size
        ),
    ];
    proven.extend(both.iter().map(|name| format!("The witness {name} has cosigned both, and failed, too.")));
    Ok(Shown { culprit: Some(Culprit::Log(first.origin.clone())), proven, open: Vec::new() })
}
