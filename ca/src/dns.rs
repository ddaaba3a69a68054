//! What the authority asks the domain name system, and of whom.
//!
//! An answer counts only if enough of the resolvers that the operator chose give the same one: who misleads a single
//! resolver, or the network before it, gets no certificate by it. That a name or a record does not exist is an answer; a
//! failure is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as Negative, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use thiserror::Error;

use crate::config::Resolvers;

/// How long a resolver may take for one question, its repetition included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take before the question is repeated, or put by TCP.
const AGAIN: Duration = Duration::from_secs(3);
/// The longest that an answer is remembered: what a domain's owner changes counts soon.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Answers remembered for each resolver.
const CACHE: u64 = 4096;
/// Records of one name that are looked at: nobody needs as many.
const MAX_RECORDS: usize = 64;

/// Why there is no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DnsError {
    /// The question cannot be asked.
    #[error("{0} is no name that could be asked for")]
    Name(String),
    /// Too few resolvers answered the same.
    #[error("expected the same answer of {expected} resolvers for {name}, found {found} that agree")]
    Disagreement {
        /// What was asked for.
        name: String,
        /// How many have to agree.
        expected: usize,
        /// How many did, at most.
        found: usize,
    },
}

/// A CAA record (RFC 8659 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CaaRecord {
    pub(crate) critical: bool,
    pub(crate) tag: String,
    pub(crate) value: Vec<u8>,
}

/// The resolvers, each with a memory of its own.
pub(crate) struct Dns {
    each: Vec<TokioResolver>,
    agree: usize,
}

impl Dns {
    /// One connection for each of the operator's resolvers. Nothing is asked yet.
    pub(crate) fn open(resolvers: &Resolvers) -> Result<Self, NetError> {
        let each: Result<Vec<_>, _> = resolvers.servers.iter().map(|server| connect(*server)).collect();
        Ok(Self { each: each?, agree: resolvers.agree() })
    }

    /// One of the resolvers, for who wants to verify with answers that are given to it.
    pub(crate) fn any(&self) -> Option<&TokioResolver> {
        self.each.first()
    }

    /// The TXT records of a name, each with its strings joined.
    pub(crate) async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, DnsError> {
        self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        })
        .await
    }

    /// The CAA records of a name.
    pub(crate) async fn caa(&self, name: &str) -> Result<Vec<CaaRecord>, DnsError> {
        self.ask(name, RecordType::CAA, |data| match data {
            RData::CAA(caa) => Some(CaaRecord {
                critical: caa.issuer_critical,
                tag: caa.tag.to_ascii_lowercase(),
                value: caa.value.clone(),
            }),
            _ => None,
        })
        .await
    }

    /// Asks all resolvers at once. The order of records says nothing and is not compared.
    async fn ask<T: Ord + Send>(
        &self,
        name: &str,
        kind: RecordType,
        of: impl Fn(&RData) -> Option<T> + Copy + Send + Sync,
    ) -> Result<Vec<T>, DnsError> {
        let fully = Name::from_ascii(format!("{}.", name.trim_end_matches('.')));
        let fully = fully.map_err(|_| DnsError::Name(name.to_owned()))?;
        let answers = join_all(self.each.iter().map(|resolver| one(resolver, &fully, kind, of))).await;
        let mut answers: Vec<_> = answers.into_iter().flatten().collect();
        let votes = |answer: &Vec<T>| answers.iter().filter(|other| *other == answer).count();
        let best = (0..answers.len()).max_by_key(|at| votes(&answers[*at]));
        let found = best.map_or(0, |at| votes(&answers[at]));
        match best {
            Some(at) if found >= self.agree => Ok(answers.swap_remove(at)),
            _ => Err(DnsError::Disagreement { name: name.to_owned(), expected: self.agree, found }),
        }
    }
}

/// One resolver's answer; none if it failed.
async fn one<T: Ord>(
    resolver: &TokioResolver,
    name: &Name,
    kind: RecordType,
    of: impl Fn(&RData) -> Option<T>,
) -> Option<Vec<T>> {
    let asked = tokio::time::timeout(PATIENCE, resolver.lookup(name.clone(), kind)).await.ok()?;
    let mut found: Vec<T> = match asked {
        // An alias (CNAME) may stand before what was asked for.
        Ok(lookup) => lookup.answers().iter().filter_map(|record| of(&record.data)).take(MAX_RECORDS + 1).collect(),
        Err(NetError::Dns(Negative::NoRecordsFound(_))) => vec![],
        Err(error) => {
            tracing::info!(%error, %kind, "a resolver did not answer");
            return None;
        }
    };
    found.sort();
    (found.len() <= MAX_RECORDS).then_some(found)
}

fn connect(server: SocketAddr) -> Result<TokioResolver, NetError> {
    let config = ResolverConfig::from_name_servers(vec![name_server(server)]);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options()).build()
}

/// One resolver over several servers, which proves every answer itself from these keys down (DNSSEC, RFC 4035).
pub(crate) fn validating(servers: &[SocketAddr], anchors: TrustAnchors) -> Result<TokioResolver, NetError> {
    let config = ResolverConfig::from_name_servers(servers.iter().copied().map(name_server).collect());
    let mut options = options();
    options.validate = true;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .with_trust_anchor(Arc::new(anchors))
        .build()
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = AGAIN;
    options.attempts = 2;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = CACHE;
    options.positive_max_ttl = Some(REMEMBERED);
    options.negative_max_ttl = Some(REMEMBERED);
    options.case_randomization = true;
    options.try_tcp_on_error = true;
    options
}

/// Shared by what asks.
pub(crate) type SharedDns = Arc<Dns>;
