//! The disk is full, for real: in every step somebody is refused until there is room again, and goes on where she was.

use std::fs::File;
use std::io::Write as _;
use std::process::Command;

use story::crash;

use super::*;

/// A disk with a server on it.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mounted(folder: PathBuf) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let mut command: Command = guard::guarded(Path::new("mount")).unwrap();
        command.args(["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs"]).arg(&folder);
        process::run("mount", command, PATIENCE).unwrap().expect(0, "mount").unwrap();
        Self { folder }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Not a byte is left, nor an inode's worth.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        let mut block = vec![7; 1 << 16];
        while !block.is_empty() {
            if ballast.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

/// How often somebody was told to come back.
fn refusals(server: &Homeserver) -> usize {
    server.words().matches("a request must come back later").count()
}

/// Does something while the disk is full; there is room again as soon as somebody was refused.
fn with_full_disk<T: Send>(disk: &Disk, server: &Homeserver, act: impl FnOnce() -> T + Send) -> T {
    let before = refusals(server);
    disk.fill();
    std::thread::scope(|scope| {
        let freeing = scope.spawn(|| {
            let seen = process::await_sight("a refusal", PATIENCE, || (refusals(server) > before).then_some(()));
            disk.free();
            seen.unwrap_or_else(|error| panic!("{error}\n{}", server.words()));
        });
        let done = act();
        freeing.join().unwrap();
        done
    })
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if !apart::is_inside("full::a_full_disk_refuses_and_loses_nothing") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mounted(place.path().join("server"));
    let server = Homeserver::start(&disk.folder, &["--permit-phone", "+49"]).unwrap();
    let outbox = server.outbox();
    let mut people = Vec::new();
    // From the account on; by mail and by text message.
    for name in ["alice@example.org", "+4915112345678"] {
        let person = Person::new(place.path(), name);
        person.trust(server.ready()).unwrap();
        let done = with_full_disk(&disk, &server, || crash::by_code(&person, &outbox)).unwrap();
        done.expect(0, "certtool enroll, which waited").unwrap();
        people.push(person);
    }
    // From the code on: it was sent, and is typed when there is no room to note that it was right.
    let bob = Person::new(place.path(), "bob@example.org");
    bob.trust(server.ready()).unwrap();
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    let code = outbox.await_mail(bob.address(), 0, PATIENCE).unwrap().code().unwrap();
    let done = with_full_disk(&disk, &server, || {
        enrolment.type_line(&code);
        enrolment.finish(PATIENCE)
    });
    done.unwrap().expect(0, "certtool enroll, which waited").unwrap();
    people.push(bob);
    crash::account_for(&people, &disk.folder).unwrap();

    let (alice, bob) = (&people[0], &people[2]);
    let revoked = with_full_disk(&disk, &server, || bob.certtool(&["revoke", bob.address()])).unwrap();
    revoked.expect(0, "certtool revoke, which waited").unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "certtool audit").unwrap();
    server.stop().unwrap();
    // And from the disk alone.
    let server = Homeserver::start(&disk.folder, &[]).unwrap();
    let mut audit = guard::guarded(&guard::program("ca").unwrap()).unwrap();
    audit.arg("--folder").arg(&disk.folder).args(["audit", "verify"]);
    process::run("ca", audit, PATIENCE).unwrap().expect(0, "ca audit verify").unwrap();
    server.stop().unwrap();
}
