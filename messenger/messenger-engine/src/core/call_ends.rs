//! How calls end without a connection: the other side's word, a deadline, a decision of one's own. What waited for them is told why.

use directory_protocol::Outcome;
use identity::Identifier;

use super::calls::{Call, Stage};
use super::{Action, Ask, Core, NotReached};
use crate::api::{CallId, Event, Purpose, Unanswered};
use crate::time::Now;

impl Core {
    pub(super) fn outcome(&mut self, id: CallId, outcome: Outcome, now: Now) {
        let Some(call) = self.calls.get(&id) else { return };
        let (who, wanted) = (call.peer.clone(), call.wanted);
        let because = match outcome {
            Outcome::Ringing if wanted => return self.emit(Event::Ringing { who }),
            Outcome::Ringing => return,
            Outcome::Declined => Unanswered::Declined,
            Outcome::Busy => Unanswered::Busy,
            Outcome::NoAnswer => Unanswered::NoAnswer,
            Outcome::Offline => Unanswered::Offline,
            Outcome::Cancelled => return self.fail_call(id, "the call was withdrawn", now),
        };
        let message = match because {
            Unanswered::Offline if call.names_device() => {
                format!("that device of {who} is not online; nothing was sent now")
            }
            _ => because.message(&who),
        };
        let is_over = self.other_of(id, call.crosses).is_none();
        self.fail_call(id, &message, now);
        if wanted && is_over {
            self.emit(Event::Unanswered { who, because, message, remedy: because.remedy().to_owned() });
        }
    }

    /// The introduced peer of a call could not be reached, or did not come.
    pub fn not_reached(&mut self, id: CallId, why: &NotReached, now: Now) {
        let Some(call) = self.calls.get(&id) else { return };
        // That somebody else came by her name says more.
        if let Some(refusal) = self.refused_lately(&call.peer, now).map(str::to_owned) {
            return self.fail_call(id, &refusal, now);
        }
        match why {
            NotReached::Obstacle(obstacle) => {
                let (who, because) = (call.peer.clone(), *obstacle);
                let (message, remedy) = (because.message().to_owned(), because.remedy().to_owned());
                let reason = format!("{message}; {remedy}");
                if call.wanted {
                    self.emit(Event::Unreachable { who, because, message, remedy });
                }
                self.fail_call(id, &reason, now);
            }
            NotReached::Failed(reason) => self.fail_call(id, reason, now),
        }
    }

    pub(super) fn expire_calls(&mut self, now: Now) {
        let expired: Vec<(CallId, Stage, Option<String>)> = self
            .calls
            .iter()
            .filter(|(_, call)| call.deadline <= now.instant)
            .map(|(id, call)| (*id, call.stage, self.refused_lately(&call.peer, now).map(str::to_owned)))
            .collect();
        for (id, stage, refused) in expired {
            let reason = match stage {
                Stage::Crossing => {
                    self.take_crossing(id, now);
                    continue;
                }
                Stage::Inviting | Stage::Asked => "nobody answered",
                Stage::Accepted => "the directory did not introduce the caller",
                Stage::Dialling | Stage::Listening => {
                    refused.as_deref().unwrap_or("no direct connection could be made")
                }
            };
            if stage == Stage::Inviting {
                self.actions.push_back(Action::Ask(Ask::Cancel { call: id }));
            }
            self.fail_call(id, reason, now);
        }
    }

    pub(super) fn fail_all_calls(&mut self, reason: &str, now: Now) {
        self.fail_calls(|_| true, reason, now);
    }

    /// The directory is lost. Whoever was introduced already does without it.
    pub(super) fn fail_calls_without_go(&mut self, reason: &str, now: Now) {
        self.fail_calls(|call| !matches!(call.stage, Stage::Dialling | Stage::Listening), reason, now);
    }

    fn fail_calls(&mut self, which: impl Fn(&Call) -> bool, reason: &str, now: Now) {
        let mut ids = Vec::new();
        for (id, call) in self.calls.iter_mut().filter(|(_, call)| which(call)) {
            // None of them goes on in another one.
            call.crosses = None;
            ids.push(*id);
        }
        for id in ids {
            self.fail_call(id, reason, now);
        }
    }

    pub(super) fn fail_call(&mut self, id: CallId, reason: &str, now: Now) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        if call.stage == Stage::Asked {
            self.emit(Event::IncomingEnded { call: id, reason: reason.to_owned() });
        }
        if matches!(call.stage, Stage::Dialling | Stage::Listening) {
            self.actions.push_back(Action::Settled { call: id });
        }
        if !self.goes_on_in_other(id, &mut call, now) {
            self.fail_errands(&call.peer, call.errands, reason, now);
        }
    }

    /// Ends what rings from this person or was let in, without a word to her; a room that one shares keeps what it needs.
    pub(super) fn end_knocks(&mut self, who: &Identifier, now: Now) {
        let ends = |core: &Self, call: &Call| {
            let of_room = call.purpose == Purpose::Room && call.key.is_some_and(|key| core.shares_room_with(key));
            call.peer == *who && !of_room
        };
        self.end_incoming("you blocked them", ends, now);
    }

    /// Ends what was let in without ringing, and would ring now.
    pub(super) fn end_unasked(&mut self, reason: &str, now: Now) {
        let ends = |core: &Self, call: &Call| {
            let welcome = call.key.is_some_and(|key| core.enters_without_ringing(&call.peer, key, call.purpose));
            call.stage != Stage::Asked && !call.wanted && !welcome
        };
        self.end_incoming(reason, ends, now);
    }

    fn end_incoming(&mut self, reason: &str, ends: impl Fn(&Self, &Call) -> bool, now: Now) {
        let calls = self.calls.iter().filter(|(_, call)| call.is_theirs() && ends(self, call));
        let ids: Vec<CallId> = calls.map(|(id, _)| *id).collect();
        for id in ids {
            self.fail_call(id, reason, now);
        }
    }

    /// Withdraws calls that are there for nothing but to go on with a session, in the stages that are given.
    pub(super) fn withdraw_resuming(&mut self, who: &Identifier, stages: impl Fn(Stage) -> bool) {
        let needless = |call: &Call| call.peer == *who && stages(call.stage) && call.only_resumes();
        let calls = self.calls.iter().filter(|(_, call)| needless(call));
        let calls: Vec<(CallId, Stage)> = calls.map(|(id, call)| (*id, call.stage)).collect();
        for (call, stage) in calls {
            self.calls.remove(&call);
            self.actions.push_back(match stage {
                Stage::Inviting => Action::Ask(Ask::Cancel { call }),
                _ => Action::Settled { call },
            });
        }
    }
}

/// The reason told at once when somebody is not there.
pub(super) fn not_online(who: &Identifier) -> String {
    Unanswered::Offline.message(who)
}
