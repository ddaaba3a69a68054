//! Revocation (RFC 8555 section 7.6): by the account that ordered the certificate, by an account that has proven
//! control of the same identifier, or by the holder of the certificate's key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::{Certificate, key_algorithm};
use identity::profile::KeyAlgorithm;
use serde::Deserialize;
use serde_json::json;

use super::end_proofs::has_just_proven;
use super::problem::{Kind, Problem};
use super::request::ByAny;
use super::{Service, shut_out};
use crate::crl::CrlError;
use crate::issuance::{learn, origin_of};
use crate::issue::Issuer;
use crate::jws::PublicKey;
use crate::store::{
    CertificateRecord, CertificateState, Change, KEY_COMPROMISE, RACES, Record, Revocation, Serial, StoreError, Subject,
};

/// When to ask again for a list that could not be made.
const LIST_BACK: Duration = Duration::from_secs(10);
/// When to ask again for a certificate that waits for the log.
const ON_ITS_WAY: Duration = Duration::from_secs(60);
/// CRLReason values (RFC 5280 section 5.3.1) that an owner may give.
const REASONS: [u8; 4] = [KEY_COMPROMISE, 3, 4, 5];

#[derive(Deserialize)]
struct Revoke {
    certificate: Option<String>,
    /// Ours, in place of the certificate: after a theft its owner has the certificate no more, but learns its serial
    /// number by the watch. 32 hexadecimal digits.
    serial: Option<String>,
    reason: Option<u8>,
}

/// POST revokeCert.
pub(super) async fn revoke(State(service): State<Arc<Service>>, by: ByAny) -> Result<StatusCode, Problem> {
    let asked: Revoke = match &by {
        ByAny::Account(by) => by.payload.json()?,
        ByAny::Key(by) => by.payload.json()?,
    };
    // RFC 5280 counts "unspecified" as 0 and wants it left out; 0 here says that no reason was given.
    let reason = asked.reason.unwrap_or(0);
    if reason != 0 && !REASONS.contains(&reason) {
        let detail = format!("expected one of the reasons 1, 3, 4 and 5, found {reason}");
        return Err(Problem::new(Kind::BadRevocationReason, detail));
    }
    let (found, learned) = named(&service, &asked).await?;
    let certificate = issued(&found)?;
    if !may_revoke(&service, &by, &found, &certificate).await? {
        return Err(Problem::new(
            Kind::Unauthorized,
            "expected the account that ordered it, its own key, or proof of control of its address within the last hour; \
             prove it anew",
        ));
    }
    if let Some(change) = learned {
        let of = json!({"serial": found.serial.to_string(), "index": found.index()});
        service.issuer.decide(vec![change], "certificate-learned", of).await?;
    }
    let by = match &by {
        ByAny::Account(by) => by.account.id.clone(),
        ByAny::Key(by) => by.key.thumbprint(),
    };
    carry_out(&service, found.serial, reason, &by).await?;
    Ok(StatusCode::OK)
}

/// Revokes an issued certificate, and shows it on the list at once. `by` is who wished it: an account's id, a key's
/// thumbprint, or the operator.
///
/// One that is revoked already may turn out to be compromised: then that is its reason from now on (CA/Browser Forum S/MIME
/// BR 7.2.2), and whoever revoked it for less to come back is shut out.
pub(crate) async fn carry_out(service: &Service, serial: Serial, reason: u8, by: &str) -> Result<(), Problem> {
    let (issuer, crls, by) = (Arc::clone(&service.issuer), Arc::clone(&service.crls), by.to_owned());
    let deed = async move {
        let revoked = match reason {
            KEY_COMPROMISE => shut_out::key_of(&issuer, serial, &by).await,
            _ => revoke_one(&issuer, serial, reason, &by).await,
        };
        // It may be written all the same.
        let mut revoked = revoked.inspect_err(|_| crls.behind.notify_one())?;
        let before = revoked.is_empty();
        if before {
            // Whoever asks again may do so because the list could not be renewed the first time.
            revoked.extend(issuer.store.certificate(serial).await?);
        }
        crls.show_all(&revoked).await.map_err(|e| not_shown(&e))?;
        match before {
            true => Err(Problem::new(Kind::AlreadyRevoked, "the certificate is revoked already")),
            false => Ok(()),
        }
    };
    service.issuer.carried_through(deed).await?
}

/// Revokes one certificate; nothing if it is revoked already.
async fn revoke_one(
    issuer: &Arc<Issuer>,
    serial: Serial,
    reason: u8,
    by: &str,
) -> Result<Vec<CertificateRecord>, Problem> {
    for _ in 0..RACES {
        let found = issuer.store.certificate(serial).await?.ok_or_else(Problem::not_found)?;
        if found.revoked.is_some() {
            return Ok(Vec::new());
        }
        let found = CertificateRecord { revoked: Some(Revocation { at: issuer.now().as_secs(), reason }), ..found };
        let changes = vec![Change::Update(Record::Certificate(found.clone()))];
        let of = json!({"serial": serial.to_string(), "reason": reason, "by": by});
        match issuer.decide(changes, "revoked", of).await {
            // An owner reacts to the mail about a new device while it is being noted that the mail has left.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                tracing::info!(%serial, reason, "revoked");
                return Ok(vec![found]);
            }
        }
    }
    Err(StoreError::Conflict("certificate").into())
}

/// It is revoked all the same: what failed is the list that says so, which is made in the background as soon as it can be.
fn not_shown(error: &CrlError) -> Problem {
    match error {
        CrlError::Sign(_) => Problem::internal(error),
        CrlError::Store(_) | CrlError::Log(_) | CrlError::Io { .. } => {
            tracing::error!(%error, "a revocation is not on its list yet");
            let detail = "the certificate is revoked, but the list that says so to others cannot be made at the moment; \
                          it is made as soon as that is possible, or when you ask again";
            Problem::later(detail, LIST_BACK)
        }
    }
}

/// The issued certificate that is to be revoked; with what is to be written if the books do not know of it.
async fn named(service: &Service, asked: &Revoke) -> Result<(CertificateRecord, Option<Change>), Problem> {
    let unknown = || Problem::new(Kind::NotFound, "this authority has not issued this certificate");
    let (serial, der) = match (&asked.certificate, &asked.serial) {
        (Some(certificate), None) => {
            let der = URL_SAFE_NO_PAD
                .decode(certificate)
                .map_err(|e| Problem::malformed(format!("a certificate that is not base64url: {e}")))?;
            let certificate = Certificate::parse(&der).map_err(|e| Problem::malformed(e.to_string()))?;
            (Serial(certificate.tbs().serial().try_into().map_err(|_| unknown())?), Some((der, certificate)))
        }
        (None, Some(serial)) => {
            (serial.parse().map_err(|_| Problem::malformed("expected a serial number of 32 hexadecimal digits"))?, None)
        }
        _ => return Err(Problem::malformed("expected either a certificate or a serial number")),
    };
    let found = service.store.certificate(serial).await?;
    match (found, der) {
        (Some(found), None) if matches!(found.state, CertificateState::Issued { .. }) => Ok((found, None)),
        (Some(found), Some((der, _))) if matches!(&found.state, CertificateState::Issued { certificate, .. } if *certificate == der) => {
            Ok((found, None))
        }
        // It may be issued in a moment: nobody must take it for one that never will be.
        (Some(found), None) if found.is_unfinished() => {
            Err(Problem::later("the certificate is on its way, and not issued yet; ask again in a minute", ON_ITS_WAY))
        }
        (found, Some((der, certificate))) => learned(service, found, &der, &certificate).ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

/// After a backup was restored: what the books have forgotten, or given up while it was issued, is taken from the
/// certificate itself.
fn learned(
    service: &Service,
    known: Option<CertificateRecord>,
    der: &[u8],
    certificate: &Certificate,
) -> Option<(CertificateRecord, Option<Change>)> {
    let issuing = service.issuer.keys().issuer_of(certificate.tbs().authority_key_id())?;
    let origin = origin_of(certificate)?;
    let shard = service.issuer.logs.all().into_iter().find(|shard| shard.origin() == origin)?;
    let record = learn(certificate, der, issuing.certificate(), shard.labels());
    let record = record.map_err(|error| tracing::info!(%error, "a certificate that nobody here has made")).ok()?;
    match known {
        None => Some((record.clone(), Some(Change::Insert(Record::Certificate(record))))),
        Some(known) if matches!(known.state, CertificateState::Abandoned { .. }) && known.tbs == record.tbs => {
            let record = CertificateRecord { state: record.state, ..known };
            Some((record.clone(), Some(Change::Update(Record::Certificate(record)))))
        }
        Some(_) => None,
    }
}

/// The certificate itself, as it was issued.
fn issued(found: &CertificateRecord) -> Result<Certificate, Problem> {
    let CertificateState::Issued { certificate, .. } = &found.state else { return Err(Problem::not_found()) };
    Certificate::parse(certificate).map_err(|e| Problem::internal(&e))
}

async fn may_revoke(
    service: &Service,
    by: &ByAny,
    found: &CertificateRecord,
    certificate: &Certificate,
) -> Result<bool, Problem> {
    match by {
        ByAny::Key(by) => Ok(is_key_of(&by.key, certificate)),
        ByAny::Account(by) if found.account.as_ref() == Some(&by.account.id) => Ok(true),
        ByAny::Account(by) => {
            let Subject::Person { identifier, .. } = &found.subject else { return Ok(false) };
            // An older right, got by one code that was read once, must not end what she has made since.
            Ok(has_just_proven(service, &by.account.id, identifier).await?)
        }
    }
}

/// Whether the certificate is for this key, of a kind that can sign requests.
pub(super) fn is_key_of(key: &PublicKey, certificate: &Certificate) -> bool {
    let spki = certificate.tbs().spki();
    let bits = spki.subject_public_key.raw_bytes();
    match (key, key_algorithm(spki)) {
        (PublicKey::Ed25519(key), Ok(KeyAlgorithm::Ed25519)) => bits == key,
        (PublicKey::P256(key), Ok(KeyAlgorithm::P256)) => bits == key,
        (PublicKey::Rsa { .. }, Ok(KeyAlgorithm::Rsa)) => key.to_spki() == certificate.tbs().spki_der(),
        _ => false,
    }
}
