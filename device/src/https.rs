//! HTTPS to an authority: its certificate is verified like every other, by the pinned trust policy.

use std::sync::Arc;

use identity::trust::Trust;

/// A client that takes only endpoints with a logged service certificate under the trust policies.
pub fn https_client(_trust: Arc<Trust>) -> reqwest::Client {
    todo!()
}
