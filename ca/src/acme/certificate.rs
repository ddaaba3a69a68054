//! Certificates (RFC 8555 section 7.4.2) and the revocation lists they point to (RFC 5280 section 5).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Problem;
use super::request::ByAccount;
use crate::pem;
use crate::store::{Authority, CertificateState, Serial};

/// POST-as-GET of a certificate: PEM of the leaf and its issuer (RFC 8555 section 9.1).
pub(super) async fn read(
    State(service): State<Arc<Service>>,
    Path(serial): Path<String>,
    by: ByAccount,
) -> Result<Response, Problem> {
    by.payload.none()?;
    let serial: Serial = serial.parse().map_err(|_| Problem::not_found())?;
    let found = service.store.certificate(serial).await?.filter(|c| c.account.as_ref() == Some(&by.account.id));
    let found = found.ok_or_else(Problem::not_found)?;
    let CertificateState::Issued { certificate, .. } = &found.state else { return Err(Problem::not_found()) };
    let chain = [certificate.as_slice(), service.issuer.keys().issuer(found.authority).certificate().der()];
    Ok(([(header::CONTENT_TYPE, "application/pem-certificate-chain")], pem::chain(&chain)).into_response())
}

pub(super) async fn people_crl(State(service): State<Arc<Service>>) -> Response {
    crl(&service, Authority::People)
}

pub(super) async fn services_crl(State(service): State<Arc<Service>>) -> Response {
    crl(&service, Authority::Services)
}

fn crl(service: &Service, authority: Authority) -> Response {
    match service.crls.der(authority) {
        // Clients fetch hourly; a proxy on the way must not make that two hours.
        Some(der) => ([(header::CONTENT_TYPE, "application/pkix-crl"), (header::CACHE_CONTROL, "max-age=300")], der)
            .into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
