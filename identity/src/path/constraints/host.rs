//! Host names in constraints, dNSNames and URIs.

/// A host name in lower case; an error says what it is instead. No IP address, no trailing period, no empty label.
pub(super) fn canonical(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if text.len() <= 253 && !numeric && text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("\"{}\", which is no host name", text.escape_default()))
    }
}

/// Whether `name` is `base` or below it (section 4.2.1.10 on dNSName).
pub(super) fn is_within(name: &str, base: &str) -> bool {
    name == base || is_below(name, base)
}

/// Whether `name` is at least one label below `base`.
pub(super) fn is_below(name: &str, base: &str) -> bool {
    name.strip_suffix(base).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Section 4.2.1.10 on URIs and mailboxes: with a leading period anything below the domain, without it the very host.
pub(super) fn fits(name: &str, base: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => is_below(name, domain),
        None => name == base,
    }
}

/// The host name in a URI, if it has one (RFC 3986 section 3.2.2).
pub(super) fn of_uri(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(letters) {
        return None;
    }
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    canonical(host).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_uris() {
        assert_eq!(of_uri("https://User@Example.ORG:443/x?y#z").as_deref(), Some("example.org"));
        assert_eq!(of_uri("https://example.org").as_deref(), Some("example.org"));
        for none in
            ["tel:+14155552671", "https://192.0.2.1/", "https://[2001:db8::1]/", "https:///x", "x", "://x", "h:/x"]
        {
            assert_eq!(of_uri(none), None, "{none}");
        }
    }

    #[test]
    fn hosts_below_and_within() {
        assert!(is_within("a.example.org", "example.org") && is_within("example.org", "example.org"));
        assert!(!is_within("anexample.org", "example.org") && !is_within("org", "example.org"));
        assert!(!is_below("example.org", "example.org") && !is_below(".example.org", "example.org"));
        assert!(fits("a.b.example.org", ".example.org") && !fits("example.org", ".example.org"));
        assert!(!fits("a.example.org", "example.org"));
    }

    #[test]
    fn what_is_no_host_name() {
        for bad in ["", ".", "a..b", "a.", "192.0.2.1", "a b", "b\u{fc}cher.example", "[::1]"] {
            assert!(canonical(bad).is_err(), "{bad}");
        }
    }
}
