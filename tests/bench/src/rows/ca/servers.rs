//! The two servers, each in a process of its own: a whole home server in a folder, and pebble, which keeps nothing.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use homeserver::{Homeserver, Options};
use serde_json::json;

use super::acme::{self, Target};
use super::sink::Sink;
use crate::measure::memory;

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(60);

/// Into how many parts the revocation list of its people is cut.
pub(super) const PARTS: u32 = 16;

/// A running server; it ends when this is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) target: Target,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ours ends by itself when nobody holds its input any more; in either case nothing is to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Our home server: authority, log and witness, durable, in this folder; its mails go to the sink.
    pub(super) fn ours(folder: &Path, sink: &Arc<Sink>) -> Self {
        Self::prepare(folder, sink);
        let mut child = start(folder, sink.port);
        let directory = first_line(&mut child);
        Self { child, target: Target { directory, sink: Some(Arc::clone(sink)), turns: None } }
    }

    /// A home server's folder, with a server in it that is not running.
    pub(super) fn prepare(folder: &Path, sink: &Arc<Sink>) {
        let settings = folder.join("homeserver.toml");
        if settings.exists() {
            return;
        }
        let mut first = start(folder, sink.port);
        ended(&mut first);
        let text = std::fs::read_to_string(&settings).expect("it wrote its settings");
        std::fs::write(&settings, text + &enrolment()).expect("the folder can be written");
    }

    /// Pebble without its delays and refusals; none where it is not installed.
    pub(super) fn pebble(folder: &Path) -> Option<Self> {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
        let (certificate, key) = (folder.join("pebble.pem"), folder.join("pebble.key.pem"));
        std::fs::write(&certificate, own.cert.pem()).ok()?;
        std::fs::write(&key, own.signing_key.serialize_pem()).ok()?;
        let port = TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": "",
            "certificate": certificate, "privateKey": key, "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "",
        }});
        let path = folder.join("pebble.json");
        std::fs::write(&path, config.to_string()).ok()?;
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_VA_ALWAYS_VALID", "1");
        command.env("PEBBLE_WFE_NONCEREJECT", "0").env("PEBBLE_AUTHZREUSE", "100");
        let child = command.spawn().ok()?;
        let until = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "pebble answers");
            std::thread::sleep(Duration::from_millis(20));
        }
        let directory = format!("https://localhost:{port}/dir");
        Some(Self { child, target: Target { directory, sink: None, turns: Some(Arc::default()) } })
    }

    /// What our own says of the work it has done so far: seconds and how often, by the name of the work. Nothing of
    /// pebble, which is asked all the same, so that asking costs both.
    pub(super) async fn work(&self) -> BTreeMap<String, (f64, f64)> {
        let (http, _) = acme::connect(&self.target).await;
        let url = self.target.directory.replace("/directory", "/metrics");
        let text = async { http.get(url).send().await?.text().await }.await;
        let is_ours = self.target.sink.is_some();
        let text = if is_ours { text.expect("our server gives its figures") } else { text.unwrap_or_default() };
        let mut work = BTreeMap::<String, (f64, f64)>::new();
        for line in text.lines() {
            let Some((name, value)) = line.split_once("{work=\"").and_then(|(name, rest)| {
                let (work, value) = rest.split_once("\"} ")?;
                Some(((name, work), value.parse::<f64>().ok()?))
            }) else {
                continue;
            };
            let one = work.entry(name.1.to_owned()).or_default();
            match name.0 {
                "inperson_ca_work_seconds_total" => one.0 = value,
                _ => one.1 = value,
            }
        }
        assert!(!is_ours || !work.is_empty(), "expected figures of work, found none in\n{text}");
        work
    }

    /// The most that it has had resident so far (MB).
    pub(super) fn peak(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> f64 {
        memory(self.child.id(), name)
    }

    /// What it has resident (MB), and the CPU time that it has taken so far (s).
    pub(super) fn taken(&self) -> (f64, f64) {
        let id = self.child.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // After the name in brackets: user and system time are the 12th and 13th field, in hundredths of a second.
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
        (self.status("VmRSS:"), (ticks(11) + ticks(12)) / 100.0)
    }
}

/// The settings of an authority of many: its revocation list is in parts, as its manual has it, and nobody is kept waiting,
/// as what is measured is the work.
fn enrolment() -> String {
    let names = [
        "mails_per_account",
        "mails_per_address",
        "mails_per_domain",
        "mails_per_ip",
        "orders_per_account",
        "orders_per_ip",
        "accounts_per_ip",
    ];
    let rates = names.map(|name| format!("{name} = \"1000000000/h\"\n"));
    format!("\n[enrolment]\ncrl_shards = {PARTS}\n\n[enrolment.limits]\n{}", rates.concat())
}

fn start(folder: &Path, smtp: u16) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["--part", &format!("ca:{smtp}"), "--folder"]).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program can be started")
}

/// Ends it in order.
fn ended(child: &mut Child) {
    first_line(child);
    drop(child.stdin.take());
    child.wait().expect("a child can be waited for");
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("its output is in our hands");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
    line.trim().to_owned()
}

/// The process of the home server: says where it enrols, and ends with its input.
pub(crate) fn part(smtp: &str, folder: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs only threads");
    runtime.block_on(async {
        let smtp = format!("smtp://127.0.0.1:{smtp}?tls=none").parse().ok();
        let (https_port, directory_port) = (Some(0), Some(0));
        let options = Options { folder: folder.to_path_buf(), https_port, directory_port, smtp, ..Options::default() };
        let server = Homeserver::start(&options).await.expect("a folder of ours opens");
        println!("{}", server.ready().acme);
        let _ = std::io::stdout().flush();
        let _ = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await;
        server.stop().await;
    });
}
