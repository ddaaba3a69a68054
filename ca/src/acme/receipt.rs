//! Where a gateway reports what became of a text message. It proves that it may by the reference in the URL, which nobody
//! else was given; the answer is the same for any.

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;

use super::Service;

/// No receipt is longer (bytes).
const MAX_RECEIPT: usize = 16 * 1024;

/// GET or POST of a receipt.
pub(super) async fn take(
    State(service): State<Arc<Service>>,
    Path(reference): Path<String>,
    request: Request,
) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_RECEIPT).await.unwrap_or_else(|_| Bytes::new());
    let Some(texting) = &service.texting else { return StatusCode::NO_CONTENT };
    let shape = texting.sms.receipt();
    let fate = shape.and_then(|shape| shape.read(parts.uri.query().unwrap_or_default(), &body));
    if let Some(fate) = fate {
        texting.report(&service, &reference, fate);
    }
    StatusCode::NO_CONTENT
}
