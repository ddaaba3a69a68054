//! Commits by which guests enter (R-09 of docs/spec/rooms.md), among groups: what members take of them, which is little.

use std::sync::Arc;

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{GroupId, JoinProposal, MlsMessageBodyIn, MlsMessageIn, OpenMlsProvider, ProtocolVersion};
use openmls_rust_crypto::OpenMlsRustCrypto;
use room_order::CommitId;

use super::rooms::leaf;
use super::world::World;
use crate::api::{RoomId, RoomSuite};
use crate::room::{
    Credentials, Deed, DeviceKey, Entrance, Group, GroupError, Joining, MAX_EXTERNAL_COMMIT_BYTES, MAX_MEMBERS, MyLeaf,
    Wanted, sign,
};
use crate::time::Now;
use crate::wire::{Invited, RoomPlaintext, SignedInvitation};

const ROOM: RoomId = RoomId([7; 16]);

/// A room's groups, the host's first, and whose they are.
struct Circle {
    world: World,
    credentials: Arc<dyn Credentials>,
    now: Now,
    suite: RoomSuite,
    leaves: Vec<MyLeaf>,
    groups: Vec<Group>,
}

impl Circle {
    fn of(suite: RoomSuite, names: &[&str]) -> Self {
        let world = World::of(&["alice"]);
        let (now, credentials) = (world.now(), world.tables["alice"].clone());
        let host = leaf(names[0]);
        let group = Group::create(ROOM, ("tea", suite), &host, &*credentials, now).unwrap();
        let mut circle = Self { world, credentials, now, suite, leaves: vec![host], groups: vec![group] };
        for name in &names[1..] {
            circle.welcome(name);
        }
        circle
    }

    /// The host lets somebody in, who enters.
    fn welcome(&mut self, name: &str) {
        let (guest, joining, (commit, welcome, id)) = self.let_in(name);
        self.follow(&commit, 1);
        let group = joining.enter((&welcome, id), self.leaves[0].device(), &*self.credentials, self.now).unwrap();
        self.leaves.push(guest);
        self.groups.push(group);
    }

    /// The host lets somebody in: the commit, the welcome, and the name of the epoch.
    fn let_in(&mut self, name: &str) -> (MyLeaf, Joining, (Vec<u8>, Vec<u8>, CommitId)) {
        let guest = leaf(name);
        let (joining, key_package) = Joining::new(ROOM, self.suite, &guest).unwrap();
        let host = &mut self.groups[0];
        let verified = host.verify_guest(&key_package, guest.device(), &*self.credentials, self.now).unwrap();
        let entry = host.make(Wanted::Enter(Box::new(verified)), &self.leaves[0]).unwrap();
        let commit = host.staged_message(entry.id).unwrap().to_vec();
        let welcome = host.merge(entry.id, self.now).unwrap().welcome.unwrap().1;
        (guest, joining, (commit, welcome, entry.id))
    }

    /// All but so many of the first stage a commit and merge it.
    fn follow(&mut self, commit: &[u8], but: usize) {
        for group in &mut self.groups[but..] {
            let staged = group.stage(commit, &*self.credentials, self.now).unwrap();
            group.merge(staged.id, self.now).unwrap();
        }
    }

    /// The host does something, which everybody follows.
    fn settle(&mut self, wanted: Wanted) {
        let commit = self.groups[0].make(wanted, &self.leaves[0]).unwrap();
        let message = self.groups[0].staged_message(commit.id).unwrap().to_vec();
        self.groups[0].merge(commit.id, self.now).unwrap();
        self.follow(&message, 1);
    }

    fn invite(&self, guest: &MyLeaf) -> Result<(Vec<u8>, SignedInvitation), GroupError> {
        self.groups[0].invite(guest.device(), &self.leaves[0])
    }

    fn enter(&self, guest: &MyLeaf, invited: &(Vec<u8>, SignedInvitation)) -> Result<Entrance, GroupError> {
        let host = self.leaves[0].device();
        Entrance::make((ROOM, self.suite), host, (&invited.0, &invited.1), guest, &*self.credentials, self.now)
    }

    /// Why each member refuses a commit, all for one reason; nothing changes by it.
    fn refusal(&mut self, commit: &[u8]) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for group in &mut self.groups {
            let (epoch, code) = (group.epoch(), group.code());
            reasons.push(group.stage(commit, &*self.credentials, self.now).unwrap_err().to_string());
            assert_eq!((group.epoch(), group.code()), (epoch, code));
        }
        reasons.dedup();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        reasons.remove(0)
    }
}

#[test]
fn a_guest_enters_by_a_commit_of_her_own_and_talks_with_everybody() {
    for suite in [RoomSuite::Classical, RoomSuite::Hybrid] {
        let mut circle = Circle::of(suite, &["alice", "bob"]);
        let carol = leaf("carol");
        let invited = circle.invite(&carol).unwrap();
        let entrance = circle.enter(&carol, &invited).unwrap();
        assert_eq!(*entrance.before(), circle.groups[0].order(), "as members have it");
        assert_eq!(entrance.leaves(), circle.groups[0].leaves());
        let before = circle.groups[0].epoch();
        for group in &mut circle.groups {
            let staged = group.stage(entrance.message(), &*circle.credentials, circle.now).unwrap();
            assert_eq!(staged, *entrance.commit());
            assert_eq!(group.enters(staged.id).map(|person| person.device), Some(carol.device()));
            let changed = group.merge(staged.id, circle.now).unwrap();
            assert_eq!((changed.added.len(), changed.by, changed.welcome), (1, None, None));
        }
        circle.groups.push(entrance.into_group());
        circle.leaves.push(carol);
        let told: Vec<_> = circle.groups.iter().map(|group| (group.order(), group.leaves(), group.code())).collect();
        assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
        assert_eq!((told[0].0.number, told[0].1.iter().count()), (before + 1, 3));
        for from in 0..3 {
            let plaintext = RoomPlaintext::Text { id: 1, seen: 0, text: "hello".into(), reply: None };
            let sealed = circle.groups[from].seal(&plaintext, &circle.leaves[from]).unwrap();
            let sender = circle.leaves[from].device();
            for to in (0..3).filter(|to| *to != from) {
                let opened = circle.groups[to].open(&sealed, sender).unwrap();
                assert_eq!((opened.sender.device, opened.plaintext), (sender, plaintext.clone()));
            }
        }
        // Where a member has gone, the next guest takes her leaf.
        let bob = circle.leaves.remove(1).device();
        circle.groups.remove(1);
        circle.settle(Wanted::Remove(vec![bob]));
        let dave = leaf("dave");
        let entrance = circle.enter(&dave, &circle.invite(&dave).unwrap()).unwrap();
        assert_eq!(entrance.commit().committer.0, 1);
        circle.follow(entrance.message(), 0);
        assert_eq!(entrance.group().code(), circle.groups[0].code());
    }
}

/// R-09, word by word.
#[test]
fn an_invitation_is_for_one_device_and_one_epoch_and_the_hosts() {
    let mut circle = Circle::of(RoomSuite::Classical, &["alice", "bob"]);
    let (bob, carol, dave) = (leaf("bob"), leaf("carol"), leaf("dave"));
    let former = circle.invite(&carol).unwrap();
    let late = circle.enter(&carol, &former).unwrap();
    circle.settle(Wanted::Settle(Deed::Topic("oolong".into())));
    let (info, mine) = circle.invite(&carol).unwrap();
    let signed =
        |invited: Invited, by: &MyLeaf| SignedInvitation { signature: sign(&invited, by).unwrap(), invited }.to_bytes();
    let mut flipped = mine.clone();
    flipped.signature[9] ^= 1;
    let changed = |change: fn(&mut Invited)| {
        let mut invited = mine.invited.clone();
        change(&mut invited);
        signed(invited, &circle.leaves[0])
    };
    let cases = [
        ("another guest's", circle.invite(&dave).unwrap().1.to_bytes(), "one of another device"),
        ("a former epoch's", former.1.to_bytes(), "one for another epoch"),
        ("that number alone", changed(|invited| invited.number -= 1), "one for another epoch"),
        ("that name alone", changed(|invited| invited.parent = [9; 32]), "one for another epoch"),
        ("another room's", changed(|invited| invited.room = [9; 16]), "one for another epoch"),
        ("another host's", changed(|invited| invited.term += 1), "one for another epoch"),
        ("her leaf's", changed(|invited| invited.leaf = 1), "one for another epoch"),
        ("a member's", signed(mine.invited.clone(), &bob), "one that she has not signed"),
        ("her own", signed(mine.invited.clone(), &carol), "one that she has not signed"),
        ("forged", flipped.to_bytes(), "one that she has not signed"),
        ("longer", [mine.to_bytes(), vec![0]].concat(), "found none"),
        ("no", Vec::new(), "found none"),
    ];
    for (name, invitation, why) in cases {
        let commit = Entrance::make_regardless(&info, invitation, &carol).unwrap();
        let refused = circle.refusal(&commit);
        assert!(refused.contains("the host's invitation of this device for this epoch"), "{name}: {refused}");
        assert!(refused.contains(why), "{name}: {refused}");
    }
    // What was right a moment ago is late.
    let refused = circle.refusal(late.message());
    assert!(refused.contains("expected a message of epoch"), "{refused}");
    // And what has let somebody in lets her in once.
    let entrance = circle.enter(&carol, &(info, mine)).unwrap();
    circle.follow(entrance.message(), 0);
    let refused = circle.refusal(entrance.message());
    assert!(refused.contains("expected a message of epoch"), "{refused}");
}

/// openmls' resync: a commit that removes a leaf with its author's key.
#[test]
fn a_device_that_is_in_the_tree_is_not_let_in_again() {
    let mut circle = Circle::of(RoomSuite::Classical, &["alice", "bob"]);
    let (bob, carol) = (leaf("bob"), leaf("carol"));
    let refused = circle.invite(&bob).unwrap_err().to_string();
    assert!(refused.contains("a guest who is not in the room"), "{refused}");
    // The host has signed it all the same.
    let (info, mut invitation) = circle.invite(&carol).unwrap();
    invitation.invited.device = bob.device().0;
    invitation.signature = sign(&invitation.invited, &circle.leaves[0]).unwrap();
    let commit = Entrance::make_regardless(&info, invitation.to_bytes(), &bob).unwrap();
    let refused = circle.groups[0].stage(&commit, &*circle.credentials, circle.now).unwrap_err().to_string();
    assert!(refused.contains("lets its author in and does nothing else"), "{refused}");
    let refused = circle.enter(&bob, &(info, invitation)).err().unwrap().to_string();
    assert!(refused.contains("a room that this device is not in"), "{refused}");
}

#[test]
fn a_guest_is_who_her_certificate_says_and_has_what_rooms_require() {
    let mut circle = Circle::of(RoomSuite::Classical, &["alice", "bob"]);
    let carol = leaf("carol");
    let (info, invitation) = circle.invite(&carol).unwrap();
    let entrance = circle.enter(&carol, &(info.clone(), invitation.clone())).unwrap();
    let refusing = |circle: &Circle, name: &str| circle.world.tables["alice"].refused.lock().unwrap().push(name.into());
    refusing(&circle, "carol@example.org");
    let refused = circle.refusal(entrance.message());
    assert!(refused.contains("CHAIN-01"), "{refused}");
    circle.world.tables["alice"].refused.lock().unwrap().clear();
    // Her key under bob's certificate, invited by her key.
    let seed: Vec<u8> = "carol".bytes().cycle().take(32).collect();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap());
    let other = super::world::certificate("bob@example.org", &leaf("bob").device());
    let mismatched = MyLeaf::new(other, key);
    let commit = Entrance::make_regardless(&info, invitation.to_bytes(), &mismatched).unwrap();
    let refused = circle.refusal(&commit);
    assert!(refused.contains("the certificate's key"), "{refused}");
    circle.follow(entrance.message(), 0);
}

/// R-21, by whoever the host has invited.
#[test]
fn nobody_enters_whom_the_room_does_not_admit() {
    let mut circle = Circle::of(RoomSuite::Classical, &["alice", "bob", "carol"]);
    let (carol, dave) = (leaf("carol"), leaf("dave"));
    let device = carol.device();
    circle.groups.pop();
    circle.leaves.pop();
    circle.settle(Wanted::Settle(Deed::Remove(vec![device])));
    let refused = circle.invite(&carol).unwrap_err().to_string();
    assert!(refused.contains("a guest whom nobody has removed"), "{refused}");
    circle.settle(Wanted::Settle(Deed::Lock(Some([].into()))));
    let refused = circle.invite(&dave).unwrap_err().to_string();
    assert!(refused.contains("a room that is locked"), "{refused}");
    // A host who breaks the rules invites them all the same.
    for (guest, why) in [(&carol, "a guest whom nobody has removed"), (&dave, "a room that is locked")] {
        let (info, invitation) = circle.groups[0].invite_regardless(guest.device(), &circle.leaves[0]).unwrap();
        let commit = Entrance::make_regardless(&info, invitation.to_bytes(), guest).unwrap();
        let refused = circle.refusal(&commit);
        assert!(refused.contains(why), "{refused}");
    }
    circle.settle(Wanted::Settle(Deed::Readmit(device)));
    let entrance = circle.enter(&carol, &circle.invite(&carol).unwrap()).unwrap();
    circle.follow(entrance.message(), 0);
}

#[test]
fn a_full_room_lets_nobody_in_and_the_largest_commit_is_within_the_limit() {
    let mut circle = Circle::of(RoomSuite::Hybrid, &["alice"]);
    for number in 1..MAX_MEMBERS - 1 {
        // Nobody but the host follows: one view is enough for this.
        circle.let_in(&format!("guest{number}"));
    }
    let (last, further) = (leaf("last"), leaf("further"));
    let entrance = circle.enter(&last, &circle.invite(&last).unwrap()).unwrap();
    let length = entrance.message().len();
    assert!((200_000..MAX_EXTERNAL_COMMIT_BYTES).contains(&length), "{length} bytes");
    circle.follow(entrance.message(), 0);
    let refused = circle.invite(&further).unwrap_err().to_string();
    assert!(refused.contains("a room of at most 250 devices"), "{refused}");
    let (info, invitation) = circle.groups[0].invite_regardless(further.device(), &circle.leaves[0]).unwrap();
    let refused = circle.refusal(&Entrance::make_regardless(&info, invitation.to_bytes(), &further).unwrap());
    assert!(refused.contains("a room of at most 250 devices"), "{refused}");
}

/// What is in the clear is a guest's own commit, or is not taken; and what is too long is not read.
#[test]
fn of_messages_in_the_clear_nothing_but_a_guests_commit_is_taken() {
    let mut circle = Circle::of(RoomSuite::Classical, &["alice", "bob"]);
    let carol = leaf("carol");
    let (_, key_package) = Joining::new(ROOM, circle.suite, &carol).unwrap();
    let provider = OpenMlsRustCrypto::default();
    let package = MlsMessageIn::tls_deserialize_exact(&key_package).unwrap();
    let MlsMessageBodyIn::KeyPackage(package) = package.extract() else { unreachable!("she has made one") };
    let package = package.validate(provider.crypto(), ProtocolVersion::Mls10).unwrap();
    let (group, epoch) = (GroupId::from_slice(&ROOM.0), circle.groups[0].epoch().into());
    type Store = <OpenMlsRustCrypto as OpenMlsProvider>::StorageProvider;
    let proposal = JoinProposal::new::<Store>(package, group, epoch, &carol).unwrap();
    let refused = circle.refusal(&proposal.tls_serialize_detached().unwrap());
    assert!(refused.contains("expected a PrivateMessage"), "{refused}");

    let mut long = vec![0, 1, 0, 1];
    long.resize(MAX_EXTERNAL_COMMIT_BYTES + 1, 0);
    let refused = circle.refusal(&long);
    assert!(refused.contains("an external commit within the limit"), "{refused}");

    let entrance = circle.enter(&carol, &circle.invite(&carol).unwrap()).unwrap();
    let right = entrance.message();
    for at in (0..right.len()).step_by(13) {
        let mut changed = right.to_vec();
        changed[at] ^= 1;
        assert!(circle.groups[1].stage(&changed, &*circle.credentials, circle.now).is_err(), "byte {at}");
    }
    assert!(circle.groups[1].open(right, carol.device()).is_err(), "it is no text");
    circle.follow(right, 0);
}

/// What the host sends is looked at before anything is made of it.
#[test]
fn a_guest_makes_a_commit_for_nothing_but_what_she_was_invited_to() {
    let circle = Circle::of(RoomSuite::Classical, &["alice", "bob"]);
    let carol = leaf("carol");
    let (info, invitation) = circle.invite(&carol).unwrap();
    let (credentials, now, host) = (circle.credentials.clone(), circle.now, circle.leaves[0].device());
    let refused = |room, suite, host: DeviceKey, info: &[u8], invitation: &SignedInvitation| {
        Entrance::make((room, suite), host, (info, invitation), &carol, &*credentials, now).err().unwrap().to_string()
    };
    let (classical, bob) = (RoomSuite::Classical, circle.leaves[1].device());
    let changed = |change: fn(&mut SignedInvitation)| {
        let mut invitation = invitation.clone();
        change(&mut invitation);
        invitation.signature = sign(&invitation.invited, &circle.leaves[0]).unwrap();
        invitation
    };
    let other = changed(|invitation| invitation.invited.device = [9; 32]);
    let late = changed(|invitation| invitation.invited.number += 1);
    let (key_package, mut forged) = (Joining::new(ROOM, classical, &carol).unwrap().1, invitation.clone());
    forged.signature[0] ^= 1;
    let mut broken = info.clone();
    *broken.last_mut().unwrap() ^= 1;
    for (why, found) in [
        ("the room one was invited to", refused(RoomId([8; 16]), classical, host, &info, &invitation)),
        ("the suite of the invitation", refused(ROOM, RoomSuite::Hybrid, host, &info, &invitation)),
        ("signed by the host", refused(ROOM, classical, bob, &info, &invitation)),
        ("signed by the host", refused(ROOM, classical, host, &info, &forged)),
        ("signed by the host", refused(ROOM, classical, host, &info, &other)),
        ("a GroupInfo of the epoch", refused(ROOM, classical, host, &info, &late)),
        ("a GroupInfo", refused(ROOM, classical, host, &key_package, &invitation)),
        ("MLS refused", refused(ROOM, classical, host, &broken, &invitation)),
    ] {
        assert!(found.contains(why), "expected {why}, found {found}");
    }
    circle.world.tables["alice"].refused.lock().unwrap().push("bob@example.org".into());
    let found = refused(ROOM, classical, host, &info, &invitation);
    assert!(found.contains("CHAIN-01"), "{found}");
}
