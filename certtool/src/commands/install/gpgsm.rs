//! gpgsm: certificates into its key box, keys into the agent's folder, the root into the agent's list of trusted ones.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use device::keep_file;
use identity::CertificateDer;
use key_store::{Passphrase, PassphraseSource};
use zeroize::Zeroizing;

use super::Given;
use super::report::Installed;
use super::tool::{Done, Handover, run};
use crate::commands::export::bundle::{Protection, pkcs12};
use crate::commands::export::{gpgsm, new_passphrase};
use crate::failure::Failure;
use crate::handed::Handed;
use crate::subject::read_up_to;
use crate::text::quoted;

/// Where Debian has it, with the agent.
const PACKAGE: &str = "gpgsm";
/// The agent's list of roots, in GnuPG's folder.
const TRUSTED: &str = "trustlist.txt";
/// What the agent itself begins the list with (GnuPG's agent/trustlist.c): without that line, the computer's own list would
/// count no more as soon as there is one of hers.
const BEGINNING: &str = "# The roots that gpgsm believes, by their SHA-1. See gpg-agent(1), \"trustlist.txt\".\n\n# What this computer trusts:\ninclude-default\n";
/// A list is larger by mistake alone.
const MAX_BYTES: usize = 1 << 20;
/// What gpgsm prints for a secret key, in colons (GnuPG's doc/DETAILS).
const FINGERPRINT: &str = "fpr";

/// Where it goes.
pub(super) struct Gpgsm {
    pub(super) home: Option<PathBuf>,
    pub(super) new_passphrase: PassphraseSource,
}

impl Gpgsm {
    pub(super) fn install(self, given: &Given) -> Result<Installed, Failure> {
        let folder = self.folder()?;
        let home = Home { given: self.home.is_some(), folder };
        let has = home.secret_keys()?;
        let is_new: Vec<bool> = given.all().map(|handed| !has.contains(&sha1(handed.certificate()))).collect();
        let mut passphrase = None;
        if is_new.contains(&true) {
            let chosen = new_passphrase(&self.new_passphrase, "your key in GnuPG")?;
            gpgsm::takes_passphrase(&chosen)?;
            passphrase = Some(chosen);
        }
        // The root first: gpgsm judges what it imports.
        let mut root = None;
        if let Some(der) = &given.named.root {
            home.import_certificate(der)?;
            root = Some((home.trust(der)?, hex::encode(digest(&SHA256, der))));
        }
        if let Some(passphrase) = &passphrase {
            for (handed, _) in given.all().zip(&is_new).filter(|(_, new)| **new) {
                home.import_key(handed, passphrase)?;
            }
        }
        let installed = Installed::of("gpgsm", &home.folder, given, &is_new);
        let installed = match root {
            Some((new, fingerprint)) => installed.with_root(fingerprint, "mails and files that gpgsm checks", new),
            None => installed,
        };
        let note = "gpgsm asks for revocation lists before it signs or verifies: it needs dirmngr (in Debian a package of its own), which fetches them from the authority by HTTP. Where that cannot be, --disable-crl-checks is for you to decide, each time.";
        let option = if home.given {
            format!("--homedir {} ", quoted(&home.folder.display().to_string()))
        } else {
            String::new()
        };
        // Her address would be that of each of them.
        let own = sha1(given.named.certificate()).to_ascii_uppercase();
        let next = format!("gpgsm {option}--local-user {own} --detach-sign FILE");
        Ok(installed.noting([note.to_owned()]).then(vec![next]))
    }

    /// `--gnupghome`, else `$GNUPGHOME`, else `~/.gnupg`, as GnuPG does.
    fn folder(&self) -> Result<PathBuf, Failure> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder =
            self.home.clone().or_else(|| set("GNUPGHOME")).or_else(|| set("HOME").map(|home| home.join(".gnupg")));
        let folder = folder.ok_or_else(|| {
            Failure::failed(
                "HOME is not set, below which GnuPG has its folder",
                "Set it, or name the folder: --gnupghome DIR.",
            )
        })?;
        std::path::absolute(folder).map_err(Failure::system)
    }
}

/// GnuPG's folder.
struct Home {
    folder: PathBuf,
    /// Whether it was named on the command line.
    given: bool,
}

impl Home {
    /// The certificates whose secret keys it has, by their SHA-1.
    fn secret_keys(&self) -> Result<Vec<String>, Failure> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let done = self.gpgsm(&["--with-colons", "--list-secret-keys"].map(OsString::from))?;
        let listed = self.good(done, "its keys cannot be listed")?;
        let lines = listed.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fingerprints = lines.filter(|fields| fields.first() == Some(&FINGERPRINT));
        Ok(fingerprints.filter_map(|fields| fields.get(9).map(|hex| hex.to_ascii_lowercase())).collect())
    }

    fn import_certificate(&self, der: &CertificateDer) -> Result<(), Failure> {
        let der = Handover::new(der)?;
        let done = self.gpgsm(&["--import".into(), der.path().into()])?;
        self.good(done, "the root was not taken").map(drop)
    }

    /// The key with its certificates. The agent keeps it under the very passphrase that opens the file.
    fn import_key(&self, handed: &Handed, passphrase: &Passphrase) -> Result<(), Failure> {
        let file = Handover::new(&Zeroizing::new(pkcs12(handed, Protection::Old, passphrase)?))?;
        let typed = Handover::new(passphrase.as_str().as_bytes())?;
        let arguments = ["--pinentry-mode", "loopback", "--passphrase-fd", &typed.number(), "--import", &file.path()];
        let done = self.gpgsm(&arguments.map(OsString::from))?;
        self.good(done, "the key was not taken").map(drop)
    }

    /// Puts a root on the agent's list. Whether it was not there before.
    ///
    /// `S`: for what gpgsm does. Not `relax`, which would excuse a root without basicConstraints and keep revocation lists
    /// from being asked about it: ours has the one and names no list (gpg-agent(1)).
    fn trust(&self, root: &CertificateDer) -> Result<bool, Failure> {
        let path = self.folder.join(TRUSTED);
        let before = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => BEGINNING.as_bytes().to_vec(),
            _ => read_up_to(&path, MAX_BYTES, "list of trusted roots")?,
        };
        let fingerprint = sha1(root);
        match String::from_utf8_lossy(&before).lines().find_map(|line| about(line, &fingerprint)) {
            Some(true) => return Ok(false),
            Some(false) => {
                return Err(Failure::failed(
                    format!("the root {fingerprint} is in {}, and somebody has distrusted it", path.display()),
                    "If it was you who did so by mistake, take the ! before it away, and try again.",
                ));
            }
            None => {}
        }
        // Comments may be in any character set.
        let end = if before.ends_with(b"\n") || before.is_empty() { "" } else { "\n" };
        let line =
            format!("{end}\n# Written by certtool install --for gpgsm.\n{} S\n", fingerprint.to_ascii_uppercase());
        keep_file(&path, &[before, line.into_bytes()].concat())?;
        // The agent that runs has read the list before. If none does, there is nothing to tell it.
        let _ = run("gpgconf", PACKAGE, self.place().into_iter().chain(["--reload", "gpg-agent"].map(OsString::from)));
        Ok(true)
    }

    fn gpgsm(&self, arguments: &[OsString]) -> Result<Done, Failure> {
        self.made()?;
        // Nothing is fetched for what is put into a box.
        let options = ["--batch", "--no-tty", "--disable-dirmngr"].map(OsString::from);
        run("gpgsm", PACKAGE, self.place().into_iter().chain(options).chain(arguments.iter().cloned()))
    }

    fn place(&self) -> [OsString; 2] {
        ["--homedir".into(), self.folder.clone().into()]
    }

    /// GnuPG makes no folder but its usual one.
    fn made(&self) -> Result<(), Failure> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|error| {
            let what = format!("{} cannot be made: {error}", self.folder.display());
            Failure::failed(what, "Choose another folder: --gnupghome DIR.")
        })
    }

    /// What gpgsm said when it ended well.
    fn good(&self, done: Done, what: &str) -> Result<String, Failure> {
        if done.good {
            return Ok(done.said);
        }
        // It says much on its way: which files it makes, and which character sets it tries.
        let is_error = |line: &&str| {
            let says = |word: &str| line.contains(word);
            line.starts_with("gpgsm: ") && (says("error") || says("failed")) && !says("trying charset")
        };
        let reason = done.complaint.lines().rev().find(is_error).unwrap_or_else(|| done.reason());
        Err(Failure::failed(
            format!("gpgsm in {}: {what}: {reason}", self.folder.display()),
            "Check that the folder is yours, and that gpg-agent.conf there has no no-allow-loopback-pinentry; then run the command again, which goes on where this one stopped.",
        ))
    }
}

/// Whether a line of the list says of this fingerprint that it is trusted, or with a `!` that it is not.
fn about(line: &str, fingerprint: &str) -> Option<bool> {
    let line = line.trim_start();
    let (line, trusted) = line.strip_prefix('!').map_or((line, true), |line| (line, false));
    let word = line.split_whitespace().next()?;
    (word.replace(':', "").eq_ignore_ascii_case(fingerprint)).then_some(trusted)
}

/// By which GnuPG knows certificates.
fn sha1(der: &[u8]) -> String {
    hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_trusted_roots_is_read() {
        let root = "aa01";
        assert_eq!(about("AA:01 S", root), Some(true));
        assert_eq!(about("  aa01 S relax", root), Some(true));
        assert_eq!(about("!AA01 S", root), Some(false));
        assert_eq!(about(" ! AA:01 S", root), Some(false));
        for line in ["", "# AA01 S", "AA02 S", "include-default", "!"] {
            assert_eq!(about(line, root), None, "{line}");
        }
    }
}
