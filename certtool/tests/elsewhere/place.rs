//! A person with a home, and certificates of an authority that she trusts; and how other people's programs are run.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use device::{AccountKey, MailKey, MailKeyType, chain_to_pem};
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use identity::certificate::Certificate;
use identity::profile::Profile;
use identity::testing::Authority;
use identity::transparency::{Opening, signature_commitment};
use identity::verify::UnverifiedDate;
use identity::{Identifier, UnixTime};
use tlog_proof::Entry;

/// The passphrase of everything that is exported.
pub(crate) const PASSPHRASE: &str = "correct horse";
/// Whose certificates they are.
pub(crate) const ALICE: &str = "alice@example.org";

/// How long a server may take to start on a very busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The kinds of keys that openssl makes for a mail program.
pub(crate) const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
pub(crate) const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"];

/// Another program's server, which ends with the test.
pub(crate) struct Server(pub(crate) Child);

impl Server {
    /// Waits until it listens at this port of its own; if it ends instead, `words` are what it said.
    #[track_caller]
    pub(crate) fn listens(&mut self, port: u16, words: impl Fn() -> String) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {}", words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a home in it that trusts one authority.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
    now: UnixTime,
}

impl Place {
    pub(crate) fn new() -> Self {
        let now = UnixTime::now();
        let place = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new(1, now), now };
        let policy = place.authority.policy();
        place.write("policy.json", &policy.canonical());
        place.write("passphrase", PASSPHRASE.as_bytes());
        let fingerprint = place.fingerprint();
        place.certtool(&["trust", "add", &place.at("policy.json"), "--fingerprint", &fingerprint]).good();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file for its owner alone.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.at(name)
    }

    /// A file that everybody may read, in a folder that everybody may look into.
    pub(crate) fn public(&self, name: &str, bytes: &[u8]) -> String {
        let path = PathBuf::from(self.write(name, bytes));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        self.at(name)
    }

    /// Of the policy that is pinned here.
    pub(crate) fn fingerprint(&self) -> String {
        self.authority.policy().fingerprint().to_string()
    }

    /// A device of Alice in her home, as enrolling leaves it.
    pub(crate) fn enrolled(&self) -> PathBuf {
        let alice = Identifier::parse(ALICE).unwrap();
        let (chain, key) = self.authority.issue_person(&alice, self.now);
        self.keep("devices", &key.to_pkcs8_pem(LineEnding::LF).unwrap(), &chain)
    }

    /// A certificate for mail of hers with a key of certtool's, as enrolling leaves it.
    pub(crate) fn mailbox(&self, kind: MailKeyType) -> PathBuf {
        self.mailbox_with(&MailKey::generate(kind).unwrap().to_pem().unwrap())
    }

    /// The same with a key that there is, as renewing leaves it.
    pub(crate) fn mailbox_with(&self, key: &str) -> PathBuf {
        let (private, public) = (self.write("mailbox.key.pem", key.as_bytes()), self.at("mailbox.pub.der"));
        run("openssl", ["pkey", "-in", &private, "-pubout", "-outform", "DER", "-out", &public]).good();
        let alice = Identifier::parse(ALICE).unwrap();
        let chain = self.authority.issue_mail(Profile::mail(), &alice, &fs::read(public).unwrap(), self.now);
        fs::remove_file(private).unwrap();
        self.keep("mail", key, &chain)
    }

    /// The certificate for mail gives place to another one, as enrolling with --new has it: the digits that name it then.
    pub(crate) fn mailbox_aside(&self) -> String {
        let (from, below) =
            (self.path().join("home/mail").join(ALICE), self.path().join("home/mail/.earlier").join(ALICE));
        let digits = fingerprint(&from.join("chain.pem"))[..8].to_owned();
        fs::create_dir_all(&below).unwrap();
        fs::remove_file(from.join("account.pem")).unwrap();
        fs::rename(from, below.join(&digits)).unwrap();
        digits
    }

    fn keep(&self, below: &str, key: &str, chain: &[identity::CertificateDer]) -> PathBuf {
        let name = |file: &str| format!("home/{below}/{ALICE}/{file}");
        let policy = self.authority.policy();
        let record = format!(
            "identifier = \"{ALICE}\"\nauthority = \"{}\"\nacme = \"{}\"\npolicy = \"{}\"\n",
            policy.name,
            policy.authorities[0].acme,
            policy.fingerprint()
        );
        self.write(&name("enrolment.toml"), record.as_bytes());
        self.write(&name("key.pem"), key.as_bytes());
        self.write(&name("account.pem"), AccountKey::generate().unwrap().to_pem().unwrap().as_bytes());
        self.write(&name("chain.pem"), chain_to_pem(chain).as_bytes());
        self.path().join(name("key.pem"))
    }

    /// A revocation list with nobody on it, as enrolling fetches it.
    pub(crate) fn listed(&self) {
        self.write("home/crl/people.der", &self.authority.people_crl(1, self.now, &[]));
    }

    /// A device of anybody's that this authority certified: the path of its chain, and of chain and key as OpenSSL takes them.
    pub(crate) fn device_of(&self, address: &str) -> (String, String) {
        let (chain, key) = self.authority.issue_person(&Identifier::parse(address).unwrap(), self.now);
        let key = self.write(&format!("{address}.key.pem"), key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes());
        let chain = self.write(&format!("{address}.pem"), chain_to_pem(&chain).as_bytes());
        self.export("openssl", &[&chain, "--key", &key], address).good();
        (chain, self.at(&format!("{address}/{address}.pem")))
    }

    /// A certificate for mail with a key that openssl makes: the paths of both.
    pub(crate) fn mail(&self, name: &str, kind: &[&str]) -> (String, String) {
        let (key, public) = (self.at(&format!("{name}.key.pem")), self.at(&format!("{name}.pub.der")));
        run("openssl", [&["genpkey", "-out", &key], kind].concat()).good();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        run("openssl", ["pkey", "-in", &key, "-pubout", "-outform", "DER", "-out", &public]).good();
        let alice = Identifier::parse(ALICE).unwrap();
        let spki = fs::read(public).unwrap();
        let chain = self.authority.issue_mail(Profile::mail(), &alice, &spki, self.now);
        (self.write(&format!("{name}.pem"), chain_to_pem(&chain).as_bytes()), key)
    }

    /// Has the log date a signature now, as `certtool date request` does: writes the proof beside it.
    pub(crate) fn date(&self, signature: &str) {
        let proof = self.proof(&fs::read(signature).unwrap(), 0);
        fs::write(format!("{signature}.date"), proof).unwrap();
    }

    /// What dates this signature so many seconds from now.
    pub(crate) fn proof(&self, signature: &[u8], later: u64) -> String {
        let (label, opening) = ([7; 32], Opening::new([8; 32]));
        let digest = signature_commitment(&opening, &device::dating::digest(signature));
        let time = self.now.as_secs() + later;
        let proof = self.authority.log().append(&Entry::Signature { label, digest }, time);
        UnverifiedDate::new(label, opening, proof).to_string()
    }

    /// A revocation list of so many seconds from now, with these certificates on it from then on.
    pub(crate) fn revoked(&self, later: u64, certificates: &[&[u8]]) {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(self.now.as_secs() + later));
        let serials: Vec<Vec<u8>> =
            (certificates.iter()).map(|der| Certificate::parse(der).unwrap().tbs().serial().to_vec()).collect();
        let serials: Vec<&[u8]> = serials.iter().map(Vec::as_slice).collect();
        self.write("home/crl/people.der", &self.authority.people_crl(2, time, &serials));
    }

    /// `certtool` in this home, without a terminal.
    pub(crate) fn certtool(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certtool"));
        command.args(arguments).env("INPERSON_HOME", self.path().join("home")).env("NO_COLOR", "1");
        command.env_remove("INPERSON_PASSPHRASE_FROM").current_dir(self.path());
        alone(&mut command);
        command
    }

    /// Alice is enrolled: a letter of hers, and the root by which OpenSSL believes her, exported as she would.
    pub(crate) fn letter_and_root(&self, letter: &[u8]) -> (String, String) {
        self.enrolled();
        let letter = self.write("letter", letter);
        self.export("openssl", &[ALICE], "out").good();
        (letter, self.at(&format!("out/{ALICE}-root.pem")))
    }

    /// Exports into a folder of this name, with the passphrase, and what was said.
    pub(crate) fn export(&self, program: &str, what: &[&str], folder: &str) -> Done {
        let passphrase = format!("file:{}", self.at("passphrase"));
        let out = self.at(folder);
        let options = ["--json", "export", "--for", program, "--out", &out, "--new-passphrase", &passphrase];
        self.certtool(&[&options[..], what].concat())
    }
}

/// SHA-256 of the first certificate of a file, in hex.
pub(crate) fn fingerprint(chain: &Path) -> String {
    let said = run("openssl", ["x509", "-in", chain.to_str().unwrap(), "-noout", "-fingerprint", "-sha256"]).good();
    said.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

/// No authority answers here, and that is known at once: nothing of ours is looked for in anybody's network.
pub(crate) fn alone(command: &mut Command) {
    command.env("https_proxy", "http://127.0.0.1:9").env("INPERSON_CONFIG", "/nonexistent/certtool.toml");
}

/// Says that a test did not run, and why: past the test program, which hides what a test prints unless it fails.
pub(crate) fn skipped(why: &str) {
    // A line that nobody can be told is no reason for a test to fail.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}

/// How a program ended.
pub(crate) struct Done {
    what: String,
    output: Output,
}

impl Done {
    pub(crate) fn of(command: Command) -> Self {
        Self::fed(command, Stdio::null())
    }

    /// The same, of one that reads its standard input.
    pub(crate) fn fed(mut command: Command, input: impl Into<Stdio>) -> Self {
        let what = format!("{command:?}");
        let output = command.stdin(input).output();
        Self { output: output.unwrap_or_else(|error| panic!("{what}: {error}")), what }
    }

    /// What it printed on standard output; it has ended well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        let said = self.said();
        assert!(self.output.status.success(), "{}: {:?}\n{said}", self.what, self.output.status);
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Everything it printed; it has ended with this code.
    #[track_caller]
    pub(crate) fn bad(self, code: i32) -> String {
        let said = self.said();
        assert_eq!(self.output.status.code(), Some(code), "{}\n{said}", self.what);
        said
    }

    /// Whether it ended well, and everything it printed.
    pub(crate) fn either(self) -> (bool, String) {
        (self.output.status.success(), self.said())
    }

    fn said(&self) -> String {
        [&self.output.stdout[..], &self.output.stderr].map(String::from_utf8_lossy).concat()
    }
}

/// Another program.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Done {
    Done::of(other(program, arguments))
}

/// The same, not yet begun.
pub(crate) fn other<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    // nginx is where not everybody looks for programs.
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(arguments).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
