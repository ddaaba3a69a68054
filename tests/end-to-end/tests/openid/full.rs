//! The disk is full while people log in for their proof: whoever is refused waits, and goes on where she was.

use story::crash;
use story::disk::{self, Disk};

use super::*;

#[test]
fn a_full_disk_keeps_who_logs_in_waiting_and_loses_nothing() {
    // Outside, too, where there is a network to fetch the issuer by.
    let node = Node::with(&["oidc-provider@8.8.1"]).unwrap();
    if !disk::is_apart("full::a_full_disk_keeps_who_logs_in_waiting_and_loses_nothing").unwrap() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mounted(&place.path().join("server")).unwrap();
    let issuer = issuer(&node, place.path(), None);
    let server = server(disk.folder(), &issuer);
    let browser = browser(&node, place.path(), "-");
    // From the account on.
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let done = disk.while_full(&server, || enroll(&alice, &browser)).unwrap();
    done.expect(0, "certtool enroll, which waited").unwrap();
    // She has been sent to her issuer, and comes back when there is no room to note whom it vouches for.
    let bob = Person::new(place.path(), "bob@example.org");
    bob.trust(server.ready()).unwrap();
    let (asked, go_on) = (place.path().join("asked"), place.path().join("go-on"));
    let patient = place.path().join("patient-browser");
    let (asking, going) = (asked.display(), go_on.display());
    let script = format!(
        "#!/bin/sh\n: >{asking}\nuntil [ -e {going} ]; do sleep 0.05; done\nexec {} \"$1\"\n",
        browser.display()
    );
    std::fs::write(&patient, script).unwrap();
    std::fs::set_permissions(&patient, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = std::thread::scope(|scope| {
        let enrolling = scope.spawn(|| enroll(&bob, &patient));
        process::await_sight("the browser", PATIENCE, || asked.exists().then_some(())).unwrap();
        let finished = disk.while_full(&server, || {
            std::fs::write(&go_on, "").unwrap();
            enrolling.join().unwrap()
        });
        finished.unwrap()
    });
    done.expect(0, "certtool enroll, which waited").unwrap();
    for person in [&alice, &bob] {
        person.certtool(&["verify", person.address()]).unwrap().expect(0, "certtool verify").unwrap();
        assert!(server.outbox().to(person.address()).is_empty(), "no code was sent");
    }
    crash::account_for(&[alice, bob], disk.folder()).unwrap();
    server.stop().unwrap();
}
