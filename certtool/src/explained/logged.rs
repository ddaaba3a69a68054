//! What comes from a log: proofs, checkpoints, entries.

use tlog_proof::{Entry, EntryError, NoteSignature, ObjectKind, Proof, UnverifiedCheckpoint};

use super::Explained;
use super::names::list;
use crate::text;

/// C2SP tlog-proof.
pub(super) fn proof(text: &str) -> Result<Explained, String> {
    let proof = Proof::parse(text).map_err(|error| format!("a proof that is damaged: {error}"))?;
    let checkpoint =
        UnverifiedCheckpoint::parse(&proof.checkpoint).map_err(|error| format!("a proof that is damaged: {error}"))?;
    let mut explained = Explained::new("proof of a log", "c2sp.org/tlog-proof");
    explained.field("entry", proof.index, "Which entry of the log, counted from 0", "c2sp.org/tlog-proof").field(
        "path",
        text::count(proof.path.len() as u64, "digest", "digests"),
        "The digests that lead from the entry to the root",
        "RFC 6962, 2.1.1",
    );
    if let Some(extra) = &proof.extra {
        explained.field(
            "extra",
            format!("{} bytes", extra.len()),
            "What its maker put beside it, and nobody checked",
            "c2sp.org/tlog-proof",
        );
    }
    on_checkpoint(&mut explained, &checkpoint);
    let size = checkpoint.claimed().size;
    explained.check(
        proof.index >= size,
        || format!("entry {} is beyond the {size} entries of the checkpoint", proof.index),
        "So it proves nothing",
        "RFC 6962, 2.1.1",
    );
    explained.next("Whether it holds: certtool proof verify FILE --certificate CERTIFICATE, or --entry ENTRY");
    Ok(explained)
}

/// C2SP tlog-checkpoint.
pub(super) fn checkpoint(text: &str) -> Result<Explained, String> {
    let checkpoint =
        UnverifiedCheckpoint::parse(text).map_err(|error| format!("a signed note that is no checkpoint: {error}"))?;
    let mut explained = Explained::new("checkpoint of a log", "c2sp.org/tlog-checkpoint");
    on_checkpoint(&mut explained, &checkpoint);
    explained
        .next("Signatures were not checked: whose keys count, a trust policy says. certtool audit checks a whole log.");
    Ok(explained)
}

fn on_checkpoint(into: &mut Explained, checkpoint: &UnverifiedCheckpoint) {
    let claimed = checkpoint.claimed();
    let signatures = checkpoint.note().signatures();
    into.field("log", &claimed.origin, "The name of the log", "c2sp.org/tlog-checkpoint")
        .field("entries", claimed.size, "How many entries the log had", "c2sp.org/tlog-checkpoint")
        .field("root", hex::encode(claimed.root.as_bytes()), "The digest over all of them", "RFC 6962, 2.1")
        .field(
            "signed by",
            list(signatures, |NoteSignature { name, .. }| name.clone()),
            "Who claims to have signed it: the log itself, and witnesses who saw it",
            "c2sp.org/signed-note; c2sp.org/tlog-cosignature",
        );
    let by_log = signatures.iter().any(|signature| signature.name == claimed.origin);
    into.check(
        !by_log,
        || format!("{} itself has not signed it", claimed.origin),
        "Only its log can say what a log holds",
        "c2sp.org/tlog-checkpoint",
    );
}

/// An entry of our logs.
pub(super) fn entry(bytes: &[u8]) -> Result<Explained, EntryError> {
    const SPEC: &str = "docs/spec/log.md";
    let mut explained = Explained::new("entry of a log", SPEC);
    let into = &mut explained;
    let commitment = "It hides the content; whoever is given the opening can check it";
    match Entry::decode(bytes)? {
        Entry::Certificate { label, commitment: value } => into
            .field("kind", "a person's certificate", "What was logged", SPEC)
            .field("label", hex::encode(label), "Whose it is, seen by whom the authority proves it to alone", SPEC)
            .field("commitment", hex::encode(value), commitment, SPEC),
        Entry::Signature { label, digest } => into
            .field("kind", "a signature that was dated", "What was logged", SPEC)
            .field("label", hex::encode(label), "Drawn at random", SPEC)
            .field("digest", hex::encode(digest), commitment, SPEC),
        Entry::Service { name_digest, commitment: value } => into
            .field("kind", "a service's certificate", "What was logged", SPEC)
            .field("name", hex::encode(name_digest), "A digest of its DNS name, which is public", SPEC)
            .field("commitment", hex::encode(value), commitment, SPEC),
        Entry::Object { kind, hash } => into.field("kind", object(kind), "What was logged", SPEC).field(
            "digest",
            hex::encode(hash),
            "SHA-256 of it, under which the log serves it",
            SPEC,
        ),
    };
    Ok(explained)
}

fn object(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Crl => "a revocation list",
        ObjectKind::IssuingCertificate => "the certificate of an issuing authority",
        ObjectKind::TrustPolicy => "a trust policy",
        ObjectKind::AuditHead => "the head of an audit trail",
    }
}
