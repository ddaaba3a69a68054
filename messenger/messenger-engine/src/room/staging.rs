//! Commits on their way: made here or by somebody else, checked, and kept beside the group until they are decided. The
//! group itself changes by [`Group::merge`] alone; what is not decided is dropped with its epoch, and nothing is rolled back.

use openmls::prelude::{
    LeafNodeIndex, LeafNodeParameters, OpenMlsProvider as _, ProcessedMessageContent, Sender, StagedCommit,
};
use room_order::{Ballot, Change, Commit, CommitId, Leaf};

use super::checks::{bytes, protocol_message};
use super::credential::{Credentials, DeviceKey, Person};
use super::error::GroupError;
use super::external::external_commit;
use super::group::{Changed, Group, Guest, leaves_of};
use super::judging::{Judged, Path};
use super::leaf::MyLeaf;
use super::settings::{self, Context};
use super::signing::commit_name;
use super::standing::Deed;
use crate::time::Now;

/// How many commits of one epoch are kept.
const MAX_STAGED: usize = 8;

/// A change that one makes oneself.
pub enum Wanted {
    /// The host lets a guest in.
    Enter(Box<Guest>),
    /// The host removes these devices.
    Remove(Vec<DeviceKey>),
    /// A member takes the host's place, who is removed.
    Host(Ballot),
    /// A member changes something of the room. If it is that the host is removed, she takes her place.
    Settle(Deed),
    /// A member's keys are renewed, and nothing else; her leaf has the certificate that she shows now, which says this of her.
    Update(Box<Person>),
}

/// A commit that may be merged once it is decided.
pub(super) struct Staged {
    pub(super) commit: Commit,
    message: Vec<u8>,
    pub(super) added: Vec<Person>,
    /// What our extensions of the context say afterwards.
    context: Context,
    path: Path,
    made: Made,
}

enum Made {
    /// openmls keeps one of one's own.
    Here {
        welcome: Option<(DeviceKey, Vec<u8>)>,
    },
    There(Box<StagedCommit>),
}

impl Group {
    /// Makes a commit. A former one of one's own can then be merged no longer: there is one at a time.
    ///
    /// # Errors
    /// [`GroupError`]; nothing has changed.
    pub fn make(&mut self, wanted: Wanted, leaf: &MyLeaf) -> Result<Commit, GroupError> {
        let (change, context) = self.plan(&wanted)?;
        let guests: &[Person] = match &wanted {
            Wanted::Enter(guest) => std::slice::from_ref(guest.person()),
            _ => &[],
        };
        self.check_power(&change, guests, &context, self.leaf())?;
        self.build(wanted, change, context, leaf)
    }

    fn build(&mut self, wanted: Wanted, change: Change, context: Context, leaf: &MyLeaf) -> Result<Commit, GroupError> {
        self.forget_own()?;
        let (message, welcome) = self.commit(&wanted, &change, &context, leaf)?;
        let has_path = self.group.pending_commit().is_some_and(|mls| mls.update_path_leaf_node().is_some());
        let (added, guest, path) = match wanted {
            Wanted::Enter(guest) => (vec![guest.person().clone()], Some(guest.person().device), None),
            Wanted::Update(person) => (Vec::new(), None, Some(Path::Leaf(person))),
            _ => (Vec::new(), None, None),
        };
        let path = path.unwrap_or(if has_path { Path::Keys } else { Path::None });
        let commit = Commit { id: commit_name(&message), parent: self.epoch_name, committer: self.leaf(), change };
        let made = Made::Here { welcome: guest.zip(welcome) };
        self.staged.insert(commit.id, Staged { commit: commit.clone(), message, added, context, path, made });
        Ok(commit)
    }

    fn commit(
        &mut self,
        wanted: &Wanted,
        change: &Change,
        context: &Context,
        leaf: &MyLeaf,
    ) -> Result<(Vec<u8>, Option<Vec<u8>>), GroupError> {
        let extensions = match *context == self.context {
            true => None,
            false => Some(settings::with(self.group.extensions().iter(), context)?),
        };
        let mut builder = self.group.commit_builder();
        if let Wanted::Enter(guest) = wanted {
            builder = builder.propose_adds([guest.key_package().clone()]);
        }
        if let Wanted::Update(_) = wanted {
            let parameters = LeafNodeParameters::builder().with_credential_with_key(leaf.credential()).build();
            builder = builder.leaf_node_parameters(parameters);
        }
        builder = builder.propose_removals(change.removes.iter().map(|leaf| LeafNodeIndex::new(leaf.0)));
        if let Some(extensions) = extensions {
            builder = builder.propose_group_context_extensions(extensions).map_err(GroupError::mls)?;
        }
        let provider = &self.provider;
        let bundle = builder
            .load_psks(provider.storage())
            .map_err(GroupError::mls)?
            .build(provider.rand(), provider.crypto(), leaf, |_| true)
            .map_err(GroupError::mls)?
            .stage_commit(provider)
            .map_err(GroupError::mls)?;
        let welcome = bundle.to_welcome_msg().map(|welcome| bytes(&welcome)).transpose()?;
        Ok((bytes(bundle.commit())?, welcome))
    }

    /// A commit of one's own that was not decided is forgotten.
    fn forget_own(&mut self) -> Result<(), GroupError> {
        self.staged.retain(|_, staged| matches!(staged.made, Made::There(_)));
        self.group.clear_pending_commit(self.provider.storage()).map_err(GroupError::mls)
    }

    /// Checks somebody's commit for the current epoch, certificates and all (rules ), and keeps it: a member's, or a
    /// guest's by which she enters.
    ///
    /// # Errors
    /// [`GroupError`]; nothing has changed.
    pub fn stage(&mut self, message: &[u8], credentials: &dyn Credentials, now: Now) -> Result<Commit, GroupError> {
        let id = commit_name(message);
        if let Some(staged) = self.staged.get(&id) {
            return Ok(staged.commit.clone());
        }
        if self.staged.len() >= MAX_STAGED {
            return Err(GroupError::Full { max: MAX_STAGED });
        }
        let mls = external_commit(message).unwrap_or_else(|| protocol_message(message))?;
        self.expect_epoch(mls.epoch().as_u64())?;
        let processed = self.group.process_message(&self.provider, mls).map_err(GroupError::mls)?;
        let (sender, invitation) = (processed.sender().clone(), processed.aad().to_vec());
        let ProcessedMessageContent::StagedCommitMessage(mls) = processed.into_content() else {
            return Err(GroupError::rule("a commit", "another MLS message"));
        };
        let (judged, committer) = match sender {
            Sender::Member(by) => (self.check_commit(&mls, by, credentials, now)?, Leaf(by.u32())),
            Sender::NewMemberCommit => self.check_external(&mls, &invitation, credentials, now)?,
            other => return Err(GroupError::rule("a member's commit", format!("one by {other:?}"))),
        };
        let Judged { change, added, context, path } = judged;
        let commit = Commit { id, parent: self.epoch_name, committer, change };
        let (message, made) = (message.to_vec(), Made::There(mls));
        self.staged.insert(id, Staged { commit: commit.clone(), message, added, context, path, made });
        Ok(commit)
    }

    /// Makes room for a commit which somebody has the right to offer, or which is decided: where as many as can be are kept,
    /// one of somebody else's is dropped that may be.
    pub fn make_room(&mut self, needed: impl Fn(CommitId) -> bool) {
        let may_go =
            |(id, staged): (&CommitId, &Staged)| (matches!(staged.made, Made::There(_)) && !needed(*id)).then_some(*id);
        if self.staged.len() >= MAX_STAGED
            && let Some(id) = self.staged.iter().find_map(may_go)
        {
            self.staged.remove(&id);
        }
    }

    /// The commit made here by which this device becomes the host in this ballot, if there is one.
    pub fn own_takeover(&self, ballot: Ballot) -> Option<Commit> {
        let mut own = self.staged.values().filter(|staged| matches!(staged.made, Made::Here { .. }));
        own.find(|staged| staged.commit.change.host == Some(ballot)).map(|staged| staged.commit.clone())
    }

    /// The same, whether one may or not: what a member makes who is not to be trusted.
    #[cfg(test)]
    pub(crate) fn make_regardless(&mut self, wanted: Wanted, leaf: &MyLeaf) -> Result<Commit, GroupError> {
        let (change, context) = self.plan(&wanted)?;
        self.build(wanted, change, context, leaf)
    }

    /// Whether a staged commit changes more of the room than who is in it and who hosts it.
    pub fn settles(&self, id: CommitId) -> bool {
        self.staged.get(&id).is_some_and(|staged| self.is_settled_by(&staged.context))
    }

    /// Who renews her keys by a staged commit that changes nothing else, as the certificate in it says.
    pub fn updates(&self, id: CommitId) -> Option<&Person> {
        let staged = self.staged.get(&id).filter(|staged| staged.commit.change == Change::default())?;
        match &staged.path {
            Path::Leaf(person) if !self.is_settled_by(&staged.context) => Some(person),
            _ => None,
        }
    }

    /// A staged commit as it was sent.
    pub fn staged_message(&self, id: CommitId) -> Option<&[u8]> {
        self.staged.get(&id).map(|staged| &staged.message[..])
    }

    /// Goes to the new epoch with a commit that is decided.
    ///
    /// # Errors
    /// [`GroupError`]: it is not staged. The epoch is unchanged.
    pub fn merge(&mut self, id: CommitId, now: Now) -> Result<Changed, GroupError> {
        let staged = self.staged.remove(&id).ok_or_else(|| GroupError::rule("a commit that was staged", "another"))?;
        let Staged { commit, added, context, path, made, .. } = staged;
        let myself_removed = commit.change.removes.contains(&self.leaf());
        let welcome = match made {
            Made::Here { welcome } => {
                self.group.merge_pending_commit(&self.provider).map_err(GroupError::mls)?;
                welcome
            }
            Made::There(mls) => {
                self.group.merge_staged_commit(&self.provider, *mls).map_err(GroupError::mls)?;
                None
            }
        };
        self.staged.clear();
        self.past.ended(now.instant);
        self.epoch_name = commit.id;
        let (by, settled) = (self.member_at(LeafNodeIndex::new(commit.committer.0)).cloned(), self.told(&context));
        self.context = context;
        let gone: Vec<_> = commit.change.removes.iter().map(|leaf| LeafNodeIndex::new(leaf.0)).collect();
        let removed = self.take_out(&gone);
        for (leaf, person) in commit.change.adds.iter().zip(&added) {
            self.members.push((LeafNodeIndex::new(leaf.0), person.clone()));
        }
        self.members.sort_by_key(|(index, _)| index.u32());
        self.leaves = leaves_of(&self.members);
        let new_keys = path != Path::None;
        if let Path::Leaf(person) = path {
            let theirs = self.members.iter_mut().find(|(index, _)| index.u32() == commit.committer.0);
            if let Some((_, known)) = theirs {
                *known = *person;
            }
        }
        Ok(Changed { added, removed, welcome, myself_removed, by, settled, new_keys })
    }
}
