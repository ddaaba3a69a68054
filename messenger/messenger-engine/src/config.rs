//! What an engine is started with.

use std::net::SocketAddr;
use std::sync::Arc;

use identity::Identifier;
use identity::endorsement::Endorsement;
use identity::tls::DeviceSigner;
use identity::trust::{Fingerprint, Trust};
use rustls::pki_types::CertificateDer;

use crate::api::PresenceSettings;
use crate::gossip::Gossip;
use crate::whereabouts::{DirectoryElsewhere, Find};

/// Where a directory is and what its certificate must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryAddress {
    /// The DNS name its `service` certificate carries.
    pub name: String,
    /// `host:port` (UDP), resolved at every connection attempt.
    pub address: String,
}

impl From<DirectoryAddress> for DirectoryElsewhere {
    fn from(DirectoryAddress { name, address }: DirectoryAddress) -> Self {
        Self { name, addresses: vec![address] }
    }
}

/// Which of this device's addresses others are told, once both sides agreed to connect (RFC 8828 section 5.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OfferedAddresses {
    /// Where packets leave through a VPN, those of that way alone; else all.
    #[default]
    Automatic,
    /// Those of all interfaces (mode 1).
    All,
    /// Those from which packets leave by default (mode 2).
    DefaultRoute,
}

/// Everything an engine needs; it reads no file and no environment.
pub struct EngineConfig {
    /// The person this device speaks for.
    pub identifier: Identifier,
    /// Her device's chain: leaf first, then the issuing CA.
    pub chain: Vec<CertificateDer<'static>>,
    /// The device key, wherever it lies: TLS and MLS sign with it.
    pub key: Arc<dyn DeviceSigner>,
    /// The fingerprint of the one policy in `trust` by which this device is certified; of several, the one under which it was
    /// enrolled. Nobody else certifies its directory.
    pub enrolled_under: Fingerprint,
    /// What certificates are verified against; shared, so that fresh CRLs reach running sessions.
    pub trust: Arc<Trust>,
    /// The directory to be online at.
    pub directory: DirectoryAddress,
    /// The UDP address for everything, directory and peers; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// What of itself this device offers to whom it connects with.
    pub offered: OfferedAddresses,
    /// Whether routers are asked to let in what comes for this device's socket.
    pub pinholes: bool,
    /// Whom to watch from the start.
    pub contacts: Vec<Identifier>,
    /// How to appear from the start.
    pub presence: PresenceSettings,
    /// Whether a program answers here: said to every peer in `Hello`.
    pub bot: bool,
    /// What other devices of the person say of this one: told to those whom she knows or talks to.
    pub endorsements: Vec<Endorsement>,
    /// The person's certificate for mail, leaf first: told to those whom she knows or talks to. None if it is empty.
    pub mail_certificate: Vec<CertificateDer<'static>>,
    /// What this device tells its peers of logs and policies, and who listens to what they tell; none says nothing.
    pub gossip: Option<Arc<dyn Gossip>>,
    /// In which directories others are found; without it, everybody is looked for in one's own.
    pub whereabouts: Option<Arc<dyn Find>>,
}
