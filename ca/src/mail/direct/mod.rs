//! Mails straight to the recipients' own servers: by DANE (RFC 7672) where the domain name system proves their keys, by
//! MTA-STS (RFC 8461) where the domain publishes a policy, and encrypted in any case, unless the operator allows plain text
//! to servers of whom nothing else is known.
//!
//! It keeps nothing: what is not taken now is not sent, and whoever waits for it asks again. For a place among the mails
//! under way to its domain a mail stands in line, in memory.

mod dane;
mod evidence;
mod internet;
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

use self::dane::{Dane, MailVerifier};
use self::names::{Exchange, Found, Names};
pub use self::policies::FILE as POLICIES_FILE;
use self::policies::Policies;
use self::session::{Server, Wants};
use self::sts::{Mode, Policy};
use super::places::{Full, Place, Places, Turn};
use super::{Letter, MailError};
use crate::config::{DirectDelivery, Resolvers};
use crate::web;

/// How long all servers of a domain together may take.
pub(crate) const DELIVERY: Duration = Duration::from_secs(180);
/// So many of a domain's servers are tried.
const MAX_EXCHANGES: usize = 5;
/// Mails with codes under way to one domain; how many there are to all together, `Limits::mails_in_flight` says.
const TO_ONE_DOMAIN: usize = 8;
/// So many wait for one of them.
const LINE_OF_ONE_DOMAIN: usize = 64;
/// So many of these were asked for from one network, so that nobody refuses others a code by asking for many.
const SHARE_OF_ONE_NETWORK: usize = LINE_OF_ONE_DOMAIN / 4;
/// Through one server, which may serve many domains.
const THROUGH_ONE_SERVER: usize = 16;

/// Delivers without a server of one's own.
pub(crate) struct Direct {
    names: Names,
    policies: Policies,
    domains: Arc<Places>,
    servers: Arc<Places>,
    /// Through one server, of announcements: whoever asks for codes cannot keep an owner from being told.
    announcing_servers: Arc<Places>,
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
        let domains = Places::with_line(TO_ONE_DOMAIN, LINE_OF_ONE_DOMAIN, SHARE_OF_ONE_NETWORK);
        let servers = Places::new(THROUGH_ONE_SERVER);
        let announcing_servers = Places::new(THROUGH_ONE_SERVER);
        let (port, plain) = (delivery.port, delivery.plain);
        Ok(Self { names, policies, domains, servers, announcing_servers, provider, web, hello, port, plain })
    }

    /// A place for a mail to this domain, or a stand in its line, on behalf of the network from which it was asked for.
    pub(super) async fn turn(&self, domain: &str, network: Option<String>) -> Result<Turn, Full> {
        self.domains.ask(domain, network).await
    }

    /// Whoever calls has a place of the letter's domain.
    pub(super) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        self.send_to(&letter.to_domain(), &letter, &self.servers).await
    }

    /// The same of a letter that takes no place of those with codes.
    pub(super) async fn announce(&self, letter: Letter) -> Result<(), MailError> {
        self.send_to(&letter.to_domain(), &letter, &self.announcing_servers).await
    }

    async fn send_to(&self, domain: &str, letter: &Letter, places: &Arc<Places>) -> Result<(), MailError> {
        let sent = tokio::time::timeout(DELIVERY, self.send_to_one_of(domain, letter, places));
        sent.await.unwrap_or_else(|_| Err(MailError::Unreachable(format!("the servers of {domain} are too slow"))))
    }

    async fn send_to_one_of(&self, domain: &str, letter: &Letter, places: &Arc<Places>) -> Result<(), MailError> {
        let exchanges = self.names.exchanges(domain).await?;
        let policy = self.policies.of(domain, &self.names, UnixTime::now()).await;
        let mut last = MailError::Unreachable(format!("{domain} has no server that takes mail"));
        let mut left = exchanges.iter().take(MAX_EXCHANGES);
        while let Some((exchange, _place)) = next_free(&mut left, places, &mut last) {
            match self.send_through(exchange, policy.as_ref(), letter).await {
                Err(error @ MailError::Unreachable(_)) => {
                    tracing::info!(server = %exchange.host, %error, "a server did not take a mail");
                    // One that was not asked may still take it.
                    if !matches!(last, MailError::Busy(_)) {
                        last = error;
                    }
                }
                // Whoever answers for the domain has said no; the others would say the same.
                other => return other,
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
        let (name, dane) = self.dane(exchange, &addresses).await?;
        let any = || Arc::new(MailVerifier::anybody(self.provider.clone())) as Arc<dyn ServerCertVerifier>;
        let enforced = policy.is_some_and(|policy| policy.mode == Mode::Enforce);
        let wants = match (dane, policy) {
            (Dane::Keys(keys), _) => {
                let names: Vec<_> = [&name].into_iter().chain(&exchange.domains).cloned().collect();
                Wants::Tls(Arc::new(keys.verifier(&names, self.provider.clone())?))
            }
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
        let server = Server { host: &exchange.host, name: &name, addresses: &addresses.list, port: self.port };
        let tested = policy.filter(|policy| policy.mode == Mode::Testing);
        let Some(policy) = tested else { return self.deliver(&server, &wants, letter).await };
        let (wants, watched) = wants.watched(self.web.clone());
        let sent = self.deliver(&server, &wants, letter).await;
        let (named, satisfied) = (policy.names(&exchange.host), watched.is_satisfied());
        // Where no connection came about, no certificate was seen.
        if sent.is_ok() && !(named && satisfied) {
            tracing::warn!(server = %exchange.host, named, satisfied, "a policy under test (MTA-STS) would refuse this server");
        }
        sent
    }

    /// What is proven of a server's keys, and the name that it is asked to show its certificate for: the one under which they
    /// were found (RFC 7671 section 7).
    async fn dane(&self, exchange: &Exchange, addresses: &Found<IpAddr>) -> Result<(String, Dane), MailError> {
        let bases = match exchange.secure {
            true => self.names.bases(&exchange.host, addresses).await?,
            false => Vec::new(),
        };
        let keys = self.names.keys(&bases, self.port).await?;
        let (base, dane) = keys.map_or((None, Dane::None), |(base, records)| (Some(base), Dane::of(records)));
        let name = base.filter(|_| matches!(dane, Dane::Keys(_))).unwrap_or_else(|| exchange.host.clone());
        Ok((name, dane))
    }

    async fn deliver(&self, server: &Server<'_>, wants: &Wants, letter: &Letter) -> Result<(), MailError> {
        session::deliver(server, wants, &self.hello, &self.provider, letter).await
    }
}

/// The next of a domain's servers through which not as many mails are under way as may be, and a place there. Of those that
/// are passed over `last` tells.
fn next_free<'a>(
    left: &mut impl Iterator<Item = &'a Exchange>,
    places: &Arc<Places>,
    last: &mut MailError,
) -> Option<(&'a Exchange, Place)> {
    left.find_map(|exchange| {
        let place = places.take(&exchange.host);
        if place.is_none() {
            *last = MailError::Busy(exchange.host.clone());
        }
        Some((exchange, place?))
    })
}

#[cfg(test)]
mod tests;
