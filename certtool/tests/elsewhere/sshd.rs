//! Debian's sshd with what `certtool gen ssh` prints, every path as it stands there, and ssh with a key of certtool's.
//!
//! It lives in file systems of its own, with users of its own, so nothing of this machine's is touched. Only root can log
//! others in; says so clearly when it skips.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use device::{MailKeyType, chain_from_pem};

use crate::place::{Done, Place, RSA, Server, other, run, skipped};
use crate::recipes::port;

/// Alice's account, whose policy the recipe speaks of, and whom sshd runs as before it knows who comes.
const ACCOUNTS: &str = "alice:*:63001:65534::/:/bin/sh\n\
                        inperson:*:63002:65534::/var/lib/inperson:/usr/sbin/nologin\n\
                        sshd:*:63003:65534::/run/sshd:/usr/sbin/nologin\n";

/// Lays everything where the recipe has it, pins the policy as the user it names, and becomes sshd.
const MACHINE: &str = r#"
place=$1 certtool=$2 fingerprint=$3 sshd=$4 unpacked=$5
mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
install -m 755 "$certtool" /usr/local/bin/certtool
if [ -n "$unpacked" ]; then
    for libraries in "$unpacked"/usr/lib/*-linux-gnu; do export LD_LIBRARY_PATH="$libraries"; done
    # Newer ones are more than one program.
    mount --bind "$unpacked/usr/lib/openssh" /usr/lib/openssh
fi
mount --bind "$place" /mnt
mount --bind /mnt/ssh /etc/ssh
mount --bind /mnt/passwd /etc/passwd
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir /var/lib/inperson
mount --bind /mnt/inperson /var/lib/inperson
chown inperson /var/lib/inperson
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
setpriv --reuid inperson --regid 65534 --clear-groups --reset-env \
    /usr/local/bin/certtool --home /var/lib/inperson trust add /etc/ssh/policy.json --fingerprint "$fingerprint"
# Newer ones keep an address out for a while that was refused a few times.
patient="-o PerSourcePenalties=no"
"$sshd" -t $patient 2> /dev/null || patient=
exec setpriv --pdeathsig KILL "$sshd" -D -e $patient
"#;

/// Debian's program, and where `tools/setup.sh` has unpacked its package if it is not installed.
fn program() -> Option<(PathBuf, Option<PathBuf>)> {
    let installed = PathBuf::from("/usr/sbin/sshd");
    if installed.exists() {
        return Some((installed, None));
    }
    let tools = Path::new(env!("CARGO_BIN_EXE_certtool")).parent()?.parent()?.join("tools/openssh");
    let program = tools.join("usr/sbin/sshd");
    program.exists().then_some((program, Some(tools)))
}

/// sshd on a machine of its own, where the authority's policy is pinned.
struct Sshd<'a> {
    place: &'a Place,
    port: String,
    _server: Server,
}

impl<'a> Sshd<'a> {
    /// None where this machine cannot play it.
    fn start(place: &'a Place, recipe: &str) -> Option<Self> {
        let may = || run("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).either().0;
        if !rustix::process::getuid().is_root() || !may() {
            skipped("only root, with namespaces, can have sshd log others in");
            return None;
        }
        let Some((program, unpacked)) = program() else {
            skipped("no sshd (Debian package openssh-server)");
            return None;
        };
        let port = port();
        let key = place.at("machine/ssh/host_key");
        fs::create_dir_all(place.at("machine/ssh/people")).unwrap();
        fs::create_dir_all(place.at("machine/inperson/crl")).unwrap();
        run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", &key]).good();
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let settings = format!("ListenAddress 127.0.0.1:{port}\nHostKey /etc/ssh/host_key\nPidFile none\n{recipe}");
        place.public("machine/passwd", format!("{ACCOUNTS}{accounts}").as_bytes());
        place.public("machine/ssh/sshd_config", settings.as_bytes());
        place.public("machine/ssh/policy.json", &fs::read(place.at("policy.json")).unwrap());
        let own = format!("[127.0.0.1]:{port} {}", fs::read_to_string(format!("{key}.pub")).unwrap());
        place.write("known_hosts", own.as_bytes());

        let log = fs::File::create(place.at("sshd.log")).unwrap();
        let mut machine = other("unshare", ["--mount", "sh", "-ec", MACHINE, "sh"]);
        machine.args([place.at("machine").as_str(), env!("CARGO_BIN_EXE_certtool"), &place.fingerprint()]);
        machine.arg(program).arg(unpacked.unwrap_or_default());
        machine.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut server = Server(machine.spawn().unwrap());
        server.listens(port, || fs::read_to_string(place.at("sshd.log")).unwrap());
        Some(Self { place, port: port.to_string(), _server: server })
    }

    /// Whether this key gets into an account, and what was said.
    fn asks(&self, account: &str, key: &Path) -> (bool, String) {
        let known = format!("UserKnownHostsFile={}", self.place.at("known_hosts"));
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        ssh.args(["-o", &known, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i"]).arg(key);
        ssh.arg(format!("{account}@127.0.0.1")).arg("id -un");
        Done::of(ssh).either()
    }

    #[track_caller]
    fn lets_in(&self, account: &str, key: &Path) {
        let (well, said) = self.asks(account, key);
        assert!(well && said == format!("{account}\n"), "{said}\n{}", self.log());
    }

    #[track_caller]
    fn refuses(&self, account: &str, key: &Path) {
        let (well, said) = self.asks(account, key);
        assert!(!well && said.contains("Permission denied (publickey"), "{said}\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.place.at("sshd.log")).unwrap()
    }
}

#[test]
fn sshd_lets_in_who_has_the_key_as_long_as_the_certificate_holds() {
    let place = Place::new();
    let key = place.mailbox(MailKeyType::P256);
    let chain = key.with_file_name("chain.pem");
    let recipe = place.certtool(&["gen", "ssh"]).good();
    let Some(sshd) = Sshd::start(&place, &recipe) else { return };
    let account = |chain: &Path| place.public("machine/ssh/people/alice.pem", &fs::read(chain).unwrap());
    // Nobody's certificate is there yet.
    sshd.refuses("alice", &key);
    account(&chain);
    sshd.lets_in("alice", &key);
    // It opens her account and no other, and no other key opens hers.
    let (other, other_key) = place.mail("rsa", RSA);
    sshd.refuses("inperson", &key);
    sshd.refuses("alice", Path::new(&other_key));
    // Who brings another certificate comes with its key from then on.
    account(Path::new(&other));
    sshd.lets_in("alice", Path::new(&other_key));
    sshd.refuses("alice", &key);

    // Revoked, once the list is there.
    let leaf = chain_from_pem(&fs::read(&other).unwrap()).unwrap().remove(0);
    place.revoked(0, &[&leaf]);
    sshd.lets_in("alice", Path::new(&other_key));
    place.public("machine/inperson/crl/mail.der", &fs::read(place.at("home/crl/people.der")).unwrap());
    sshd.refuses("alice", Path::new(&other_key));
    account(&chain);
    sshd.lets_in("alice", &key);
    // What is no certificate of the authority's opens nothing.
    place.public("machine/ssh/people/alice.pem", b"-----BEGIN CERTIFICATE-----\n");
    sshd.refuses("alice", &key);
}
