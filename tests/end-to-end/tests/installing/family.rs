//! docs/operations/homeserver.md from its beginning to its end, as it is written: on a clean Debian, with the page's commands,
//! names and paths. Each block of commands is run exactly once, in the page's order.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use story::headless::Messenger;
use story::mail::Maildir;
use story::process;
use story::terminal::Terminal;

use super::life::{newer, package};
use super::machine::Machine;
use super::text;

const PATIENCE: Duration = Duration::from_secs(180);
const FAMILY: [&str; 5] = ["alice", "bob", "carol", "dave", "eve"];

/// The page's blocks of one kind in their order, each taken once.
struct Page(Vec<(String, String)>);

impl Page {
    fn read() -> Self {
        let page = text("docs/operations/homeserver.md");
        let blocks = page.split("```").skip(1).step_by(2).map(|block| {
            let (kind, text) = block.split_once('\n').unwrap();
            // The version that is built stands in the names of its packages.
            (kind.to_owned(), text.replace("0.1.0_amd64", &format!("{}_amd64", env!("CARGO_PKG_VERSION"))))
        });
        Self(blocks.filter(|(kind, _)| kind != "sh no-test").collect())
    }

    /// The next block, which has to be of this kind and to begin so.
    fn next(&mut self, kind: &str, begins: &str) -> String {
        let (found, text) = self.0.remove(0);
        assert!(found == kind && text.starts_with(begins), "expected {kind} {begins:?}, found {found} {text:?}");
        text
    }
}

/// Somebody of the family at her own account.
struct Member<'a> {
    name: &'static str,
    machine: &'a Machine,
}

impl Member<'_> {
    fn address(&self) -> String {
        format!("{}@example.org", self.name)
    }

    /// The page's commands as she gives them, with her own address.
    fn own(&self, commands: &str) -> String {
        commands.replace("alice@example.org", &self.address())
    }

    fn types(&self, commands: &str) -> process::Finished {
        let commands = self.own(commands);
        process::run(&commands, self.machine.command(self.name, &commands), PATIENCE)
            .unwrap()
            .expect(0, &commands)
            .unwrap()
    }

    /// The same, where a code is mailed.
    fn enrols(&self, commands: &str) {
        let outbox = Maildir::at(self.machine.path("/var/lib/inperson/outbox"));
        let seen = outbox.to(&self.address()).len();
        let commands = self.own(commands);
        let mut typing = process::collect("certtool enroll", self.machine.command(self.name, &commands)).unwrap();
        typing.type_line(&outbox.await_mail(&self.address(), seen, PATIENCE).unwrap().code().unwrap());
        typing.finish(PATIENCE).unwrap().expect(0, &commands).unwrap();
    }

    fn messenger(&self) -> Messenger {
        let command = self.machine.command(self.name, "exec messenger headless");
        let words = self.machine.path("/tmp").join(self.name);
        let mut messenger = Messenger::start(format!("{}'s messenger", self.name), command, &words).unwrap();
        messenger.expect(&json!({ "event": "online" })).unwrap();
        messenger
    }
}

#[test]
#[ignore = "boots a clean Debian, as root; run by ./test --all"]
fn from_a_bare_machine_to_a_family_of_five_and_on() {
    let Some(machine) = Machine::boot() else { return };
    let (mut page, place) = (Page::read(), tempfile::tempdir().unwrap());
    // The domain name, the network behind it, the medium for the root's key, and the packages.
    machine.sh(
        "ip link add lan type veth peer name port && ip address add 10.9.8.7/24 dev lan && ip link set lan up && ip link set port up\n\
         printf '127.0.0.1 localhost\\n10.9.8.7 chat.example.org\\n' > /etc/hosts\n\
         mkdir -p /media/vault",
    );
    for file in [package("inperson-server"), package("inperson"), newer("inperson-server", "0.1.1", place.path())] {
        machine.bring(&file);
    }

    // The server.
    machine.sh(&page.next("sh", "apt-get install"));
    let said = machine.sh(&page.next("sh", "runuser -u inperson -- ca")).stdout;
    // The first that is printed; the root's comes after it.
    let fingerprint = |said: &str| {
        let spelt = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        said.split_whitespace().find(spelt).unwrap_or_else(|| panic!("no fingerprint: {said}")).to_owned()
    };
    let first = fingerprint(&said);
    let settings = machine.path("/var/lib/inperson/homeserver.toml");
    let plain = std::fs::read_to_string(&settings).unwrap();
    let kept: String =
        plain.lines().filter(|line| !line.starts_with("mail_from")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&settings, page.next("toml", "smtp = ") + &kept).unwrap();
    let start = page.next("sh", "runuser -u inperson -- ca");
    let (check, start) = start.split_once('\n').unwrap();
    machine.sh(check);
    // There is no mail server in this world: mails land in the outbox.
    std::fs::write(&settings, plain).unwrap();
    machine.sh(start);
    machine.sh(&page.next("sh", "mv /var/lib/inperson/keys/root.key.pem"));

    // Each person.
    machine.sh(&page.next("sh", "apt-get install"));
    let enrol = page.next("sh person", "certtool trust add");
    let look = page.next("sh person", "certtool verify");
    let opens = page.next("sh person", "messenger 'CARD'");
    let mut cards = Vec::new();
    let family = FAMILY.map(|name| Member { name, machine: &machine });
    for member in &family {
        machine.sh(&format!("useradd --create-home {}", member.name));
        member.enrols(&enrol.replace("FINGERPRINT", &first));
        let said = member.types(&look).stdout;
        cards.push(said.lines().find(|line| line.starts_with("inperson:")).unwrap().to_owned());
    }
    // They take each other's cards, bob by a link that he opens, and talk.
    let [alice, others @ ..] = &family;
    opened(&opens.replace("CARD", &cards[0]), &others[0], place.path());
    let mut messengers: Vec<Messenger> = others.iter().map(Member::messenger).collect();
    for messenger in &mut messengers {
        cards.iter().for_each(|card| messenger.tell(&json!({ "do": "add_contact", "who": card })).unwrap());
    }
    alice.types(&page.next("sh person", "messenger send bob@example.org"));
    let heard = json!({ "event": "message", "from": "alice@example.org", "text": "Dinner is at seven" });
    messengers[0].expect(&heard).unwrap();
    messengers.insert(0, alice.messenger());
    cards.iter().for_each(|card| messengers[0].tell(&json!({ "do": "add_contact", "who": card })).unwrap());
    for (from, member) in family.iter().enumerate() {
        let to = (from + 1) % family.len();
        let line = format!("from {}", member.name);
        messengers[from].tell(&json!({ "do": "send", "to": family[to].address(), "text": line })).unwrap();
        messengers[to].expect(&json!({ "event": "message", "from": member.address(), "text": line })).unwrap();
        messengers[from].expect(&json!({ "event": "message_state", "state": "delivered" })).unwrap();
    }
    messengers.into_iter().for_each(|messenger| messenger.quit().unwrap());
    alice.types(&page.next("sh person", "certtool audit"));
    let hers = machine.log_in(alice.name);
    let timers = alice.types(&format!("{hers}\n{}", page.next("sh person", "certtool watch --install-timer"))).stdout;
    assert!(["inperson-watch.timer", "inperson-renew.timer"].iter().all(|timer| timers.contains(timer)), "{timers}");
    // What systemd will do by itself, now.
    alice.types(&format!("{hers}\nsystemctl --user start inperson-watch.service inperson-renew.service"));

    // A backup; the disk is lost; another log begins, and she goes over.
    machine.sh(&page.next("sh", "install -d -m 0700 -o inperson"));
    machine.sh("systemctl stop homeserver && rm -rf /var/lib/inperson/* /var/lib/inperson/.[a-z]*");
    let restore = page.next("sh lost", "runuser -u inperson -- ca");
    machine.tries(&restore).expect(4, "a server that was its own only witness").unwrap();
    let said = machine.sh(&page.next("sh lost", "runuser -u inperson -- ca")).stdout;
    let second = fingerprint(&said);
    assert_ne!(second, first);
    let over = page.next("sh person", "certtool trust add");
    alice.enrols(&over.replace("FINGERPRINT", &second).replace("FORMER", &first));

    // A newer version, and the way back.
    let version = || machine.sh("dpkg-query --show --showformat '${Version}' inperson-server").stdout;
    machine.sh(&page.next("sh newer", "apt-get install"));
    // It is started anew while apt goes on; it has to come up at the first try.
    let is_active = || (machine.tries("systemctl is-active homeserver").stdout == "active\n").then_some(());
    process::await_sight("the newer server to be active", PATIENCE, is_active).unwrap();
    assert_eq!(machine.sh("systemctl show --property NRestarts homeserver").stdout, "NRestarts=0\n");
    assert_eq!(version(), "0.1.1");
    machine.sh(&page.next("sh newer", "systemctl stop homeserver"));
    assert_eq!(machine.sh("systemctl is-active homeserver").stdout, "active\n");
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    // What the page has at its end about taking it away is done at the end.
    let purge = page.next("sh end", "apt-get purge");
    machine.sh(&page.next("sh", "journalctl -u homeserver")).stdout.lines().for_each(|line| {
        assert!(line.starts_with('{') == serde_json::from_str::<Value>(line).is_ok(), "{line}");
    });
    rotated(&machine, &page.next("sh", "install -d /etc/systemd/journald.conf.d"));
    let looked = machine.sh(&page.next("sh", "install -m 0644 /var/lib/inperson/keys/root.pem")).stdout;
    for sight in ["\"status\":\"ok\"", "inperson_ca_decisions_total", "inperson_directory_serving 1"] {
        assert!(looked.contains(sight), "{sight}: {looked}");
    }
    let walls = machine.sh(&page.next("sh", "systemd-analyze security")).stdout;
    walled_in(&walls);
    machine.sh("runuser -u inperson -- ca --folder /var/lib/inperson audit verify");
    let said = machine.sh(&purge).text();
    assert!(said.contains("/var/lib/inperson is kept"), "{said}");
    machine.sh("test -s /var/lib/inperson/keys/people.key.pem && test ! -e /usr/bin/homeserver");
    machine.sh("test -s /home/alice/.local/share/inperson/messenger/contacts.toml && test ! -e /usr/bin/messenger");
    assert!(page.0.is_empty(), "blocks that nobody has run: {:?}", page.0);
}

/// Bob opens alice's card from a command line, and adds her by one key.
fn opened(command: &str, bob: &Member<'_>, place: &Path) {
    if !Terminal::possible() {
        return story::skipped("nobody opened a contact card: there is no tmux");
    }
    let folder = place.join("card");
    std::fs::create_dir(&folder).unwrap();
    let screen = bob.machine.terminal(bob.name, command, &folder);
    screen.await_text("Add alice@example.org, as the card says that you opened?").unwrap();
    screen.press(&["Enter"]).unwrap();
    let list = || bob.types("messenger contacts list").stdout.contains("alice@example.org").then_some(());
    process::await_sight("alice in bob's list", PATIENCE, list).unwrap();
    screen.press(&["C-q"]).unwrap();
    screen.ended().unwrap();
}

/// The page's rotation by age. With seconds in place of days the file that holds what is too old goes while the server runs on,
/// and what came after it stays.
fn rotated(machine: &Machine, page: &str) {
    machine.sh(page);
    let read = machine.sh("systemd-analyze cat-config systemd/journald.conf").stdout;
    assert!(
        ["MaxFileSec=1day", "MaxRetentionSec=30day"].iter().all(|set| read.lines().any(|line| line == *set)),
        "{read}"
    );
    let line = |mark: &str| machine.sh(&format!("systemd-cat --identifier=rotation echo {mark}"));
    let there = |mark: &str| machine.tries("journalctl --identifier=rotation -o cat --no-pager").stdout.contains(mark);
    line("before");
    process::await_sight("the line", PATIENCE, || there("before").then_some(())).unwrap();
    machine.sh(&page.replace("1day", "5s").replace("30day", "30s"));
    // A journal that is written to is rotated when the next line comes.
    process::await_sight("what is too old to be gone", PATIENCE, || {
        line("meanwhile");
        (!there("before")).then_some(())
    })
    .unwrap();
    assert!(there("meanwhile"));
    machine.sh(page);
    assert_eq!(machine.sh("systemctl is-active homeserver").stdout, "active\n");
}

/// Each unit of the package as systemd has loaded it has the figure that the page says.
fn walled_in(said: &str) {
    let page = text("docs/operations/homeserver.md");
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")).collect();
    for row in &rows {
        let (unit, figure) = (row.split('`').next().unwrap().replace('@', "@witness"), row.rsplit(' ').next().unwrap());
        assert!(said.contains(&format!("level for {unit}: {figure} ")), "{row}: {said}");
    }
    assert_eq!((rows.len(), said.lines().count()), (4, 4), "{said}");
}
