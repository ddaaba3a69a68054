//! Mails straight to the recipients' own servers: by DANE (RFC 7672) where the domain name system proves their keys, by
//! MTA-STS (RFC 8461) where the domain publishes a policy, and encrypted in any case, unless the operator allows plain text
//! to servers of whom nothing else is known.
//!
//! It queues nothing: what is not taken now is not sent, and whoever waits for it asks again.

mod dane;
mod evidence;
mod handover;
mod names;
mod policies;
mod session;
mod sts;
mod watched;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::dnssec::TrustAnchors;
use identity::UnixTime;
use lettre::transport::smtp::extension::ClientId;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;

use self::dane::{Dane, Unproven};
use self::names::{Exchange, Names};
pub use self::policies::FILE as POLICIES_FILE;
use self::policies::Policies;
use self::session::Wants;
use self::sts::{Mode, Policy};
use super::{Letter, MailError};
use crate::config::{DirectDelivery, Resolvers};
use crate::web;

/// How long all servers of a domain together may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// So many of a domain's servers are tried.
const MAX_EXCHANGES: usize = 5;

/// Delivers without a server of one's own.
pub(crate) struct Direct {
    names: Names,
    policies: Policies,
    provider: Arc<CryptoProvider>,
    web: Arc<WebPkiServerVerifier>,
    hello: ClientId,
    port: u16,
    plain: bool,
}

impl Direct {
    /// `folder` keeps the policies that were fetched.
    pub(super) fn open(delivery: &DirectDelivery, resolvers: &Resolvers, folder: &Path) -> Result<Self, MailError> {
        let bad = |what, found: String| MailError::Config { what, expected: "what the operator's guide says", found };
        let anchors = match &delivery.anchors {
            Some(path) => {
                TrustAnchors::from_file(path).map_err(|error| bad("[enrolment.direct] anchors", error.to_string()))?
            }
            None => TrustAnchors::default(),
        };
        let names = Names::open(resolvers, anchors, delivery.local_networks);
        let names = names.map_err(|error| bad("[enrolment.dns]", error.to_string()))?;
        let roots = web::roots_with(delivery.roots.as_deref());
        let roots = Arc::new(roots.map_err(|error| bad("[enrolment.direct] roots", error.to_string()))?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let web = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let web = web.map_err(|error| bad("[enrolment.direct] roots", error.to_string()))?;
        let policies = Policies::open(folder, roots, delivery.policy_port)?;
        let hello = match delivery.hello.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
            Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
            Err(_) => ClientId::Domain(delivery.hello.clone()),
        };
        Ok(Self { names, policies, provider, web, hello, port: delivery.port, plain: delivery.plain })
    }

    pub(super) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let domain = letter.envelope().to().first().map(|to| to.domain().to_ascii_lowercase()).unwrap_or_default();
        let sent = tokio::time::timeout(PATIENCE, self.send_to(&domain, &letter));
        sent.await.unwrap_or_else(|_| Err(MailError::Unreachable(format!("the servers of {domain} are too slow"))))
    }

    async fn send_to(&self, domain: &str, letter: &Letter) -> Result<(), MailError> {
        let exchanges = self.names.exchanges(domain).await?;
        let policy = self.policies.of(domain, &self.names, UnixTime::now()).await;
        let mut last = MailError::Unreachable(format!("{domain} has no server that takes mail"));
        for exchange in exchanges.iter().take(MAX_EXCHANGES) {
            match self.send_through(exchange, policy.as_ref(), letter).await {
                // Whoever answers for the domain has said no; the others would say the same.
                Err(error) if !matches!(error, MailError::Unreachable(_)) => return Err(error),
                Err(error) => {
                    tracing::info!(server = %exchange.host, %error, "a server did not take a mail");
                    last = error;
                }
                Ok(()) => return Ok(()),
            }
        }
        Err(last)
    }

    /// DANE comes first, and what it refuses no policy allows (RFC 8461 section 2).
    async fn send_through(
        &self,
        exchange: &Exchange,
        policy: Option<&Policy>,
        letter: &Letter,
    ) -> Result<(), MailError> {
        let addresses = self.names.addresses(&exchange.host).await?;
        let dane = match exchange.secure && self.names.is_secure(&addresses).await? {
            true => Dane::of(self.names.keys(&exchange.host, self.port).await?),
            false => Dane::None,
        };
        let any = || Arc::new(Unproven::new(self.provider.clone())) as Arc<dyn ServerCertVerifier>;
        let enforced = policy.is_some_and(|policy| policy.mode == Mode::Enforce);
        let wants = match (dane, policy) {
            (Dane::Keys(keys), _) => Wants::Tls(Arc::new(keys.verifier(&exchange.names, self.provider.clone())?)),
            // RFC 7672 section 2.2: records that cannot be used still say that there is encryption.
            (Dane::Unusable, _) if !enforced => Wants::Tls(any()),
            (_, Some(policy)) if enforced && !policy.names(&exchange.host) => {
                return Err(MailError::Unreachable(format!(
                    "{} is none of the servers in its domain's policy",
                    exchange.host
                )));
            }
            (_, Some(_)) if enforced => Wants::Tls(self.web.clone()),
            (_, _) if self.plain => Wants::TlsIfOffered(any()),
            (_, _) => Wants::Tls(any()),
        };
        let tested = policy.filter(|policy| policy.mode == Mode::Testing);
        let Some(policy) = tested else { return self.deliver(exchange, &addresses.list, &wants, letter).await };
        let (wants, watched) = wants.watched(self.web.clone());
        let sent = self.deliver(exchange, &addresses.list, &wants, letter).await;
        let (named, satisfied) = (policy.names(&exchange.host), watched.is_satisfied());
        // Where no connection came about, no certificate was seen.
        if sent.is_ok() && !(named && satisfied) {
            tracing::warn!(server = %exchange.host, named, satisfied, "a policy under test (MTA-STS) would refuse this server");
        }
        sent
    }

    async fn deliver(
        &self,
        exchange: &Exchange,
        addresses: &[IpAddr],
        wants: &Wants,
        letter: &Letter,
    ) -> Result<(), MailError> {
        session::deliver(&exchange.host, addresses, self.port, wants, &self.hello, &self.provider, letter).await
    }
}
