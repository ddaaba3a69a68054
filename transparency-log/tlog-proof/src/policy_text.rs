//! The text form of a policy (C2SP tlog-policy, "Policy file syntax and structure").
//!
//! We read UTF-8 only, where the specification allows any octets above 0x7F in names and comments.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::policy::{Group, LogKey, LogPolicy, Quorum, WitnessKey};
use crate::vkey::{KeyKind, VerifierKey, VkeyError};

/// Largest policy we read, in bytes.
pub(crate) const MAX_POLICY_BYTES: usize = 64 * 1024;

/// Most logs, most witnesses and most groups we read, each; the specification asks for at least 32.
pub(crate) const MAX_DEFINITIONS: usize = 64;

/// What a log may sign its checkpoints with (C2SP tlog-checkpoint, "Signatures").
const LOG_KINDS: &[KeyKind] = &[KeyKind::Ed25519, KeyKind::SubtreeV1];

/// What a witness may cosign with (C2SP tlog-cosignature).
const WITNESS_KINDS: &[KeyKind] = &[KeyKind::CosignatureV1, KeyKind::SubtreeV1];

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy line {line}: {reason}")]
pub struct PolicyTextError {
    /// The offending line, counted from 1; 0 where it is the whole.
    pub line: usize,
    /// What is wrong with it.
    pub reason: PolicyTextReason,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyTextReason {
    /// Larger than we read.
    #[error("expected at most {MAX_POLICY_BYTES} bytes and {MAX_DEFINITIONS} logs, witnesses and groups each")]
    TooLarge,
    /// A control character other than tab and newline.
    #[error("expected no control characters but tab and newline")]
    Characters,
    /// A line of no known form.
    #[error("expected log, witness, group or quorum with their fields, found {found:?}")]
    Syntax {
        /// The line, cut to 128 characters.
        found: String,
    },
    /// A malformed key.
    #[error(transparent)]
    Key(#[from] VkeyError),
    /// A key of the wrong kind for its place.
    #[error("expected a key of kind {expected:?}, found {found:?}")]
    KeyKind {
        /// The kinds for this place.
        expected: &'static [KeyKind],
        /// The kind of the given key.
        found: KeyKind,
    },
    /// The same public key twice.
    #[error("the key of {name} stands in the policy twice")]
    DuplicateKey {
        /// The key's name.
        name: String,
    },
    /// A name defined twice, or `none`.
    #[error("the name {name:?} is taken")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A name that no line before defines.
    #[error("expected a witness or group defined on a line before, found {name:?}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// A witness or group that is a member already.
    #[error("{name:?} is a member of a group already")]
    MemberTwice {
        /// The name.
        name: String,
    },
    /// A threshold below 1 or above the number of members.
    #[error("expected a threshold of all, any or 1 to {members}, found {found:?}")]
    Threshold {
        /// Number of members.
        members: usize,
        /// What was given.
        found: String,
    },
    /// No quorum line, or a second one.
    #[error("expected exactly one quorum line")]
    QuorumCount,
}

impl LogPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Names the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PolicyTextError> {
        let whole = |reason| PolicyTextError { line: 0, reason };
        if text.len() > MAX_POLICY_BYTES {
            return Err(whole(PolicyTextReason::TooLarge));
        }
        let mut reader = Reader::default();
        // Not lines(): that would take a carriage return, which the specification does not allow.
        for (number, line) in text.split('\n').enumerate() {
            reader.line(line).map_err(|reason| PolicyTextError { line: number + 1, reason })?;
        }
        reader.finish().map_err(whole)
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<LogKey>,
    witnesses: Vec<WitnessKey>,
    groups: Vec<Group>,
    members: HashSet<String>,
    quorum: Option<Quorum>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), PolicyTextReason> {
        if line.chars().any(|c| (c < ' ' && c != '\t') || c == '\x7f') {
            return Err(PolicyTextReason::Characters);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words[..] {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", vkey] => self.log(vkey, None),
            ["log", vkey, url] => self.log(vkey, Some(url)),
            ["witness", name, vkey] => self.witness(name, vkey, None),
            ["witness", name, vkey, url] => self.witness(name, vkey, Some(url)),
            ["group", name, threshold, ref members @ ..] if !members.is_empty() => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            _ => Err(PolicyTextReason::Syntax { found: line.chars().take(128).collect() }),
        }
    }

    fn log(&mut self, vkey: &str, url: Option<&str>) -> Result<(), PolicyTextReason> {
        let vkey = key(vkey, LOG_KINDS, self.logs.iter().map(|log| &log.vkey))?;
        self.logs.push(LogKey { vkey, url: url.map(str::to_owned) });
        bounded(self.logs.len())
    }

    fn witness(&mut self, name: &str, vkey: &str, url: Option<&str>) -> Result<(), PolicyTextReason> {
        self.new_name(name)?;
        let known = self.witnesses.iter().map(|witness| &witness.vkey);
        let vkey = key(vkey, WITNESS_KINDS, known)?;
        self.witnesses.push(WitnessKey { name: name.to_owned(), vkey, url: url.map(str::to_owned) });
        bounded(self.witnesses.len())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), PolicyTextReason> {
        self.new_name(name)?;
        for member in members {
            self.known_name(member)?;
            if !self.members.insert((*member).to_owned()) {
                return Err(PolicyTextReason::MemberTwice { name: (*member).to_owned() });
            }
        }
        let count = match threshold {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => decimal::parse(number).and_then(|number| usize::try_from(number).ok()),
        };
        let threshold = count
            .filter(|count| (1..=members.len()).contains(count))
            .ok_or_else(|| PolicyTextReason::Threshold { members: members.len(), found: threshold.to_owned() })?;
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        bounded(self.groups.len())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyTextReason> {
        if self.quorum.is_some() {
            return Err(PolicyTextReason::QuorumCount);
        }
        self.quorum = Some(match name {
            "none" => Quorum::None,
            name => {
                self.known_name(name)?;
                Quorum::Name(name.to_owned())
            }
        });
        Ok(())
    }

    fn finish(self) -> Result<LogPolicy, PolicyTextReason> {
        let quorum = self.quorum.ok_or(PolicyTextReason::QuorumCount)?;
        Ok(LogPolicy { logs: self.logs, witnesses: self.witnesses, groups: self.groups, quorum })
    }

    fn is_known(&self, name: &str) -> bool {
        self.witnesses.iter().any(|witness| witness.name == name) || self.groups.iter().any(|group| group.name == name)
    }

    fn known_name(&self, name: &str) -> Result<(), PolicyTextReason> {
        if self.is_known(name) { Ok(()) } else { Err(PolicyTextReason::UnknownName { name: name.to_owned() }) }
    }

    fn new_name(&self, name: &str) -> Result<(), PolicyTextReason> {
        if name == "none" || self.is_known(name) {
            return Err(PolicyTextReason::DuplicateName { name: name.to_owned() });
        }
        Ok(())
    }
}

/// Reads a key of one of the given kinds whose public key is not among those before.
fn key<'a>(
    text: &str,
    expected: &'static [KeyKind],
    mut before: impl Iterator<Item = &'a VerifierKey>,
) -> Result<VerifierKey, PolicyTextReason> {
    let key = VerifierKey::parse(text)?;
    if !expected.contains(&key.kind()) {
        return Err(PolicyTextReason::KeyKind { expected, found: key.kind() });
    }
    if before.any(|other| other.public_key() == key.public_key()) {
        return Err(PolicyTextReason::DuplicateKey { name: key.name().to_owned() });
    }
    Ok(key)
}

fn bounded(count: usize) -> Result<(), PolicyTextReason> {
    if count <= MAX_DEFINITIONS { Ok(()) } else { Err(PolicyTextReason::TooLarge) }
}

impl fmt::Display for LogPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            writeln!(f, "log {}{}", log.vkey, Url(log.url.as_deref()))?;
        }
        for witness in &self.witnesses {
            writeln!(f, "witness {} {}{}", witness.name, witness.vkey, Url(witness.url.as_deref()))?;
        }
        for group in &self.groups {
            writeln!(f, "group {} {} {}", group.name, group.threshold, group.members.join(" "))?;
        }
        match &self.quorum {
            Quorum::None => writeln!(f, "quorum none"),
            Quorum::Name(name) => writeln!(f, "quorum {name}"),
        }
    }
}

struct Url<'a>(Option<&'a str>);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |url| write!(f, " {url}"))
    }
}

impl FromStr for LogPolicy {
    type Err = PolicyTextError;

    fn from_str(text: &str) -> Result<Self, PolicyTextError> {
        Self::parse(text)
    }
}
