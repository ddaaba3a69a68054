//! Names that can stand in settings: of this server, of its later logs, of domains whose people may enrol.

use identity::Identifier;

use crate::error::StartError;

/// What a later log can be called: it names a folder, and stands in an address beside the first log's own paths.
#[must_use]
pub fn is_shard_name(name: &str) -> bool {
    let of_the_first = ["checkpoint", "tile", "object", "entry", "certificate", "add-entries"];
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain) && !of_the_first.contains(&name)
}

/// A DNS name in lower-case letters, digits, hyphens and dots (RFC 1123 section 2.1): what a certificate can carry.
pub(crate) fn check_name(name: &str) -> Result<(), StartError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() <= 253 && !numeric && name.split('.').all(label) {
        return Ok(());
    }
    Err(StartError::Domain { found: name.chars().take(80).collect() })
}

/// What can stand after the @ of an address that may enrol, or `*`. Case does not matter.
pub(crate) fn check_permitted(domain: &str) -> Result<(), StartError> {
    let lower = domain.to_ascii_lowercase();
    let possible = Identifier::parse(&format!("a@{lower}")).is_ok_and(|address| address.domain() == Some(&lower));
    if domain == "*" || possible {
        return Ok(());
    }
    Err(StartError::Permitted { found: domain.chars().take(80).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_not_an_address() {
        for bad in ["", "Example.org", "a..b", "-a.org", "127.0.0.1", "a b", "exa_mple.org"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for good in ["localhost", "chat.example.org", "xn--bcher-kva.example"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
    }
}
