//! Debian's prosody with clients of slixmpp: what people had before, on the same machine in the same run.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::measure::Part;

const SCRIPT: &str = include_str!("../../prosody/presence.py");
/// The Pythons that may have slixmpp; Debian's package is Debian's Python's alone.
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];
const PROGRAMS: [&str; 2] = ["prosody", "/usr/bin/prosody"];
/// Not a secret: the accounts live on loopback for as long as this row runs.
const PASSWORD: &str = "bench";
const CHANGES: usize = 1_000;
const READY: Duration = Duration::from_secs(20);

/// From a change of status at one client to its event at another; why not in words.
pub(super) fn presence() -> Result<Part, String> {
    let python = PYTHONS.into_iter().find(|python| imports(python)).ok_or("slixmpp is not installed")?;
    let server = Server::start()?;
    let mut client = Command::new(python);
    client.args(["-c", SCRIPT, &server.address.port().to_string(), &CHANGES.to_string(), PASSWORD]);
    client.arg(server.folder.path().join("cert.pem"));
    let done = client.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&done.stdout);
    let figure = said.trim().parse().map_err(|_| {
        let why = String::from_utf8_lossy(&done.stderr);
        format!("slixmpp says {}", why.trim().lines().next_back().unwrap_or("nothing"))
    })?;
    Ok(Part { name: "by prosody, to slixmpp".to_owned(), figure, unit: "µs p50", times: 1.0 })
}

fn imports(python: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import slixmpp"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server on loopback with two accounts; it ends with this value.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Server {
    fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        furnish(folder.path(), address.port()).map_err(|error| error.to_string())?;
        let begin = |program| {
            let mut command = Command::new(program);
            command.args(["-F", "--config"]).arg(folder.path().join("prosody.cfg.lua"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        };
        let child = PROGRAMS.into_iter().find_map(begin).ok_or("prosody is not installed")?;
        let mut server = Self { child, address, folder };
        let begun = Instant::now();
        while TcpStream::connect(server.address).is_err() {
            let ended = server.child.try_wait().ok().flatten().is_some();
            if ended || begun.elapsed() > READY {
                let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
                return Err(format!("prosody does not begin: {}", log.trim().lines().next_back().unwrap_or("no word")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings, a certificate, and the two accounts.
fn furnish(folder: &Path, port: u16) -> Result<(), Box<dyn std::error::Error>> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(folder.join("cert.pem"), certified.cert.pem())?;
    std::fs::write(folder.join("key.pem"), certified.signing_key.serialize_pem())?;
    let accounts = folder.join("data/localhost/accounts");
    std::fs::create_dir_all(&accounts)?;
    for name in ["alice", "bob"] {
        std::fs::write(
            accounts.join(format!("{name}.dat")),
            format!("return {{ [\"password\"] = \"{PASSWORD}\" }};\n"),
        )?;
    }
    let folder_path = folder.display();
    let settings = format!(
        "run_as_root = true\npidfile = \"{folder_path}/prosody.pid\"\ndata_path = \"{folder_path}/data\"\n\
         interfaces = {{ \"127.0.0.1\" }}\nc2s_ports = {{ {port} }}\nc2s_direct_tls_ports = {{}}\n\
         modules_enabled = {{ \"roster\", \"saslauth\", \"tls\" }}\nmodules_disabled = {{ \"s2s\" }}\n\
         ssl = {{ key = \"{folder_path}/key.pem\", certificate = \"{folder_path}/cert.pem\" }}\n\
         authentication = \"internal_plain\"\nlog = {{ warn = \"{folder_path}/log\" }}\nVirtualHost \"localhost\"\n"
    );
    std::fs::write(folder.join("prosody.cfg.lua"), settings)?;
    Ok(())
}
