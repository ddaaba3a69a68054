//! The official vectors of MLS (`tests/vectors/mls`) through what rooms do with openmls: its provider, and our configuration,
//! readers, signer and checks.
//!
//! Two things differ from a room, because the vectors do: their leaves ended in 2023 and 2024, and their commits are not
//! encrypted. Both are refused as in a room before the vector is followed without.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use identity::Identifier;
use identity::trust::Fingerprint;
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{
    Ciphersuite, HpkeCiphertext, HpkePrivateKey, KeyPackageBundle, LeafNodeIndex, MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY,
    MlsMessageBodyIn, MlsMessageIn, OpenMlsCrypto as _, OpenMlsProvider as _, ProcessedMessageContent, ProtocolMessage,
    Sender, SignatureScheme, StagedCommit, StagedWelcome,
};
use openmls_traits::signatures::Signer as _;
use openmls_traits::storage::StorageProvider as _;
use room_order::{Ballot, CommitId, Leaf};
use serde_json::{Value, json};

use super::checks::{parse, protocol_message, verify_leaf, verify_members};
use super::credential::{length_prefix, vector, with_length};
use super::group::Entered;
use super::provider::Provider;
use super::settings::{self, Context};
use super::standing::Standing;
use super::*;
use crate::api::RoomId;
use crate::time::Now;
use crate::wire::MailChain;

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/vectors/mls/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The first one of a file.
fn first(file: &str) -> Value {
    cases(file).remove(0)
}

fn bytes(hex: &Value) -> Vec<u8> {
    hex::decode(hex.as_str().unwrap()).unwrap()
}

/// What is in the one vector that is written there.
fn content(hex: &Value) -> Vec<u8> {
    let bytes = bytes(hex);
    let (content, rest) = vector(&bytes).unwrap();
    assert!(rest.is_empty());
    content.to_vec()
}

/// Each of these bytes changed, one at a time.
fn changed(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|at| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        (at, changed)
    })
}

/// What is signed (RFC 9420 section 5.1.2), or is the context of an encryption (5.1.3).
fn labelled(label: &Value, content: &[u8]) -> Vec<u8> {
    let label = format!("MLS 1.0 {}", label.as_str().unwrap());
    [with_length(label.as_bytes()), with_length(content)].concat()
}

/// A device that is in none of these groups.
const DEVICE: DeviceKey = DeviceKey([7; 32]);

/// There is none in these vectors, so nobody must ask.
struct NoCertificates;

impl Credentials for NoCertificates {
    fn verify(&self, _: &[u8], _: Now) -> Result<Person, String> {
        unreachable!("a leaf without a certificate is refused before")
    }

    fn key(&self, _: &[u8]) -> Option<[u8; 32]> {
        unreachable!("the same")
    }

    fn mail(&self, _: &MailChain, _: &Person, _: Now) -> Result<MailFacts, String> {
        unreachable!("this is for talk between two")
    }

    fn meet(&self, _: &Person, _: Now) -> Result<bool, AnotherAuthority> {
        unreachable!("the same")
    }
}

/// `deserialization.json`: how long a vector says it is (RFC 9420 section 2.1.2), which we read and write ourselves for
/// credentials.
#[test]
fn lengths_are_read_and_written_as_in_the_vectors() {
    let cases = cases("deserialization");
    for case in &cases {
        let (header, length) = (bytes(&case["vlbytes_header"]), case["length"].as_u64().unwrap() as usize);
        assert_eq!(length_prefix(length), header);
        if length > 0 {
            assert_eq!(vector(&header), None, "{length} bytes that are not there");
        }
        // Not a gigabyte.
        if length <= usize::from(u16::MAX) {
            let whole = [header, vec![7; length], vec![8]].concat();
            assert_eq!(vector(&whole), Some((&vec![7; length][..], &[8][..])));
        }
    }
    assert_eq!(cases.len(), 14);
}

/// `crypto-basics.json`, `sign_with_label`: the signer is ours.
#[test]
fn a_leaf_signs_as_in_the_vectors() {
    let case = &first("crypto-basics")["sign_with_label"];
    let leaf = MyLeaf::new(Vec::new(), SigningKey::from_bytes(&content(&case["priv"]).try_into().unwrap()));
    assert_eq!(leaf.device().0.to_vec(), content(&case["pub"]));
    let signed = labelled(&case["label"], &bytes(&case["content"]));
    assert_eq!(leaf.sign(&signed).unwrap(), bytes(&case["signature"]));
    let provider = Provider::default();
    let verify = |signed: &[u8], signature: &[u8]| {
        provider.crypto().verify_signature(SignatureScheme::ED25519, signed, &leaf.device().0, signature).is_ok()
    };
    assert!(verify(&signed, &bytes(&case["signature"])));
    for (at, changed) in changed(&signed) {
        assert!(!verify(&changed, &bytes(&case["signature"])), "{at}");
    }
    for (at, changed) in changed(&bytes(&case["signature"])) {
        assert!(!verify(&signed, &changed), "{at}");
    }
}

/// `crypto-basics.json`: the provider's hash and key derivation, for suite 1 and with the hash of the hybrid suite.
#[test]
fn the_provider_derives_as_in_the_vectors() {
    let provider = Provider::default();
    for case in cases("crypto-basics") {
        let suite = Ciphersuite::try_from(case["cipher_suite"].as_u64().unwrap() as u16).unwrap();
        let hash = suite.hash_algorithm();
        let expand = |case: &Value, context: &[u8], length: usize| {
            // RFC 9420 section 8.
            let info = [&(length as u16).to_be_bytes()[..], &labelled(&case["label"], context)].concat();
            let out = provider.crypto().hkdf_expand(hash, &bytes(&case["secret"]), &info, length).unwrap();
            assert_eq!(out.as_slice(), bytes(&case["out"]), "{}", case["label"]);
        };
        let length = |case: &Value| case["length"].as_u64().unwrap() as usize;
        let expanded = &case["expand_with_label"];
        expand(expanded, &bytes(&expanded["context"]), length(expanded));
        expand(&case["derive_secret"], &[], hash.size());
        let derived = &case["derive_tree_secret"];
        let generation = derived["generation"].as_u64().unwrap() as u32;
        expand(derived, &generation.to_be_bytes(), length(derived));
        let named = &case["ref_hash"];
        let label = with_length(named["label"].as_str().unwrap().as_bytes());
        let value = [label, with_length(&bytes(&named["value"]))].concat();
        assert_eq!(provider.crypto().hash(hash, &value).unwrap(), bytes(&named["out"]));
    }
    let hybrid = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
    assert_eq!(Ciphersuite::try_from(7).unwrap().hash_algorithm(), hybrid.hash_algorithm());
}

/// `crypto-basics.json`, `encrypt_with_label`: the provider's HPKE.
#[test]
fn the_provider_opens_what_the_vectors_sealed() {
    let case = &first("crypto-basics")["encrypt_with_label"];
    let provider = Provider::default();
    let suite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
    let info = labelled(&case["label"], &bytes(&case["context"]));
    let open = |sealed: &HpkeCiphertext, info: &[u8]| {
        provider.crypto().hpke_open(suite.hpke_config(), sealed, &content(&case["priv"]), info, &[]).ok()
    };
    let (kem_output, ciphertext) = (bytes(&case["kem_output"]), bytes(&case["ciphertext"]));
    let sealed = |kem_output: &[u8], ciphertext: &[u8]| HpkeCiphertext {
        kem_output: kem_output.to_vec().into(),
        ciphertext: ciphertext.to_vec().into(),
    };
    let plaintext = bytes(&case["plaintext"]);
    assert_eq!(open(&sealed(&kem_output, &ciphertext), &info), Some(plaintext.clone()));
    for (at, changed) in changed(&kem_output) {
        assert_eq!(open(&sealed(&changed, &ciphertext), &info), None, "{at}");
    }
    for (at, changed) in changed(&ciphertext) {
        assert_eq!(open(&sealed(&kem_output, &changed), &info), None, "{at}");
    }
    for (at, changed) in changed(&info) {
        assert_eq!(open(&sealed(&kem_output, &ciphertext), &changed), None, "{at}");
    }
    let ours =
        provider.crypto().hpke_seal(suite.hpke_config(), &content(&case["pub"]), &info, &[], &plaintext).unwrap();
    assert_eq!(open(&ours, &info), Some(plaintext));
}

/// `messages.json`: each is read whole, written again as it was, and of those that change a room or speak in it private ones
/// alone are taken.
#[test]
fn messages_of_the_vectors_are_read_and_private_ones_alone_are_taken() {
    let case = first("messages");
    let messages = case.as_object().unwrap();
    assert_eq!(messages.len(), 7);
    for (name, message) in messages {
        let message = bytes(message);
        let read = parse(&message).unwrap();
        let kind = match read {
            MlsMessageBodyIn::Welcome(_) => "mls_welcome",
            MlsMessageBodyIn::GroupInfo(_) => "mls_group_info",
            MlsMessageBodyIn::KeyPackage(_) => "mls_key_package",
            MlsMessageBodyIn::PublicMessage(_) => "public_message",
            MlsMessageBodyIn::PrivateMessage(_) => "private_message",
        };
        assert!(name.starts_with(kind), "{name} is {kind}");
        let read = MlsMessageIn::tls_deserialize_exact(&message).unwrap();
        assert_eq!(read.tls_serialize_detached().unwrap(), message, "{name}");
        match (kind, Group::epoch_of(&message)) {
            // After version, form and the group's identifier of 16 bytes.
            ("private_message", epoch) => {
                assert_eq!(epoch, Ok(u64::from_be_bytes(message[21..29].try_into().unwrap())));
            }
            (_, refused) => {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains("expected a PrivateMessage"), "{name}: {refused}");
            }
        }
        for end in 0..message.len() {
            assert!(parse(&message[..end]).is_err(), "{name} up to {end}");
        }
        assert!(parse(&[&message[..], &[0]].concat()).is_err(), "{name} and a byte");
    }
}

/// `messages.json`: a key package is refused for its time alone. Openmls looks at that last, so each changed byte is refused
/// for another reason.
#[test]
fn a_guests_key_package_of_the_vectors_is_refused_for_its_time_alone() {
    let group = entered(&first("passive-client-handling-commit"));
    let refused = |key_package: &[u8]| {
        group.verify_guest(key_package, DEVICE, &NoCertificates, Now::read()).err().expect("refused").to_string()
    };
    let key_package = bytes(&first("messages")["mls_key_package"]);
    let ended = |refusal: &str| refusal.contains("LifetimeError(Expired");
    assert!(ended(&refused(&key_package)), "{}", refused(&key_package));
    for (at, changed) in changed(&key_package) {
        let refusal = refused(&changed);
        assert!(!ended(&refusal), "{at}: {refusal}");
    }
}

/// Of `passive-client-handling-commit.json`: a store with the client's key package, as openmls keeps one that it has made.
fn store(case: &Value) -> Provider {
    let MlsMessageBodyIn::KeyPackage(key_package) = parse(&bytes(&case["key_package"])).unwrap() else {
        unreachable!("that member is a key package")
    };
    let key = |name| serde_json::to_value(HpkePrivateKey::from(bytes(&case[name]))).unwrap();
    let bundle = json!({
        "key_package": key_package,
        "private_init_key": key("init_priv"),
        "private_encryption_key": { "key": key("encryption_priv") },
    });
    let bundle: KeyPackageBundle = serde_json::from_value(bundle).unwrap();
    let provider = Provider::default();
    let reference = bundle.key_package().hash_ref(provider.crypto()).unwrap();
    provider.storage().write_key_package(&reference, &bundle).unwrap();
    provider
}

/// The welcome staged as in [`Joining::enter`], but for the time of the leaves.
fn staged(provider: &Provider, welcome: &[u8]) -> Result<StagedWelcome, GroupError> {
    let MlsMessageBodyIn::Welcome(welcome) = parse(welcome)? else {
        return Err(GroupError::rule("a Welcome", "another MLS message"));
    };
    let staged = StagedWelcome::build_from_welcome(provider, &settings::join(), welcome).map_err(GroupError::mls)?;
    staged.skip_lifetime_validation().build().map_err(GroupError::mls)
}

/// Whoever a leaf might be.
fn person(device: DeviceKey) -> Person {
    let certificate = Facts {
        digest: [0; 32],
        serial: "01".into(),
        not_before: 0,
        log: "town/log".into(),
        index: 0,
        witnesses: Vec::new(),
        witnessed_only_by_operator: true,
    };
    Person {
        identifier: Identifier::parse("arnold@example.org").unwrap(),
        device,
        not_after: u64::MAX,
        authority: Authority { name: "town".into(), root: Fingerprint([7; 32]) },
        certificate: Arc::new(certificate),
    }
}

/// The client's group, as if its leaves were people's and the committer of a removal its host.
fn entered(case: &Value) -> Group {
    let provider = store(case);
    let staged = staged(&provider, &bytes(&case["welcome"])).unwrap();
    let device = |key: &[u8]| DeviceKey(key.try_into().unwrap());
    let members = staged.members().map(|member| (member.index, person(device(&member.signature_key)))).collect();
    let group = staged.into_group(&provider).unwrap();
    let host = Leaf(REMOVING);
    let standing = Standing::of_creator(DEVICE);
    let context = Context { name: "tea".into(), host: Ballot { term: 0, leaf: host }, standing };
    Group::entered(provider, group, Entered { context, epoch_name: CommitId([0; 32]), members })
}

/// Who commits the removal.
const REMOVING: u32 = 3;

/// A commit that is not encrypted, through openmls as [`Group::stage`] does it with one that is.
fn process(group: &mut Group, commit: &[u8]) -> Result<(LeafNodeIndex, Box<StagedCommit>), GroupError> {
    let MlsMessageBodyIn::PublicMessage(message) = parse(commit)? else {
        return Err(GroupError::rule("a PublicMessage", "another MLS message"));
    };
    let message = ProtocolMessage::from(message);
    let processed = group.group.process_message(&group.provider, message).map_err(GroupError::mls)?;
    let Sender::Member(committer) = *processed.sender() else { unreachable!("these commits are members'") };
    let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
        return Err(GroupError::rule("a commit", "another MLS message"));
    };
    Ok((committer, staged))
}

fn follow_commits_in_the_clear(group: &mut Group) {
    let config = settings::join_with(MIXED_CIPHERTEXT_WIRE_FORMAT_POLICY);
    group.group.set_configuration(group.provider.storage(), &config).unwrap();
}

/// `passive-client-handling-commit.json`: joined and followed, each epoch's authenticator, from which its code for people
/// comes, the vector's.
#[test]
fn a_group_of_the_vectors_is_joined_and_followed() {
    let case = first("passive-client-handling-commit");
    let mut group = entered(&case);
    follow_commits_in_the_clear(&mut group);
    let authenticated = |group: &Group, authenticator: &Value| {
        assert_eq!(group.group.epoch_authenticator().as_slice(), bytes(authenticator));
        assert_eq!(group.digest(), digest(&bytes(authenticator)));
        assert_eq!(group.code(), code(&digest(&bytes(authenticator))));
    };
    authenticated(&group, &case["initial_epoch_authenticator"]);
    let (epoch, members) = (group.epoch(), group.group.members().count());
    let epochs = case["epochs"].as_array().unwrap();
    for (number, next) in (1..).zip(epochs) {
        let commit = bytes(&next["commit"]);
        for (at, changed) in changed(&commit) {
            assert!(process(&mut group, &changed).is_err(), "byte {at} of commit {number}");
        }
        let (_, staged) = process(&mut group, &commit).unwrap();
        group.group.merge_staged_commit(&group.provider, *staged).unwrap();
        authenticated(&group, &next["epoch_authenticator"]);
        assert_eq!(group.epoch(), epoch + number);
    }
    assert_eq!(epochs.len(), 2);
    assert_eq!(group.group.members().count(), members - 1, "the second removes one");
}

#[test]
fn a_welcome_of_the_vectors_is_refused_with_any_byte_changed() {
    let case = first("passive-client-handling-commit");
    for (at, changed) in changed(&bytes(&case["welcome"])) {
        assert!(staged(&store(&case), &changed).is_err(), "{at}");
    }
}

/// What openmls takes of these vectors, rooms refuse: leaves that have ended, leaves without a certificate, groups that are no
/// rooms, and commits that are not encrypted.
#[test]
fn a_group_of_the_vectors_is_none_of_our_rooms() {
    let (case, now) = (first("passive-client-handling-commit"), Now::read());
    let no_certificate = || GroupError::from(RefusedCredential::NotX509 { found: 1 });
    let welcome = bytes(&case["welcome"]);
    let provider = store(&case);
    let staged = staged(&provider, &welcome).unwrap();
    assert_eq!(verify_members(staged.members(), &NoCertificates, now), Err(no_certificate()));
    let context = settings::read(staged.group_context().extensions()).unwrap_err();
    assert!(context.to_string().contains("expected a room with roles"), "{context}");
    drop(staged);

    let joining = Joining::with(store(&case), RoomId([7; 16]), DEVICE);
    let refused = joining.enter((&welcome, CommitId([0; 32])), DEVICE, &NoCertificates, now).err().expect("refused");
    assert!(refused.to_string().contains("Lifetime"), "{refused}");

    let mut group = entered(&case);
    for next in case["epochs"].as_array().unwrap() {
        let commit = bytes(&next["commit"]);
        let private = GroupError::rule("a PrivateMessage", "another MLS message");
        assert_eq!(protocol_message(&commit).err(), Some(private.clone()));
        assert_eq!(group.stage(&commit, &NoCertificates, now).err(), Some(private));
        let refused = process(&mut group, &commit).err().unwrap();
        assert!(refused.to_string().contains("IncompatibleWireFormat"), "{refused}");
    }
    follow_commits_in_the_clear(&mut group);
    for next in case["epochs"].as_array().unwrap() {
        let (committer, staged) = process(&mut group, &bytes(&next["commit"])).unwrap();
        let leaf = staged.update_path_leaf_node().unwrap();
        assert_eq!(verify_leaf(leaf, &NoCertificates, now), Err(no_certificate()));
        // A member's own update, and the removal by the host: each is refused for the leaf in its path.
        let refused = group.check_commit(&staged, committer, &NoCertificates, now).err().expect("refused");
        assert!(matches!(&refused, GroupError::Leaf { why, .. } if *why == no_certificate().to_string()), "{refused}");
        group.group.merge_staged_commit(&group.provider, *staged).unwrap();
    }
}
