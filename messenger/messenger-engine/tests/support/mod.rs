//! A directory and engines on loopback, with certificates of a test authority.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    reason = "a test that cannot go on has failed; not every test file uses everything"
)]

mod gate;
pub(crate) mod network;
mod puppet;
mod someone;
mod three;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, DirectoryConfig, Timing};
use ed25519_dalek::SigningKey;
use identity::profile::{KeyAlgorithm, Profile};
use identity::testing::Authority;
use identity::tls::PersonVerifier;
use identity::trust::Trust;
use identity::verify::verify_mail;
use identity::{Identifier, UnixTime};
use messenger_engine::{DirectoryAddress, EngineConfig, PresenceSettings};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_util::sync::CancellationToken;

pub(crate) use gate::Gate;
pub(crate) use puppet::{Puppet, peer_config};
pub(crate) use someone::Someone;
pub(crate) use three::Three;

/// Nothing on loopback takes this long, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An authority and a directory.
pub(crate) struct Town {
    authority: Authority,
    /// Certifies anybody, as the policy allows.
    careless: Authority,
    pub(crate) trust: Arc<Trust>,
    pub(crate) directory: SocketAddr,
    running: Arc<Directory>,
    resolver: Arc<SingleCertAndKey>,
    stop: CancellationToken,
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn hour_ago() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3600))
}

fn certified(authority: &Authority, name: &str) -> Arc<SingleCertAndKey> {
    let (chain, key) = authority.issue_service(name, hour_ago());
    Arc::new(SingleCertAndKey::from(CertifiedKey::from_der(chain, key, &identity::tls::provider()).unwrap()))
}

fn trust_in(authority: &Authority, careless: &Authority) -> Arc<Trust> {
    let mut policies = authority.trust().policies().to_vec();
    policies.push(careless.policy());
    Arc::new(Trust::new(policies).unwrap())
}

fn mail(authority: &Authority, name: &str, begun: UnixTime) -> Vec<CertificateDer<'static>> {
    let key = identity::testing::mail_key(KeyAlgorithm::P256);
    authority.issue_mail(Profile::mail(), &identifier(name), &key, begun)
}

pub(crate) fn identifier(name: &str) -> Identifier {
    format!("{name}@example.org").parse().unwrap()
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A town whose directory has these settings.
    pub(crate) async fn with(change: impl FnOnce(&mut DirectoryConfig)) -> Self {
        let authority = Authority::new(1, hour_ago());
        let careless = Authority::new(2, hour_ago());
        let trust = trust_in(&authority, &careless);
        let resolver = certified(&authority, "directory.example.org");
        let mut config = DirectoryConfig::new("127.0.0.1:0".parse().unwrap(), resolver.clone(), trust.clone());
        config.timing = Timing { no_answer: Duration::from_secs(10), ..Timing::default() };
        change(&mut config);
        let running = Arc::new(Directory::bind(config).unwrap());
        let directory = running.local_addr();
        let stop = CancellationToken::new();
        let (served, stopped) = (running.clone(), stop.clone());
        tokio::spawn(async move { served.serve(stopped).await });
        Self { authority, careless, trust, directory, running, resolver, stop }
    }

    /// Waits until the directory has let so many connections in, and all but `standing` of them are closed.
    pub(crate) async fn has_let_in(&self, accepted: usize, standing: usize) {
        let line = format!("{{result=\"accepted\"}} {accepted}\n");
        let there = async {
            while !self.running.figures().contains(&line) || self.running.counts().connections != standing {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "expected {line}{standing} standing, found\n{}", self.running.figures());
    }

    /// Another directory of this authority, at this name.
    pub(crate) fn another_directory(&self, name: &str) -> SocketAddr {
        let resolver = certified(&self.authority, name);
        let config = DirectoryConfig::new("127.0.0.1:0".parse().unwrap(), resolver, self.trust.clone());
        let directory = Directory::bind(config).unwrap();
        let (address, stopped) = (directory.local_addr(), self.stop.clone());
        tokio::spawn(async move { directory.serve(stopped).await });
        address
    }

    pub(crate) fn issue(&self, name: &str) -> (Vec<CertificateDer<'static>>, SigningKey) {
        self.authority.issue_person(&identifier(name), hour_ago())
    }

    /// A certificate that ends in so many seconds, and its key.
    pub(crate) fn issue_ending(&self, name: &str, left_s: u64) -> (Vec<CertificateDer<'static>>, SigningKey) {
        let life = Profile::device().lifetime().as_secs();
        let begun = UnixTime::now().as_secs() - life + left_s;
        self.authority.issue_person(&identifier(name), UnixTime::since_unix_epoch(Duration::from_secs(begun)))
    }

    /// Another certificate for this key.
    pub(crate) fn renew(&self, name: &str, key: &SigningKey) -> Vec<CertificateDer<'static>> {
        self.authority.renew_person(&identifier(name), key, hour_ago())
    }

    /// A certificate for mail of somebody.
    pub(crate) fn issue_mail(&self, name: &str) -> Vec<CertificateDer<'static>> {
        mail(&self.authority, name, hour_ago())
    }

    /// One that has ended.
    pub(crate) fn issue_mail_ended(&self, name: &str) -> Vec<CertificateDer<'static>> {
        let begun = UnixTime::now().as_secs() - Profile::mail().lifetime().as_secs() - 60;
        mail(&self.authority, name, UnixTime::since_unix_epoch(Duration::from_secs(begun)))
    }

    /// One by the careless authority.
    pub(crate) fn issue_mail_carelessly(&self, name: &str) -> Vec<CertificateDer<'static>> {
        mail(&self.careless, name, hour_ago())
    }

    /// Trust that is nobody else's.
    pub(crate) fn own_trust(&self) -> Arc<Trust> {
        trust_in(&self.authority, &self.careless)
    }

    /// A device of somebody who convinced the careless authority to be this person.
    pub(crate) fn impostor(&self, name: &str, contacts: &[&str]) -> EngineConfig {
        let (chain, key) = self.careless.issue_person(&identifier(name), hour_ago());
        EngineConfig { chain, key: Arc::new(key), trust: self.own_trust(), ..self.config(name, contacts) }
    }

    pub(crate) fn config(&self, name: &str, contacts: &[&str]) -> EngineConfig {
        let (chain, key) = self.issue(name);
        EngineConfig {
            identifier: identifier(name),
            chain,
            key: Arc::new(key),
            enrolled_under: self.trust.policies()[0].fingerprint(),
            trust: self.trust.clone(),
            directory: DirectoryAddress { name: "directory.example.org".into(), address: self.directory.to_string() },
            bind: "127.0.0.1:0".parse().unwrap(),
            offered: messenger_engine::OfferedAddresses::default(),
            pinholes: false,
            contacts: contacts.iter().map(|contact| identifier(contact)).collect(),
            presence: PresenceSettings::default(),
            bot: false,
            endorsements: Vec::new(),
            mail_certificate: Vec::new(),
            gossip: None,
            whereabouts: None,
        }
    }

    /// An engine that is online, and its device's public key.
    pub(crate) async fn person_and_key(&self, name: &str, contacts: &[&str]) -> (Someone, [u8; 32]) {
        let config = self.config(name, contacts);
        let key = config.key.public_key();
        (Someone::start(config).await, key)
    }

    /// An engine that is online.
    pub(crate) async fn person(&self, name: &str, contacts: &[&str]) -> Someone {
        Someone::start(self.config(name, contacts)).await
    }

    /// The serial number of a chain's leaf.
    pub(crate) fn serial(&self, chain: &[CertificateDer<'static>]) -> Vec<u8> {
        PersonVerifier::new(self.trust.clone()).person(chain, UnixTime::now()).unwrap().serial().to_vec()
    }

    /// The serial number of a certificate for mail.
    pub(crate) fn mail_serial(&self, chain: &[CertificateDer<'static>]) -> Vec<u8> {
        verify_mail(chain, &self.trust, UnixTime::now()).unwrap().serial().to_vec()
    }

    /// Revokes certificates, and lets everybody know.
    pub(crate) fn revoke(&self, serials: &[&[u8]]) {
        let list = self.authority.people_crl(1, hour_ago(), serials);
        self.trust.install_crl(&list, UnixTime::now()).unwrap();
        self.running.revocations_changed();
    }
}
