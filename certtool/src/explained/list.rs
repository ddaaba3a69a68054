//! A revocation list (RFC 5280, 5): which certificates their issuer takes back.

use der::{Decode, Tag, Tagged};
use identity::UnixTime;
use identity::oid::extension as id;
use x509_cert::certificate::{Raw, Version};
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::pkix::CrlReason;
use x509_cert::name::Name;

use super::kind::{children, inside};
use super::names::{explain_signature, unix, value};
use super::{Explained, extension};
use crate::text;

/// So many entries are named.
const NAMED: usize = 10;

/// Explains one; `None` if it is none.
pub(super) fn explain(der: &[u8], now: UnixTime) -> Option<Explained> {
    let Ok(list) = CertificateList::<Raw>::from_der(der) else { return old(der) };
    let tbs = &list.tbs_cert_list;
    let mut explained = Explained::new("revocation list (CRL)", "RFC 5280, 5");
    let into = &mut explained;
    into.field("issuer", &tbs.issuer, "Who takes certificates back", "RFC 5280, 5.1.2.3");
    into.field("made", text::time(unix(tbs.this_update)), "As of when it speaks", "RFC 5280, 5.1.2.4");
    let next = tbs.next_update.map(unix);
    let next_in_words = next.map_or_else(|| "not said".to_owned(), text::time);
    into.field("next", next_in_words, "By when there will be a newer one", "RFC 5280, 5.1.2.5");
    explain_signature(into, &list.signature_algorithm, "RFC 5280, 5.1.1.2");
    let revoked = tbs.revoked_certificates.as_deref().unwrap_or_default();
    into.field(
        "revoked",
        text::count(revoked.len() as u64, "certificate", "certificates"),
        "How many it takes back",
        "RFC 5280, 5.1.2.6",
    );
    for one in revoked.iter().take(NAMED) {
        into.field(
            hex::encode(one.serial_number.as_bytes()),
            revocation(one),
            "The serial number of one that is taken back",
            "RFC 5280, 5.1.2.6",
        );
    }
    if revoked.len() > NAMED {
        into.next(format!(
            "Of {} certificates the first {NAMED} are shown; all: openssl crl -noout -text -in FILE",
            revoked.len()
        ));
    }
    extension::explain(into, tbs.crl_extensions.as_deref().unwrap_or_default());
    into.check(
        tbs.version != Version::V2,
        || "it is not of version 2".to_owned(),
        "It has no number, so an older one could pass for it",
        "RFC 5280, 5.1.2.1",
    );
    into.check(
        next.is_none(),
        || "it does not say when the next one comes".to_owned(),
        "Nobody can tell whether it is the newest",
        "RFC 5280, 5.1.2.5",
    );
    into.check(
        next.is_some_and(|next| next < now),
        || "the time is over for which it was made".to_owned(),
        "What was revoked since does not stand in it; fetch a newer one",
        "RFC 5280, 5.1.2.5",
    );
    into.check(
        now < unix(tbs.this_update),
        || "it comes from the future".to_owned(),
        "This computer's clock is wrong, or its issuer's",
        "RFC 5280, 5.1.2.4",
    );
    into.next("Whether a certificate stands in it: certtool verify CERTIFICATE --crl FILE");
    Some(explained)
}

/// A list of version 1, which had no extensions and thus no number: it is recognised and no more.
fn old(der: &[u8]) -> Option<Explained> {
    let inner = inside(*children(der)?.first()?)?;
    let tags: Vec<Tag> = inner.iter().map(Tagged::tag).collect();
    let [Tag::Sequence, Tag::Sequence, Tag::UtcTime | Tag::GeneralizedTime, ..] = tags.as_slice() else { return None };
    let issuer: Name = inner.get(1)?.decode_as().ok()?;
    let mut explained = Explained::new("revocation list (CRL)", "RFC 5280, 5");
    explained.field("issuer", &issuer, "Who takes certificates back", "RFC 5280, 5.1.2.3");
    explained.fault(
        "it is of version 1, so it has no number",
        "An older list could pass for the newest; certtool takes none of version 1",
        "RFC 5280, 5.1.2.1",
    );
    explained.next("What stands in it: openssl crl -noout -text -in FILE");
    Some(explained)
}

fn revocation(one: &RevokedCert<Raw>) -> String {
    let when = text::time(unix(one.revocation_date));
    let reason = one.crl_entry_extensions.iter().flatten().find(|extension| extension.extn_id == id::CRL_REASON);
    match reason.and_then(|extension| value::<CrlReason>(extension.extn_value.as_bytes())) {
        Some(reason) => format!("{when}, {reason:?}"),
        None => when,
    }
}
