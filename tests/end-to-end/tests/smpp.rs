//! The code comes through an SMSC: the home server speaks SMPP 3.4 to npm's `smpp`, which is not ours.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::node::Node;
use story::person::Person;
use story::ports;
use story::process::{self, Running, await_sight};

const NUMBER: &str = "+4915112345678";
const PATIENCE: Duration = Duration::from_secs(60);

/// An SMSC that writes down what it is asked, and reports what became of it. Its ids are hexadecimal in its answers and
/// decimal in its receipts, as some have them.
const SMSC: &str = r#"
const smpp = require("smpp");
const fs = require("fs");
const [, , journal, port] = process.argv;
let next = 0xabcdef;
const note = (what) => fs.appendFileSync(journal, JSON.stringify(what) + "\n");
const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("enquire_link", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => { note({ what: "unbind" }); session.send(pdu.response()); session.close(); });
  session.on("bind_transceiver", (pdu) => {
    const good = pdu.system_id === "inperson" && pdu.password === "s3cret";
    note({ what: "bind", good, version: pdu.interface_version });
    session.send(pdu.response({ command_status: good ? 0 : smpp.ESME_RINVPASWD }));
  });
  session.on("submit_sm", (pdu) => {
    note({ what: "message", to: pdu.destination_addr, ton: pdu.dest_addr_ton, from: pdu.source_addr,
      from_ton: pdu.source_addr_ton, text: pdu.short_message.message, coding: pdu.data_coding,
      receipt: pdu.registered_delivery, valid_seconds: Math.round((pdu.validity_period - Date.now()) / 1000) });
    if (pdu.destination_addr.endsWith("0000")) {
      return session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    }
    const id = next++;
    session.send(pdu.response({ message_id: id.toString(16) }));
    session.deliver_sm({ esm_class: 4, source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611260215 done date:2611260216 stat:DELIVRD err:000 text:` },
      (answer) => note({ what: "receipt", status: answer.command_status }));
    session.deliver_sm({ source_addr: pdu.destination_addr, destination_addr: pdu.source_addr, short_message: "STOP" });
  });
});
server.listen(Number(port), "127.0.0.1", () => console.log(server.address().port));
"#;

struct Smsc {
    running: Running,
    port: u16,
    journal: PathBuf,
}

impl Smsc {
    fn start(node: &Node, place: &Path, port: u16) -> Self {
        let journal = place.join("smsc.jsonl");
        let mut command = node.script("smsc.cjs", SMSC).unwrap();
        command.arg(&journal).arg(port.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&place.join("smsc.log")).unwrap());
        let mut running = Running::start("the SMSC", command).unwrap();
        let line = running.first_line(PATIENCE).unwrap();
        let said = std::fs::read_to_string(place.join("smsc.log")).unwrap_or_default();
        Self { running, port: line.trim().parse().unwrap_or_else(|_| panic!("no port: {said}")), journal }
    }

    fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.journal).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for the `count`th line about `what`, and gives it.
    fn await_line(&self, what: &str, count: usize) -> Value {
        await_sight(what, PATIENCE, || self.journal().into_iter().filter(|line| line["what"] == what).nth(count - 1))
            .unwrap()
    }
}

#[test]
fn the_code_arrives_through_an_smsc_which_may_come_and_go() {
    let node = Node::with(&["smpp@0.5.1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    // It goes and comes back at the same port.
    let smsc = Smsc::start(&node, place.path(), ports::own().unwrap());
    let folder = place.path().join("server");
    Homeserver::start(&folder, &["--permit-phone", "+49"]).unwrap().stop().unwrap();
    let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("homeserver.toml")).unwrap();
    let table =
        format!("\n[phone]\ngateway = \"smpp\"\nsender = \"In Person\"\nurl = \"smpp://127.0.0.1:{}\"\n", smsc.port);
    settings.write_all(table.as_bytes()).unwrap();
    write_secrets(&folder, "system_id = inperson\npassword = s3cret\n");
    let server = Homeserver::start(&folder, &[]).unwrap();
    assert_eq!(smsc.await_line("bind", 1)["good"], true);
    assert_eq!(smsc.await_line("bind", 1)["version"], 0x34);

    let anna = Person::new(place.path(), NUMBER);
    anna.trust(server.ready()).unwrap();
    let mut enrolment = anna.begin_enrolment(&[]).unwrap();
    let message = smsc.await_line("message", 1);
    let expected = [("to", "4915112345678"), ("from", "In Person")];
    assert!(expected.iter().all(|(member, value)| message[member] == *value), "{message}");
    let numbers = [("ton", 1), ("from_ton", 5), ("coding", 1), ("receipt", 1)];
    assert!(numbers.iter().all(|(member, value)| message[member] == *value), "{message}");
    let valid = message["valid_seconds"].as_i64().unwrap();
    assert!((300..=600).contains(&valid), "as long as the code: {message}");
    let text = message["text"].as_str().unwrap().to_owned();
    enrolment.type_line(text.split(' ').next().unwrap());
    enrolment.finish(PATIENCE).unwrap().expect(0, "certtool enroll").unwrap();
    assert_eq!(smsc.await_line("receipt", 1)["status"], 0);
    let trail = || std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let reported =
        || trail().lines().any(|line| line.contains("text-receipt") && line.contains("delivered")).then_some(());
    await_sight("the receipt in the trail", PATIENCE, reported).unwrap();
    assert!(!trail().contains("4915112345678"), "a number in the trail");

    // A number that the SMSC refuses looks like any other.
    let nobody = Person::new(place.path(), "+4915112340000");
    nobody.trust(server.ready()).unwrap();
    let told = nobody.certtool(&["enroll", nobody.address()]).unwrap().expect(1, "certtool enroll").unwrap();
    assert!(told.text().contains("A code is being sent to +4915112340000"), "{}", told.text());
    smsc.await_line("message", 2);
    let again = nobody.certtool(&["enroll", nobody.address()]).unwrap().expect(1, "certtool enroll").unwrap();
    assert!(again.text().contains("was sent to +4915112340000 before; it is still good"), "{}", again.text());

    // The SMSC goes: who asks is told the next time, and another message goes out when it is back.
    let port = smsc.port;
    let Smsc { mut running, .. } = smsc;
    running.kill();
    let other = Person::new(place.path(), "+4915112341111");
    other.trust(server.ready()).unwrap();
    other.certtool(&["enroll", other.address()]).unwrap().expect(1, "certtool enroll").unwrap();
    let smsc = Smsc::start(&node, place.path(), port);
    smsc.await_line("bind", 2);
    let mut enrolment = other.begin_enrolment(&[]).unwrap();
    let message = smsc.await_line("message", 3);
    assert_eq!(message["to"], "4915112341111");
    enrolment.type_line(message["text"].as_str().unwrap().split(' ').next().unwrap());
    let done = enrolment.finish(PATIENCE).unwrap().expect(0, "certtool enroll").unwrap();
    assert!(done.text().contains("could not be handed over"), "{}", done.text());
    server.stop().unwrap();
    smsc.await_line("unbind", 1);
}

/// Kannel between the home server and the SMSC: HTTP in, SMPP out.
const KANNEL: &str = "\
group = core
admin-port = ADMIN
admin-password = none
admin-deny-ip = \"*.*.*.*\"
smsbox-port = BOX
box-allow-ip = 127.0.0.1
dlr-storage = internal
log-file = LOG
log-level = 1

group = smsc
smsc = smpp
smsc-id = test
host = 127.0.0.1
port = SMSC
transceiver-mode = true
smsc-username = inperson
smsc-password = s3cret
system-type = none
interface-version = 34

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = HTTP
sendsms-interface = 127.0.0.1
global-sender = 12345

group = sendsms-user
username = ca
password = s3cret
";

#[test]
#[ignore = "needs Debian's kannel; run by ./test --all"]
fn the_code_arrives_through_kannel() {
    let node = Node::with(&["smpp@0.5.1"]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let smsc = Smsc::start(&node, place.path(), 0);
    let [admin, smsbox, http] = [(); 3].map(|()| ports::own().unwrap().to_string());
    let log = place.path().join("kannel.log");
    let text = KANNEL.replace("ADMIN", &admin).replace("BOX", &smsbox).replace("HTTP", &http);
    let text = text.replace("LOG", log.to_str().unwrap()).replace("port = SMSC", &format!("port = {}", smsc.port));
    let settings = place.path().join("kannel.conf");
    std::fs::write(&settings, text).unwrap();
    let _boxes = ["/usr/sbin/bearerbox", "/usr/sbin/smsbox"].map(|program| {
        let mut command = story::guard::guarded(Path::new(program)).unwrap();
        let out = || process::sink(&place.path().join("kannel.out")).unwrap();
        command.args(["-v", "4"]).arg(&settings).stdin(Stdio::null()).stdout(out()).stderr(out());
        let running = Running::start(program, command).unwrap();
        let port = if program.ends_with("smsbox") { &http } else { &smsbox };
        let open = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok();
        await_sight(program, PATIENCE, open).unwrap();
        running
    });
    smsc.await_line("bind", 1);

    let folder = place.path().join("server");
    Homeserver::start(&folder, &["--permit-phone", "+49"]).unwrap().stop().unwrap();
    let mut settings = std::fs::OpenOptions::new().append(true).open(folder.join("homeserver.toml")).unwrap();
    let table = format!("\n[phone]\ngateway = \"kannel\"\nsender = \"InPerson\"\nurl = \"http://127.0.0.1:{http}\"\n");
    settings.write_all(table.as_bytes()).unwrap();
    write_secrets(&folder, "username = ca\npassword = s3cret\n");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let anna = Person::new(place.path(), NUMBER);
    anna.trust(server.ready()).unwrap();
    let mut enrolment = anna.begin_enrolment(&[]).unwrap();
    let message = smsc.await_line("message", 1);
    assert!(message["to"].as_str().unwrap().ends_with("4915112345678"), "{message}");
    enrolment.type_line(message["text"].as_str().unwrap().split(' ').next().unwrap());
    enrolment.finish(PATIENCE).unwrap().expect(0, "certtool enroll").unwrap();
    server.stop().unwrap();
}

/// The file of what the gateway knows the server by: its owner's alone, else the server does not start.
fn write_secrets(folder: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join("phone-secrets");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
