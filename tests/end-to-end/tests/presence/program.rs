//! The directory as a process of its own, the authority whose people it serves, and some of those.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use directory_protocol::client::client_config;
use directory_protocol::{Announcement, Appearance, Details, DirectoryClient, DirectoryEvent, Status};
use identity::testing::{Authority, private_key};
use identity::{Identifier, UnixTime};
use story::guard;

pub(crate) const NAME: &str = "directory.example.org";
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn hour_ago() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3_600))
}

pub(crate) fn person(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", data_encoding::BASE64.encode(der))
}

/// A directory that runs, and the authority whose people it serves.
pub(crate) struct Running {
    pub(crate) authority: Authority,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) child: std::process::Child,
    pub(crate) address: std::net::SocketAddr,
    /// The operator's port.
    pub(crate) operator: std::net::SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Running {
    /// Starts it under `wrapper`, if that can be.
    pub(crate) fn start(wrapper: &[&str]) -> Result<Self, String> {
        let authority = Authority::new(1, hour_ago());
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = authority.issue_service(NAME, hour_ago());
        let mut certificate = pem("PRIVATE KEY", key.secret_der());
        chain.iter().for_each(|one| certificate.push_str(&pem("CERTIFICATE", one)));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("directory.pem", certificate.as_bytes());
        write("policy.json", &authority.policy().canonical());
        write("people.crl", &authority.people_crl(1, hour_ago(), &[]));
        let settings = "listen = \"127.0.0.1:0\"\ntrust_policy = \"policy.json\"\ncertificate = \"directory.pem\"\n\
                        revocation_lists = [\"people.crl\"]\noperator = \"127.0.0.1:0\"\n";
        write("directory.toml", settings.as_bytes());
        let wrapper: Vec<String> = wrapper.iter().map(|&word| word.to_owned()).collect();
        let mut command = guard::guarded_under(&wrapper, &guard::program("directory").unwrap()).unwrap();
        command.args(["serve", "--json"]).arg(folder.path().join("directory.toml"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (send, said) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = output.read_line(&mut line);
            let _ = send.send(line);
        });
        let line = said.recv_timeout(SOON).expect("the directory is ready, or refuses");
        let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) else {
            child.kill().ok();
            let said = child.wait_with_output().unwrap();
            return Err(String::from_utf8_lossy(&said.stderr).trim().to_owned());
        };
        let [address, operator] = ["listen", "operator"].map(|port| ready[port].as_str().unwrap().parse().unwrap());
        Ok(Self { authority, folder, child, address, operator })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn come(
        &self,
        name: &str,
        contacts: &[&str],
    ) -> (DirectoryClient, tokio::sync::mpsc::Receiver<DirectoryEvent>) {
        let (chain, key) = self.authority.issue_person(&person(name), hour_ago());
        let config = client_config(chain, private_key(&key), self.authority.trust()).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let (client, events) = DirectoryClient::connect(&endpoint, self.address, NAME, config).await.unwrap();
        let contacts: Vec<_> = contacts.iter().map(|name| person(name)).collect();
        client.announce(Announcement::available(contacts.clone())).await.unwrap();
        client.watch(contacts).await.unwrap();
        (client, events)
    }

    /// People who come, look, change, call and go.
    pub(crate) async fn load(&self) {
        let (alice, _to_alice) = self.come("alice", &["bob"]).await;
        for n in 0..20_u32 {
            let (bob, _to_bob) = self.come(&format!("bob-{n}"), &["alice"]).await;
            for _ in 0..5 {
                alice.look_up(&person(&format!("bob-{n}"))).await.unwrap();
                let details = Details { idle_s: n, note: format!("note {n}"), ..Details::default() };
                bob.appear(Appearance::As(Status::Away), details).await.unwrap();
            }
            bob.close();
        }
    }
}
