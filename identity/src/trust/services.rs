//! Which services an authority may certify (TRUST-12): those that its own policy names, and those of the mail domains whose
//! people it may certify: whoever speaks for everybody at a domain may say where they are found.

use std::collections::BTreeSet;

use tlog_proof::LogPolicy;

use super::policy::{Authority, DirectoryEntry};
use crate::identifier::canonical_dns_name;

/// Names of services, in canonical form.
pub(super) struct Services {
    pub(super) all: BTreeSet<String>,
    /// Those that the policy names as directories.
    pub(super) directories: BTreeSet<String>,
}

/// The DNS names, in canonical form, of the directories, of the authority's ACME server and of its logs, and its mail
/// domains, of which `*` is none. Addresses that are no names, such as IP addresses, name no service: no certificate could.
pub(super) fn of(authority: &Authority, directories: &[DirectoryEntry], policy: &LogPolicy) -> Services {
    let origins = || std::iter::once(&authority.log).chain(authority.earlier_logs.iter().map(|earlier| &earlier.log));
    let logs = policy.logs.iter().filter(|log| origins().any(|origin| origin == log.vkey.name()));
    let hosts =
        std::iter::once(authority.acme.as_str()).chain(logs.filter_map(|log| log.url.as_deref())).filter_map(host);
    let domains = authority.domains.iter().map(String::as_str);
    let canonical = |name: &str| canonical_dns_name(name).ok();
    let directories: BTreeSet<_> = directories.iter().filter_map(|directory| canonical(&directory.name)).collect();
    let all = hosts.chain(domains).filter_map(canonical).chain(directories.iter().cloned()).collect();
    Services { all, directories }
}

/// The host in a URL (RFC 3986 section 3.2.2).
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(host.split_once(':').map_or(host, |(host, _)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        for (url, expected) in [
            ("https://ca.example.org/acme/directory", Some("ca.example.org")),
            ("https://localhost:8443", Some("localhost")),
            ("http://log.example.org?x=/y", Some("log.example.org")),
            ("https://ca.example.org@evil.example/acme", Some("evil.example")),
            ("https://[::1]:8443/", Some("[")),
            ("ftp://example.org/", None),
            ("", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
        assert!(canonical_dns_name("[").is_err(), "an IP address names no service");
    }
}
