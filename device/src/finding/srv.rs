//! What a mail domain says of its directory in the domain name system: SRV records (RFC 2782).
//!
//! Nothing of it is proven, and nothing has to be: what answers there must have a certificate for the mail domain. So
//! several resolvers are asked one after the other until one answers; that they agree would prove nothing more.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use sha2::{Digest, Sha256};

use super::resolvers::Resolvers;

/// The service of the SRV record.
const SERVICE: &str = "_inperson-directory._udp";
/// How long all resolvers together may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// Records that are looked at, and addresses that are tried.
const MAX_RECORDS: usize = 16;
const MAX_TARGETS: usize = 8;

/// Why the domain name system said nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// A resolver that is no address.
    #[error("expected the address of a resolver such as 192.0.2.53 or [2001:db8::53]:5353, found {0:?}")]
    Resolver(String),
    /// The system does not say which resolvers there are.
    #[error("the system's resolvers cannot be found out: {0}")]
    System(String),
    /// The domain cannot be asked for.
    #[error("{0} is no name that could be asked for")]
    Name(String),
    /// No resolver answered.
    #[error("no resolver answered: {0}")]
    Silent(String),
}

/// Where a directory listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// An address; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

/// What a domain says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// There, in the order in which to try.
    At(Vec<Target>),
    /// There is none.
    Unavailable,
    /// Nothing.
    Nothing,
}

/// The name at which a domain says where its directory is.
pub(super) fn record(domain: &str) -> String {
    format!("{SERVICE}.{domain}")
}

/// The resolvers.
pub struct Names {
    resolvers: Resolvers,
    /// Makes the order among equals this process's own.
    seed: [u8; 16],
}

impl Names {
    /// Asks these resolvers, each an address with a port or without; the system's (`/etc/resolv.conf`), if none is named.
    ///
    /// # Errors
    /// One of them is no address.
    pub fn open(resolvers: &[String]) -> Result<Self, NamesError> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).expect("the system gives random bytes once it has booted");
        Ok(Self { resolvers: Resolvers::open(resolvers)?, seed })
    }

    /// Asks where the directory of a domain is.
    pub(super) async fn directories(&self, domain: &str) -> Result<Said, NamesError> {
        let resolver = self.resolvers.now()?;
        let silent = |_| NamesError::Silent(format!("nothing came within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, self.ask(&resolver, domain)).await.map_err(silent)?
    }

    async fn ask(&self, resolver: &TokioResolver, domain: &str) -> Result<Said, NamesError> {
        let name = Name::from_ascii(format!("{}.", record(domain))).map_err(|_| NamesError::Name(domain.to_owned()))?;
        let records: Vec<SRV> = match resolver.lookup(name, RecordType::SRV).await {
            Ok(lookup) => {
                let srv = |data: &RData| if let RData::SRV(srv) = data { Some(srv.clone()) } else { None };
                lookup.answers().iter().filter_map(|record| srv(&record.data)).take(MAX_RECORDS).collect()
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => return Ok(Said::Nothing),
            Err(error) => return Err(NamesError::Silent(error.to_string())),
        };
        if records.is_empty() {
            return Ok(Said::Nothing);
        }
        if records.iter().all(|srv| srv.target.is_root()) {
            return Ok(Said::Unavailable);
        }
        let mut targets = Vec::new();
        let mut problem = None;
        for srv in self.in_order(records).into_iter().filter(|srv| !srv.target.is_root() && srv.port != 0) {
            match resolver.lookup_ip(srv.target.clone()).await {
                Ok(addresses) => targets.extend(in_one_order(addresses.iter(), srv.port)),
                Err(error) => problem = problem.or(Some(format!("{}: {error}", srv.target))),
            }
            if targets.len() >= MAX_TARGETS {
                break;
            }
        }
        targets.truncate(MAX_TARGETS);
        match (targets.is_empty(), problem) {
            (false, _) => Ok(Said::At(targets)),
            (true, Some(problem)) => Err(NamesError::Silent(problem)),
            (true, None) => Ok(Said::Nothing),
        }
    }

    /// By priority, and among equals by their weight and a lot (RFC 2782): drawn by this process once and for all, so that
    /// everybody at a domain is asked for in the same place.
    fn in_order(&self, mut records: Vec<SRV>) -> Vec<SRV> {
        // One of weight w has the smallest of w draws from (0, 1) on average w times as often as one of weight 1.
        let lot = |srv: &SRV| {
            let drawn = Sha256::new().chain_update(self.seed).chain_update(srv.target.to_ascii().to_lowercase());
            let drawn: [u8; 32] = drawn.chain_update(srv.port.to_be_bytes()).finalize().into();
            let uniform =
                (f64::from(u32::from_be_bytes([drawn[0], drawn[1], drawn[2], drawn[3]])) + 1.0) / 4_294_967_297.0;
            // Weight 0 has a very small chance.
            -uniform.ln() / f64::from(srv.weight).max(0.01)
        };
        records.sort_by(|a, b| a.priority.cmp(&b.priority).then(lot(a).total_cmp(&lot(b))));
        records
    }
}

/// Name servers turn the addresses of a host around from answer to answer; here they stand the same way every time, IPv6
/// first (RFC 8305, section 4).
fn in_one_order(addresses: impl Iterator<Item = IpAddr>, port: u16) -> Vec<Target> {
    let all: BTreeSet<_> = addresses.map(|ip| ip.to_canonical()).map(|ip| (ip.is_ipv4(), ip)).collect();
    all.into_iter().map(|(_, ip)| target(ip, port)).collect()
}

fn target(ip: IpAddr, port: u16) -> Target {
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Target { host, port }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> SRV {
        SRV::new(priority, weight, 8444, Name::from_ascii(target).unwrap())
    }

    #[test]
    fn priority_first_and_weight_among_equals() {
        let mut first = [0; 2];
        for seed in 0..200_u8 {
            let names = Names { resolvers: Resolvers::open(&[]).unwrap(), seed: [seed; 16] };
            let records = vec![srv(2, 0, "c.example."), srv(1, 90, "a.example."), srv(1, 10, "b.example.")];
            let order = names.in_order(records.clone());
            assert_eq!(order, names.in_order(records), "the same every time");
            assert_eq!(order[2].target.to_ascii(), "c.example.");
            first[usize::from(order[0].target.to_ascii() == "b.example.")] += 1;
        }
        // The seeds are fixed, so this is no matter of chance.
        assert!(first[0] > 150 && first[1] > 5, "{first:?}");
    }

    #[test]
    fn addresses_of_a_host_stand_in_one_order() {
        let all = ["192.0.2.2", "2001:db8::2", "192.0.2.1", "2001:db8::1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let hosts = |all: &[IpAddr]| -> Vec<String> {
            in_one_order(all.iter().copied(), 8444).into_iter().map(|target| target.host).collect()
        };
        let expected = ["[2001:db8::1]", "[2001:db8::2]", "192.0.2.1", "192.0.2.2"];
        assert_eq!(hosts(&all), expected);
        let turned: Vec<IpAddr> = all.into_iter().rev().collect();
        assert_eq!(hosts(&turned), expected);
    }
}
