//! Keys of other programs, which are no keys for mail: what they are, by how their files begin, and why not.

use super::Explained;
use super::key::{NOT_SHOWN, PRIVATE};

/// The key of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// What it is.
    pub(crate) what: &'static str,
    /// Why no certificate for mail is for such a key, in whole sentences.
    pub(crate) why: &'static str,
    standard: &'static str,
    private: bool,
    next: &'static str,
}

const AGE: &str = "age encrypts with X25519 and never signs, and no certificate goes with its keys: S/MIME can do nothing with them. What is encrypted for it is opened with age.";
const SSH: &str = "ssh knows its keys by themselves, without a certificate that says whose they are, and mails are never encrypted for them. ssh goes on using it where it is.";
const OPENPGP: &str = "OpenPGP (RFC 9580) has certificates of its own, which are not X.509, and mails in a form of its own: programs for S/MIME read neither. GnuPG or Thunderbird's OpenPGP open what was written to it.";
const WIREGUARD: &str = "WireGuard uses X25519 keys to agree on the keys of a tunnel: they sign nothing, open no mails, and no certificate goes with them.";
const MINISIGN: &str = "minisign and signify sign files with bare Ed25519 keys: no certificate says whose they are, and nothing is encrypted for them.";

const SSH_KEY: Foreign = Foreign {
    what: "a key of OpenSSH",
    why: SSH,
    standard: "OpenSSH, PROTOCOL.key",
    private: true,
    next: "What it is: ssh-keygen -l -f FILE",
};
const OPENPGP_KEY: Foreign = Foreign {
    what: "a key of OpenPGP (GnuPG)",
    why: OPENPGP,
    standard: "RFC 9580, 5.5.3",
    private: true,
    next: "What it is: gpg --show-keys FILE",
};
const WIREGUARD_KEY: Foreign = Foreign {
    what: "a key of WireGuard",
    why: WIREGUARD,
    standard: "WireGuard, 5.4",
    private: true,
    next: "Its public half: wg pubkey < FILE",
};

/// By how their text begins.
const BEGINNINGS: [(&[&str], Foreign); 8] = [
    (
        &["AGE-SECRET-KEY-1", "AGE-SECRET-KEY-PQ-1", "AGE-PLUGIN-", "# created:"],
        Foreign {
            what: "a key of age",
            why: AGE,
            standard: "age-encryption.org/v1",
            private: true,
            next: "Its public half: age-keygen -y FILE",
        },
    ),
    (
        &["age1"],
        Foreign {
            what: "a public key of age",
            why: AGE,
            standard: "age-encryption.org/v1",
            private: false,
            next: "What is encrypted for it is opened with age.",
        },
    ),
    (&["-----BEGIN OPENSSH PRIVATE KEY-----", "SSH PRIVATE KEY FILE FORMAT", "---- BEGIN SSH2 ENCRYPTED"], SSH_KEY),
    (&["PuTTY-User-Key-File-"], Foreign { what: "a key of PuTTY", next: "What it is: puttygen -l FILE", ..SSH_KEY }),
    (
        &["ssh-ed25519 ", "ssh-rsa ", "ssh-dss ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2 PUBLIC"],
        Foreign { what: "a public key of OpenSSH", standard: "RFC 4253, 6.6", private: false, ..SSH_KEY },
    ),
    (&["-----BEGIN PGP PRIVATE KEY BLOCK-----"], OPENPGP_KEY),
    (
        &["-----BEGIN PGP PUBLIC KEY BLOCK-----"],
        Foreign { what: "a public key of OpenPGP (GnuPG)", standard: "RFC 9580, 5.5.2", private: false, ..OPENPGP_KEY },
    ),
    (
        &["untrusted comment:"],
        Foreign {
            what: "a key or signature of minisign",
            why: MINISIGN,
            standard: "minisign, key format",
            private: true,
            next: "minisign -V checks what it signed.",
        },
    ),
];

/// The key of another program, if bytes are one.
pub(crate) fn of(bytes: &[u8]) -> Option<Foreign> {
    if is_openpgp(bytes) {
        return Some(OPENPGP_KEY);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}').trim_start();
    let begins = |words: &&[&str]| words.iter().any(|word| text.starts_with(word));
    let named = BEGINNINGS.iter().find(|(words, _)| begins(words)).map(|(_, foreign)| *foreign);
    named.or_else(|| is_wireguard(text).then_some(WIREGUARD_KEY))
}

/// A packet with a key comes first, in the old format or the new one (RFC 9580 sections 4.2 and 5.5.1), and with its version.
/// DER begins otherwise, and so does text.
fn is_openpgp(bytes: &[u8]) -> bool {
    let version = match bytes {
        // The old format: 10, the tag 5 or 6, and how many bytes of length follow.
        [0x94 | 0x98, _, version, ..] | [0x95 | 0x99, _, _, version, ..] | [0x96 | 0x9a, _, _, _, _, version, ..] => {
            version
        }
        // The new one: 11 and the tag; lengths of one, two or five bytes.
        [0xc5 | 0xc6, 0..192, version, ..]
        | [0xc5 | 0xc6, 192..224, _, version, ..]
        | [0xc5 | 0xc6, 255, _, _, _, _, version, ..] => version,
        _ => return false,
    };
    matches!(version, 3..=6)
}

/// The settings of a tunnel, or 32 bytes in base64 alone, as `wg genkey` prints them.
fn is_wireguard(text: &str) -> bool {
    let settings = text.starts_with("[Interface]") || text.starts_with("[Peer]");
    let line = text.trim_end();
    let base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let bare = line.len() == 44 && line.strip_suffix('=').is_some_and(|digits| digits.chars().all(base64));
    settings || bare
}

impl Foreign {
    /// As it is shown.
    pub(super) fn explained(self) -> Explained {
        let mut explained = Explained::new(if self.private { PRIVATE } else { "public key" }, self.standard);
        if self.private {
            explained.next(NOT_SHOWN);
        }
        explained.next(format!("It is {}. {}", self.what, self.why)).next(self.next);
        explained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_beginning_and_nothing_else_is() {
        for (bytes, what) in [
            (&b"AGE-SECRET-KEY-1QQPQYQQZ"[..], "a key of age"),
            (b"# created: 2026-01-01T00:00:00Z\n# public key: age1\nAGE-SECRET-KEY-1", "a key of age"),
            (b"age1qqpqyqqz", "a public key of age"),
            (b"\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", "a key of OpenSSH"),
            (b"PuTTY-User-Key-File-3: ssh-ed25519", "a key of PuTTY"),
            (b"ssh-ed25519 AAAA alice", "a public key of OpenSSH"),
            (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFg", "a key of OpenPGP (GnuPG)"),
            (b"\x94\x58\x04\x60\x00", "a key of OpenPGP (GnuPG)"),
            (b"\x95\x03\x98\x04\x60\x00", "a key of OpenPGP (GnuPG)"),
            (b"\xc5\x58\x04\x60\x00", "a key of OpenPGP (GnuPG)"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a public key of OpenPGP (GnuPG)"),
            (b"[Interface]\nPrivateKey = x\n", "a key of WireGuard"),
            (b"yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n", "a key of WireGuard"),
            (b"untrusted comment: minisign secret key\n", "a key or signature of minisign"),
        ] {
            let found = of(bytes).unwrap_or_else(|| panic!("{what}"));
            assert_eq!(found.what, what);
            assert!(found.why.ends_with('.') && found.explained().next.len() >= 2, "{what}");
        }
        for bytes in [
            &b""[..],
            b"\x30\x82\x01\x00",
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\n",
            b"hello",
            b"\xc5\x58",
            b"\x94",
            b"\xff\xfe",
        ] {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
    }
}
