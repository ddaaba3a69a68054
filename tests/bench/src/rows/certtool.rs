//! How long `certtool` takes to begin and end, beside a program that does nothing: whoever types waits for that each time;
//! and to sign or encrypt a large file, beside `openssl cms`.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::profile::Profile;
use identity::testing::Authority;
use identity::{CertificateDer, Identifier, UnixTime};
use rcgen::{KeyPair, PublicKeyData as _};
use tokio::runtime::Runtime;

use crate::measure::{Pair, Part, Scale, median, memory, paired, wall};

/// Each of them starts a process.
const ROUNDS: usize = 40;

/// How large the file is, and how often it is signed or encrypted.
const BYTES: u64 = 1 << 30;
const SIGNED: usize = 3;
/// How often the kernel is asked what a program takes, while it runs.
const LOOK: Duration = Duration::from_millis(5);

/// `certtool --version` beside `true`; and what looking at a certificate takes that is verified.
pub(crate) fn start(_: &Runtime, scale: Scale) -> Pair {
    let place = Place::new();
    let certificate = place.device();
    let rounds = ROUNDS * scale.factor;
    let milliseconds = |command: &dyn Fn() -> Command| wall(1, || ran(command())) / 1e3;
    let certtool = |arguments: &[&str]| milliseconds(&|| place.certtool(arguments));
    let started = paired(rounds, || certtool(&["--version"]), || milliseconds(&|| Command::new("true")));
    let inspected = median((0..rounds).map(|_| certtool(&["inspect", &certificate])).collect());
    let part = Part { name: "inspect of a certificate".to_owned(), figure: inspected, unit: "ms", times: 1.0 };
    Pair { parts: vec![part], ..started.noted(format!("inspect of a certificate: {inspected:.1} ms (aim < 20)")) }
}

/// A gibibyte with a P-256 key and SHA-256, from the file to a signature beside it.
pub(crate) fn sign(_: &Runtime, scale: Scale) -> Pair {
    let place = Place::new();
    let (certificate, key) = place.mail();
    let [content, ours, theirs] = ["content", "ours.p7s", "theirs.p7s"].map(|name| place.at(name));
    // It has no blocks on the disk, so neither side waits for that.
    File::create(&content).and_then(|file| file.set_len(BYTES)).expect("there is room for a file");
    let mut most = Most::default();
    let certtool = || {
        most.of(place.certtool(&[
            "sign",
            &content,
            "--dated",
            "no",
            "--by",
            &certificate,
            "--key",
            &key,
            "--out",
            &ours,
        ]));
    };
    let openssl = || {
        let mut command = Command::new("openssl");
        command.args(["cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", "-in", &content, "-out", &theirs]);
        command.args(["-signer", &certificate, "-inkey", &key]);
        ran(command);
    };
    let mut certtool = certtool;
    // Whoever reads the file first has the kernel fill its cache, for the other one as well.
    certtool();
    let pair = paired(SIGNED * scale.factor, || wall(1, &mut certtool) / 1e6, || wall(1, openssl) / 1e6);
    assert!(fs::metadata(&ours).is_ok_and(|found| found.len() > 0), "a signature was written");
    pair.noted(most.note())
}

/// A gibibyte to a P-256 key with AES-256-GCM, from the file to an encrypted one.
pub(crate) fn encrypt(_: &Runtime, scale: Scale) -> Pair {
    let place = Place::new();
    let (certificate, _) = place.mail();
    let [content, ours, theirs] = ["content", "ours.p7m", "theirs.p7m"].map(|name| place.at(name));
    File::create(&content).and_then(|file| file.set_len(BYTES)).expect("there is room for a file");
    let mut most = Most::default();
    let certtool = || most.of(place.certtool(&["encrypt", &content, "--to", &certificate, "--out", &ours]));
    let openssl = || {
        let mut command = Command::new("openssl");
        command.args(["cms", "-encrypt", "-binary", "-stream", "-aes-256-gcm", "-outform", "DER", "-in", &content]);
        command.args(["-out", &theirs, &certificate]);
        ran(command);
        // Certtool's is on the disk when it ends.
        File::open(&theirs).and_then(|file| file.sync_all()).expect("it was written");
    };
    let mut certtool = certtool;
    // Whoever reads the file first has the kernel fill its cache, for the other one as well.
    certtool();
    let pair = paired(SIGNED * scale.factor, || wall(1, &mut certtool) / 1e6, || wall(1, openssl) / 1e6);
    let size = |path: &str| fs::metadata(path).map_or(0, |found| found.len());
    assert!(size(&ours) > BYTES && size(&theirs) > BYTES, "both have encrypted everything");
    pair.noted(most.note())
}

/// The most that programs had resident.
#[derive(Default)]
struct Most(f64);

impl Most {
    /// Runs it to its end, which is a good one.
    fn of(&mut self, mut command: Command) {
        let mut child = command.spawn().expect("the program starts");
        let status = loop {
            // Once it has ended there is no number.
            self.0 = self.0.max(memory(child.id(), "VmHWM:"));
            match child.try_wait().expect("it is ours") {
                Some(status) => break status,
                None => std::thread::sleep(LOOK),
            }
        };
        assert!(status.success(), "{command:?}");
    }

    fn note(&self) -> String {
        format!("at most {:.0} MB resident (aim < 64)", self.0)
    }
}

/// Runs it to its end, which is a good one.
fn ran(mut command: Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.expect("the program starts").success(), "{command:?}");
}

/// A home that trusts one authority.
struct Place {
    folder: tempfile::TempDir,
    authority: Authority,
    now: UnixTime,
}

impl Place {
    fn new() -> Self {
        let now = UnixTime::now();
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let place = Self { folder, authority: Authority::new(1, now), now };
        let policy = place.authority.policy();
        let written = place.write("policy.json", &policy.canonical());
        ran(place.certtool(&["trust", "add", &written, "--fingerprint", &policy.fingerprint().to_string()]));
        place
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A file for its owner alone, as certtool wants keys to be.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(self.at(name));
        file.and_then(|mut file| file.write_all(bytes)).expect("there is room for a file");
        self.at(name)
    }

    /// The program that lies beside this one.
    fn certtool(&self, arguments: &[&str]) -> Command {
        let program = std::env::current_exe().expect("this program lies somewhere").with_file_name("certtool");
        let mut command = Command::new(program);
        command.args(arguments).env("INPERSON_HOME", self.at("home")).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// The certificate of a device.
    fn device(&self) -> String {
        let (chain, _) = self.authority.issue_person(&alice(), self.now);
        self.write("alice.pem", pem(&chain).as_bytes())
    }

    /// A certificate for mail, and its key.
    fn mail(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a P-256 key");
        let spki = key.subject_public_key_info();
        let chain = self.authority.issue_mail(Profile::mail(), &alice(), &spki, self.now);
        let certificate = self.write("mail.pem", pem(&chain).as_bytes());
        (certificate, self.write("mail.key.pem", key.serialize_pem().as_bytes()))
    }
}

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").expect("an address")
}

fn pem(chain: &[CertificateDer]) -> String {
    let block = |der: &CertificateDer| {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    chain.iter().map(block).collect()
}
