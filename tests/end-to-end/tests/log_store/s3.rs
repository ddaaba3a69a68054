//! S3 as moto serves it in a process of its own: in clear, and over TLS by an authority that nobody knows.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use story::guard;
use story::process::Running;

use super::SOON;

/// What the log's own tests of object stores use as well: moto, and the program that serves it.
const MOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../transparency-log/transparency-log/tests/object_store");

pub(crate) struct S3 {
    _server: Running,
    address: String,
    tls_port: String,
    authorities: tempfile::TempDir,
}

impl S3 {
    /// With one empty bucket, `logs`. A careless one does not look at what writes are conditional on.
    pub(crate) fn start(careless: bool) -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
        let python = match story::python::environment(&folder, &Path::new(MOTO).join("requirements.txt")) {
            Ok(python) => python,
            Err(reason) => {
                story::skipped(format_args!("no S3 server: {reason}"));
                return None;
            }
        };
        let mut command = guard::guarded(&python).unwrap();
        let authorities = tempfile::tempdir().unwrap();
        command
            .arg("-B")
            .arg(Path::new(MOTO).join("serve_s3.py"))
            .args(careless.then_some("--careless"))
            .arg("--tls")
            .arg(authorities.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Running::start("moto", command).unwrap();
        let ports = server.first_line(SOON).unwrap();
        let (port, tls_port) = ports.trim().split_once(' ').unwrap();
        let (address, tls_port) = (format!("127.0.0.1:{port}"), tls_port.to_owned());
        Some(Self { _server: server, address, tls_port, authorities })
    }

    /// The certificate of the authority that certified the store, in PEM.
    pub(crate) fn authority(&self) -> Vec<u8> {
        fs::read(self.authorities.path().join("ca.pem")).unwrap()
    }

    /// That of another one, of the same name.
    pub(crate) fn another_authority(&self) -> Vec<u8> {
        fs::read(self.authorities.path().join("another.pem")).unwrap()
    }

    /// Whether there is such an object in the bucket.
    pub(crate) fn holds(&self, name: &str) -> bool {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let request = format!(
            "HEAD /logs/{name} HTTP/1.0\r\nHost: {}\r\nAuthorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().to_owned();
        assert!(status == "200" || status == "404", "{answer}");
        status == "200"
    }

    /// The table of the settings.
    pub(crate) fn table(&self, prefix: &str) -> String {
        format!("\n[log_store]\nbucket = \"logs\"\nprefix = \"{prefix}\"\nendpoint = \"http://{}\"\n", self.address)
    }

    /// The table for the same store over TLS, with `more` in it.
    pub(crate) fn table_over_tls(&self, prefix: &str, more: &str) -> String {
        let endpoint = format!("https://localhost:{}", self.tls_port);
        format!("\n[log_store]\nbucket = \"logs\"\nprefix = \"{prefix}\"\nendpoint = \"{endpoint}\"\n{more}")
    }
}

pub(crate) fn write_keys(folder: &Path, text: &str) {
    let path = folder.join("log-store-keys");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) const KEYS: &str = "access_key_id = test\nsecret_access_key = s3cret\n";
