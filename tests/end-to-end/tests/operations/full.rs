//! The disk is full, for real: in every step somebody is refused until there is room again, and goes on where she was.

use story::crash;
use story::disk::Disk;

use super::*;

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    if !apart::is_inside("full::a_full_disk_refuses_and_loses_nothing") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mounted(&place.path().join("server")).unwrap();
    let server = Homeserver::start(disk.folder(), &["--permit-phone", "+49"]).unwrap();
    let outbox = server.outbox();
    let mut people = Vec::new();
    // From the account on; by mail and by text message.
    for name in ["alice@example.org", "+4915112345678"] {
        let person = Person::new(place.path(), name);
        person.trust(server.ready()).unwrap();
        let done = disk.while_full(&server, || crash::by_code(&person, &outbox)).unwrap().unwrap();
        done.expect(0, "certtool enroll, which waited").unwrap();
        people.push(person);
    }
    // From the code on: it was sent, and is typed when there is no room to note that it was right.
    let bob = Person::new(place.path(), "bob@example.org");
    bob.trust(server.ready()).unwrap();
    let mut enrolment = bob.begin_enrolment(&[]).unwrap();
    let code = outbox.await_mail(bob.address(), 0, PATIENCE).unwrap().code().unwrap();
    let done = disk.while_full(&server, || {
        enrolment.type_line(&code);
        enrolment.finish(PATIENCE)
    });
    done.unwrap().unwrap().expect(0, "certtool enroll, which waited").unwrap();
    people.push(bob);
    crash::account_for(&people, disk.folder()).unwrap();

    let (alice, bob) = (&people[0], &people[2]);
    let revoked = disk.while_full(&server, || bob.certtool(&["revoke", bob.address()])).unwrap().unwrap();
    revoked.expect(0, "certtool revoke, which waited").unwrap();
    alice.certtool(&["audit", "--from-start"]).unwrap().expect(0, "certtool audit").unwrap();
    server.stop().unwrap();
    // And from the disk alone.
    let server = Homeserver::start(disk.folder(), &[]).unwrap();
    let mut audit = guard::command("ca").unwrap();
    audit.arg("--folder").arg(disk.folder()).args(["audit", "verify"]);
    process::run("ca", audit, PATIENCE).unwrap().expect(0, "ca audit verify").unwrap();
    server.stop().unwrap();
}
