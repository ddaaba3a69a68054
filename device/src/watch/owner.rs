//! Who looks, at which authority, and by what right.

use identity::Identifier;

use crate::home::Watching;
use crate::{AccountKey, Device};

/// Somebody who has proven to an authority that an identifier is hers: by enrolling this device there, or for the watch
/// alone ([`prove_control`](crate::enrolment::prove_control)).
#[derive(Debug, Clone)]
pub struct Owner {
    identifier: Identifier,
    authority: String,
    acme: String,
    account: AccountKey,
    device: Option<Device>,
}

impl Owner {
    /// Whose certificates are looked for.
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The authority asked, by its name in a pinned policy.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The certificate that this authority gave this device; none if control was proven for the watch alone.
    pub fn device(&self) -> Option<&Device> {
        self.device.as_ref()
    }

    /// URL of its ACME directory, as it was when control was proven.
    pub fn acme(&self) -> &str {
        &self.acme
    }

    pub(super) fn account(&self) -> &AccountKey {
        &self.account
    }
}

impl From<Device> for Owner {
    fn from(device: Device) -> Self {
        Self {
            identifier: device.identifier.clone(),
            authority: device.enrolment.authority.clone(),
            acme: device.enrolment.acme.clone(),
            account: device.account.clone(),
            device: Some(device),
        }
    }
}

impl From<Watching> for Owner {
    fn from(watching: Watching) -> Self {
        let Watching { identifier, authority, acme, account, .. } = watching;
        Self { identifier, authority, acme, account, device: None }
    }
}
