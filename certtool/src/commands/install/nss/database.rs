//! A database of NSS, by `certutil` and `pk12util`: NSS alone writes into it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::CertificateDer;
use key_store::{Passphrase, PassphraseSource};
use rustix::fs::{FlockOperation, fcntl_lock};
use zeroize::Zeroizing;

use super::Trusted;
use crate::commands::export::bundle::{Protection, pkcs12};
use crate::commands::install::tool::{Done, Handover, run};
use crate::failure::Failure;
use crate::handed::Handed;

/// Where Debian has both programs.
const PACKAGE: &str = "libnss3-tools";
/// What certutil says of a name that it does not find under what it has shown itself.
const NOT_FOUND: &str = "could not find certificate";
/// What NSS says of a passphrase that is not the one.
const WRONG: &str = "SEC_ERROR_BAD_PASSWORD";
/// The file that Firefox and Thunderbird hold locked while they run.
const LOCK: &str = ".parentlock";

/// A database that is open for us.
pub(super) struct Database {
    folder: PathBuf,
    passphrase: Option<Passphrase>,
    /// The program's own lock: it does not start meanwhile.
    _lock: Option<File>,
}

/// A certificate in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// SHA-256 of it, in hex.
    fingerprint: String,
    /// For what it is trusted, in the three columns.
    trust: String,
}

impl Held {
    fn has_key(&self) -> bool {
        self.trust.split(',').all(|column| column.contains('u'))
    }
}

impl Database {
    /// Opens the database in a folder, and makes it where there is none. `source` is asked if it has a passphrase.
    pub(super) fn open(program: &str, folder: &Path, source: &PassphraseSource) -> Result<Self, Failure> {
        let lock = locked(program, folder)?;
        let mut database = Self { folder: folder.to_owned(), passphrase: None, _lock: lock };
        if !folder.join("cert9.db").is_file() {
            database.make()?;
        }
        if database.refuses()? {
            let what = format!("{program}'s database (its primary password)");
            let passphrase = source.read(&what).map_err(|error| {
                let remedy = "It has a passphrase, the primary password of the program. Say where it comes from: --database-passphrase ask, file:PATH, fd:NUMBER or credential:NAME (systemd).";
                Failure::failed(format!("the database in {} is not opened: {error}", folder.display()), remedy)
            })?;
            database.passphrase = Some(passphrase);
            if database.refuses()? {
                return Err(Failure::failed(
                    format!("the passphrase is not the one of the database in {}", folder.display()),
                    "It is the primary password that the program asks for. Nothing was changed.",
                ));
            }
        }
        Ok(database)
    }

    fn make(&self) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| {
            let what = format!("{} cannot be made: {error}", self.folder.display());
            Failure::failed(what, "Choose another folder: --database DIR.")
        })?;
        let done =
            run("certutil", PACKAGE, [&OsString::from("-N"), &"-d".into(), &self.name(), &"--empty-password".into()])?;
        self.good(done, "no database came about").map(drop)
    }

    /// Whether it opens with another passphrase only.
    fn refuses(&self) -> Result<bool, Failure> {
        // That there are no keys is a failure for certutil, too.
        let done = self.certutil(&["-K"])?;
        let unreadable =
            done.complaint.contains("SEC_ERROR_BAD_DATABASE") || done.complaint.contains("function failed");
        if !done.good && unreadable {
            self.good(done, "it cannot be opened")?;
            return Ok(false);
        }
        Ok(!done.good && done.complaint.contains(WRONG))
    }

    /// Every certificate in it.
    pub(super) fn held(&self) -> Result<Vec<Held>, Failure> {
        let done = self.certutil(&["-L"])?;
        let listed = self.good(done, "its certificates cannot be listed")?;
        let names: BTreeSet<_> = listed.lines().filter_map(named).collect();
        let mut held = Vec::new();
        for name in names {
            // With every certificate of the same subject, whatever it is called: what is said stands with each of them.
            let done = self.certutil(&["-L", "-n", name])?;
            if !done.good && done.complaint.contains(NOT_FOUND) {
                continue;
            }
            held.extend(described(&self.good(done, "a certificate in it cannot be read")?));
        }
        Ok(held)
    }

    /// Has a root trusted, beside whatever it is trusted for already. Whether that changed anything.
    pub(super) fn trust(
        &self,
        held: &[Held],
        root: &CertificateDer,
        fingerprint: &str,
        trusted: Trusted,
    ) -> Result<bool, Failure> {
        let before = held.iter().find(|held| held.fingerprint == fingerprint).map(|held| held.trust.as_str());
        let columns = before.unwrap_or(",,").split(',');
        if before.is_some_and(|trust| trust.contains('p')) {
            return Err(Failure::failed(
                format!("the root {} is there, and somebody has distrusted it", &fingerprint[..16]),
                "If it was you who did so by mistake, delete it in the program's list of authorities, and try again.",
            ));
        }
        let wanted: Vec<String> = columns
            .zip(trusted.columns)
            .map(|(has, wants)| {
                let more = wants.chars().filter(|flag| !has.contains(*flag));
                has.chars().filter(|flag| *flag != 'u').chain(more).collect()
            })
            .collect();
        let wanted = wanted.join(",");
        if before == Some(wanted.as_str()) {
            return Ok(false);
        }
        let der = Handover::new(root)?;
        let name = format!("In Person root {}", &fingerprint[..8]);
        let done = self.certutil(&["-A", "-n", &name, "-t", &wanted, "-i", &der.path()])?;
        self.good(done, "the root was not taken")?;
        Ok(true)
    }

    /// Takes a key with its certificates. Whether it was not there before.
    pub(super) fn take(&self, held: &[Held], handed: &Handed) -> Result<bool, Failure> {
        if held.iter().any(|held| held.fingerprint == handed.leaf.fingerprint && held.has_key()) {
            return Ok(false);
        }
        // Nobody ever learns this passphrase, and nothing is left of what it opens.
        let passphrase = random_passphrase()?;
        let file = Handover::new(&Zeroizing::new(pkcs12(handed, Protection::Modern, &passphrase)?))?;
        let of_file = Handover::new(passphrase.as_str().as_bytes())?;
        let own = self.own_passphrase()?;
        let arguments = ["-i", &file.path(), "-w", &of_file.path(), "-k", &own.path()].map(OsString::from);
        let done = run("pk12util", PACKAGE, [OsString::from("-d"), self.name()].iter().chain(&arguments))?;
        self.good(done, "the key was not taken")?;
        Ok(true)
    }

    fn certutil(&self, arguments: &[&str]) -> Result<Done, Failure> {
        let own = self.own_passphrase()?;
        let arguments = arguments.iter().map(OsString::from);
        let place = [OsString::from("-d"), self.name(), "-f".into(), own.path().into()];
        run("certutil", PACKAGE, arguments.chain(place))
    }

    /// As it is handed over: also where there is none, so that nobody is asked.
    fn own_passphrase(&self) -> Result<Handover, Failure> {
        Handover::new(self.passphrase.as_ref().map_or(&[], |passphrase| passphrase.as_str().as_bytes()))
    }

    /// As both programs take it: the format of today (cert9.db), in that folder.
    fn name(&self) -> OsString {
        let mut name = OsString::from("sql:");
        name.push(&self.folder);
        name
    }

    /// What a program said that ended well.
    fn good(&self, done: Done, what: &str) -> Result<String, Failure> {
        if done.good {
            return Ok(done.said);
        }
        Err(Failure::failed(
            format!("the database in {}: {what}: {}", self.folder.display(), done.reason()),
            "Check that it is yours, that there is space, and that no other program holds it; then run the command again, which goes on where this one stopped.",
        ))
    }
}

/// The name in a line of certutil's list; behind it stand the three columns, which hold no spaces.
fn named(line: &str) -> Option<&str> {
    let (name, trust) = line.trim_end().rsplit_once(char::is_whitespace)?;
    let is_trust = trust.split(',').count() == 3 && trust.chars().all(|c| ",pPcCTuwgG".contains(c));
    let name = name.trim_end();
    (is_trust && !name.is_empty()).then_some(name)
}

/// What certutil says of each certificate at length: its fingerprint, and in words what the list has letters for (NSS's
/// cmd/lib/secutil.c, `printflags` and `secu_PrintTrustFlags`).
fn described(text: &str) -> Vec<Held> {
    let mut held = Vec::new();
    let mut lines = text.lines().peekable();
    let mut fingerprint = None;
    while let Some(line) = lines.next() {
        if line == "    Fingerprint (SHA-256):" {
            fingerprint = lines.next().map(|hex| hex.trim().replace(':', "").to_ascii_lowercase());
        } else if line == "    Certificate Trust Flags:" {
            let mut columns: Vec<Vec<&str>> = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("        ")) {
                match (line.trim(), columns.last_mut()) {
                    (heading, _) if heading.ends_with(" Flags:") => columns.push(Vec::new()),
                    (word, Some(column)) => column.push(word),
                    (_, None) => {}
                }
            }
            let columns: Vec<_> = columns.iter().map(|words| letters(words)).collect();
            held.extend(fingerprint.take().map(|fingerprint| Held { fingerprint, trust: columns.join(",") }));
        }
    }
    held
}

/// As the list has them, and `certutil -t` takes them.
fn letters(words: &[&str]) -> String {
    let says = |word: &str| words.contains(&word);
    let is_authority = says("Trusted CA") || says("Trusted Client CA");
    let flags = [
        ('c', says("Valid CA") && !is_authority),
        ('p', says("Terminal Record") && !says("Trusted")),
        ('C', says("Trusted CA")),
        ('T', says("Trusted Client CA")),
        ('P', says("Trusted")),
        ('u', says("User")),
        ('w', says("Warn When Sending")),
    ];
    flags.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| letter).collect()
}

/// Takes the lock that Firefox and Thunderbird hold while they run: none where there is no such file.
fn locked(program: &str, folder: &Path) -> Result<Option<File>, Failure> {
    let Ok(file) = File::options().write(true).open(folder.join(LOCK)) else { return Ok(None) };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Err(Failure::failed(
            format!("{program} is running with the profile in {}, and would not see what is changed", folder.display()),
            format!("Close {program}, then try again."),
        )),
        // A file system without locks has none that holds anybody out.
        Err(_) => Ok(None),
    }
}

fn random_passphrase() -> Result<Passphrase, Failure> {
    let mut random = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *random).map_err(|error| Failure::failed(error.to_string(), "Try again."))?;
    let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*random));
    Passphrase::new(text).ok_or_else(|| Failure::failed("no passphrase came about", "Try again."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_list_are_read() {
        assert_eq!(named("alice@example.org                             u,u,u"), Some("alice@example.org"));
        assert_eq!(named("CN=A root, of many   words         CT,C,  "), Some("CN=A root, of many   words"));
        assert_eq!(named("Known  ,,   "), Some("Known"));
        for line in ["", "Certificate Nickname      Trust Attributes", "    SSL,S/MIME,JAR/XPI", "   u,u,u"] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_said_of_each_certificate_is_kept_apart() {
        let of = |fingerprint: &str, flags: [&[&str]; 3]| {
            let column = |(name, words): (&str, &&[&str])| {
                let words: String = words.iter().map(|word| format!("            {word}\n")).collect();
                format!("        {name} Flags:\n{words}")
            };
            let columns: String = ["SSL", "Email", "Object Signing"].into_iter().zip(&flags).map(column).collect();
            format!(
                "Certificate:\n    Data:\n        Version: 3 (0x2)\n    Fingerprint (SHA-256):\n        {fingerprint}\n    \
                 Fingerprint (SHA1):\n        58:5D\n\n    Mozilla-CA-Policy: false\n    Certificate Trust Flags:\n{columns}\n"
            )
        };
        let held =
            |fingerprint: &str, trust: &str| Held { fingerprint: fingerprint.to_owned(), trust: trust.to_owned() };
        let text = [
            of("BB:A5", [&["User"], &["User"], &["User"]]),
            of("37:B4", [&[], &[], &[]]),
            of(
                "00:01",
                [
                    &["Valid CA", "Trusted CA", "Trusted Client CA"],
                    &["Terminal Record", "Trusted"],
                    &["Terminal Record"],
                ],
            ),
        ];
        assert_eq!(described(&text.concat()), [held("bba5", "u,u,u"), held("37b4", ",,"), held("0001", "CT,P,p")]);
        for text in [
            "",
            "    Fingerprint (SHA-256):",
            "    Certificate Trust Flags:",
            "    Certificate Trust Flags:\n        User",
        ] {
            assert_eq!(described(text), [], "{text:?}");
        }
    }
}
