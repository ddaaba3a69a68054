//! Requests under way, in the order in which they were made, until they are answered or given up.

use super::ANSWER_TIMEOUT;
use super::error::CloseReason;
use crate::message::Response;
use std::collections::VecDeque;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What requests wait for. Their ids follow one another, so each has its place by itself: a hash for each, and a timer for each,
/// would take longer than all else that a look-up is.
#[derive(Default)]
pub(super) struct Waiting {
    /// The id of the oldest one.
    oldest: u32,
    /// From the oldest on. Nothing, where somebody waits no longer.
    asked: VecDeque<Option<Asked>>,
    /// The end of the connection, once it is known.
    pub(super) closed: Option<CloseReason>,
    /// Somebody will call [`give_up`](Self::give_up).
    looked_after: bool,
}

struct Asked {
    answer: oneshot::Sender<Response>,
    due: Instant,
}

/// A request that has its id.
pub(super) struct Registered {
    pub(super) id: u32,
    pub(super) answer: oneshot::Receiver<Response>,
    /// From now on somebody has to look after those that are not answered.
    pub(super) look_after: bool,
}

impl Waiting {
    /// Takes up a request, made now.
    pub(super) fn register(&mut self, now: Instant) -> Result<Registered, CloseReason> {
        if let Some(reason) = &self.closed {
            return Err(reason.clone());
        }
        // There is memory for fewer than there are numbers.
        let id = self.oldest.wrapping_add(self.asked.len() as u32);
        let (sender, answer) = oneshot::channel();
        self.asked.push_back(Some(Asked { answer: sender, due: now + ANSWER_TIMEOUT }));
        Ok(Registered { id, answer, look_after: !std::mem::replace(&mut self.looked_after, true) })
    }

    /// Who waits for the answer to this request, if somebody does: nobody does twice.
    pub(super) fn take(&mut self, id: u32) -> Option<oneshot::Sender<Response>> {
        let place = id.wrapping_sub(self.oldest) as usize;
        let taken = self.asked.get_mut(place)?.take()?;
        while let Some(None) = self.asked.front() {
            self.asked.pop_front();
            self.oldest = self.oldest.wrapping_add(1);
        }
        Some(taken.answer)
    }

    /// Lets those go whose answer is overdue. When to look again; never, if nobody waits: until the next one is registered.
    pub(super) fn give_up(&mut self, now: Instant) -> Option<Instant> {
        while let Some(asked) = self.asked.front() {
            match asked {
                Some(asked) if asked.due > now => return Some(asked.due),
                _ => {
                    self.asked.pop_front();
                    self.oldest = self.oldest.wrapping_add(1);
                }
            }
        }
        self.looked_after = false;
        None
    }

    /// Lets everybody go, because the connection has ended. Gives the first reason that was said.
    pub(super) fn end(&mut self, reason: CloseReason) -> CloseReason {
        self.oldest = self.oldest.wrapping_add(self.asked.len() as u32);
        self.asked.clear();
        self.closed.get_or_insert(reason).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(waiting: &mut Waiting, now: Instant) -> Registered {
        waiting.register(now).unwrap_or_else(|reason| panic!("{reason}"))
    }

    fn done(id: u32) -> Response {
        Response::Done { id }
    }

    #[test]
    fn each_gets_its_own_answer_in_any_order_and_also_when_numbers_begin_anew() {
        let (mut waiting, now) = (Waiting { oldest: u32::MAX - 2, ..Waiting::default() }, Instant::now());
        let mut asked: Vec<_> = (0..6).map(|_| registered(&mut waiting, now)).collect();
        assert_eq!(asked.iter().map(|one| one.id).collect::<Vec<_>>(), [u32::MAX - 2, u32::MAX - 1, u32::MAX, 0, 1, 2]);
        assert!(asked[0].look_after && asked[1..].iter().all(|one| !one.look_after));
        for place in [3, 0, 5, 1, 2, 4] {
            let one = &mut asked[place];
            waiting.take(one.id).unwrap().send(done(one.id)).unwrap();
            assert_eq!(one.answer.try_recv().unwrap(), done(one.id));
            assert!(waiting.take(one.id).is_none(), "nobody waits twice");
        }
        assert!(waiting.asked.is_empty());
        assert!(waiting.take(7).is_none() && waiting.take(u32::MAX).is_none(), "nobody has asked");
    }

    #[test]
    fn who_is_not_answered_in_time_is_let_go_and_nobody_else() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let (mut first, second) = (registered(&mut waiting, now), registered(&mut waiting, now));
        let later = now + ANSWER_TIMEOUT / 2;
        let mut third = registered(&mut waiting, later);
        drop(waiting.take(second.id));
        assert_eq!(waiting.give_up(later), Some(now + ANSWER_TIMEOUT));
        assert_eq!(waiting.give_up(now + ANSWER_TIMEOUT), Some(later + ANSWER_TIMEOUT));
        assert_eq!(first.answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(third.answer.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(waiting.take(first.id).is_none(), "a late answer is no error");
        assert!(waiting.take(third.id).is_some());
        assert_eq!(waiting.give_up(later), None);
        assert!(registered(&mut waiting, later).look_after, "somebody has to again");
    }

    #[test]
    fn at_the_end_all_are_let_go_and_nobody_comes_after() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let mut one = registered(&mut waiting, now);
        assert_eq!(waiting.end(CloseReason::ByUs), CloseReason::ByUs);
        assert_eq!(waiting.end(CloseReason::EventsNotTaken), CloseReason::ByUs, "the first one counts");
        assert_eq!(one.answer.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(waiting.register(now).err(), Some(CloseReason::ByUs));
    }
}
