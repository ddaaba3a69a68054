//! Who looks, at which authority, and by what right.

use identity::Identifier;

use rustls_pki_types::CertificateDer;

use crate::home::Watching;
use crate::{AccountKey, Device, LockedMailbox, Mailbox};

/// Somebody who has proven to an authority that an identifier is hers: by enrolling this device there, or for the watch
/// alone ([`prove_control`](crate::enrolment::prove_control)).
#[derive(Debug, Clone)]
pub struct Owner {
    identifier: Identifier,
    authority: String,
    acme: String,
    account: AccountKey,
    device: Option<Device>,
    /// The chains that this authority gave, for the device and for mail.
    own: Vec<Vec<CertificateDer<'static>>>,
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

    /// Her certificates of this authority that are here, each with its chain; none if control was proven for the watch alone.
    pub fn own(&self) -> &[Vec<CertificateDer<'static>>] {
        &self.own
    }

    /// With her certificate for mail as well, if it is of this authority.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: &LockedMailbox) -> Self {
        if mailbox.identifier == self.identifier && mailbox.enrolment.acme == self.acme {
            self.own.push(mailbox.chain.clone());
        }
        self
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
            own: vec![device.chain.clone()],
            device: Some(device),
        }
    }
}

impl From<Mailbox> for Owner {
    fn from(mailbox: Mailbox) -> Self {
        let Mailbox { identifier, chain, account, enrolment, .. } = mailbox;
        let (authority, acme) = (enrolment.authority, enrolment.acme);
        Self { identifier, authority, acme, account, device: None, own: vec![chain] }
    }
}

impl From<Watching> for Owner {
    fn from(watching: Watching) -> Self {
        let Watching { identifier, authority, acme, account, .. } = watching;
        Self { identifier, authority, acme, account, device: None, own: Vec::new() }
    }
}
