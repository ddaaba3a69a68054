//! What differs between two versions of a trust policy, for people to see before they take the newer one.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Authority, Base64Bytes, TrustPolicy};

/// Which part of a policy changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// An authority came or went.
    Authority,
    /// Another root.
    Root,
    /// Whom an authority may certify.
    Permission,
    /// The key of an authority's labels.
    LabelKey,
    /// A log, or which log an authority uses.
    Log,
    /// A witness, or who runs it.
    Witness,
    /// How many of whom must have cosigned.
    Quorum,
    /// Since when or until when a key counts.
    Window,
    /// An issuing certificate. The root stands behind it.
    Issuer,
    /// Where one enrols, is found, or gets updates.
    Address,
    /// The policy's name.
    Name,
}

impl ChangeKind {
    /// Whether it changes whom the person trusts, so that she must have seen it first.
    pub fn needs_confirmation(self) -> bool {
        !matches!(self, Self::Issuer | Self::Address | Self::Name)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Root => "root",
            Self::Permission => "permission",
            Self::LabelKey => "label key",
            Self::Log => "log",
            Self::Witness => "witness",
            Self::Quorum => "quorum",
            Self::Window => "validity",
            Self::Issuer => "issuing certificate",
            Self::Address => "address",
            Self::Name => "name",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which part.
    pub kind: ChangeKind,
    /// Of whom: the name of an authority, log or witness.
    pub of: String,
    /// What was there; none if it is new. Keys and certificates are shown by the beginning of their SHA-256.
    pub before: Option<String>,
    /// What is there now; none if it is gone.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: ", self.kind.word(), self.of)?;
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "new, {after}"),
            (Some(before), None) => write!(f, "gone, was {before}"),
            (Some(before), Some(after)) => write!(f, "was {before}, becomes {after}"),
            (None, None) => f.write_str("the same"),
        }
    }
}

impl TrustPolicy {
    /// What differs in a later version, the graver kinds first.
    pub fn changes_to(&self, next: &Self) -> Vec<Change> {
        between(self, next)
    }
}

/// Everything in a policy, by part and owner, in words.
type Parts = BTreeMap<(ChangeKind, String), String>;

/// The differences, the graver kinds first.
fn between(old: &TrustPolicy, new: &TrustPolicy) -> Vec<Change> {
    let (old, new) = (parts(old), parts(new));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let differs = keys.into_iter().filter(|key| old.get(key) != new.get(key));
    differs
        .map(|key| Change {
            kind: key.0,
            of: key.1.clone(),
            before: old.get(key).cloned(),
            after: new.get(key).cloned(),
        })
        .collect()
}

fn parts(policy: &TrustPolicy) -> Parts {
    let mut parts = Parts::new();
    let mut add = |kind, of: &str, what: String| {
        parts.insert((kind, of.to_owned()), what);
    };
    add(ChangeKind::Name, "the policy", policy.name.clone());
    add(ChangeKind::Authority, "updates", policy.authorities.first().map(|a| a.name.clone()).unwrap_or_default());
    if let Some(url) = &policy.updates {
        add(ChangeKind::Address, "updates", url.clone());
    }
    for (position, directory) in policy.directories.iter().enumerate() {
        add(
            ChangeKind::Address,
            &format!("directory {}", position + 1),
            format!("{} at {}", directory.name, directory.address),
        );
    }
    for authority in &policy.authorities {
        of_authority(authority, &mut add);
    }
    of_log(policy, &mut add);
    parts
}

fn of_authority(authority: &Authority, add: &mut impl FnMut(ChangeKind, &str, String)) {
    let name = &authority.name;
    let kinds: Vec<_> = authority.kinds.iter().map(|kind| kind.as_str()).collect();
    let permitted = format!(
        "{}; domains {}; numbers {}",
        kinds.join(" and "),
        listed(&authority.domains),
        listed(&authority.phone_prefixes)
    );
    add(ChangeKind::Authority, name, "listed".to_owned());
    add(ChangeKind::Root, name, digest(&authority.root));
    add(ChangeKind::Permission, name, permitted);
    add(ChangeKind::LabelKey, name, digest(&authority.vrf_key));
    add(ChangeKind::Log, name, authority.log.clone());
    add(ChangeKind::Address, name, authority.acme.clone());
    for issuer in &authority.issuers {
        let digest = digest(issuer);
        add(ChangeKind::Issuer, &format!("{name} ({digest})"), "listed".to_owned());
    }
    for key in &authority.withdrawn {
        let digest = format!("{}…", &key.to_string()[..16]);
        add(ChangeKind::Issuer, &format!("{name}, withdrawn key {digest}"), "never counts".to_owned());
    }
    for earlier in &authority.earlier_logs {
        let what = format!("label key {}", digest(&earlier.vrf_key));
        add(ChangeKind::Log, &format!("{name}, earlier: {}", earlier.log), what);
    }
}

/// What does not parse shows nothing: both policies were checked when they were read.
fn of_log(policy: &TrustPolicy, add: &mut impl FnMut(ChangeKind, &str, String)) {
    let Ok(log) = policy.log_policy() else { return };
    for log in &log.logs {
        let url = log.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        add(ChangeKind::Log, &log.vkey.to_string(), format!("listed{url}"));
    }
    for witness in &log.witnesses {
        let by = if policy.operator_witnesses.iter().any(|name| name == witness.vkey.name()) {
            "run by the authority's operator"
        } else {
            "independent"
        };
        add(ChangeKind::Witness, &witness.vkey.to_string(), by.to_owned());
    }
    // Groups and quorum name witnesses by names of their own: shown with them.
    let text = log.to_string();
    let lines = text.lines().filter(|line| line.starts_with("group ") || line.starts_with("quorum "));
    let names = log.witnesses.iter().map(|witness| format!("{} is {}", witness.name, witness.vkey.name()));
    add(ChangeKind::Quorum, "the policy", lines.map(str::to_owned).chain(names).collect::<Vec<_>>().join("; "));
    for window in &policy.windows {
        let bound = |seconds: Option<u64>| {
            seconds.map_or_else(
                || "always".to_owned(),
                |seconds| {
                    crate::verify::date(crate::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
                },
            )
        };
        add(ChangeKind::Window, &window.key, format!("{} to {}", bound(window.not_before), bound(window.not_after)));
    }
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(" ") }
}

fn digest(bytes: &Base64Bytes) -> String {
    format!("{}…", &hex::encode(Sha256::digest(&bytes.0))[..16])
}
