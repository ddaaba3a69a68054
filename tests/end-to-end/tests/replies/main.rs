//! Replies by mail (RFC 8823) and CAA records, with other people's mail server, name server, signer and verifier
//! (`tests/replies/stage.py`), and our own programs.
//!
//! Needs python3 with venv, and packages from PyPI, and postfix where that stands in between; says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

mod crash;
mod full;
mod six;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};
use story::{guard, ports, python};

const PATIENCE: Duration = Duration::from_secs(180);

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../replies").canonicalize().unwrap()
}

/// The Python of the people around the home server; none where it or its packages cannot be had.
fn environment() -> Option<PathBuf> {
    let environment = guard::programs().unwrap().parent().unwrap().join("tools").join("replies");
    match python::environment(&environment, &here().join("requirements.txt")) {
        Ok(python) => Some(python),
        Err(reason) => {
            story::skipped(format_args!("no mail server: {reason}"));
            None
        }
    }
}

/// The people and programs around the home server.
struct Stage {
    _running: Running,
    says: Receiver<Value>,
    stdin: ChildStdin,
    dns: u64,
    /// The mail server.
    smtp: SocketAddr,
}

impl Stage {
    /// None where Python or its packages cannot be had.
    fn set(place: &Path) -> Option<Self> {
        Self::set_at(place, Ipv4Addr::LOCALHOST.into())
    }

    /// The same where mail comes and goes at this address of the machine.
    fn set_at(place: &Path, address: IpAddr) -> Option<Self> {
        Self::set_with(place, address, &[])
    }

    /// The same behind Debian's postfix, with the lines that the operator's guide has for it.
    fn set_behind_postfix(place: &Path) -> Option<Self> {
        let programs = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&programs).chain(["/usr/sbin".into()]);
        if !folders.into_iter().any(|folder| folder.join("postfix").exists()) || !rustix::process::geteuid().is_root() {
            story::skipped("no postfix that can be run (Debian package postfix, as root)");
            return None;
        }
        let page = here().join("../../docs/operations/ca.md");
        Self::set_with(place, Ipv4Addr::LOCALHOST.into(), &[place, &page])
    }

    fn set_with(place: &Path, address: IpAddr, arguments: &[&Path]) -> Option<Self> {
        let python = environment()?;
        let mut command: Command = guard::guarded(&python).unwrap();
        command.arg("-B").arg(here().join("stage.py")).arg(address.to_string()).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(process::sink(&place.join("stage.log")).unwrap());
        let mut running = Running::start("the stage", command).unwrap();
        let stdin = running.take_stdin().unwrap();
        let says: Receiver<Value> = lines(running.take_stdout().unwrap(), |line| serde_json::from_str(&line).unwrap());
        let ports = says.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("no ports: {}", std::fs::read_to_string(place.join("stage.log")).unwrap_or_default())
        });
        let port = |name: &str| ports[name].as_u64().unwrap();
        let smtp = SocketAddr::new(address, port("smtp").try_into().unwrap());
        Some(Self { dns: port("dns"), smtp, _running: running, says, stdin })
    }

    fn tell(&mut self, what: &Value) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    fn hears(&self, member: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let said = self.says.recv_timeout(until.saturating_duration_since(Instant::now()));
            let said = said.unwrap_or_else(|_| panic!("the stage did not say {member}"));
            if let Some(value) = said.get(member) {
                return if member == "replied" { said.clone() } else { value.clone() };
            }
        }
    }

    /// Somebody replies; gives what the mail server was told.
    fn reply(&mut self, asked: &Value, how: &str) -> String {
        self.tell(&json!({"reply": asked, "how": how}));
        let replied = self.hears("replied");
        assert_eq!(replied["replied"], how);
        replied["answer"].as_str().unwrap().to_owned()
    }
}

/// What stands between the two lines, as somebody who replies copies it.
fn response(enrolment: &mut Enrolment, mail: &Value) -> Value {
    enrolment.types(mail["subject"].as_str().unwrap());
    let begin = enrolment.says("-----BEGIN ACME RESPONSE-----");
    let digest = enrolment.says("");
    let end = enrolment.says("-----END ACME RESPONSE-----");
    json!({
        "to": "acme@ca.example", "subject": format!("Re: {}", mail["subject"].as_str().unwrap()), "id": mail["id"],
        "text": format!("{begin}\n{digest}\n{end}"),
    })
}

/// Lines of a program as they come.
fn lines<T: Send + 'static>(
    from: impl std::io::Read + Send + 'static,
    read: impl Fn(String) -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(read(line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A home server that takes replies, with its key published.
fn server(place: &Path, stage: &mut Stage, more: &str) -> Homeserver {
    let folder = place.join("server");
    let smtp = format!("smtp://{}?tls=none", stage.smtp);
    Homeserver::start(&folder, &["--smtp", &smtp, "--mail-from", "codes@ca.example"]).unwrap().stop().unwrap();
    let mut command = guard::command("ca").unwrap();
    command.arg("--folder").arg(&folder).args(["--json", "dkim", "--selector", "2026", "--domain", "ca.example"]);
    let made = process::run("ca dkim", command, PATIENCE).unwrap().expect(0, "ca dkim").unwrap();
    let record: Value = serde_json::from_str(&made.stdout).unwrap();
    stage.tell(&json!({"record": record["value"]}));
    assert_eq!(stage.hears("done"), "record");
    let lmtp = ports::hold(SocketAddr::new(stage.smtp.ip(), 0)).unwrap();
    let settings = folder.join("homeserver.toml");
    let mut text = std::fs::read_to_string(&settings).unwrap();
    text.push_str(&format!(
        "\n[enrolment.dns]\nresolvers = [\"127.0.0.1:{}\"]\n[enrolment.dkim]\nselector = \"2026\"\n\
         [enrolment.replies]\naddress = \"acme@ca.example\"\nlmtp = \"{lmtp}\"\n{more}",
        stage.dns
    ));
    std::fs::write(&settings, text).unwrap();
    stage.tell(&json!({"lmtp": lmtp.port()}));
    assert_eq!(stage.hears("done"), "lmtp");
    Homeserver::start(&folder, &[]).unwrap()
}

/// `certtool enroll` that waits for a reply.
struct Enrolment {
    running: Running,
    stdin: ChildStdin,
    words: Receiver<String>,
    heard: String,
}

impl Enrolment {
    fn begin(person: &Person) -> Self {
        let mut command =
            person.command("certtool", &["enroll", person.address(), "--challenge", "email-reply"]).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Its words go to standard error, and are read as they come.
        let mut child = command.spawn().unwrap();
        let words = lines(child.stderr.take().unwrap(), |line| line);
        let stdin = child.stdin.take().unwrap();
        Self { running: Running::adopt("certtool", child), stdin, words, heard: String::new() }
    }

    /// Waits until it has said this.
    fn says(&mut self, expected: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.words.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("expected {expected:?}, found:\n{}", self.heard));
            self.heard.push_str(&line);
            self.heard.push('\n');
            if line.contains(expected) {
                return line;
            }
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }
}

/// A reply of this kind is taken, proves nothing, and whoever waits for it is told why.
fn is_told(stage: &mut Stage, enrolment: &mut Enrolment, asked: &Value, (how, reason): (&str, &str)) {
    assert_eq!(stage.reply(asked, how), "taken", "{how}");
    let told = enrolment.says("proves nothing");
    assert!(told.contains(reason), "{how}: {told}");
}

#[test]
fn a_person_replies_and_forgers_do_not_get_in_between() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let server = server(place.path(), &mut stage, "");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let mut enrolment = Enrolment::begin(&alice);
    let mail = stage.hears("mail");
    // What dkimpy says of our mail.
    assert_eq!((&mail["verified"], &mail["domain"]), (&json!(true), &json!("ca.example")), "{mail}");
    assert_eq!((&mail["not_signed"], &mail["added_to"]), (&json!([]), &json!(false)), "{mail}");
    assert_eq!((&mail["from"], &mail["to"]), (&json!("acme@ca.example"), &json!(["alice@example.org"])));
    assert_eq!(mail["automatic"], "auto-generated; type=acme");
    enrolment.says("reply to the mail");
    let asked = response(&mut enrolment, &mail);
    enrolment.says("Waiting for your reply");
    for (how, reason) in [
        ("unsigned", "expected a DKIM signature by example.org, found none"),
        ("wrong key", "does not fit"),
        ("misaligned", "by example.org, found none"),
        ("other sender", "another address"),
        ("other domain", "another address"),
        ("wrong digest", "digest"),
        ("length", "(l=)"),
        ("altered", "does not fit"),
        ("subject outside", "Subject"),
    ] {
        is_told(&mut stage, &mut enrolment, &asked, (how, reason));
    }
    // These do not even belong to a challenge.
    for how in ["two senders", "wrong token"] {
        assert_eq!(stage.reply(&asked, how), "taken", "{how}");
    }
    assert!(enrolment.running.ended().unwrap().is_none(), "{}", enrolment.heard);
    // The mail program may fold and relax.
    assert_eq!(stage.reply(&asked, "relaxed"), "taken");
    enrolment.says("The address is proven to be yours");
    assert!(enrolment.running.wait(PATIENCE).unwrap().success());
    alice.certtool(&["verify", "alice@example.org"]).unwrap().expect(0, "verify").unwrap();
    // The same once more proves nothing to anybody, and is taken all the same.
    assert_eq!(stage.reply(&asked, "replayed"), "taken");
    server.stop().unwrap();
}

#[test]
fn an_enrolment_by_reply_goes_on_after_an_interruption() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let server = server(place.path(), &mut stage, "only = true\n");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let mut first = Enrolment::begin(&alice);
    let mail = stage.hears("mail");
    first.says("reply to the mail");
    first.running.kill();
    // Without being told how, for there is one way only; and no second mail is sent.
    let mut again = alice.command("certtool", &["--json", "enroll", "alice@example.org"]).unwrap();
    again.args(["--code", mail["subject"].as_str().unwrap()]).stdin(Stdio::null()).stdout(Stdio::piped());
    again.stderr(Stdio::null());
    let mut child = again.spawn().unwrap();
    let says = lines(child.stdout.take().unwrap(), |line| line);
    let mut running = Running::adopt("certtool", child);
    let line: String = says.recv_timeout(PATIENCE).unwrap();
    let mut reply: Value = serde_json::from_str::<Value>(&line).unwrap()["reply"].clone();
    reply["id"] = mail["id"].clone();
    assert_eq!(reply["subject"], format!("Re: {}", mail["subject"].as_str().unwrap()));
    assert_eq!(stage.reply(&reply, "signed"), "taken");
    let rest = says.recv_timeout(PATIENCE).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&rest).unwrap()["done"], "enrolled", "{rest}");
    assert!(running.wait(PATIENCE).unwrap().success());
    server.stop().unwrap();
}

#[test]
#[ignore = "needs Debian's postfix, as root; run by ./test --all"]
fn a_reply_comes_and_goes_through_postfix_and_waits_there_while_the_authority_is_away() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set_behind_postfix(place.path()) else { return };
    let running = server(place.path(), &mut stage, "");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(running.ready()).unwrap();
    let mut enrolment = Enrolment::begin(&alice);
    let mail = stage.hears("mail");
    // Whatever postfix adds on the way, the signature holds.
    assert_eq!((&mail["verified"], &mail["domain"]), (&json!(true), &json!("ca.example")), "{mail}");
    assert_eq!((&mail["from"], &mail["to"]), (&json!("acme@ca.example"), &json!(["alice@example.org"])));
    let asked = response(&mut enrolment, &mail);
    for (how, reason) in
        [("unsigned", "found none"), ("wrong key", "does not fit"), ("other sender", "another address")]
    {
        is_told(&mut stage, &mut enrolment, &asked, (how, reason));
    }
    // The authority is away: postfix keeps the reply, and hands it over when it is back.
    enrolment.running.kill();
    running.stop().unwrap();
    assert_eq!(stage.reply(&asked, "signed"), "taken");
    let waits = |stage: &mut Stage, count: u64| {
        process::await_sight("what waits in the queue", PATIENCE, || {
            stage.tell(&json!({"waiting": true}));
            (stage.hears("waiting") == count).then_some(())
        })
        .unwrap();
    };
    waits(&mut stage, 1);
    let running = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    stage.tell(&json!({"flush": true}));
    assert_eq!(stage.hears("done"), "flush");
    waits(&mut stage, 0);
    // Her reply has proven it meanwhile: nothing more is asked of her.
    let done = alice.certtool(&["enroll", alice.address(), "--challenge", "email-reply"]).unwrap();
    done.expect(0, "certtool enroll").unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    running.stop().unwrap();
}

#[test]
fn domains_say_who_may_certify_their_addresses() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let server = server(place.path(), &mut stage, "");
    for (address, refused) in [
        ("bob@closed.example", Some("permit this authority (localhost) no certificates")),
        ("bob@mail.closed.example", Some("permit this authority (localhost) no certificates")),
        ("bob@broken.example", Some("could not be had")),
        ("bob@open.example", None),
    ] {
        let bob = Person::new(&place.path().join(address), address);
        std::fs::create_dir_all(place.path().join(address)).unwrap();
        bob.trust(server.ready()).unwrap();
        let ended = bob.begin_enrolment(&[]).unwrap().finish(PATIENCE).unwrap();
        let text = ended.text();
        match refused {
            Some(reason) => assert!(text.contains(reason), "{address}: {text}"),
            // Nobody types the code, but it was asked for.
            None => assert!(text.contains("A code is being sent"), "{address}: {text}"),
        }
    }
    server.stop().unwrap();
}
