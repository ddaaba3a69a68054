//! The code comes through a real mail server: Python's aiosmtpd takes the mail that the home server sends.
//!
//! Needs python3 with venv; says so clearly when it skips.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use story::homeserver::Homeserver;
use story::mail::Maildir;
use story::person::Person;
use story::process::{self, Running};
use story::{guard, install, ports};

const INSTALL: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server that stores every mail in a Maildir and tells its port on standard output.
const SERVER: &str = r#"
import asyncio, os, ssl, sys
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

def authenticate(server, session, envelope, mechanism, data):
    right = data.login == b"ca@example.org" and data.password == b"correct horse"
    # To a wrong password it says no, or, as a tarpit, nothing.
    return AuthResult(success=right, handled=right or "tarpit" in sys.argv)

class Refusing(SMTP):
    """Takes mail of a sender of its own alone, or for its own domain alone, or none at all."""

    async def smtp_MAIL(self, arg):
        if "sender" in sys.argv:
            await self.push("553 5.7.1 Sender address rejected: not owned by user")
        else:
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        if "relaying" in sys.argv:
            await self.push("554 5.7.1 Relay access denied")
        else:
            await super().smtp_RCPT(arg)

class Judging(Mailbox):
    async def handle_DATA(self, server, session, envelope):
        if "content" in sys.argv:
            return "550 5.7.1 Message rejected as spam"
        return await super().handle_DATA(server, session, envelope)

options = {}
if {"auth", "tarpit", "smtps", "starttls"} & set(sys.argv):
    options = dict(authenticator=authenticate, auth_required=True, auth_require_tls=False)
wrapped = None
if {"smtps", "starttls"} & set(sys.argv):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(os.path.dirname(sys.argv[0]), "server.pem"))
    if "smtps" in sys.argv:
        wrapped = context
    else:
        options |= dict(tls_context=context, require_starttls=True, auth_require_tls=True)
mailbox = Judging(sys.argv[1])

async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Refusing(mailbox, hostname="localhost", **options), sys.argv[2], 0, ssl=wrapped)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"#;

struct MailServer {
    _running: Running,
    address: SocketAddr,
    maildir: Maildir,
}

/// The system's Python if it has aiosmtpd (Debian: python3-aiosmtpd), or that of a virtual environment below the target folder;
/// none if there is no python3.
fn python() -> Option<PathBuf> {
    if run(Path::new("python3"), &["-c", "import aiosmtpd"]) {
        return Some("python3".into());
    }
    let environment = guard::programs().unwrap().parent().unwrap().join("tools").join("aiosmtpd");
    let python = environment.join("bin").join("python");
    let _one_at_a_time = install::alone(&environment).unwrap();
    if run(&python, &["-c", "import aiosmtpd"]) {
        return Some(python);
    }
    if !run(Path::new("python3"), &["-m", "venv", environment.to_str().unwrap()]) {
        story::skipped("no mail server: python3 with venv is missing (on Debian: apt-get install python3-venv)");
        return None;
    }
    let installed = install::fetch("pip install", || {
        let mut pip = guard::guarded(&python)?;
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "aiosmtpd==1.4.6"]);
        Ok(pip)
    });
    if installed.is_err() {
        story::skipped("no mail server: aiosmtpd cannot be installed from PyPI here");
        return None;
    }
    Some(python)
}

fn run(program: &Path, arguments: &[&str]) -> bool {
    let mut command = guard::guarded(program).unwrap();
    command.args(arguments);
    process::run("python3", command, INSTALL).is_ok_and(|done| done.code == 0)
}

fn mail_server(python: &Path, place: &Path, mode: &str) -> MailServer {
    mail_server_at(Ipv4Addr::LOCALHOST.into(), python, place, mode)
}

/// The same at another address of this machine.
fn mail_server_at(address: IpAddr, python: &Path, place: &Path, mode: &str) -> MailServer {
    let script = place.join("server.py");
    std::fs::File::create(&script).unwrap().write_all(SERVER.as_bytes()).unwrap();
    let mut command: Command = guard::guarded(python).unwrap();
    command.arg(script).arg(place.join("mails")).arg(address.to_string()).arg(mode);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.join("mails.log")).unwrap());
    let mut running = Running::start("the mail server", command).unwrap();
    let line = running.first_line(PATIENCE).unwrap();
    let port = line
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("no port: {}", std::fs::read_to_string(place.join("mails.log")).unwrap()));
    MailServer { _running: running, address: SocketAddr::new(address, port), maildir: Maildir::at(place.join("mails")) }
}

#[test]
fn the_code_arrives_through_a_mail_server() {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let mails = mail_server(&python, place.path(), "open");
    let url = format!("smtp://{}?tls=none", mails.address);
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &["--smtp", &url, "--mail-from", "ca@chat.example.org"]).unwrap();
    assert_eq!(server.ready().outbox, None);

    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &mails.maildir).unwrap();
    alice.certtool(&["verify", "alice@example.org"]).unwrap().expect(0, "verify").unwrap();
    let mail = mails.maildir.to("alice@example.org").pop().unwrap();
    assert!(mail.header("From").unwrap().contains("ca@chat.example.org"), "{}", mail.text);
    assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert!(mail.header("Date").is_some() && mail.header("Message-ID").is_some(), "{}", mail.text);
    assert!(mail.body().lines().all(|line| line.len() <= 78), "{}", mail.text);
    assert!(
        !folder.join("outbox").join("new").exists()
            || std::fs::read_dir(folder.join("outbox/new")).unwrap().count() == 0
    );
}

#[test]
fn the_code_arrives_through_a_mail_server_of_ipv6_alone() {
    let Some(python) = python() else { return };
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        story::skipped("no IPv6 on this machine");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mails = mail_server_at(Ipv6Addr::LOCALHOST.into(), &python, place.path(), "auth");
    assert!(mails.address.is_ipv6());
    let url = format!("smtp://ca%40example.org:correct%20horse@{}", mails.address);
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &["--smtp", &url, "--mail-from", "ca@example.org"]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.join(server.ready(), &mails.maildir).unwrap();
    server.stop().unwrap();
}

#[test]
fn the_mail_server_asks_for_a_password_that_is_shown_nowhere() {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let mails = mail_server(&python, place.path(), "auth");
    let url = format!("smtp://ca%40example.org:correct%20horse@{}?tls=none", mails.address);
    let folder = place.path().join("server");
    // Two options change an existing server, too.
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    let server = Homeserver::start(&folder, &["--smtp", &url, "--mail-from", "ca@example.org"]).unwrap();
    let bob = Person::new(place.path(), "bob@example.org");
    bob.join(server.ready(), &mails.maildir).unwrap();
    let words = server.words();
    assert!(!words.contains("horse"), "{words}");
    server.stop().unwrap();
}

/// An authority of one's own in `authority.pem`, and in `server.pem` what it has certified for a mail server of this name.
fn certify(place: &Path, name: &str) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let (key, server_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    std::fs::write(place.join("authority.pem"), authority.pem()).unwrap();
    let server = CertificateParams::new([name.to_owned()]).unwrap();
    let server = server.signed_by(&server_key, &Issuer::new(params, key)).unwrap();
    std::fs::write(place.join("server.pem"), server.pem() + &server_key.serialize_pem()).unwrap();
}

/// A URL as the README has it, with the encryption that `mode` names.
fn encrypted(mode: &str, port: u16) -> String {
    let named = format!("ca%40example.org:correct%20horse@localhost:{port}");
    if mode == "smtps" { format!("smtps://{named}") } else { format!("smtp://{named}?tls=required") }
}

#[test]
fn a_mail_server_with_a_certificate_of_an_authority_of_ones_own_is_spoken_to_over_tls() {
    let Some(python) = python() else { return };
    for mode in ["smtps", "starttls"] {
        let place = tempfile::tempdir().unwrap();
        certify(place.path(), "localhost");
        let mails = mail_server(&python, place.path(), mode);
        let url = encrypted(mode, mails.address.port());
        let folder = place.path().join("server");
        let roots = place.path().join("authority.pem");
        let options = ["--smtp", &url, "--mail-from", "ca@example.org", "--smtp-roots", roots.to_str().unwrap()];
        let server = Homeserver::start(&folder, &options).unwrap();
        assert_eq!(server.ready().mails, url.replace("ca%40example.org:correct%20horse@", ""));
        Person::new(place.path(), "alice@example.org").join(server.ready(), &mails.maildir).unwrap();
        assert!(!server.words().contains("horse") && !server.words().contains("mails would not leave"));
        server.stop().unwrap();
        // It is remembered, as other options are.
        let server = Homeserver::start(&folder, &[]).unwrap();
        Person::new(place.path(), "bob@example.org").join(server.ready(), &mails.maildir).unwrap();
        server.stop().unwrap();
    }
}

#[test]
fn a_mail_server_that_does_not_prove_who_it_is_gets_no_password_and_the_operator_learns_what_to_try() {
    let Some(python) = python() else { return };
    let another_name = "its certificate does not count: certificate not valid for name \"localhost\"";
    for (mode, name, roots, told) in [
        ("smtps", "localhost", false, "its certificate is by no authority that is known here"),
        ("smtps", "elsewhere.example", true, another_name),
        ("starttls", "elsewhere.example", true, another_name),
    ] {
        let place = tempfile::tempdir().unwrap();
        certify(place.path(), name);
        let mails = mail_server(&python, place.path(), mode);
        let (url, file) = (encrypted(mode, mails.address.port()), place.path().join("authority.pem"));
        let options = ["--smtp", &url, "--smtp-roots", file.to_str().unwrap()];
        let server = Homeserver::start(&place.path().join("server"), &options[..if roots { 4 } else { 2 }]).unwrap();
        let told = format!("localhost:{}: {told}", mails.address.port());
        let warned = || server.words().contains(&told).then_some(());
        let warned = process::await_sight("the operator's warning", PATIENCE, warned);
        assert!(warned.is_ok() && !server.words().contains("horse"), "expected {told} in {}", server.words());
        server.stop().unwrap();
    }
}

/// What she and the operator learn of a mail server that takes no mail from this authority.
fn a_refusal_is_told(mode: &str, when: Told, operator: &str) {
    let Some(python) = python() else { return };
    let place = tempfile::tempdir().unwrap();
    let mails = mail_server(&python, place.path(), mode);
    let named = if ["auth", "tarpit"].contains(&mode) { "ca%40example.org:incorrect%20horse@" } else { "" };
    let url = format!("smtp://{named}{}?tls=none", mails.address);
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &["--smtp", &url, "--mail-from", "ca@example.org"]).unwrap();
    let warned = || server.words().contains(operator).then_some(());
    if matches!(when, Told::AtTheStart) {
        process::await_sight("the operator's warning", PATIENCE, warned).unwrap();
    }
    let carol = Person::new(place.path(), "carol@example.org");
    carol.trust(server.ready()).unwrap();
    process::await_sight("the reason", PATIENCE, || {
        let refused = carol.begin_enrolment(&[]).unwrap().finish(PATIENCE).unwrap();
        assert_eq!(refused.code, 1, "{}", refused.text());
        refused.text().contains("could not be handed over").then_some(())
    })
    .unwrap();
    process::await_sight("the operator's warning", PATIENCE, warned).unwrap();
    let words = server.words();
    assert!(!words.contains("horse") && !words.contains("carol"), "{words}");
    server.stop().unwrap();
}

/// When the operator hears of it.
#[derive(Clone, Copy)]
enum Told {
    /// Before anybody has asked for a code.
    AtTheStart,
    /// With the first one.
    WithAMail,
}

#[test]
fn a_sender_whom_the_mail_server_refuses_is_told_at_the_start_and_to_who_waits_for_a_code() {
    a_refusal_is_told("sender", Told::AtTheStart, "it refuses this authority's sender address (553 5.7.1)");
}

#[test]
fn a_mail_server_that_relays_nothing_for_this_authority_is_told_to_who_waits_for_a_code() {
    a_refusal_is_told("relaying", Told::WithAMail, "(554 5.7.1); look at whether it wants a name and a password");
}

#[test]
fn a_mail_server_that_refuses_the_mail_is_told_to_who_waits_for_a_code() {
    a_refusal_is_told("content", Told::WithAMail, "it refuses this authority's mail (550 5.7.1)");
}

#[test]
fn a_wrong_password_is_told_to_the_operator_at_the_start_and_to_who_waits_for_a_code() {
    a_refusal_is_told("auth", Told::AtTheStart, "it refuses this authority (535 5.7.8); look at its name and password");
}

#[test]
#[ignore = "a mail server that says nothing is given up after twenty seconds; run by ./test --all"]
fn a_mail_server_that_says_nothing_to_a_wrong_password_is_given_up() {
    a_refusal_is_told("tarpit", Told::AtTheStart, "some servers say nothing to wrong ones");
}

#[test]
fn a_mail_server_that_is_away_is_named_and_nothing_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    // A port to which nobody listens.
    let port = ports::own().unwrap();
    let url = format!("smtp://127.0.0.1:{port}?tls=none");
    let mut server = Homeserver::start(&folder, &["--smtp", &url]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    // Nobody waits for the mail server; whoever asks again is told.
    let told = process::await_sight("the reason", PATIENCE, || {
        let refused = alice.begin_enrolment(&[]).unwrap().finish(PATIENCE).unwrap();
        assert!([1, 4].contains(&refused.code), "{}", refused.text());
        refused.text().contains("could not be handed over").then_some(())
    });
    told.unwrap();
    assert!(server.lives());
    server.stop().unwrap();

    let server = Homeserver::start(&folder, &["--smtp", "outbox"]).unwrap();
    alice.enroll(&server.outbox()).unwrap();
    server.stop().unwrap();
}
