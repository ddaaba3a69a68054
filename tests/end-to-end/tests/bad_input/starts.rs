//! A home server that cannot start says why, and what to try; whatever else runs is not disturbed.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use story::homeserver::Homeserver;

use super::garbage::noise;
use super::{House, refused};

#[test]
fn a_port_in_use_is_named_with_its_option() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let done = Homeserver::refused(&folder, &["--https-port", &port, "--directory-port", "0"]).unwrap();
    refused(&done, &[1], &[&port, "tcp", "--https-port", "in use"]);

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = udp.local_addr().unwrap().port().to_string();
    let done = Homeserver::refused(&folder, &["--https-port", "0", "--directory-port", &port]).unwrap();
    refused(&done, &[1], &[&port, "udp", "--directory-port", "in use"]);

    let done = Homeserver::refused(&folder, &["--listen", "192.0.2.1", "--https-port", "0"]).unwrap();
    refused(&done, &[1], &["192.0.2.1", "--listen"]);
    assert!(!folder.exists(), "a start that came to nothing leaves no folder");

    // Nothing of the failed starts stands in the way of one that works.
    drop((tcp, udp));
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
}

#[test]
fn a_passphrase_that_is_not_to_be_had_leaves_neither_keys_nor_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let (folder, nowhere) = (place.path().join("server"), place.path().join("none"));
    let source = format!("file:{}", nowhere.display());
    let ports = ["--https-port", "0", "--directory-port", "0"];
    let done = Homeserver::refused(&folder, &[&ports[..], &["--key-passphrase", &source]].concat()).unwrap();
    refused(&done, &[1], &["cannot be opened", &nowhere.display().to_string(), "--key-passphrase"]);
    assert!(!folder.exists(), "nothing stays");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    std::fs::write(&file, b"mine").unwrap();
    // Even root cannot make folders there.
    for folder in [Path::new("/proc/inperson"), &file, &file.join("below")] {
        let done = Homeserver::refused(folder, &["--https-port", "0", "--directory-port", "0"]).unwrap();
        refused(&done, &[1], &[&folder.display().to_string(), "--folder"]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_second_home_server_on_the_same_folder_is_refused_and_the_first_lives_on() {
    let mut house = House::new();
    let folder = house.server.folder().to_path_buf();
    let done = Homeserver::refused(&folder, &[]).unwrap();
    refused(&done, &[1], &["another home server", &house.server.id().to_string(), &folder.display().to_string()]);
    house.lives_on("witness");
}

/// How a file is damaged.
type Damage = Box<dyn Fn(&[u8]) -> Vec<u8>>;

#[test]
fn damaged_files_are_named_and_left_as_they_are() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let other = place.path().join("other");
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
    Homeserver::start(&other, &[]).unwrap().stop().unwrap();

    let foreign = std::fs::read(other.join("policy.json")).unwrap();
    let settings = folder.join("homeserver.toml");
    let cases: [(&Path, Damage, &[&str]); 6] = [
        (
            &settings,
            Box::new(|good| [good, b"smpt = \"smtp://me:s3cret@host\"\n"].concat()),
            &["homeserver.toml", "smpt"],
        ),
        (&settings, Box::new(|_| vec![0xff; 4096]), &["homeserver.toml", "expected"]),
        (&folder.join("policy.json"), Box::new(|good| good.to_ascii_uppercase()), &["policy.json"]),
        (&folder.join("policy.json"), Box::new(move |_| foreign.clone()), &["policy.json", "expected"]),
        (&folder.join("ca.sqlite"), Box::new(|_| noise()), &["ca.sqlite", "damaged", "expected", "backup"]),
        (&folder.join("keys/log.pem"), Box::new(|good| good[..good.len() / 2].to_vec()), &["log.pem", "expected"]),
    ];
    for (file, damage, words) in cases {
        let good = std::fs::read(file).unwrap();
        let bad = damage(&good);
        std::fs::write(file, &bad).unwrap();
        let done = Homeserver::refused(&folder, &[]).unwrap();
        refused(&done, &[1], words);
        assert!(!done.text().contains("s3cret") && !done.text().contains("has been lost"), "{}", done.text());
        assert_eq!(std::fs::read(file).unwrap(), bad);
        std::fs::write(file, good).unwrap();
    }
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
}

#[test]
fn what_people_have_pinned_cannot_change_by_an_option() {
    let house = House::new();
    let folder = house.server.folder().to_path_buf();
    house.server.stop().unwrap();
    for (option, value) in
        [("--domain", "elsewhere.example"), ("--https-port", "1"), ("--permit-domain", "example.org")]
    {
        let done = Homeserver::refused(&folder, &[option, value]).unwrap();
        refused(&done, &[1], &[option, value, "expected"]);
    }
    let done = Homeserver::refused(&folder, &["--smtp", "mail.example.org"]).unwrap();
    refused(&done, &[2], &["expected", "smtp://"]);
    Homeserver::start(&folder, &[]).unwrap().stop().unwrap();
}
