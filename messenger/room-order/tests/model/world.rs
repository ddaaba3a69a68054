//! A room and its network. Whatever was sent stays in the network for ever, and every step delivers any of it to
//! anybody it is for: so messages are lost (never delivered), doubled, delayed and overtaken in every possible way,
//! and a member who gets no step any more has crashed, or is cut off.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use room_order::{Alarm, Ballot, Change, Commit, CommitId, Epoch, Input, Leaf, Member, Message, Output, Rules};

/// What somebody wants to commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Update,
    Add(u32),
    Remove(u32),
    /// An external commit with the invitation for the room's first epoch.
    Return,
}

/// In the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Post {
    Message(Option<Leaf>, Message),
    Welcome(Leaf, Epoch),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The `usize`-th want comes about.
    Want(usize),
    Deliver(Leaf, Arc<Post>),
    /// A claim comes to somebody who has not lost the host.
    Refuse(Leaf, Arc<Post>),
    /// From the host who breaks the rules.
    Faulty(Leaf, Box<Message>),
    Waited(Leaf, Ballot),
    Claim(Leaf),
    /// The first takes the other for lost.
    Lose(Leaf, Leaf),
}

impl Action {
    /// Who takes the step, unless that is somebody who wants something.
    pub(crate) fn by(&self) -> Option<Leaf> {
        match self {
            Self::Want(_) => None,
            Self::Deliver(leaf, _) | Self::Refuse(leaf, _) | Self::Faulty(leaf, _) => Some(*leaf),
            Self::Waited(leaf, _) | Self::Claim(leaf) | Self::Lose(leaf, _) => Some(*leaf),
        }
    }
}

#[derive(Debug)]
pub(crate) struct World<R> {
    pub(crate) members: Vec<Option<Arc<Member<R>>>>,
    pub(crate) sent: BTreeSet<Arc<Post>>,
    /// Every epoch that somebody merged into, and whom it removed.
    pub(crate) merged: BTreeSet<(Epoch, BTreeSet<Leaf>)>,
    pub(crate) alarms: BTreeSet<(Leaf, Alarm)>,
    pub(crate) wanted: u32,
    pub(crate) claims: u32,
    rules: PhantomData<R>,
}

impl<R> Clone for World<R> {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
            sent: self.sent.clone(),
            merged: self.merged.clone(),
            alarms: self.alarms.clone(),
            wanted: self.wanted,
            claims: self.claims,
            rules: PhantomData,
        }
    }
}

impl<R> PartialEq for World<R> {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
            && (&self.sent, &self.merged, &self.alarms) == (&other.sent, &other.merged, &other.alarms)
            && (self.wanted, self.claims) == (other.wanted, other.claims)
    }
}

impl<R> Hash for World<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.members.hash(state);
        (&self.sent, &self.merged, &self.alarms, self.wanted, self.claims).hash(state);
    }
}

pub(crate) const BEGINNING: CommitId = CommitId([0; 32]);

impl<R: Rules> World<R> {
    /// A room of leaves 0 to `members` - 1; leaf 0 is its host.
    pub(crate) fn new(members: u32, guests: u32) -> Self {
        let epoch = Epoch {
            number: 0,
            id: BEGINNING,
            members: (0..members).map(Leaf).collect(),
            host: Ballot { term: 1, leaf: Leaf(0) },
        };
        let inside = (0..members).map(|leaf| Some(Arc::new(Member::new(Leaf(leaf), epoch.clone()))));
        Self {
            members: inside.chain((0..guests).map(|_| None)).collect(),
            sent: BTreeSet::new(),
            merged: [(epoch, BTreeSet::new())].into(),
            alarms: BTreeSet::new(),
            wanted: 0,
            claims: 0,
            rules: PhantomData,
        }
    }

    pub(crate) fn member(&self, leaf: Leaf) -> Option<&Member<R>> {
        self.members[leaf.0 as usize].as_deref().filter(|member| member.is_inside())
    }

    pub(crate) fn inside(&self) -> impl Iterator<Item = &Member<R>> {
        self.members.iter().filter_map(|member| member.as_deref()).filter(|member| member.is_inside())
    }

    /// Whether an input changes nothing and says nothing. Told before the world is copied for it.
    pub(crate) fn is_idle(&self, leaf: Leaf, input: &Input) -> bool {
        self.member(leaf).is_none_or(|member| {
            let mut after = member.clone();
            let outputs = after.step(input.clone());
            outputs.iter().all(|output| matches!(output, Output::Refused(_))) && after == *member
        })
    }

    /// One input to one member; whether anything changed.
    pub(crate) fn step(&mut self, leaf: Leaf, input: Input) -> bool {
        let Some(member) = self.members[leaf.0 as usize].as_mut() else { return false };
        if !member.is_inside() {
            return false;
        }
        let before = member.clone();
        let outputs = Arc::make_mut(member).step(input);
        let mut changed = **member != *before;
        let mut elected = None;
        for output in outputs {
            changed |= match output {
                Output::Send { to, message } => self.post(to, message),
                Output::Welcome { to, epoch } => self.sent.insert(Arc::new(Post::Welcome(to, epoch))),
                Output::Merged(commit) => self.note_merge(&commit),
                Output::Alarm(alarm) => self.alarms.insert((leaf, alarm)),
                Output::Elected(ballot) => {
                    elected = Some(ballot);
                    true
                }
                Output::Removed | Output::Refused(_) => false,
            };
        }
        if let Some(ballot) = elected {
            let take_over = self.members[leaf.0 as usize].as_ref().map(|member| take_over(member.epoch(), ballot));
            self.step(leaf, Input::Propose(take_over.expect("it was elected")));
        }
        changed
    }

    fn post(&mut self, to: Option<Leaf>, message: Message) -> bool {
        // Whom a decision is for makes no difference: it is proof for anybody.
        let to = if matches!(message, Message::Go(_)) { None } else { to };
        self.sent.insert(Arc::new(Post::Message(to, message)))
    }

    fn note_merge(&mut self, commit: &Commit) -> bool {
        let parents: Vec<Epoch> =
            self.merged.iter().filter(|(epoch, _)| epoch.id == commit.parent).map(|(epoch, _)| epoch.clone()).collect();
        let removes = &commit.change.removes;
        let mut is_new = false;
        for epoch in parents {
            is_new |= self.merged.insert((epoch.after(commit), removes.clone()));
        }
        is_new
    }

    /// Somebody wants something in the epoch she is in.
    pub(crate) fn want(&mut self, by: u32, want: Want) -> bool {
        if let Want::Return = want {
            return self.force_return(Leaf(by));
        }
        let Some(member) = self.member(Leaf(by)) else { return false };
        let commit = commit(member.epoch(), Leaf(by), want);
        self.step(Leaf(by), Input::Propose(commit))
    }

    /// Who was removed sends an external commit, with the invitation she once had.
    fn force_return(&mut self, leaf: Leaf) -> bool {
        if self.member(leaf).is_some() {
            return false;
        }
        let epochs: Vec<Epoch> = self
            .inside()
            .map(Member::epoch)
            .filter(|epoch| epoch.number > 0 && !epoch.members.contains(&leaf))
            .cloned()
            .collect();
        let mut changed = false;
        for epoch in epochs {
            let commit = commit(&epoch, leaf, Want::Return);
            changed |= self.post(Some(epoch.host.leaf), Message::Propose(commit));
        }
        changed
    }

    pub(crate) fn deliver(&mut self, to: Leaf, post: &Post) -> bool {
        match post {
            Post::Message(_, message) => self.step(to, Input::Receive(message.clone())),
            Post::Welcome(_, epoch) => {
                let slot = &mut self.members[to.0 as usize];
                if slot.as_ref().is_some_and(|member| member.is_inside() || member.epoch().number >= epoch.number) {
                    return false;
                }
                *slot = Some(Arc::new(Member::new(to, epoch.clone())));
                true
            }
        }
    }
}

pub(crate) fn commit(epoch: &Epoch, committer: Leaf, want: Want) -> Commit {
    let mut change = Change::default();
    match want {
        Want::Update => {}
        Want::Add(leaf) => change.adds = [Leaf(leaf)].into(),
        Want::Remove(leaf) => change.removes = [Leaf(leaf)].into(),
        Want::Return => {
            change.adds = [committer].into();
            change.invited = Some(BEGINNING);
        }
    }
    named(epoch, committer, change)
}

/// The commit by which somebody elected becomes the host; the host before is removed.
fn take_over(epoch: &Epoch, ballot: Ballot) -> Commit {
    let removes = [epoch.host.leaf].into_iter().filter(|leaf| *leaf != ballot.leaf).collect();
    named(epoch, ballot.leaf, Change { removes, host: Some(ballot), ..Change::default() })
}

pub(crate) fn named(epoch: &Epoch, committer: Leaf, change: Change) -> Commit {
    let mut hasher = DefaultHasher::new();
    (epoch.id, committer, &change).hash(&mut hasher);
    let mut id = [0; 32];
    id[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    Commit { id: CommitId(id), parent: epoch.id, committer, change }
}
