//! Mailboxes and the constraints on them: RFC 5280 section 4.2.1.10 for rfc822Name, RFC 9598 section 6 for
//! SmtpUTF8Mailbox.

use std::fmt;

use super::host;

/// An address in two parts, its host in lower case.
pub(super) struct Mailbox {
    local: String,
    host: String,
}

impl Mailbox {
    /// `None`: no address that all readers would take apart in the same way. Quoted local parts and address literals are
    /// among them; and by RFC 9598 section 3 the host is ASCII also where the local part is not.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (local, host) = text.rsplit_once('@')?;
        let odd = |c: char| c.is_control() || c.is_whitespace() || "\"\\@<>()[],:;".contains(c);
        if local.is_empty() || local.contains(odd) {
            return None;
        }
        Some(Self { local: local.to_owned(), host: host::canonical(host).ok()? })
    }
}

/// What an rfc822Name constraint says.
#[derive(Clone, Debug)]
pub(super) enum MailConstraint {
    /// Nothing: RFC 5280 does not say what it means.
    Empty,
    /// One mailbox.
    Mailbox { local: String, host: String },
    /// All mailboxes on one host.
    Host(String),
    /// All mailboxes on hosts below a domain, not at the domain itself.
    Below(String),
}

impl MailConstraint {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Empty);
        }
        if let Some(domain) = text.strip_prefix('.') {
            return Ok(Self::Below(host::canonical(domain)?));
        }
        if !text.contains('@') {
            return Ok(Self::Host(host::canonical(text)?));
        }
        match Mailbox::read(text) {
            Some(Mailbox { local, host }) => Ok(Self::Mailbox { local, host }),
            None => Err(format!("\"{}\", which is no mailbox", text.escape_default())),
        }
    }

    /// A local part is compared as it stands (RFC 5280 section 7.5). One that is not ASCII is in no rfc822Name constraint,
    /// so a constraint on one mailbox permits no SmtpUTF8Mailbox.
    pub(super) fn permits(&self, mailbox: &Mailbox) -> bool {
        match self {
            Self::Empty => false,
            Self::Mailbox { local, host } => *local == mailbox.local && *host == mailbox.host,
            Self::Host(host) => *host == mailbox.host,
            Self::Below(domain) => host::is_below(&mailbox.host, domain),
        }
    }

    /// Local parts are compared without regard to case: who excludes one mailbox means its other spellings, too.
    pub(super) fn excludes(&self, mailbox: &Mailbox) -> bool {
        match self {
            Self::Empty => true,
            Self::Mailbox { local, host } => {
                local.to_lowercase() == mailbox.local.to_lowercase() && *host == mailbox.host
            }
            _ => self.permits(mailbox),
        }
    }
}

impl fmt::Display for MailConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Mailbox { local, host } => write!(f, "{local}@{host}"),
            Self::Host(host) => f.write_str(host),
            Self::Below(domain) => write!(f, ".{domain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(constraint: &str, mailbox: &str) -> bool {
        MailConstraint::read(constraint).unwrap().permits(&Mailbox::read(mailbox).unwrap())
    }

    fn excludes(constraint: &str, mailbox: &str) -> bool {
        MailConstraint::read(constraint).unwrap().excludes(&Mailbox::read(mailbox).unwrap())
    }

    #[test]
    fn a_host_is_the_very_host() {
        assert!(permits("example.org", "a@EXAMPLE.org") && permits("Example.org", "j\u{fc}rgen@example.org"));
        assert!(!permits("example.org", "a@mail.example.org") && !permits("example.org", "a@badexample.org"));
    }

    #[test]
    fn a_domain_is_what_is_below_it() {
        assert!(permits(".example.org", "a@mail.example.org") && permits(".example.org", "a@x.y.example.org"));
        assert!(!permits(".example.org", "a@example.org") && !permits(".example.org", "a@badexample.org"));
    }

    #[test]
    fn a_mailbox_is_itself() {
        assert!(permits("a@example.org", "a@Example.ORG"));
        assert!(!permits("a@example.org", "A@example.org") && excludes("a@example.org", "A@example.org"));
        assert!(!permits("a@example.org", "b@example.org") && !permits("a@example.org", "a@x.example.org"));
    }

    #[test]
    fn nothing_permits_nothing_and_excludes_all() {
        assert!(!permits("", "a@example.org") && excludes("", "a@example.org"));
    }

    #[test]
    fn what_cannot_be_compared() {
        for odd in
            ["a", "@b", "a@", "\"a@b\"@c.org", "a@[192.0.2.1]", "a@b@c.org", "a@b\u{fc}cher.example", "a b@c.org"]
        {
            assert!(Mailbox::read(odd).is_none(), "{odd}");
        }
        for odd in ["@example.org", "..example.org", "a@", ".", "example.org."] {
            assert!(MailConstraint::read(odd).is_err(), "{odd}");
        }
    }
}
