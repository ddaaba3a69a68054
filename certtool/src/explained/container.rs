//! What holds other things: CMS (PKCS#7) and PKCS#12. Only what can be seen without a passphrase is looked at; the rest of
//! PKCS#12 in `opened.rs`.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, OctetStringRef, UintRef};
use der::{Class, Encode, TagNumber, Tagged};

use super::kind::{children, inside};
use super::names::object;
use super::{Explained, certificate, key};

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const ENVELOPED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const ENCRYPTED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const AUTH_ENVELOPED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");

/// Most certificates of a message that are named.
const NAMED: usize = 16;

/// The beginning of a message whose length was not known when its writing began (BER, X.690 section 8.1.3.6).
const STREAM: &[u8] = b"\x30\x80";

/// Whether it is a message in BER that holds what was signed or encrypted.
pub(super) fn is_stream(bytes: &[u8]) -> bool {
    stream_kind(bytes).is_some()
}

fn stream_kind(bytes: &[u8]) -> Option<ObjectIdentifier> {
    let begins = bytes.strip_prefix(STREAM)?;
    let kinds = [SIGNED, ENVELOPED, AUTH_ENVELOPED];
    kinds.into_iter().find(|kind| kind.to_der().is_ok_and(|kind| begins.starts_with(&kind)))
}

/// Such a message. What is in it can be of any size, so nothing beyond its kind is looked at, and for whom it is.
pub(super) fn stream(bytes: &[u8]) -> Explained {
    let mut explained = Explained::new("message in CMS (PKCS#7)", "RFC 5652, 3");
    let kind = stream_kind(bytes).unwrap_or(SIGNED);
    explained.field("content", object(&kind), "What is done with the content", "RFC 5652, 3");
    if kind == SIGNED {
        explained.next("To check it, and take out what was signed: certtool verify FILE --signer ID --out THE-FILE.");
    } else {
        let many = message_syntax::Envelope::open(bytes).map_or(0, |envelope| envelope.recipients().len());
        encrypted(&mut explained, kind, many);
    }
    explained
}

/// What is told of an encrypted message.
fn encrypted(into: &mut Explained, kind: ObjectIdentifier, recipients: usize) {
    into.field("recipients", recipients, "For how many keys it can be opened", "RFC 5652, 6.1");
    into.check(
        kind == ENVELOPED,
        || "its content is encrypted, and nothing shows whether it was changed".to_owned(),
        "Somebody on the way may have changed it; authEnvelopedData (RFC 5083) shows that",
        "RFC 8551, 2.7; RFC 5083, 1",
    );
    let option = if kind == ENVELOPED { " --unauthenticated" } else { "" };
    into.next(format!(
        "To open it, if it is for one of your keys for mail: certtool decrypt FILE{option} --out THE-FILE. With any other: openssl cms -decrypt -inform DER -in FILE -inkey KEY"
    ));
}

/// A message of CMS; `None` if it is none.
pub(super) fn cms(der: &[u8]) -> Option<Explained> {
    let (kind, content) = content(AnyRef::try_from(der).ok()?)?;
    let mut explained = Explained::new("message in CMS (PKCS#7)", "RFC 5652, 3");
    let into = &mut explained;
    into.field("content", object(&kind), "What is done with the content", "RFC 5652, 3");
    match kind {
        SIGNED => signed(into, &content)?,
        ENVELOPED | AUTH_ENVELOPED => {
            // The recipients come after the version, or after who sent it.
            let recipients = inside(content)?.iter().find(|part| part.tag() == der::Tag::Set).copied();
            let many = recipients.and_then(inside).map_or(0, |recipients| recipients.len());
            encrypted(into, kind, many);
        }
        _ => {
            into.next("openssl cms -cmsout -print -inform DER -in FILE shows what is in it.");
        }
    }
    Some(explained)
}

/// Kind and content of a ContentInfo.
fn content(info: AnyRef<'_>) -> Option<(ObjectIdentifier, AnyRef<'_>)> {
    let parts = inside(info)?;
    let kind = parts.first()?.decode_as().ok()?;
    Some((kind, inside(*parts.get(1)?)?.first().copied()?))
}

fn signed(into: &mut Explained, content: &AnyRef<'_>) -> Option<()> {
    let parts = inside(*content)?;
    let attached = inside(*parts.get(2)?)?.len() > 1;
    let of = if attached { "is in it" } else { "is in another file" };
    into.field("signed", of, "Where that is which was signed", "RFC 5652, 5.2");
    let bag = parts.iter().find(|part| is_context(part, 0)).and_then(|bag| inside(*bag)).unwrap_or_default();
    let bag: Vec<_> = bag.iter().take(NAMED).filter_map(|one| one.to_der().ok()).collect();
    into.field(
        "certificates",
        certificate::subjects(&bag),
        "Certificates that came along; they prove nothing by themselves",
        "RFC 5652, 5.1",
    );
    let signers = parts.last().copied().and_then(inside).map_or(0, |signers| signers.len());
    into.field("signers", signers, "How many have signed", "RFC 5652, 5.3");
    if signers == 0 {
        into.next("Nobody signed anything: it is a box for certificates. openssl pkcs7 -print_certs -inform DER -in FILE takes them out.");
    } else {
        into.next("To check it: certtool verify THE-FILE --signature FILE --signer ID, or certtool verify FILE --signer ID --out THE-FILE if it holds what was signed. Keys that OpenSSL takes in such messages also: openssl cms -verify -inform DER -in FILE -CAfile ROOT.");
    }
    Some(())
}

fn is_context(part: &AnyRef<'_>, number: u32) -> bool {
    let tag = part.tag();
    tag.class() == Class::ContextSpecific && tag.number() == TagNumber(number)
}

/// What PKCS#12 is called.
pub(super) const STORE: &str = "key store (PKCS#12, .p12, .pfx)";

/// A key with its certificates, as programs hand them to each other; `None` if it is none.
pub(super) fn pkcs12(der: &[u8]) -> Option<Explained> {
    let parts = children(der)?;
    let version = parts.first()?.decode_as::<UintRef<'_>>().ok()?.as_bytes().to_vec();
    let (kind, safe) = content(*parts.get(1)?)?;
    let mut explained = Explained::new(STORE, "RFC 7292, 4");
    let into = &mut explained;
    into.field("version", hex::encode(&version), "Of the format; there is only 3", "RFC 7292, 4");
    let by = match kind {
        DATA => "a passphrase",
        SIGNED => "a signature",
        _ => return None,
    };
    into.field("protected by", by, "What shows that nobody changed it", "RFC 7292, 3.1");
    if kind == DATA {
        safes(into, safe);
    }
    if let Some(mac) = parts.get(2).and_then(|mac| inside(*mac)) {
        let digest = mac
            .first()
            .and_then(|info| inside(*info)?.first().copied())
            .and_then(|algorithm| inside(algorithm)?.first()?.decode_as::<ObjectIdentifier>().ok());
        let rounds = mac.get(2).and_then(|rounds| rounds.decode_as::<u32>().ok()).unwrap_or(1);
        if let Some(digest) = digest {
            into.field(
                "digest",
                object(&digest),
                "Of the passphrase's proof over the whole file",
                "RFC 7292, 4; RFC 9579",
            );
        }
        into.field("rounds", rounds, "How often the passphrase is stretched for that proof", "RFC 7292, B.4");
        into.check(
            rounds < 1000,
            || format!("the passphrase is stretched {rounds} times"),
            "Whoever has the file tries passphrases quickly",
            "RFC 8018, 4.2",
        );
    } else if kind == DATA {
        into.fault("nothing shows whether it was changed", "Programs refuse it, or ask nothing", "RFC 7292, 4");
    }
    into.next("What is in it is seen with its passphrase alone, and of keys only what kind they are: certtool inspect FILE --file-passphrase ask");
    Some(explained)
}

/// How the parts of it are encrypted.
fn safes(into: &mut Explained, safe: AnyRef<'_>) {
    let Some(parts) = safe.decode_as::<&OctetStringRef>().ok().and_then(|octets| children(octets.as_bytes())) else {
        return;
    };
    for part in parts {
        let Some((kind, part)) = content(part) else { continue };
        match kind {
            ENCRYPTED => {
                // EncryptedData: version, then type, algorithm and content.
                let algorithm = inside(part).and_then(|data| inside(*data.get(1)?)?.get(1).copied());
                if !key::explain_scheme(into, algorithm) {
                    let scheme = algorithm.and_then(|one| inside(one)?.first()?.decode_as::<ObjectIdentifier>().ok());
                    into.fault(
                        format!(
                            "a part is encrypted with {}",
                            scheme.map_or("an unknown scheme".to_owned(), |one| object(&one))
                        ),
                        "Old schemes are broken by trying passphrases; openssl pkcs12 -export writes it anew",
                        "RFC 8018, 6.1",
                    );
                }
            }
            DATA => {
                into.field(
                    "part",
                    "keys, each under the passphrase, or in clear",
                    "A part of the file",
                    "RFC 7292, 4.2",
                );
            }
            other => {
                into.field("part", object(&other), "A part of the file", "RFC 7292, 4.1");
            }
        }
    }
}
