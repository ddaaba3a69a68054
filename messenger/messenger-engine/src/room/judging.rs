//! Whether somebody's commit is right, and what it comes to: looked at by every member before it is staged.

use openmls::prelude::{LeafNode, LeafNodeIndex, Proposal, StagedCommit};
use room_order::{Change, Leaf};

use super::checks::verify_leaf;
use super::credential::{Credentials, Person};
use super::error::GroupError;
use super::group::Group;
use super::settings::{self, Context, MAX_MEMBERS};
use crate::time::Now;

/// Whether a commit renews its committer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    None,
    /// It does, and her certificate stays.
    Keys,
    /// It does, and this is what the certificate in her leaf says afterwards.
    Leaf(Box<Person>),
}

/// What somebody's commit comes to.
pub(super) struct Judged {
    pub(super) change: Change,
    pub(super) added: Vec<Person>,
    pub(super) context: Context,
    pub(super) path: Path,
}

impl Group {
    /// Whether somebody's commit is right (rules ), and what it comes to.
    pub(super) fn check_commit(
        &self,
        staged: &StagedCommit,
        committer: LeafNodeIndex,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Judged, GroupError> {
        let mut context = self.context.clone();
        let (mut added, mut change) = (Vec::new(), Change::default());
        for queued in staged.queued_proposals() {
            match queued.proposal() {
                Proposal::Add(add) => {
                    let leaf = add.key_package().leaf_node();
                    settings::check_capabilities(leaf.capabilities())?;
                    added.push(verify_leaf(leaf, credentials, now)?);
                }
                Proposal::Remove(remove) => {
                    change.removes.insert(Leaf(remove.removed().u32()));
                }
                Proposal::GroupContextExtensions(next) => {
                    context = settings::next(self.group.extensions(), next.extensions())?;
                }
                other => {
                    return Err(GroupError::rule(
                        "a commit that adds, removes or changes the room",
                        format!("{:?}", other.proposal_type()),
                    ));
                }
            }
        }
        change.adds = self.free_leaves(added.len());
        change.host = (context.host != self.context.host).then_some(context.host);
        self.check_power(&change, &added, &context, Leaf(committer.u32()))?;
        let path = match staged.update_path_leaf_node() {
            Some(leaf) => Path::Leaf(Box::new(self.check_path(leaf, committer, credentials, now)?)),
            None => Path::None,
        };
        if path == Path::None && self.changes_nothing(&change, &context) {
            return Err(GroupError::rule(
                "a commit that changes something",
                "one that changes neither the room nor keys",
            ));
        }
        if added.iter().any(|person| self.has(person.device)) {
            return Err(GroupError::rule("a guest who is not in the room", "a member"));
        }
        if self.members.len() + added.len() > MAX_MEMBERS {
            return Err(GroupError::rule("a room of at most 250 devices", "more"));
        }
        Ok(Judged { change, added, context, path })
    }

    /// The leaf that a committer's path gives her: her own certificate, this one or a newer, for her own key. Whoever brings
    /// another is named.
    fn check_path(
        &self,
        leaf: &LeafNode,
        committer: LeafNodeIndex,
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Person, GroupError> {
        let known =
            self.member_at(committer).ok_or_else(|| GroupError::rule("a member's commit", "somebody else's"))?;
        let refused = |why: String| GroupError::Leaf { who: known.identifier.clone(), why };
        let person = verify_leaf(leaf, credentials, now).map_err(|error| refused(error.to_string()))?;
        settings::check_capabilities(leaf.capabilities())?;
        if (person.device, &person.identifier) != (known.device, &known.identifier) {
            return Err(refused(format!("expected her own, found that of {}", person.identifier)));
        }
        if person.certificate.not_before < known.certificate.not_before {
            return Err(refused("expected the one she has or a newer one, found an older".to_owned()));
        }
        Ok(person)
    }

    /// Whether a commit changes at most its committer's keys and certificate.
    pub(super) fn changes_nothing(&self, change: &Change, next: &Context) -> bool {
        *change == Change::default() && *next == self.context
    }
}
