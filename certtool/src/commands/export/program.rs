//! The programs that certificates are written for: what each takes, and what to do with the files.

use std::path::Path;

use clap::ValueEnum;
use identity::CertificateDer;
use identity::profile::KeyAlgorithm;

use super::bundle::Protection;
use crate::failure::Failure;
use crate::handed::Leaf;
use crate::text::quoted;

/// What takes the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// OpenSSL and what reads its files: curl, nginx, Python, most servers
    Openssl,
    /// GnuPG's program for X.509
    Gpgsm,
    /// Firefox
    Firefox,
    /// Chromium and Chrome, on Linux
    Chromium,
    /// Thunderbird
    Thunderbird,
    /// OpenSSH: the public key alone, as it takes no certificates of this kind
    Ssh,
}

/// What to try who has an Ed25519 key where another one is wanted.
const OTHER_KEY: &str = "A device's key is always Ed25519. Get a certificate for mail: certtool enroll you@example.org --for mail. Or export one whose files you have: certtool export --for PROGRAM mail.pem --key mail.key.pem.";

impl Program {
    /// As it is typed.
    pub(in crate::commands) fn name(self) -> &'static str {
        match self {
            Self::Openssl => "openssl",
            Self::Gpgsm => "gpgsm",
            Self::Firefox => "firefox",
            Self::Chromium => "chromium",
            Self::Thunderbird => "thunderbird",
            Self::Ssh => "ssh",
        }
    }

    /// How PKCS#12 is encrypted for it.
    pub(in crate::commands) fn protection(self) -> Protection {
        if self == Self::Gpgsm { Protection::Old } else { Protection::Modern }
    }

    /// Whether it takes a key of this kind at all.
    ///
    /// # Errors
    /// It does not; with what would help.
    pub(in crate::commands) fn takes(self, algorithm: KeyAlgorithm) -> Result<(), Failure> {
        let refused = |why: &str, remedy: &str| {
            let what = format!("{} does not take the {} key of this certificate: {why}", self.name(), algorithm.name());
            Err(Failure::failed(what, remedy.replace("PROGRAM", self.name())))
        };
        match (self, algorithm) {
            (Self::Firefox | Self::Chromium | Self::Thunderbird, KeyAlgorithm::Ed25519) => {
                refused("NSS, its library, imports none of this kind", OTHER_KEY)
            }
            (Self::Gpgsm, KeyAlgorithm::Ed25519) => refused("it knows none of this kind in certificates", OTHER_KEY),
            (Self::Gpgsm, KeyAlgorithm::P256) => refused(
                "gpgsm 2.2 reads RSA keys alone from PKCS#12, and crashes at others",
                "Export a certificate with an RSA key (certtool enroll you@example.org --for mail --key-type rsa3072 makes one, with --new if you have another); or try the .p12 of --for openssl with a newer gpgsm.",
            ),
            _ => Ok(()),
        }
    }

    /// The same for the key in the first certificate of a chain.
    pub(in crate::commands) fn takes_key_of(self, chain: &[CertificateDer]) -> Result<(), Failure> {
        let leaf = Leaf::of(chain).ok_or_else(|| Failure::failed("the key is of no kind that is known here", ""))?;
        self.takes(leaf.algorithm)
    }

    /// What to know beforehand, if there is something.
    pub(in crate::commands) fn notes(self, algorithm: KeyAlgorithm) -> Vec<&'static str> {
        match (self, algorithm) {
            (Self::Openssl, KeyAlgorithm::Ed25519) => {
                vec!["OpenSSL 3.0 signs no CMS (S/MIME) with an Ed25519 key; connections (TLS) it makes with it."]
            }
            (Self::Gpgsm, _) => vec![
                "gpgsm 2.2 reads old encryption alone (3DES): delete the .p12 once it is imported, and let nobody copy it.",
            ],
            (Self::Ssh, KeyAlgorithm::Ed25519) => {
                vec!["ssh reads key.pem of an Ed25519 key since OpenSSH 9.6: ssh -i key.pem HOST."]
            }
            _ => Vec::new(),
        }
    }

    /// What to type next. `base` is the path that all files begin with.
    pub(in crate::commands) fn next(self, base: &Path, name: &str) -> Vec<String> {
        let file = |end: &str| quoted(&format!("{}{end}", base.display()));
        let nss = |database: &str, trust: &str| {
            vec![
                format!("pk12util -d {database} -i {}", file(".p12")),
                format!(
                    "certutil -A -d {database} -t {trust} -n {} -i {}",
                    quoted(&format!("{name} root")),
                    file("-root.pem")
                ),
            ]
        };
        match self {
            Self::Openssl => vec![format!("curl --cert {} https://…", file(".pem"))],
            Self::Gpgsm => {
                vec![format!("gpgsm --import {}", file("-root.pem")), format!("gpgsm --import {}", file(".p12"))]
            }
            Self::Firefox => nss("sql:PROFILE", ",,"),
            Self::Chromium => nss("sql:$HOME/.pki/nssdb", ",,"),
            // Mails of others are judged by it.
            Self::Thunderbird => nss("sql:PROFILE", ",C,"),
            Self::Ssh => vec![format!("ssh-copy-id -f -i {} HOST", file(".pub"))],
        }
    }
}
