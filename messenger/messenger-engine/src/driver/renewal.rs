//! What a device shows of itself, renewed while it runs: its certificate, judged like the first one, and what other devices
//! of its person say of it.

use identity::UnixTime;
use identity::endorsement::Endorsement;
use rustls::pki_types::CertificateDer;
use tokio::sync::{mpsc, oneshot};

use super::Driver;
use crate::engine::RenewalError;
use crate::time::Now;

/// What is shown from now on, in place of what was.
pub(crate) enum Renewal {
    /// A chain, leaf first, and whoever wants to know whether it is shown now.
    Certificate { chain: Vec<CertificateDer<'static>>, answer: oneshot::Sender<Result<(), RenewalError>> },
    /// Told in the sessions that begin.
    Endorsements(Vec<Endorsement>),
    /// Told at once, and in the sessions that begin.
    MailCertificate(Vec<CertificateDer<'static>>),
}

impl Driver {
    /// Where what is renewed is brought. Whoever has this keeps no engine running.
    pub(crate) fn renewals(&self) -> mpsc::Sender<Renewal> {
        self.renewing.clone()
    }

    pub(super) fn renew(&mut self, renewal: Renewal) {
        match renewal {
            Renewal::Certificate { chain, answer } => {
                // Whoever asked may have gone; the certificate is as good.
                let _ = answer.send(self.show(chain));
            }
            Renewal::Endorsements(endorsements) => self.core.endorsed(endorsements),
            Renewal::MailCertificate(chain) => {
                self.core.show_mail_certificate(chain.iter().map(|certificate| certificate.to_vec()).collect());
            }
        }
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
