//! Enrolling a device and renewing its certificate.

use futures_util::future::BoxFuture;
use identity::Identifier;
use identity::trust::TrustPolicy;

use crate::{Device, Home};

/// Why an enrolment did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {}

/// Asks the person for the code that was mailed to her.
pub trait AskCode: Send {
    /// The code as typed; `None` if the person gives up.
    fn code(&mut self) -> BoxFuture<'_, Option<String>>;
}

/// Enrols this device for `identifier`.
pub async fn enroll(_home: &Home, _policy: &TrustPolicy, _identifier: &Identifier, _ask: &mut dyn AskCode) -> Result<Device, EnrolError> {
    todo!()
}
