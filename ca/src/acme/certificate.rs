//! Certificates (RFC 8555 section 7.4.2) and the revocation lists they point to (RFC 5280 section 5).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use identity::certificate::Certificate;

use super::problem::Problem;
use super::request::ByAccount;
use super::{Service, ascii};
use crate::crl::ListName;
use crate::keys::IssuerName;
use crate::pem;
use crate::store::{CertificateState, Serial};

/// RFC 8555 section 9.1.
const PEM_CHAIN: &str = "application/pem-certificate-chain";

/// POST-as-GET of a certificate: PEM of the leaf and its issuer (RFC 8555 section 9.1). An alternate chain (section 7.4.2)
/// ends with the root, for programs that want a path they can look at whole.
pub(super) async fn read(
    State(service): State<Arc<Service>>,
    Path(serial): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let alternate = ascii(&format!("<{}>;rel=\"alternate\"", service.url(&format!("/certificate/{serial}/with-root"))));
    let pem = chain(&service, &serial, &by, false).await?;
    Ok(([(header::CONTENT_TYPE, PEM_CHAIN)], [(header::LINK, alternate)], pem).into_response())
}

/// POST-as-GET of a certificate's chain with the root at its end.
pub(super) async fn read_with_root(
    State(service): State<Arc<Service>>,
    Path(serial): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    let alternate = ascii(&format!("<{}>;rel=\"alternate\"", service.url(&format!("/certificate/{serial}"))));
    let pem = chain(&service, &serial, &by, true).await?;
    Ok(([(header::CONTENT_TYPE, PEM_CHAIN)], [(header::LINK, alternate)], pem).into_response())
}

async fn chain(service: &Service, serial: &str, by: &ByAccount, with_root: bool) -> Result<String, Problem> {
    by.payload.none()?;
    let serial: Serial = serial.parse().map_err(|_| Problem::not_found())?;
    let found = service.store.certificate(serial).await?.filter(|c| c.account.as_ref() == Some(&by.account.id));
    let found = found.ok_or_else(Problem::not_found)?;
    let CertificateState::Issued { certificate, .. } = &found.state else { return Err(Problem::not_found()) };
    let keys = service.issuer.keys();
    let by = Certificate::parse(certificate).ok().and_then(|parsed| parsed.tbs().authority_key_id());
    let issuing = keys.issuer_of(by).ok_or_else(|| Problem::internal(&"the issuing certificate is gone"))?;
    let mut chain = vec![certificate.as_slice(), issuing.certificate().der()];
    if with_root {
        chain.push(keys.root_der());
    }
    Ok(pem::chain(&chain))
}

/// GET of an issuing certificate, by the address in certificates for mail (RFC 5280 section 4.2.2.1: DER).
pub(super) async fn issuer(State(service): State<Arc<Service>>, Path(file): Path<String>) -> Result<Response, Problem> {
    let name = file.strip_suffix(".cer").and_then(IssuerName::parse).ok_or_else(Problem::not_found)?;
    let all = service.issuer.keys().all();
    let issuing = all.iter().find(|issuing| issuing.name == name).ok_or_else(Problem::not_found)?;
    let headers = [(header::CONTENT_TYPE, "application/pkix-cert"), (header::CACHE_CONTROL, "max-age=86400")];
    Ok((headers, issuing.certificate().der().to_vec()).into_response())
}

/// GET of a revocation list.
pub(super) async fn list(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<Response, Problem> {
    crl(&service, ListName::of_path(&name, None).ok_or_else(Problem::not_found)?)
}

/// GET of a part of one.
pub(super) async fn part_of_list(
    State(service): State<Arc<Service>>,
    Path((issuer, file)): Path<(String, String)>,
) -> Result<Response, Problem> {
    crl(&service, ListName::of_path(&issuer, Some(&file)).ok_or_else(Problem::not_found)?)
}

fn crl(service: &Service, name: ListName) -> Result<Response, Problem> {
    let der = service.crls.der(name).ok_or_else(Problem::not_found)?;
    // Clients fetch hourly; a proxy on the way must not make that two hours.
    let headers = [(header::CONTENT_TYPE, "application/pkix-crl"), (header::CACHE_CONTROL, "max-age=300")];
    Ok((headers, der).into_response())
}
