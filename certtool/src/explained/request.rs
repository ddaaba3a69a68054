//! A certificate request (RFC 2986): what somebody wants to have certified.

use der::Decode;
use der::oid::db::rfc2985::PKCS_9_AT_CHALLENGE_PASSWORD;
use der::oid::db::rfc5912::ID_EXTENSION_REQ;
use x509_cert::request::{CertReq, ExtensionReq};

use super::names::{explain_key, explain_signature, object};
use super::{Explained, extension};

/// Explains one; `None` if it is none.
pub(super) fn explain(der: &[u8]) -> Option<Explained> {
    let request = CertReq::from_der(der).ok()?;
    let mut explained = Explained::new("certificate request (PKCS#10, CSR)", "RFC 2986, 4");
    let into = &mut explained;
    let subject = &request.info.subject;
    let subject = if subject.is_empty() { "(empty)".to_owned() } else { subject.to_string() };
    into.field("subject", subject, "What the certificate is to say whose it is", "RFC 2986, 4.1");
    explain_key(into, &request.info.public_key);
    explain_signature(into, &request.algorithm, "RFC 2986, 4.2");
    for attribute in request.info.attributes.iter() {
        if attribute.oid == ID_EXTENSION_REQ {
            match attribute.values.iter().next().and_then(|value| value.decode_as::<ExtensionReq>().ok()) {
                Some(wanted) => extension::explain(into, &wanted.0),
                None => {
                    into.fault(
                        "the extensions that are asked for do not decode",
                        "An authority refuses it",
                        "RFC 2985, 5.4.2",
                    );
                }
            }
        } else if attribute.oid == PKCS_9_AT_CHALLENGE_PASSWORD {
            into.field(
                "password",
                "(not shown)",
                "A password by which it could be revoked; whoever has the file has it",
                "RFC 2985, 5.4.1",
            );
        } else {
            into.field(object(&attribute.oid), "not shown", "An attribute that is not known here", "RFC 2986, 4.1");
        }
    }
    into.next("It is signed with the key in it, which shows that whoever made it has that key. To check that: openssl req -verify -noout -in FILE");
    Some(explained)
}
