//! The files a directory reads: at its start, and again when they change. None is written.

use super::failure::{Failure, damaged, read};
use super::lists::{Age, Dates, List};
use super::settings::Settings;
use directory::Directory;
use identity::UnixTime;
use identity::trust::{Trust, TrustPolicy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use zeroize::Zeroizing;

/// Pause between looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// What was taken up of the files when they were last looked at.
#[derive(Clone)]
pub(super) struct Taken(Arc<Mutex<Last>>);

struct Last {
    all: bool,
    lists: Vec<Dates>,
}

impl Taken {
    fn new(lists: &[List]) -> Self {
        Self(Arc::new(Mutex::new(Last { all: true, lists: dates(lists) })))
    }

    fn note(&self, all: bool, lists: &[List]) {
        *self.lock() = Last { all, lists: dates(lists) };
    }

    /// Whether all files could be.
    pub(super) fn all(&self) -> bool {
        self.lock().all
    }

    /// How old the oldest of the revocation lists in force is, if there are any.
    pub(super) fn lists(&self, now: UnixTime) -> Option<Age> {
        self.lock().lists.iter().map(|list| list.age(now)).max()
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dates(lists: &[List]) -> Vec<Dates> {
    lists.iter().map(List::dates).collect()
}

/// What was read last, and what follows from it.
pub(super) struct Files {
    settings: Settings,
    /// One's own, and those of others in the order of the settings.
    policies: Vec<Zeroizing<Vec<u8>>>,
    certificate: Zeroizing<Vec<u8>>,
    lists: Vec<List>,
    trust: Arc<Trust>,
    resolver: Arc<Current>,
    taken: Taken,
}

impl Files {
    pub(super) fn open(settings: Settings) -> Result<Self, Failure> {
        let policies = policies(&settings)?;
        let certificate = read(&settings.certificate)?;
        let trust = trust(&settings, &policies)?;
        let certified = certified(&settings.certificate, &certificate)?;
        let resolver = Arc::new(Current(RwLock::new(Arc::new(certified))));
        let lists = install_lists(&settings, &trust)?;
        let taken = Taken::new(&lists);
        Ok(Self { settings, policies, certificate, lists, trust, resolver, taken })
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>
    }

    pub(super) fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    pub(super) fn taken(&self) -> Taken {
        self.taken.clone()
    }

    /// Takes up what changes in the files, for ever. A file that is unreadable or damaged changes nothing, and is told.
    pub(super) async fn follow(&mut self, directory: &Directory) {
        let mut told = String::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let looked = self.look_and_note(directory);
            let problem = looked.err().map(|failure| failure.to_string()).unwrap_or_default();
            if problem != told && !problem.is_empty() {
                tracing::warn!("{problem}; what was read before stays in force");
            }
            told = problem;
        }
    }

    /// Looks, and notes for whoever asks how the directory is.
    fn look_and_note(&mut self, directory: &Directory) -> Result<(), Failure> {
        let looked = self.look(directory);
        self.taken.note(looked.is_ok(), &self.lists);
        looked
    }

    /// Each file by itself: one that is damaged, or newer than its fingerprint, keeps no revocation list out. The first
    /// problem is told.
    fn look(&mut self, directory: &Directory) -> Result<(), Failure> {
        let certificate = self.look_at_certificate();
        let policies = self.look_at_policies(directory);
        let lists = self.look_at_lists(directory);
        certificate.and(policies).and(lists)
    }

    fn look_at_certificate(&mut self) -> Result<(), Failure> {
        let certificate = read(&self.settings.certificate)?;
        if certificate != self.certificate {
            let certified = certified(&self.settings.certificate, &certificate)?;
            *self.resolver.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
            self.certificate = certificate;
        }
        Ok(())
    }

    fn look_at_policies(&mut self, directory: &Directory) -> Result<(), Failure> {
        let mut policies = vec![read(&self.settings.trust_policy)?];
        // One of others that cannot be taken, such as a newer version than was compared, or a file that is away, stays as it
        // was: it is not theirs to keep the own one from changing.
        let mut problem = Ok(());
        for (foreign, before) in self.settings.foreign.iter().zip(self.policies.iter().skip(1)) {
            let now = read(&foreign.policy).and_then(|bytes| foreign.limited(&bytes).map(|_| bytes));
            policies.push(or_before(now, before, &mut problem));
        }
        if policies == self.policies {
            return problem;
        }
        let trust = trust(&self.settings, &policies)?;
        // Before anybody is judged by it: a revoked certificate must not slip in between.
        let (lists, damaged_list) = install_or_keep(&self.settings, &trust, &self.lists);
        directory.trust(Arc::clone(&trust)).map_err(|error| damaged(&self.settings.trust_policy, error))?;
        (self.trust, self.policies, self.lists) = (trust, policies, lists);
        problem.and(damaged_list)
    }

    fn look_at_lists(&mut self, directory: &Directory) -> Result<(), Failure> {
        let (mut problem, mut is_new) = (Ok(()), false);
        for (path, before) in self.settings.revocation_lists.iter().zip(&mut self.lists) {
            match read(path) {
                Ok(list) if before.is(&list) => {}
                Ok(list) => match List::install(path, list, &self.trust) {
                    Ok(list) => (*before, is_new) = (list, true),
                    Err(failure) => problem = problem.and(Err(failure)),
                },
                Err(failure) => problem = problem.and(Err(failure)),
            }
        }
        if is_new {
            directory.revocations_changed();
        }
        problem
    }
}

/// Puts each list in force as it is now; what cannot be taken stays as it was before. The first problem is told.
fn install_or_keep(settings: &Settings, trust: &Trust, before: &[List]) -> (Vec<List>, Result<(), Failure>) {
    let mut problem = Ok(());
    let lists = settings.revocation_lists.iter().zip(before).map(|(path, before)| {
        let now = List::read_and_install(path, trust);
        if now.is_err() {
            before.install_again(trust);
        }
        or_before(now, before, &mut problem)
    });
    let lists = lists.collect();
    (lists, problem)
}

/// What is there now, or what was there before; the first problem is kept.
fn or_before<T: Clone>(now: Result<T, Failure>, before: &T, problem: &mut Result<(), Failure>) -> T {
    now.unwrap_or_else(|failure| {
        if problem.is_ok() {
            *problem = Err(failure);
        }
        before.clone()
    })
}

fn install_lists(settings: &Settings, trust: &Trust) -> Result<Vec<List>, Failure> {
    settings.revocation_lists.iter().map(|path| List::read_and_install(path, trust)).collect()
}

fn policies(settings: &Settings) -> Result<Vec<Zeroizing<Vec<u8>>>, Failure> {
    let foreign = settings.foreign.iter().map(|foreign| &foreign.policy);
    std::iter::once(&settings.trust_policy).chain(foreign).map(|path| read(path)).collect()
}

fn trust(settings: &Settings, policies: &[Zeroizing<Vec<u8>>]) -> Result<Arc<Trust>, Failure> {
    let wrong = |error: identity::trust::PolicyError| damaged(&settings.trust_policy, error);
    let (own, others) = policies.split_first().ok_or_else(|| damaged(&settings.trust_policy, "it is empty"))?;
    let mut trusted = vec![TrustPolicy::parse(own).map_err(wrong)?];
    for (foreign, bytes) in settings.foreign.iter().zip(others) {
        trusted.push(foreign.limited(bytes)?);
    }
    Trust::new(trusted).map(Arc::new).map_err(wrong)
}

/// A private key (PKCS#8) and the chain, leaf first, in one file of PEM.
pub(super) fn certified(path: &Path, pem: &[u8]) -> Result<CertifiedKey, Failure> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| damaged(path, error))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| damaged(path, error))?;
    CertifiedKey::from_der(chain, key, &identity::tls::provider()).map_err(|error| damaged(path, error))
}

/// The certificate of the moment.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests;
