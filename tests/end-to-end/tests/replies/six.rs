//! Mail over IPv6, in both directions.

use std::net::Ipv6Addr;

use super::*;

#[test]
fn a_reply_comes_and_goes_over_ipv6() {
    let place = tempfile::tempdir().unwrap();
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        story::skipped("no IPv6 on this machine");
        return;
    }
    let Some(mut stage) = Stage::set_at(place.path(), Ipv6Addr::LOCALHOST.into()) else { return };
    let server = server(place.path(), &mut stage, "");
    let settings = std::fs::read_to_string(place.path().join("server/homeserver.toml")).unwrap();
    assert!(settings.contains("lmtp = \"[::1]:") && settings.contains("smtp://[::1]:"), "{settings}");
    let alice = Person::new(place.path(), "alice@example.org");
    alice.trust(server.ready()).unwrap();
    let mut enrolment = Enrolment::begin(&alice);
    let mail = stage.hears("mail");
    assert_eq!((&mail["verified"], &mail["to"]), (&json!(true), &json!(["alice@example.org"])), "{mail}");
    let asked = response(&mut enrolment, &mail);
    is_told(&mut stage, &mut enrolment, &asked, ("unsigned", "found none"));
    assert_eq!(stage.reply(&asked, "signed"), "taken");
    enrolment.says("The address is proven to be yours");
    assert!(enrolment.running.wait(PATIENCE).unwrap().success(), "{}", enrolment.heard);
    server.stop().unwrap();
}
