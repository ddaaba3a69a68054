//! What becomes of who reaches no quorum, and who comes back without anybody's asking a person (rules ).

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::Rules;

/// How long a member hears no quorum before it seals nothing more.
pub const STALLED: Duration = Duration::from_secs(10);
/// How long before it leaves the room for good.
pub const HOPELESS: Duration = Duration::from_secs(60);

/// What a member may expect of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// A quorum is heard, or was a moment ago.
    Open,
    /// Nothing can be decided: nothing is sealed, and the person is told.
    Frozen,
    /// It is left, and the person is told.
    Over,
}

impl Outlook {
    /// After having heard no quorum for this long.
    #[must_use]
    pub fn after<R: Rules>(without_quorum: Duration) -> Self {
        if R::END_WITHOUT_QUORUM && without_quorum >= HOPELESS {
            Self::Over
        } else if R::FREEZE_WITHOUT_QUORUM && without_quorum >= STALLED {
            Self::Frozen
        } else {
            Self::Open
        }
    }
}

/// What of a room is known to who had to leave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Left<P: Ord> {
    people: BTreeSet<P>,
    epoch: u64,
}

impl<P: Ord> Left<P> {
    /// Who was in it, oneself too, and its last epoch that one was in.
    #[must_use]
    pub fn new(people: BTreeSet<P>, epoch: u64) -> Self {
        Self { people, epoch }
    }

    /// Whether nobody is in it who was not.
    pub fn is_of<'a, R: Rules, Q>(&self, mut members: impl Iterator<Item = &'a Q>) -> bool
    where
        P: Borrow<Q>,
        Q: Ord + ?Sized + 'a,
    {
        !R::RETURN_TO_WHO_WAS_THERE || members.all(|member| self.people.contains(member))
    }

    /// Whether a group of these members in this epoch can be what the room has become. Epochs only rise, so that whoever
    /// comes back never does so in a circle.
    pub fn goes_on_as<'a, R: Rules, Q>(&self, epoch: u64, members: impl Iterator<Item = &'a Q>) -> bool
    where
        P: Borrow<Q>,
        Q: Ord + ?Sized + 'a,
    {
        (epoch > self.epoch || !R::RETURN_TO_A_LATER_EPOCH) && self.is_of::<R, Q>(members)
    }
}

/// How somebody went whom a commit removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Removal {
    /// She did not answer in time.
    Lost,
    /// She had said that she leaves.
    Left,
    /// Somebody removed her for good.
    ForGood,
}

impl Removal {
    /// Whether she is let in again without a person's word.
    #[must_use]
    pub fn may_return<R: Rules>(self) -> bool {
        match self {
            Self::Lost => R::INVITE_THE_LOST,
            Self::Left | Self::ForGood => !R::RETURN_OF_THE_LOST_ALONE,
        }
    }
}
