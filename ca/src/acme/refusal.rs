//! Refusals that are decisions, in the audit trail: a domain that forbids, a key that is weak, slots that are used up, a
//! stranger who would revoke.
//!
//! Strangers cause refusals at will, and the trail is kept for good: so only so many are recorded in an hour, and of the
//! others how many there were. What was asked for is not recorded, as it may hold anything.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use super::Service;
use super::problem::Kind;

/// Recorded in an hour: some 100 KiB.
const PER_HOUR: u32 = 600;
const HOUR_SECONDS: u64 = 3600;

/// Who asked, as soon as her signature is verified: put into a request, and filled in by whoever reads it.
#[derive(Clone, Default)]
pub(super) struct Asker(Arc<OnceLock<String>>);

impl Asker {
    /// Notes who it is: an account's id, or a key's thumbprint.
    pub(super) fn is(&self, id: String) {
        // Whoever was first is right.
        let _ = self.0.set(id);
    }
}

/// How many were recorded in this hour.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Hour>);

#[derive(Default)]
struct Hour {
    begun: u64,
    recorded: u32,
    /// Since the last one that was recorded.
    left_out: u64,
}

impl Refusals {
    /// Whether one more is recorded at `now` (seconds): then with how many were left out before it.
    fn admit(&self, now: u64) -> Option<u64> {
        let mut hour = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= hour.begun.saturating_add(HOUR_SECONDS) {
            (hour.begun, hour.recorded) = (now, 0);
        }
        if hour.recorded >= PER_HOUR {
            hour.left_out += 1;
            return None;
        }
        hour.recorded += 1;
        Some(std::mem::take(&mut hour.left_out))
    }
}

/// Records what is refused by a decision.
pub(super) async fn recorded(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    // The name of the resource; what follows may be anything.
    let resource = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let kind = response.extensions().get::<Kind>().filter(|kind| kind.is_decision());
    if let Some(kind) = kind
        && let Some(left_out) = service.refusals.admit(service.now().as_secs())
    {
        let of = json!({"at": resource, "type": kind.word(), "by": asker.0.get(), "leftOut": left_out});
        service.issuer.trail.note("refused", of);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_recorded_in_an_hour_and_the_others_are_counted() {
        let refusals = Refusals::default();
        assert!((0..PER_HOUR).all(|_| refusals.admit(1_790_000_000) == Some(0)));
        for _ in 0..3 {
            assert_eq!(refusals.admit(1_790_003_599), None);
        }
        assert_eq!(refusals.admit(1_790_003_600), Some(3));
        assert_eq!(refusals.admit(1_790_003_601), Some(0));
    }
}
