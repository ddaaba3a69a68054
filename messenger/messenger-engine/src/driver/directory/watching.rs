//! Whom to watch: asked for anew on every connection, in as few frames as hold it, all at once. What is asked while these are
//! under way goes out together afterwards, in the order of asking. Of what the directory does not take at once only that is
//! asked again: it counts everybody who is named, watched or not (docs/spec/directory.md, section 7).

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use directory_protocol::DirectoryClient;
use directory_protocol::client::RequestError;
use directory_protocol::message::chunks;
use futures_util::future::join_all;
use identity::Identifier;
use tokio::sync::Notify;

/// Whom to watch, and what of it the directory was not asked yet.
#[derive(Default)]
pub(super) struct WatchList {
    lists: Mutex<Lists>,
    changed: Notify,
}

#[derive(Default)]
struct Lists {
    people: BTreeSet<Identifier>,
    /// To be watched no more, before others are. Who is in both is asked for anew, and told of again.
    end: BTreeSet<Identifier>,
    begin: BTreeSet<Identifier>,
}

/// One request, which fits into a frame: taken as a whole, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    End(Vec<Identifier>),
    Begin(Vec<Identifier>),
}

impl WatchList {
    pub(super) fn watch(&self, who: Identifier) {
        let mut lists = self.lists();
        lists.people.insert(who.clone());
        lists.begin.insert(who);
        drop(lists);
        self.changed.notify_one();
    }

    pub(super) fn unwatch(&self, who: Identifier) {
        let mut lists = self.lists();
        lists.people.remove(&who);
        lists.begin.remove(&who);
        lists.end.insert(who);
        drop(lists);
        self.changed.notify_one();
    }

    /// Nobody is watched on a new connection.
    fn anew(&self) {
        let mut lists = self.lists();
        lists.end.clear();
        lists.begin = lists.people.clone();
    }

    /// What is to be asked at once; nothing if there is nothing.
    fn next(&self) -> Vec<Step> {
        let mut lists = self.lists();
        let (people, step): (_, fn(Vec<Identifier>) -> Step) = match lists.end.is_empty() {
            false => (std::mem::take(&mut lists.end), Step::End),
            true => (std::mem::take(&mut lists.begin), Step::Begin),
        };
        drop(lists);
        let people: Vec<Identifier> = people.into_iter().collect();
        chunks(&people).map(|frame| step(frame.to_vec())).collect()
    }

    /// This was refused for now: it is asked again, as far as it is wanted still.
    fn again(&self, step: Step) {
        let mut lists = self.lists();
        match step {
            Step::End(people) => lists.end.extend(people),
            Step::Begin(people) => {
                let wanted = people.into_iter().filter(|who| lists.people.contains(who)).collect::<Vec<_>>();
                lists.begin.extend(wanted);
            }
        }
    }

    /// A panic elsewhere leaves the lists whole.
    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks what is to be asked. What the directory refuses for now it may take after as long as it says
    /// (docs/spec/directory.md, section 3); what it refuses for good is let go, unless it is `all`.
    async fn ask<R>(&self, ask: &impl Fn(Step) -> R, all: bool) -> Result<Duration, RequestError>
    where
        R: Future<Output = Result<(), RequestError>>,
    {
        loop {
            let steps = self.next();
            if steps.is_empty() {
                return Ok(Duration::ZERO);
            }
            let answers = join_all(steps.iter().cloned().map(ask)).await;
            let mut longest = Duration::ZERO;
            for (step, answer) in steps.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {}
                    Err(RequestError::Refused { wait, .. }) if !wait.is_zero() => {
                        self.again(step);
                        longest = longest.max(wait);
                    }
                    Err(error) if all || matches!(error, RequestError::Closed(_)) => return Err(error),
                    Err(error) => tracing::debug!(%error, "the directory did not do what it was asked"),
                }
            }
            // After the longest of them there is room for at least one, whichever it is.
            if !longest.is_zero() {
                return Ok(longest);
            }
        }
    }

    async fn keep<R>(&self, ask: impl Fn(Step) -> R, mut wait: Duration)
    where
        R: Future<Output = Result<(), RequestError>>,
    {
        loop {
            match wait.is_zero() {
                true => self.changed.notified().await,
                false => tokio::time::sleep(wait).await,
            }
            match self.ask(&ask, false).await {
                Ok(refused_for) => wait = refused_for,
                // The connection is gone; on the next one everybody is asked for anew.
                Err(_) => return,
            }
        }
    }
}

/// Asks for everybody on a new connection; for how long the directory refused it for now, or zero. So when this returns,
/// all who are there have been told, but for what was refused.
pub(super) async fn begin(list: &WatchList, client: &DirectoryClient) -> Result<Duration, RequestError> {
    list.anew();
    list.ask(&|step| put(client, step), true).await
}

/// Asks as the list changes, the first time after `wait`.
pub(super) async fn keep_watched(list: &WatchList, client: &DirectoryClient, wait: Duration) {
    list.keep(|step| put(client, step), wait).await;
}

async fn put(client: &DirectoryClient, step: Step) -> Result<(), RequestError> {
    match step {
        Step::End(people) => client.unwatch(people).await,
        Step::Begin(people) => client.watch(people).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory_protocol::client::CloseReason;
    use directory_protocol::message::ErrorCode;
    use tokio::time::Instant;

    /// What a directory was asked, which answers after a while, with what stands here first.
    struct Asked {
        steps: Mutex<Vec<(u64, Step)>>,
        answers: Mutex<Vec<Result<(), RequestError>>>,
        began: Instant,
    }

    impl Asked {
        fn new(answers: Vec<Result<(), RequestError>>) -> Self {
            Self { steps: Mutex::default(), answers: Mutex::new(answers), began: Instant::now() }
        }

        async fn put(&self, step: Step) -> Result<(), RequestError> {
            self.steps.lock().unwrap().push((self.began.elapsed().as_secs(), step));
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.answers.lock().unwrap().pop().unwrap_or(Ok(()))
        }

        fn taken(&self) -> Vec<(u64, Step)> {
            std::mem::take(&mut self.steps.lock().unwrap())
        }
    }

    /// How often `Slow` takes a frame.
    const FRAME_EVERY: Duration = Duration::from_secs(70);

    /// A directory that takes a frame now and then, and refuses what comes between.
    struct Slow {
        takes_at: Mutex<Instant>,
        watched: Mutex<Vec<Identifier>>,
    }

    impl Slow {
        async fn put(&self, step: Step) -> Result<(), RequestError> {
            let Step::Begin(people) = step else { panic!("nobody is taken off") };
            tokio::time::sleep(Duration::from_millis(100)).await;
            chunks(&people).try_for_each(|frame| self.take(frame))
        }

        fn take(&self, frame: &[Identifier]) -> Result<(), RequestError> {
            let (mut takes_at, now) = (self.takes_at.lock().unwrap(), Instant::now());
            if *takes_at > now {
                return refused(*takes_at - now);
            }
            *takes_at = now + FRAME_EVERY;
            self.watched.lock().unwrap().extend_from_slice(frame);
            Ok(())
        }
    }

    fn person(number: usize) -> Identifier {
        format!("bob{number}@example.net").parse().unwrap()
    }

    fn refused(wait: Duration) -> Result<(), RequestError> {
        Err(RequestError::Refused { error: ErrorCode::UnknownForNow, wait })
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_found_while_others_are_asked_for_is_asked_for_together() {
        let (list, asked) = (WatchList::default(), Asked::new(Vec::new()));
        let finds = async {
            for number in 0..10_000 {
                list.watch(person(number));
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            () = list.keep(|step| asked.put(step), Duration::ZERO) => {}
            () = finds => {}
        }
        let steps = asked.taken();
        // A tenth of a second each, for as long as it takes to find them. The clock of tests has steps of 1 ms.
        assert!(steps.len() <= 202, "{} requests", steps.len());
        let people = steps.iter().map(|(_, step)| match step {
            Step::Begin(people) => people.len(),
            Step::End(_) => panic!("nobody is taken off"),
        });
        assert_eq!(people.sum::<usize>(), 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_taken_off_and_put_on_again_is_told_of_again() {
        let (list, asked) = (WatchList::default(), Asked::new(Vec::new()));
        list.watch(person(1));
        list.watch(person(2));
        list.unwatch(person(2));
        list.unwatch(person(1));
        list.watch(person(1));
        list.ask(&|step| asked.put(step), false).await.unwrap();
        let both = vec![person(1), person(2)];
        assert_eq!(asked.taken(), [(0, Step::End(both)), (0, Step::Begin(vec![person(1)]))]);
        // Nothing of what was asked on another connection counts on a new one.
        list.unwatch(person(2));
        list.anew();
        list.ask(&|step| asked.put(step), true).await.unwrap();
        assert_eq!(asked.taken(), [(0, Step::Begin(vec![person(1)]))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_list_that_is_refused_for_now_is_asked_for_again_as_far_as_it_is_wanted() {
        let list = WatchList::default();
        list.watch(person(1));
        list.watch(person(2));
        list.anew();
        let asked = Asked::new(vec![refused(Duration::from_secs(3)), refused(Duration::from_secs(2))]);
        let wait = list.ask(&|step| asked.put(step), true).await.unwrap();
        assert_eq!(wait, Duration::from_secs(2), "the connection stands");
        list.unwatch(person(2));
        tokio::select! {
            () = list.keep(|step| asked.put(step), wait) => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
        let begin = |people: &[usize]| Step::Begin(people.iter().map(|number| person(*number)).collect());
        let end = Step::End(vec![person(2)]);
        // Three seconds after the answer of the second time.
        assert_eq!(asked.taken(), [(0, begin(&[1, 2])), (2, end.clone()), (5, end), (5, begin(&[1]))]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_list_that_is_taken_in_part_only_the_rest_is_asked_for_again() {
        let (list, mut everybody) = (WatchList::default(), (0..2_000).map(person).collect::<Vec<_>>());
        everybody.sort();
        assert_eq!(chunks(&everybody).count(), 3);
        everybody.iter().for_each(|who| list.watch(who.clone()));
        let slow = Slow { takes_at: Mutex::new(Instant::now()), watched: Mutex::default() };
        list.anew();
        let wait = list.ask(&|step| slow.put(step), true).await.unwrap();
        tokio::select! {
            () = list.keep(|step| slow.put(step), wait) => {}
            () = tokio::time::sleep(FRAME_EVERY * 2 + Duration::from_secs(1)) => {}
        }
        // Each once: who is taken for the second time stands in somebody else's way.
        let mut watched = slow.watched.lock().unwrap().clone();
        watched.sort();
        assert!(watched == everybody, "{} of {} watched", watched.len(), everybody.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_for_good_is_let_go_unless_it_is_the_whole_list() {
        let list = WatchList::default();
        list.watch(person(1));
        let asked = Asked::new(vec![refused(Duration::ZERO)]);
        assert_eq!(list.ask(&|step| asked.put(step), false).await.unwrap(), Duration::ZERO);
        list.anew();
        let asked = Asked::new(vec![refused(Duration::ZERO)]);
        list.ask(&|step| asked.put(step), true).await.unwrap_err();
        // Without the connection nothing is asked any more.
        list.anew();
        let asked = Asked::new(vec![Err(RequestError::Closed(CloseReason::ByUs))]);
        list.changed.notify_one();
        list.keep(|step| asked.put(step), Duration::ZERO).await;
        assert_eq!(asked.taken().len(), 1);
    }
}
