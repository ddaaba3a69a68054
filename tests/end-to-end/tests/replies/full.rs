//! The disk is full while somebody proves her address by a reply: whatever comes waits until there is room, and is taken then.

use story::crash;
use story::disk::{self, Disk};

use super::*;

#[test]
fn a_full_disk_keeps_replies_waiting_and_loses_none() {
    // Outside, too, where whoever runs the tests hears that it is skipped.
    if environment().is_none() || !disk::is_apart("full::a_full_disk_keeps_replies_waiting_and_loses_none").unwrap() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mounted(&place.path().join("server")).unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let server = server(place.path(), &mut stage, "");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    // From the account on.
    let (mut enrolment, mail) = disk
        .while_full(&server, || {
            let enrolment = Enrolment::begin(&alice);
            (enrolment, stage.hears("mail"))
        })
        .unwrap();
    let asked = response(&mut enrolment, &mail);
    enrolment.says("Waiting for your reply");
    // Neither that a reply has proven nothing can be noted, nor that one has proven it: the mail server keeps both.
    disk.fill().unwrap();
    for how in ["unsigned", "signed"] {
        let answer = stage.reply(&asked, how);
        assert!(answer.contains("451"), "{how}: {answer}");
    }
    assert!(enrolment.running.ended().unwrap().is_none(), "{}", enrolment.heard);
    disk.free().unwrap();
    // What became of the authority's mail may have been lost, too: she may hear of that first.
    assert_eq!(stage.reply(&asked, "unsigned"), "taken");
    enrolment.says("by example.org, found none");
    // The mail server tries again.
    assert_eq!(stage.reply(&asked, "signed"), "taken");
    enrolment.says("The address is proven to be yours");
    assert!(enrolment.running.wait(PATIENCE).unwrap().success(), "{}", enrolment.heard);
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "certtool verify").unwrap();
    crash::account_for(&[alice], disk.folder()).unwrap();
    server.stop().unwrap();
}
