//! What the domain name system says of a domain's mail servers, validated by ourselves (DNSSEC, RFC 4035): DANE counts only
//! what is proven from the root down.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError as Negative, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::super::MailError;
use super::evidence::{Cut, Heard};
use super::internet::is_public;
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
    /// The names of the domain, by which its certificate may go, too, if an issuer is vouched for (RFC 7672 section 3.2.2).
    pub(super) domains: Vec<String>,
    /// Whether it is proven that it is one of them.
    pub(super) secure: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) list: Vec<T>,
    /// The first name of which something was said without proof.
    unproven: Option<Name>,
    /// Of the name that was asked.
    alias: Option<Alias>,
}

/// What a name is an alias for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alias {
    /// The last of several, one for another; none if it depends on the kind of record.
    expanded: Option<Name>,
    /// Whether the first of them is proven.
    first_proven: bool,
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
        let expanded = found.alias.filter(|_| secure).and_then(|alias| alias.expanded).map(|name| host(&name));
        let domains: Vec<_> = [domain.to_owned()].into_iter().chain(expanded).collect();
        let mut list = found.list;
        // Those of one preference in any order, which spreads the load among them.
        list.sort_by_cached_key(|(preference, _)| (*preference, random::bytes::<8>()));
        // RFC 7505. That is said of the whole domain, in public: whoever waits for the mail may be told.
        if matches!(list.as_slice(), [(_, host)] if host.is_empty()) {
            return Err(MailError::Unreachable(format!("{domain} takes no mail at all, as its MX record says")));
        }
        if list.is_empty() {
            // Without such records the domain itself is the server.
            list.push((0, domain.to_owned()));
        }
        let exchange = |host: String| Exchange { host, domains: domains.clone(), secure };
        Ok(list.into_iter().map(|(_, host)| host).filter(|host| !host.is_empty()).map(exchange).collect())
    }

    /// The addresses of a server, those of IPv6 first.
    pub(super) async fn addresses(&self, host: &str) -> Result<Found<IpAddr>, MailError> {
        let six = |data: &RData| if let RData::AAAA(ip) = data { Some(IpAddr::V6(ip.0)) } else { None };
        let four = |data: &RData| if let RData::A(ip) = data { Some(IpAddr::V4(ip.0)) } else { None };
        let six = self.ask(host, RecordType::AAAA, six).await?;
        let four = self.ask(host, RecordType::A, four).await?;
        // Addresses that are denied are not used: that proves nothing, and need not be proven.
        let used: Vec<_> = [six, four].into_iter().filter(|found| !found.list.is_empty()).collect();
        let unproven = used.iter().find_map(|found| found.unproven.clone());
        let alias = used.iter().map(|found| found.alias.clone()).reduce(common).flatten();
        let all = used.into_iter().flat_map(|found| found.list);
        // Whoever asks for a mail chooses the domain, and so where we connect to: not into the operator's own network.
        let list: Vec<_> = all.filter(|ip| self.local_networks || is_public(*ip)).collect();
        if list.is_empty() {
            return Err(MailError::Unreachable(format!("{host} has no address in the internet")));
        }
        Ok(Found { list, unproven, alias })
    }

    /// Under which names the keys of a server are looked for, one after the other: what its name is an alias for, if that is
    /// proven from alias to alias, then its name (RFC 7671 section 7). Of aliases that lead out of what is signed the first
    /// is still proven to be there, and so are keys beside it (RFC 7672 section 2.2.2).
    pub(super) async fn bases(&self, server: &str, addresses: &Found<IpAddr>) -> Result<Vec<String>, MailError> {
        let secure = self.is_secure(addresses).await?;
        let expanded = addresses.alias.as_ref().filter(|_| secure).and_then(|alias| alias.expanded.as_ref()).map(host);
        let first_proven = addresses.alias.as_ref().is_some_and(|alias| alias.first_proven);
        let own = (secure || first_proven).then(|| server.to_owned());
        Ok(expanded.filter(|name| name != server).into_iter().chain(own).collect())
    }

    /// The keys of a server (RFC 6698) under the first of these names that has any, and that name; only those that are
    /// proven. That there are none must be proven, too: a failure is no answer (RFC 7672 section 2.1).
    pub(super) async fn keys(&self, bases: &[String], port: u16) -> Result<Option<(String, Vec<TLSA>)>, MailError> {
        let of = |data: &RData| if let RData::TLSA(tlsa) = data { Some(tlsa.clone()) } else { None };
        for base in bases {
            let found = self.ask(&format!("_{port}._tcp.{base}"), RecordType::TLSA, of).await?;
            if self.is_secure(&found).await? && !found.list.is_empty() {
                return Ok(Some((base.clone(), found.list)));
            }
        }
        Ok(None)
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
        let (mut unproven, mut alias) = (None, None::<Alias>);
        for _ in 0..MAX_ALIASES {
            let heard = self.hear(&name, kind).await;
            let is_said = |heard: &Heard| heard.denied || !heard.of(&name, kind).records.is_empty();
            // The library has followed aliases already, and fails where one ends in the denial of such a record. Each is asked
            // for by itself, as it needs a proof of its own.
            if !heard.as_ref().is_ok_and(is_said) {
                let other = self.hear(&name, RecordType::CNAME).await?;
                let other = other.of(&name, RecordType::CNAME);
                if let [Record { data: RData::CNAME(target), .. }] = other.records.as_slice() {
                    unproven = unproven.or((!other.proven).then_some(name));
                    name = target.0.clone();
                    let first_proven = alias.map_or(other.proven, |alias| alias.first_proven);
                    alias = Some(Alias { expanded: Some(name.clone()), first_proven });
                    continue;
                }
            }
            let heard = heard?;
            let said = heard.of(&name, kind);
            let list = said.records.iter().filter_map(|record| of(&record.data)).take(MAX_RECORDS).collect();
            return Ok(Found { list, unproven: unproven.or((!said.proven).then_some(name)), alias });
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

/// What a server's name is for both kinds of its addresses.
fn common(six: Option<Alias>, four: Option<Alias>) -> Option<Alias> {
    let (six, four) = (six?, four?);
    let first_proven = six.first_proven && four.first_proven;
    Some(Alias { expanded: six.expanded.filter(|name| Some(name) == four.expanded.as_ref()), first_proven })
}

fn host(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_one_spelling() {
        assert_eq!(host(&Name::from_ascii("MX.Example.ORG.").unwrap()), "mx.example.org");
        assert_eq!(host(&Name::root()), "");
    }

    #[test]
    fn an_alias_counts_as_far_as_it_is_one_for_all_addresses() {
        let to =
            |name: &str, first_proven| Some(Alias { expanded: Some(Name::from_ascii(name).unwrap()), first_proven });
        assert_eq!(common(to("a.example.", true), to("a.example.", true)), to("a.example.", true));
        // Whoever forges where the one of them leads takes no keys away that stand beside the first.
        let parted = Some(Alias { expanded: None, first_proven: true });
        assert_eq!(common(to("a.example.", true), to("b.example.", true)), parted);
        assert_eq!(common(to("a.example.", true), to("a.example.", false)), to("a.example.", false));
        assert_eq!(common(None, to("a.example.", true)), None);
    }
}
