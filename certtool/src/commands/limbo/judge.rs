//! One test case: the path with the settings that it asks for, then the name.

use const_oid::ObjectIdentifier;
use identity::UnixTime;
use identity::certificate::{SubjectName, Tbs};
use identity::oid;
use identity::path::{Leaf, PathCertificate, RevocationList, Settings, find};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use super::model::{ActualResult, PeerKind, PeerName, Testcase, TestcaseResult, ValidationKind};
use crate::text;

/// Why a case has no success.
enum Verdict {
    Refused(String),
    Skipped(&'static str),
}

pub(super) fn judge(case: &Testcase, now: UnixTime) -> TestcaseResult {
    let (actual_result, context) = match evaluate(case, now) {
        Ok(()) => (ActualResult::Success, None),
        Err(Verdict::Refused(why)) => (ActualResult::Failure, Some(why)),
        Err(Verdict::Skipped(why)) => (ActualResult::Skipped, Some(why.to_owned())),
    };
    TestcaseResult { id: case.id.clone(), actual_result, context }
}

fn evaluate(case: &Testcase, now: UnixTime) -> Result<(), Verdict> {
    if !case.signature_algorithms.is_empty() {
        return Err(Verdict::Skipped("a case's own signature algorithms cannot be chosen"));
    }
    let purposes = purposes(case)?;
    let leaf = certificate(&case.peer_certificate)?;
    let issuers = usable(&case.untrusted_intermediates);
    let anchors = usable(&case.trusted_certs);
    let lists = case.crls.iter().map(|pem| list(pem)).collect::<Result<Vec<_>, _>>()?;
    let time = match &case.validation_time {
        Some(time) => text::parse_time(time).map_err(refused)?,
        None => now,
    };
    let settings = Settings::wide(time, &purposes);
    let settings = Settings {
        leaf: Leaf::EndEntity,
        max_chain: case.max_chain_depth.map_or(settings.max_chain, |between| between.saturating_add(2)),
        revocation: (!lists.is_empty()).then_some(&lists),
        ..settings
    };
    let (issuers, anchors): (Vec<_>, Vec<_>) = (issuers.iter().collect(), anchors.iter().collect());
    find(&leaf, &issuers, &anchors, &settings).map_err(refused)?;
    check_key_usage(&case.key_usage, leaf.certificate().tbs())?;
    check_names(case, leaf.certificate().tbs())
}

fn refused(error: impl std::fmt::Display) -> Verdict {
    Verdict::Refused(error.to_string())
}

fn certificate(pem: &str) -> Result<PathCertificate, Verdict> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(refused)?;
    PathCertificate::parse(&der).map_err(refused)
}

/// What does not parse leads nowhere.
fn usable(pems: &[String]) -> Vec<PathCertificate> {
    pems.iter().filter_map(|pem| certificate(pem).ok()).collect()
}

fn list(pem: &str) -> Result<RevocationList, Verdict> {
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).map_err(refused)?;
    RevocationList::parse(&der).map_err(refused)
}

/// Those that the case names; otherwise that of the peer's kind.
fn purposes(case: &Testcase) -> Result<Vec<ObjectIdentifier>, Verdict> {
    if case.extended_key_usage.is_empty() {
        return Ok(vec![match case.validation_kind {
            ValidationKind::Client => oid::CLIENT_AUTH,
            ValidationKind::Server => oid::SERVER_AUTH,
        }]);
    }
    let named = case.extended_key_usage.iter().map(|name| match name.as_str() {
        "serverAuth" => Ok(oid::SERVER_AUTH),
        "clientAuth" => Ok(oid::CLIENT_AUTH),
        "emailProtection" => Ok(oid::EMAIL_PROTECTION),
        other => ObjectIdentifier::new(other).map_err(|_| Verdict::Skipped("an extended key usage that is not ours")),
    });
    named.collect()
}

fn check_key_usage(wanted: &[String], leaf: &Tbs) -> Result<(), Verdict> {
    let Some(usage) = leaf.key_usage() else { return Ok(()) };
    for name in wanted {
        let stated = match name.as_str() {
            "digitalSignature" => usage.digital_signature(),
            "contentCommitment" => usage.non_repudiation(),
            "keyEncipherment" => usage.key_encipherment(),
            "dataEncipherment" => usage.data_encipherment(),
            "keyAgreement" => usage.key_agreement(),
            "keyCertSign" => usage.key_cert_sign(),
            "cRLSign" => usage.crl_sign(),
            _ => return Err(Verdict::Skipped("a key usage that is not ours")),
        };
        if !stated {
            return Err(Verdict::Refused(format!("the key usage {name} is not in the certificate")));
        }
    }
    Ok(())
}

fn check_names(case: &Testcase, leaf: &Tbs) -> Result<(), Verdict> {
    let expected = case.expected_peer_name.iter().chain(&case.expected_peer_names);
    let names = leaf.subject_names();
    for wanted in expected {
        if wanted.kind == PeerKind::Ip {
            return Err(Verdict::Skipped("peers are not named by IP address here"));
        }
        if !names.iter().any(|name| is_named(wanted, name)) {
            return Err(Verdict::Refused(format!("the certificate does not name {}", wanted.value)));
        }
    }
    Ok(())
}

/// Hosts without regard to case, local parts as they stand (RFC 5280 section 7.5). There are no wildcards.
fn is_named(wanted: &PeerName, name: &SubjectName) -> bool {
    match (wanted.kind, name) {
        (PeerKind::Dns, SubjectName::Dns(name)) => name.eq_ignore_ascii_case(&wanted.value),
        (PeerKind::Rfc822, SubjectName::Email(name) | SubjectName::InternationalEmail(name)) => {
            match (name.rsplit_once('@'), wanted.value.rsplit_once('@')) {
                (Some((local, host)), Some((wanted, at))) => local == wanted && host.eq_ignore_ascii_case(at),
                _ => false,
            }
        }
        _ => false,
    }
}
