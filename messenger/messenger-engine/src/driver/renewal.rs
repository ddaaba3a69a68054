//! A renewed certificate of one's own: judged like the first one, and shown from then on.

use identity::UnixTime;
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use super::Driver;
use crate::engine::RenewalError;
use crate::time::Now;

/// A chain, leaf first, and whoever wants to know whether it is shown now.
pub(crate) struct Renewal {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) answer: oneshot::Sender<Result<(), RenewalError>>,
}

impl Driver {
    /// Where renewed certificates are brought. Whoever has this keeps no engine running.
    pub(crate) fn renewals(&self) -> mpsc::Sender<Renewal> {
        self.renewing.clone()
    }

    pub(super) fn renew(&mut self, Renewal { chain, answer }: Renewal) {
        // Whoever asked may have gone; the certificate is as good.
        let _ = answer.send(self.show(chain));
    }

    fn show(&mut self, chain: Vec<CertificateDer<'static>>) -> Result<(), RenewalError> {
        let refused = |reason: String| RenewalError::Refused(reason);
        let person = self.verifier.person(&chain, UnixTime::now()).map_err(refused)?;
        let own = self.core.own_person();
        let same = |what: &str, same: bool| match same {
            true => Ok(()),
            false => Err(refused(format!("expected the {what} of the certificate before it, found another"))),
        };
        same("person", person.identifier == own.identifier)?;
        same("key", person.device == own.device)?;
        // Those who know her by the other authority would refuse this one (TRUST-06).
        same("authority", person.authority.root == own.authority.root)?;
        let certified = identity::tls::certified(chain.clone(), self.key.clone());
        self.shown.show(certified.map_err(|error| refused(error.to_string()))?);
        self.core.renewed(person, chain[0].to_vec(), Now::read());
        Ok(())
    }
}
