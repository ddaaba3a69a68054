//! How long a certificate that was verified holds.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::{VerifyError, check_revocation, date};
use crate::{
    identifier::Identifier,
    rules::Rule,
    trust::{Issued, Revocation, Trust},
};

/// Of a certificate that was verified, what a look at another time needs: some 300 bytes, where the certificate with what it
/// proves takes 2 KB. For whoever holds many connections, and looks at each again and again.
///
/// It belongs to the trust under which the certificate was verified: under another one it has to be verified anew.
#[derive(Clone, Debug)]
pub struct Tenure {
    trust: Arc<Trust>,
    lasting: Lasting,
}

impl Tenure {
    pub(super) fn new(trust: Arc<Trust>, lasting: Lasting) -> Self {
        Self { trust, lasting }
    }

    /// Whether the certificate was verified under this very trust.
    pub fn is_under(&self, trust: &Arc<Trust>) -> bool {
        Arc::ptr_eq(&self.trust, trust)
    }

    /// Whether the certificate still holds: what depends on the time, on revocation lists and on bindings is checked, and
    /// nothing else in it can have changed.
    pub fn still(&self, now: UnixTime) -> Result<(), VerifyError> {
        self.lasting.still(&self.trust, now).map(drop)
    }
}

/// What is looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lasting {
    pub(super) identifier: Identifier,
    pub(super) authority: Box<str>,
    pub(super) authority_root: [u8; 32],
    pub(super) not_before: UnixTime,
    pub(super) path_not_after: UnixTime,
    pub(super) serial: Box<[u8]>,
    pub(super) issuer_key: [u8; 32],
    pub(super) list_url: Box<str>,
}

impl Lasting {
    pub(super) fn issued(&self) -> Issued<'_> {
        Issued {
            root: &self.authority_root,
            issuer_key: &self.issuer_key,
            serial: &self.serial,
            list_url: &self.list_url,
        }
    }

    /// What is known of its revocation by now, if it still holds.
    pub(super) fn still(&self, trust: &Trust, now: UnixTime) -> Result<Revocation, VerifyError> {
        if now < self.not_before {
            let expected = format!("certificates that have begun by {}", date(now));
            return Err(VerifyError::new(Rule::ChainNotYetValid, expected, date(self.not_before)));
        }
        if now > self.path_not_after {
            let expected = format!("certificates that last beyond {}", date(now));
            return Err(VerifyError::new(Rule::ChainExpired, expected, date(self.path_not_after)));
        }
        trust.want_list(&self.issued(), now);
        let revocation = check_revocation(trust, &self.issued(), now)?;
        trust.check_binding(&self.identifier, &self.authority, &self.authority_root)?;
        Ok(revocation)
    }
}
