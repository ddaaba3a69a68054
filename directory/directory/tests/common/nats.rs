//! Debian's nats-server on loopback, with mutual TLS, and what a node needs to be let in.

use super::Running;
use directory::cluster::CarrierConfig;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the program is.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

/// A server that is not ready within five seconds never says where it listens: it is started so often.
const ATTEMPTS: usize = 3;
const READY: Duration = Duration::from_secs(10);

/// An operator's own authority, for NATS alone.
pub(crate) struct Operator {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificates: usize,
}

/// One server, for as long as this value lives.
pub(crate) struct Nats {
    child: Running,
    pub(crate) url: String,
    route: String,
}

impl Nats {
    /// From now on it takes connections and says nothing on any.
    pub(crate) fn hang(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The shell's own, which every system has.
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.0.id())]).status();
        assert!(done.unwrap().success(), "{name}");
    }
}

impl Operator {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), certificates: 0 }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file with a new private key and its certificate, for a server or a node.
    pub(crate) fn certificate(&mut self) -> std::path::PathBuf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.certificates += 1;
        let path = self.folder().join(format!("{}.pem", self.certificates));
        std::fs::write(&path, key.serialize_pem() + &certificate.pem()).unwrap();
        path
    }

    /// Starts a server, beside another one if there is one. None, with a word, where none is installed.
    pub(crate) fn serve(&mut self, beside: Option<&Nats>) -> Option<Nats> {
        let certificate = self.certificate();
        let (certificate, folder) = (certificate.display().to_string(), self.folder().to_owned());
        let tls = format!(
            "tls {{ cert_file: \"{certificate}\", key_file: \"{certificate}\", ca_file: \"{}\", verify: true }}",
            folder.join("ca.pem").display()
        );
        let routes = beside.map(|other| format!("routes: [\"{}\"]", other.route)).unwrap_or_default();
        let settings = format!(
            "listen: \"127.0.0.1:-1\"\n{tls}\ncluster {{ name: c, listen: \"127.0.0.1:-1\", {routes}\n{tls} }}\n\
             ports_file_dir: \"{}\"\n",
            folder.display()
        );
        let path = format!("{certificate}.conf");
        std::fs::write(&path, settings).unwrap();
        let log = std::fs::File::create(format!("{certificate}.log")).unwrap();
        let begin = |program| {
            let mut command = Command::new(program);
            command.args(["-c", &path]).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(log.try_clone().unwrap()).spawn().map(Running)
        };
        let missing = |begun: &std::io::Result<Running>| {
            begun.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        for _ in 0..ATTEMPTS {
            let Some(begun) = PROGRAMS.iter().map(begin).find(|begun| !missing(begun)) else {
                // Past the test program, which hides what a test prints unless it fails.
                let _ = writeln!(std::io::stderr(), "SKIPPED: nats-server is not installed (Debian: nats-server)");
                return None;
            };
            let mut child = begun.expect("nats-server begins");
            let Some(ports) = ports(&mut child, &folder) else { continue };
            let port = |of: &str| {
                let url = ports[of][0].as_str().unwrap_or_else(|| panic!("no port: {ports}"));
                url.rsplit(':').next().unwrap().to_owned()
            };
            let (url, route) =
                (format!("tls://127.0.0.1:{}", port("nats")), format!("nats://127.0.0.1:{}", port("cluster")));
            return Some(Nats { child, url, route });
        }
        let said = std::fs::read_to_string(format!("{certificate}.log")).unwrap_or_default();
        panic!("nats-server does not say where it listens:\n{said}");
    }

    /// How a node finds these servers.
    pub(crate) fn carrier<'a>(&mut self, servers: impl IntoIterator<Item = &'a Nats>) -> CarrierConfig {
        CarrierConfig {
            servers: servers.into_iter().map(|server| server.url.clone()).collect(),
            authority: self.folder().join("ca.pem"),
            certificate: self.certificate(),
        }
    }
}

/// Where this server listens, as soon as it has written that down.
fn ports(server: &mut Running, folder: &Path) -> Option<serde_json::Value> {
    let file = folder.join(format!("nats-server_{}.ports", server.0.id()));
    let begun = Instant::now();
    while begun.elapsed() < READY && server.0.try_wait().unwrap().is_none() {
        if let Some(ports) = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Some(ports);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
