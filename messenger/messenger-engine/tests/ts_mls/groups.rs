//! The same program in a group without a network, where it is to see what a live room seldom has: an engine's device that enters
//! by a commit of its own.

use std::time::Instant;

use ed25519_dalek::SigningKey;
use identity::UnixTime;
use identity::testing::Authority;
use identity::tls::PersonVerifier;
use messenger_engine::room::{
    AnotherAuthority, Credentials, DeviceKey, Entrance, Group, MailFacts, MyLeaf, Person, Wanted,
};
use messenger_engine::time::Now;
use messenger_engine::wire::{MailChain, RoomPlaintext};
use messenger_engine::{RoomId, RoomSuite};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::member::bytes;
use crate::program::Program;
use crate::support::{hour_ago, identifier};

const ROOM: RoomId = RoomId([7; 16]);

struct Verifier(PersonVerifier);

impl Credentials for Verifier {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        let verified = self.0.person(&[CertificateDer::from(leaf.to_vec())], now.unix);
        verified.map(|verified| Person::from(&verified)).map_err(|error| error.to_string())
    }

    fn key(&self, _: &[u8]) -> Option<[u8; 32]> {
        None
    }

    fn mail(&self, _: &MailChain, _: &Person, _: Now) -> Result<MailFacts, String> {
        Err("nobody tells one here".to_owned())
    }

    fn meet(&self, _: &Person, _: Now) -> Result<bool, AnotherAuthority> {
        Ok(false)
    }
}

/// Somebody's certificate and key.
fn device(authority: &Authority, name: &str) -> (Vec<u8>, SigningKey) {
    let (chain, key) = authority.issue_person(&identifier(name), hour_ago());
    (chain[0].to_vec(), key)
}

/// A group of two: an engine's, and the program's, which entered by a welcome.
struct Pair {
    authority: Authority,
    credentials: Verifier,
    now: Now,
    host: Group,
    leaf: MyLeaf,
    program: Program,
}

impl Pair {
    fn new(mut program: Program) -> Self {
        let now = Now { instant: Instant::now(), unix: UnixTime::now() };
        let authority = Authority::new(8, hour_ago());
        let credentials = Verifier(PersonVerifier::new(authority.trust()));
        let (certificate, key) = device(&authority, "alice");
        let leaf = MyLeaf::new(certificate, key);
        let mut host = Group::create(ROOM, ("tea", RoomSuite::Classical), &leaf, &credentials, now).unwrap();
        let (certificate, key) = device(&authority, "mona");
        let (hers, device) = (hex::encode(key.to_bytes()), DeviceKey(key.verifying_key().to_bytes()));
        let wish = json!({ "do": "key_package", "certificate": hex::encode(certificate), "key": hers });
        let package = bytes(&program.ask(&wish).unwrap()["key_package"]);
        let guest = host.verify_guest(&package, device, &credentials, now).unwrap();
        let entry = host.make(Wanted::Enter(Box::new(guest)), &leaf).unwrap();
        let (_, welcome) = host.merge(entry.id, now).unwrap().welcome.unwrap();
        let told = program.ask(&json!({ "do": "welcome", "welcome": hex::encode(welcome) })).unwrap();
        assert_eq!(code(&told), host.code());
        Self { authority, credentials, now, host, leaf, program }
    }

    fn enter(&self, name: &str) -> (Entrance, MyLeaf) {
        let (certificate, key) = device(&self.authority, name);
        let guest = MyLeaf::new(certificate, key);
        let (info, invitation) = self.host.invite(guest.device(), &self.leaf).unwrap();
        let of_room = (ROOM, RoomSuite::Classical);
        let invited = (&info[..], &invitation);
        let made = Entrance::make(of_room, self.leaf.device(), invited, &guest, &self.credentials, self.now);
        (made.unwrap(), guest)
    }
}

fn code(told: &Value) -> String {
    messenger_engine::room::code(&messenger_engine::room::digest(&bytes(&told["authenticator"])))
}

pub(crate) fn an_engines_guest_is_followed(program: Program) {
    let mut pair = Pair::new(program);
    let (entrance, carol) = pair.enter("carol");
    let commit = hex::encode(entrance.message());
    let staged = pair.program.ask(&json!({ "do": "stage", "commit": commit })).unwrap();
    let merged = pair.program.ask(&json!({ "do": "merge", "commit": commit })).unwrap();
    let by_host = pair.host.stage(entrance.message(), &pair.credentials, pair.now).unwrap();
    pair.host.merge(by_host.id, pair.now).unwrap();
    let mut group = entrance.into_group();
    assert_eq!([code(&staged), code(&merged), group.code()], [(); 3].map(|()| pair.host.code()));
    assert_eq!(merged["members"].as_array().unwrap().len(), 3);
    let plaintext = RoomPlaintext::Text { id: 1, seen: 0, text: "here I am".into(), reply: None };
    let sealed = hex::encode(group.seal(&plaintext, &carol).unwrap());
    let opened = pair.program.ask(&json!({ "do": "open", "message": sealed })).unwrap();
    assert_eq!(minicbor::decode::<RoomPlaintext>(&bytes(&opened["plaintext"])).unwrap(), plaintext);
}
