//! What scripts on other people's pages may read (RFC 8555 section 6.1): whatever a client needs, as it is the same for
//! everybody or signed by an account's key. Figures and pages for the operator are not among it: a visitor's browser may
//! stand inside her network.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// How long a browser may remember that it may ask, in seconds.
const REMEMBERED_SECONDS: &str = "86400";

/// Opens a resource to scripts of every origin, and answers the question that browsers ask before a signed request.
pub(super) async fn to_every_origin(request: Request, next: Next) -> Response {
    let asked =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asked { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if asked {
        say(headers, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST");
        say(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type");
        say(headers, header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS);
    }
    say(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    say(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, "link, location, replay-nonce, retry-after");
    response
}

fn say(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
