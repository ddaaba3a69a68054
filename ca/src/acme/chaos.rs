//! A test mode for clients, after pebble's: what RFC 8555 permits and a good client bears.
//!
//! Good nonces are refused, authorizations that could be used again are not, and addresses look like no others. Nothing
//! is weakened by it: no check is left out, and a request must still be signed for the very address it is sent to.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use sha2::{Digest as _, Sha256};
use tower::ServiceBuilder;

/// How awkward the server is. Both are percentages; addresses are odd in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// How many good nonces are refused. Pebble's default is 5.
    pub refused_nonces: u8,
    /// How many orders use an authorization again where they could. Pebble's default is 50.
    pub reused_authorizations: u8,
}

/// Whose turn it is. Not drawn: a client that tries often enough must get through in every run of a test.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    nonces: AtomicU64,
    authorizations: AtomicU64,
}

impl Turns {
    /// Whether a good nonce is refused.
    pub(super) fn refuses_nonce(&self, chaos: Option<Chaos>) -> bool {
        chaos.is_some_and(|chaos| turn(&self.nonces, chaos.refused_nonces))
    }

    /// Whether a valid authorization is used again.
    pub(super) fn reuses_authorization(&self, chaos: Option<Chaos>) -> bool {
        chaos.is_none_or(|chaos| turn(&self.authorizations, chaos.reused_authorizations))
    }
}

/// True `percent` times in a hundred, spread evenly.
fn turn(count: &AtomicU64, percent: u8) -> bool {
    let (n, percent) = (count.fetch_add(1, Ordering::Relaxed), u64::from(percent));
    n.wrapping_add(1).wrapping_mul(percent) / 100 != n.wrapping_mul(percent) / 100
}

/// What a request was signed for, where it is not the path that is routed by.
#[derive(Clone)]
pub(super) struct Signed(pub(super) String);

/// The odd address of a resource. The same path has always the same, so that addresses can be compared.
pub(super) fn odd(path: &str) -> String {
    let mark = hex::encode(&Sha256::digest(path)[..4]);
    // A query cannot be followed by a path, and clients append to this one (RFC 9773 section 4.1).
    if path.starts_with("/renewal-info") {
        return format!("/~{mark}{path}");
    }
    format!("/~{mark}{path}?lang=%C3%A4&mark={mark}")
}

/// The path that an odd one, with or without its query, stands for.
pub(super) fn straight(odd: &str) -> Option<&str> {
    let path = odd.split('?').next()?;
    let rest = path.strip_prefix("/~")?;
    rest.find('/').map(|at| &rest[at..])
}

/// Routes by straight paths what comes in by odd ones. What comes in by a straight one (the directory, the lists that
/// certificates point to) is routed as it is.
pub(super) fn layered(router: Router) -> Router {
    let straighten = |mut request: Request| {
        let asked = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        if let Some(path) = straight(&asked).and_then(|path| path.parse::<Uri>().ok()) {
            request.extensions_mut().insert(Signed(asked));
            *request.uri_mut() = path;
        }
        request
    };
    Router::new().fallback_service(ServiceBuilder::new().map_request(straighten).service(router))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_as_often_as_they_should() {
        for percent in [0, 5, 50, 100] {
            let count = AtomicU64::new(0);
            let turns = (0..100).filter(|_| turn(&count, percent)).count();
            assert_eq!(turns, usize::from(percent));
        }
        let count = AtomicU64::new(0);
        let half: Vec<_> = (0..4).map(|_| turn(&count, 50)).collect();
        assert_eq!(half, [false, true, false, true]);
    }

    #[test]
    fn an_odd_address_leads_back_to_its_path() {
        for path in ["/new-order", "/order/abc", "/renewal-info", "/account/x/orders/1.y"] {
            assert_eq!(straight(&odd(path)), Some(path));
            assert_ne!(odd(path), path);
        }
        assert_eq!(straight(&format!("{}/id.serial", odd("/renewal-info"))), Some("/renewal-info/id.serial"));
        assert_eq!(straight("/new-order"), None);
        assert_eq!(straight("/~"), None);
    }
}
