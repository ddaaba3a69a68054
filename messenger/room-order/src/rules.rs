//! The rules that tests switch off one at a time, to see that each is needed. They are constants of a type, so that
//! nothing can switch them off in a running program.

/// Which rules hold. [`AllRules`] is what programs use; other implementations belong to tests.
pub trait Rules {
    /// half of the members decide only with the lowest leaf among them.
    const HALF_NEEDS_LOWEST: bool = true;
    /// nobody merges before a quorum has acknowledged.
    const MERGE_AFTER_GO: bool = true;
    /// nobody merges what somebody else's acknowledgement contradicts.
    const HEED_CONTRADICTIONS: bool = true;
    /// while the acknowledgement of somebody who is reached is missing, one waits for contradictions before merging.
    const WAIT_FOR_WHO_IS_REACHED: bool = true;
    /// that wait begins with an acknowledgement, and not with what the ballot's owner says alone.
    const WAIT_SINCE_AN_ACKNOWLEDGEMENT: bool = true;
    /// who is lost is not waited for.
    const PASS_OVER_THE_LOST: bool = true;
    /// a decision contradicts every other commit for its epoch, in whatever ballot that is.
    const DECISIONS_CONTRADICT: bool = true;
    /// what a quorum's grants give the right to offer contradicts lower ballots, also where a higher one is promised.
    const RIGHTFUL_OFFERS_CONTRADICT: bool = true;
    /// what somebody grants who offered two commits in one ballot does not count.
    const COUNT_OUT_WHO_LIED: bool = true;
    /// who enters is told the keys after the decision.
    const WELCOME_AFTER_GO: bool = true;
    /// an external commit needs an invitation for the epoch it ends.
    const INVITED_FOR_THIS_EPOCH: bool = true;
    /// who granted a ballot acknowledges nothing in a lower one.
    const KEEP_PROMISES: bool = true;
    /// a ballot granted does not bar a higher one.
    const GRANT_HIGHER_BALLOTS: bool = true;
    /// what may have been decided already is offered again, unchanged.
    const OFFER_WHAT_WAS_STAGED: bool = true;
    /// of several staged commits the one of the highest ballot.
    const HIGHEST_BALLOT_FIRST: bool = true;
    /// a claim is for one epoch.
    const CLAIMS_END_WITH_THE_EPOCH: bool = true;
    /// two offers in one ballot, and two decisions for one epoch, are an alarm.
    const WARN: bool = true;
    /// who hears no quorum seals nothing.
    const FREEZE_WITHOUT_QUORUM: bool = true;
    /// who hears no quorum for long leaves the room.
    const END_WITHOUT_QUORUM: bool = true;
    /// the host invites whom the room had lost.
    const INVITE_THE_LOST: bool = true;
    /// and nobody whom somebody removed, or who left.
    const RETURN_OF_THE_LOST_ALONE: bool = true;
    /// one comes back into a later epoch than the one that one left.
    const RETURN_TO_A_LATER_EPOCH: bool = true;
    /// and to nobody who was not there.
    const RETURN_TO_WHO_WAS_THERE: bool = true;
}

/// Every rule holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllRules;

impl Rules for AllRules {}
