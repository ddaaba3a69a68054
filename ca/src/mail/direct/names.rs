//! What the domain name system says of a domain's mail servers, validated by ourselves (DNSSEC, RFC 4035): DANE counts only
//! what is proven from the root down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError as Negative, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::super::MailError;
use super::evidence::{Cut, Heard};
use crate::config::Resolvers;
use crate::{dns, random};

/// How long one question may take, with all that has to be asked to prove its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many aliases are followed, one for another.
const MAX_ALIASES: usize = 8;
/// Records of one kind that are looked at.
const MAX_RECORDS: usize = 64;

/// One of a domain's mail servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Its name, in lower case, without a dot at its end.
    pub(super) host: String,
    /// By which names its certificate may go, if the domain vouches for an issuer (RFC 7672 section 3.2.2).
    pub(super) names: Vec<String>,
    /// Whether it is proven that it is one of them.
    pub(super) secure: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) list: Vec<T>,
    /// The first name of which something was said without proof.
    unproven: Option<Name>,
}

/// A resolver that validates.
pub(super) struct Names {
    resolver: TokioResolver,
    local_networks: bool,
}

impl Names {
    pub(super) fn open(resolvers: &Resolvers, anchors: TrustAnchors, local_networks: bool) -> Result<Self, NetError> {
        Ok(Self { resolver: dns::validating(&resolvers.servers, anchors)?, local_networks })
    }

    /// The servers of a domain, in the order in which they are to be tried (RFC 5321 section 5.1).
    pub(super) async fn exchanges(&self, domain: &str) -> Result<Vec<Exchange>, MailError> {
        let of = |data: &RData| match data {
            RData::MX(mx) => Some((mx.preference, host(&mx.exchange))),
            _ => None,
        };
        let found = self.ask(domain, RecordType::MX, of).await?;
        // That there are none is to be proven as much: else whoever denies them would take the keys with them.
        let secure = self.is_secure(&found).await?;
        let mut list = found.list;
        // Those of one preference in any order, which spreads the load among them.
        list.sort_by_cached_key(|(preference, _)| (*preference, random::bytes::<8>()));
        // RFC 7505: it takes no mail at all.
        if matches!(list.as_slice(), [(_, host)] if host.is_empty()) {
            return Err(MailError::Refused);
        }
        let exchange = |host: String| Exchange { names: vec![host.clone(), domain.to_owned()], host, secure };
        if list.is_empty() {
            // Without such records the domain itself is the server.
            return Ok(vec![Exchange { names: vec![domain.to_owned()], secure, host: domain.to_owned() }]);
        }
        Ok(list.into_iter().map(|(_, host)| host).filter(|host| !host.is_empty()).map(exchange).collect())
    }

    /// The addresses of a server, those of IPv6 first.
    pub(super) async fn addresses(&self, host: &str) -> Result<Found<IpAddr>, MailError> {
        let six = |data: &RData| if let RData::AAAA(ip) = data { Some(IpAddr::V6(ip.0)) } else { None };
        let four = |data: &RData| if let RData::A(ip) = data { Some(IpAddr::V4(ip.0)) } else { None };
        let six = self.ask(host, RecordType::AAAA, six).await?;
        let four = self.ask(host, RecordType::A, four).await?;
        // Addresses that are denied are not used: that proves nothing, and need not be proven.
        let used = |found: &Found<IpAddr>| found.unproven.clone().filter(|_| !found.list.is_empty());
        let unproven = used(&six).or(used(&four));
        let all = six.list.into_iter().chain(four.list);
        // Whoever asks for a mail chooses the domain, and so where we connect to: not into the operator's own network.
        let list: Vec<_> = all.filter(|ip| self.local_networks || is_public(*ip)).collect();
        if list.is_empty() {
            return Err(MailError::Unreachable(format!("{host} has no address in the internet")));
        }
        Ok(Found { list, unproven })
    }

    /// The keys of a server (RFC 6698); only those that are proven. That there are none must be proven, too: a failure is
    /// no answer (RFC 7672 section 2.1).
    pub(super) async fn keys(&self, host: &str, port: u16) -> Result<Vec<TLSA>, MailError> {
        let of = |data: &RData| if let RData::TLSA(tlsa) = data { Some(tlsa.clone()) } else { None };
        let found = self.ask(&format!("_{port}._tcp.{host}"), RecordType::TLSA, of).await?;
        Ok(if self.is_secure(&found).await? { found.list } else { Vec::new() })
    }

    /// The TXT records of a name, each with its strings joined.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, MailError> {
        let of = |data: &RData| if let RData::TXT(txt) = data { Some(txt.txt_data.concat()) } else { None };
        Ok(self.ask(name, RecordType::TXT, of).await?.list)
    }

    /// Whether all of it is proven; or else, that nothing could be, because the domain is not signed. Of a signed domain
    /// what is not proven is a forgery, or an error that cannot be told from one.
    pub(super) async fn is_secure<T>(&self, found: &Found<T>) -> Result<bool, MailError> {
        match &found.unproven {
            None => Ok(true),
            Some(name) if self.is_unsigned(name).await? => Ok(false),
            Some(name) => Err(says_nothing(name, &"an answer without proof, though the domain is signed")),
        }
    }

    /// Whether a name is proven to lie in no signed zone: from the root down, zone by zone (RFC 4035 section 5.2).
    async fn is_unsigned(&self, name: &Name) -> Result<bool, MailError> {
        let mut zone = Name::root();
        for labels in 1..=name.iter().count() {
            let mut at = name.trim_to(labels);
            at.set_fqdn(true);
            match self.hear(&at, RecordType::DS).await?.cut(&at, &zone) {
                Cut::Unsigned => return Ok(true),
                Cut::Signed => zone = at,
                Cut::Inside => {}
                Cut::Unknown => return Ok(false),
            }
        }
        Ok(false)
    }

    /// The records of a name, or of what it is an alias for.
    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        of: impl Fn(&RData) -> Option<T>,
    ) -> Result<Found<T>, MailError> {
        let fully = Name::from_ascii(format!("{}.", name.trim_end_matches('.')));
        let mut name = fully.map_err(|error| says_nothing(&name, &error))?;
        let mut unproven = None;
        for _ in 0..MAX_ALIASES {
            let heard = self.hear(&name, kind).await?;
            let said = heard.of(&name, kind);
            // The library has followed aliases already. Each is asked for by itself, as it needs a proof of its own.
            if said.records.is_empty() && !heard.denied {
                let alias = self.hear(&name, RecordType::CNAME).await?;
                let alias = alias.of(&name, RecordType::CNAME);
                if let [Record { data: RData::CNAME(target), .. }] = alias.records.as_slice() {
                    unproven = unproven.or((!alias.proven).then_some(name));
                    name = target.0.clone();
                    continue;
                }
            }
            let list = said.records.iter().filter_map(|record| of(&record.data)).take(MAX_RECORDS).collect();
            return Ok(Found { list, unproven: unproven.or((!said.proven).then_some(name)) });
        }
        Err(says_nothing(&name, &"too many aliases, one for another"))
    }

    async fn hear(&self, name: &Name, kind: RecordType) -> Result<Heard, MailError> {
        let asked = tokio::time::timeout(PATIENCE, self.resolver.lookup(name.clone(), kind)).await;
        match asked.map_err(|_| says_nothing(name, &"no answer in time"))? {
            Ok(lookup) => Ok(Heard {
                answers: lookup.answers().to_vec(),
                authorities: lookup.authorities().to_vec(),
                denied: false,
            }),
            Err(NetError::Dns(Negative::NoRecordsFound(none))) => {
                // Not if it speaks of what the name is an alias for.
                let denied = none.query.name() == name && none.query.query_type() == kind;
                let authorities = none.authorities.filter(|_| denied).map(|all| all.to_vec()).unwrap_or_default();
                Ok(Heard { authorities, denied, answers: Vec::new() })
            }
            // Records that deny something else, or that cannot be judged: they may still tell where signed zones end.
            Err(NetError::Dns(Negative::Nsec { response, .. })) => {
                Ok(Heard { authorities: response.authorities.clone(), ..Heard::default() })
            }
            Err(error) => Err(says_nothing(name, &format!("{kind}: {error}"))),
        }
    }
}

fn says_nothing(name: &dyn std::fmt::Display, reason: &dyn std::fmt::Display) -> MailError {
    MailError::Unreachable(format!("the domain name system says nothing of {name}: {reason}"))
}

fn host(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// Whether an address is one of the internet's, and not of a network behind it (RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| is_public_v6(ip), is_public_v4),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !special
}

/// Global unicast (2000::/3), less documentation, benchmarks, and what tunnels to IPv4.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let special = matches!((first, second), (0x2001, 0 | 2 | 0xdb8) | (0x2002, _) | (0x3fff, _));
    first & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_connected_to() {
        for ip in ["8.8.8.8", "192.0.1.1", "100.63.0.1", "2a00:1450::1", "::ffff:8.8.8.8"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "100.64.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.19.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2001::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn names_are_compared_in_one_spelling() {
        assert_eq!(host(&Name::from_ascii("MX.Example.ORG.").unwrap()), "mx.example.org");
        assert_eq!(host(&Name::root()), "");
    }
}
