//! Both ends of a personal connection.

use std::{num::NonZeroUsize, sync::Arc};

use rustls::{
    DistinguishedName, Error, SignatureScheme,
    client::danger::{ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{ServerName, UnixTime};
use sha2::{Digest, Sha256};

use super::{cache::Cache, provider, refused, shown_chain, signed_by};
use crate::{
    CertificateDer,
    trust::Trust,
    verify::{Tenure, VerifiedPerson, VerifyError, verify_person},
};

/// How many people are remembered: some 2 KiB each, and never more than their largest certificates, 64 MiB.
const CACHED: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// Accepts certificates of people, at either end. Who the person is, and whether she is the one that was meant, the
/// caller asks of [`person`](Self::person) once the handshake is done.
///
/// The server name is ignored: people are no hosts, and what a client sends in clear as SNI is a constant, so that
/// nobody on the way learns who is called. The name that counts is in the certificate.
pub struct PersonVerifier {
    trust: Arc<Trust>,
    provider: Arc<CryptoProvider>,
    cache: Cache,
    watcher: Option<Watcher>,
}

/// Hears of every refusal. It is called within handshakes: it must not wait.
type Watcher = Box<dyn Fn(&VerifyError) + Send + Sync>;

impl std::fmt::Debug for PersonVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonVerifier").finish_non_exhaustive()
    }
}

impl PersonVerifier {
    /// Verifies by this trust.
    pub fn new(trust: Arc<Trust>) -> Self {
        Self { trust, provider: provider(), cache: Cache::new(CACHED), watcher: None }
    }

    /// The same, and `watcher` hears of every refusal: a handshake that is refused tells its own side little, and an
    /// acceptor nothing at all. It is called within handshakes, so it must not wait.
    pub fn watched(self, watcher: impl Fn(&VerifyError) + Send + Sync + 'static) -> Self {
        Self { watcher: Some(Box::new(watcher)), ..self }
    }

    /// The same with room for so many people.
    #[cfg(test)]
    pub(super) fn remembering(self, people: usize) -> Self {
        Self { cache: Cache::new(NonZeroUsize::new(people).expect("somebody")), ..self }
    }

    /// How many people it remembers.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.cache.len()
    }

    /// Remembers nothing of this person's certificate any more: for who must not, once she has gone.
    pub fn forget(&self, leaf: &CertificateDer) {
        self.cache.remove(&Sha256::digest(leaf).into());
    }

    /// The trust it verifies by.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Verifies a chain, or remembers that it did. Of a certificate seen before, validity and revocation are checked
    /// again; nothing else in it can have changed, as the cache is keyed by its hash.
    pub fn person(&self, chain: &[CertificateDer], now: UnixTime) -> Result<VerifiedPerson, VerifyError> {
        self.told(self.verified(chain, now))
    }

    /// The same, with what a later look at it needs: for whoever holds the connection. Nothing else is remembered of this
    /// certificate afterwards; see [`still`](Self::still).
    pub fn admit(&self, chain: &[CertificateDer], now: UnixTime) -> Result<(VerifiedPerson, Tenure), VerifyError> {
        let person = self.person(chain, now)?;
        self.forget(person.leaf());
        let tenure = person.tenure(Arc::clone(&self.trust));
        Ok((person, tenure))
    }

    /// Whether a certificate that was admitted still holds. If it was under another trust than this, its `chain` is verified
    /// by this one, and what is needed for later looks is given.
    pub fn still(
        &self,
        tenure: &Tenure,
        chain: impl FnOnce() -> Vec<CertificateDer>,
        now: UnixTime,
    ) -> Result<Option<Tenure>, VerifyError> {
        if tenure.is_under(&self.trust) {
            self.told(tenure.still(now).map(|()| None))
        } else {
            self.admit(&chain(), now).map(|(_, tenure)| Some(tenure))
        }
    }

    /// Tells the watcher of a refusal.
    fn told<T>(&self, result: Result<T, VerifyError>) -> Result<T, VerifyError> {
        if let (Err(error), Some(watcher)) = (&result, &self.watcher) {
            watcher(error);
        }
        result
    }

    fn verified(&self, chain: &[CertificateDer], now: UnixTime) -> Result<VerifiedPerson, VerifyError> {
        let Some(leaf) = chain.first() else {
            return verify_person(chain, &self.trust, now);
        };
        let key: [u8; 32] = Sha256::digest(leaf).into();
        if let Some(person) = self.cache.get(&key) {
            return person.still(&self.trust, now).inspect_err(|_| self.cache.remove(&key));
        }
        let person = verify_person(chain, &self.trust, now)?;
        self.cache.put(key, person.clone());
        Ok(person)
    }
}

impl ServerCertVerifier for PersonVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &rustls_pki_types::CertificateDer<'_>,
        intermediates: &[rustls_pki_types::CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.person(&shown_chain(end_entity, intermediates), now).map_err(refused)?;
        Ok(ServerCertVerified::assertion())
    }

    signed_by!(SignatureScheme::ED25519);
}

impl ClientCertVerifier for PersonVerifier {
    /// None: the roots that somebody trusts are nobody's business, and a device has one chain anyway.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &rustls_pki_types::CertificateDer<'_>,
        intermediates: &[rustls_pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.person(&shown_chain(end_entity, intermediates), now).map_err(refused)?;
        Ok(ClientCertVerified::assertion())
    }

    signed_by!(SignatureScheme::ED25519);
}
