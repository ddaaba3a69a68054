//! Policies of MTA-STS as domains publish them (RFC 8461 section 3). No I/O.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest that a policy may hold (seconds; section 3.2).
const MAX_AGE: u64 = 31_557_600;
/// Patterns of names that are looked at.
const MAX_NAMES: usize = 100;
/// The longest name (bytes; RFC 1035 section 2.3.4).
const MAX_NAME_BYTES: usize = 255;

/// What a domain wants of those who send to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Mail goes to verified servers of the policy, or not at all.
    Enforce,
    /// Whoever sends tells of what would be refused.
    Testing,
    /// Nothing.
    None,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) mode: Mode,
    /// Names of servers, in lower case; `*.` stands for one label.
    pub(super) mx: Vec<String>,
    /// For how many seconds it holds.
    pub(super) max_age: u64,
}

/// A text is no policy.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("expected a policy of MTA-STS, found {0}")]
pub(super) struct PolicyError(&'static str);

impl Policy {
    /// Reads what is served at `/.well-known/mta-sts.txt` (section 3.2). Fields that are not known are passed over; of those
    /// that stand there twice, the first counts.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let wrong = PolicyError;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').ok_or(wrong("a line without a colon"))?;
            let value = value.trim();
            match name.trim() {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" if mx.len() == MAX_NAMES => return Err(wrong("too many servers")),
                "mx" if value.len() > MAX_NAME_BYTES => return Err(wrong("a name of a server that is none")),
                "mx" => mx.push(value.trim_end_matches('.').to_ascii_lowercase()),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(wrong("another version than STSv1"));
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err(wrong("no mode")),
        };
        let digits = max_age.filter(|text| text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit()));
        let max_age = digits.and_then(|text| text.parse().ok()).ok_or(wrong("no max_age"))?;
        if mx.is_empty() && mode != Mode::None {
            return Err(wrong("no server"));
        }
        Ok(Self { mode, mx, max_age: u64::min(max_age, MAX_AGE) })
    }

    /// Whether a server is one of those named (section 4.1).
    pub(super) fn names(&self, host: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_prefix("*.") {
            Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
            None => host == pattern,
        };
        self.mx.iter().any(fits)
    }
}

/// The `id` in the one record of a domain that says that there is a policy (section 3.1); none if there is no such record,
/// or more than one.
pub(super) fn id(records: &[Vec<u8>]) -> Option<String> {
    let texts = records.iter().filter_map(|record| std::str::from_utf8(record).ok());
    let mut policies = texts.filter_map(|text| text.strip_prefix("v=STSv1"));
    let (fields, None) = (policies.next()?, policies.next()) else { return None };
    let mut fields = fields.strip_prefix([';', ' '])?.split(';').map(str::trim);
    let id = fields.find_map(|field| field.strip_prefix("id="))?;
    let sound = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.net\r\nmax_age: 604800\r\n";

    #[test]
    fn a_policy_names_servers_label_by_label() {
        // RFC 8461 section 3.2 has this example.
        let policy = Policy::parse(GOOD).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, 604_800));
        for (host, named) in [
            ("mail.example.com", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("xexample.net", false),
            ("mail.example.com.evil.org", false),
        ] {
            assert_eq!(policy.names(host), named, "{host}");
        }
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (from, to) in [
            ("STSv1", "STSv2"),
            ("enforce", "Enforce"),
            ("mode: enforce\r\n", ""),
            ("604800", "-1"),
            ("604800", "99999999999"),
            ("max_age: 604800\r\n", ""),
            ("mx: mail.example.com\r\nmx: *.Example.net\r\n", ""),
            ("mode: enforce", "mode enforce"),
            ("mail.example.com", &"a".repeat(256)),
        ] {
            assert!(Policy::parse(&GOOD.replace(from, to)).is_err(), "{from} as {to}");
        }
        assert_eq!(Policy::parse(&GOOD.replace("604800", "9999999999")).unwrap().max_age, MAX_AGE);
        assert_eq!(Policy::parse("version: STSv1\nmode: none\nmax_age: 1\n").unwrap().mode, Mode::None);
        assert!(
            Policy::parse(&GOOD.replace("mx:", "x:").replace("max", &format!("{}max", "mx: a\r\n".repeat(101))))
                .is_err()
        );
        // The first counts.
        assert_eq!(Policy::parse(&format!("{GOOD}mode: none\r\nnew: x\r\n")).unwrap().mode, Mode::Enforce);
    }

    #[test]
    fn one_record_says_that_there_is_a_policy() {
        let of = |texts: &[&str]| id(&texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(of(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(of(&["v=spf1 -all", "v=STSv1;id=1"]).as_deref(), Some("1"));
        for texts in [
            &["v=STSv1; id=1", "v=STSv1; id=2"][..],
            &["v=STSv1"],
            &["v=STSv12; id=1"],
            &["v=STSv1; id="],
            &["v=STSv1; id=a-b"],
            &["id=1; v=STSv1"],
            &[],
        ] {
            assert_eq!(of(texts), None, "{texts:?}");
        }
    }
}
