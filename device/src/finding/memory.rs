//! What domains said of their directories, for a while: each domain is asked by one at a time, and whoever comes meanwhile
//! gets the same answer. So all people of a domain are looked for in the same place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::srv::{NamesError, Said};

/// For how long it is remembered what a domain said, and that it was not heard: those who wait for it are not made to wait
/// for the same silence one after the other.
pub(super) const REMEMBERED: Duration = Duration::from_secs(300);
const SILENT: Duration = Duration::from_secs(10);
/// For how long it counts what a domain said last while it is not heard any more. RFC 8767, section 5, suggests one day to three.
const COUNTS_ON: Duration = Duration::from_secs(24 * 60 * 60);
/// Domains of which it is remembered.
const MAX: usize = 1_024;

type Answer = Result<Said, NamesError>;
type Slot = Arc<tokio::sync::Mutex<Option<Known>>>;

/// What is known of a domain.
struct Known {
    /// What it said last, and when.
    said: Option<(Instant, Said)>,
    /// When it was asked last, and why it was not heard, if so.
    asked: Instant,
    silent: Option<NamesError>,
}

impl Known {
    fn new(before: Option<Self>, answer: Answer) -> Self {
        let asked = Instant::now();
        match answer {
            Ok(said) => Self { said: Some((asked, said)), asked, silent: None },
            Err(error) => Self { said: before.and_then(|known| known.said), asked, silent: Some(error) },
        }
    }

    fn is_fresh(&self, at_most: Duration) -> bool {
        self.asked.elapsed() < if self.silent.is_some() { SILENT } else { at_most }
    }

    fn answer(&self) -> Answer {
        match (&self.said, &self.silent) {
            (Some((at, said)), silent) if silent.is_none() || at.elapsed() < COUNTS_ON => Ok(said.clone()),
            (_, Some(error)) => Err(error.clone()),
            (_, None) => Ok(Said::Nothing),
        }
    }
}

#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, Slot>>);

impl Memory {
    /// What the domain said, `at_most` so long ago; `ask` is polled if it has to be asked.
    pub(super) async fn of(&self, domain: &str, at_most: Duration, ask: impl Future<Output = Answer>) -> Answer {
        let slot = self.slot(domain);
        let mut known = slot.lock().await;
        if let Some(fresh) = known.as_ref().filter(|known| known.is_fresh(at_most)) {
            return fresh.answer();
        }
        let answer = ask.await;
        let by_now = Known::new(known.take(), answer);
        known.insert(by_now).answer()
    }

    fn slot(&self, domain: &str) -> Slot {
        // A panic elsewhere leaves the map whole.
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX && !slots.contains_key(domain) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(domain.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn two_who_look_at_once_ask_once_and_get_the_same() {
        let (memory, asked, answers) = (Memory::default(), AtomicUsize::new(0), Notify::new());
        let ask = |answer: Answer| async {
            asked.fetch_add(1, Ordering::SeqCst);
            answers.notified().await;
            answer
        };
        let first = memory.of("beta.example", REMEMBERED, ask(Ok(Said::Unavailable)));
        let second = memory.of("beta.example", REMEMBERED, ask(Ok(Said::Nothing)));
        let (first, second, ()) = tokio::join!(first, second, async { answers.notify_one() });
        assert_eq!((first, second), (Ok(Said::Unavailable), Ok(Said::Unavailable)));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // Another domain is another matter.
        answers.notify_one();
        assert_eq!(memory.of("gamma.example", REMEMBERED, ask(Ok(Said::Nothing))).await, Ok(Said::Nothing));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_domain_said_counts_for_a_day_while_no_resolver_answers_and_no_longer() {
        let memory = Memory::default();
        let silent = || NamesError::Silent("nothing came".to_owned());
        let of = async |answer: Answer, after: Duration| {
            tokio::time::advance(after).await;
            memory.of("beta.example", REMEMBERED, async { answer }).await
        };
        let minute = Duration::from_secs(60);
        assert_eq!(of(Err(silent()), Duration::ZERO).await, Err(silent()), "it has never said anything");
        assert_eq!(of(Ok(Said::Unavailable), minute).await, Ok(Said::Unavailable));
        assert_eq!(of(Ok(Said::Nothing), minute).await, Ok(Said::Unavailable), "it is not asked again so soon");
        // A day of silence, asked every five minutes.
        for _ in 0..(24 * 60 - 5) / 5 {
            assert_eq!(of(Err(silent()), minute * 5).await, Ok(Said::Unavailable));
        }
        assert_eq!(of(Err(silent()), minute * 5).await, Err(silent()));
        assert_eq!(of(Ok(Said::Nothing), minute).await, Ok(Said::Nothing), "it is heard again");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_looks_again_gets_no_older_answer_than_will_do() {
        let memory = Memory::default();
        let of = async |answer: Said, at_most: u64| {
            memory.of("beta.example", Duration::from_secs(at_most), async { Ok(answer) }).await.unwrap()
        };
        assert_eq!(of(Said::Unavailable, 300).await, Said::Unavailable);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(of(Said::Nothing, 60).await, Said::Unavailable);
        assert_eq!(of(Said::Nothing, 30).await, Said::Nothing);
        assert_eq!(of(Said::Unavailable, 300).await, Said::Nothing, "the new one counts for everybody");
    }

    #[tokio::test]
    async fn of_so_many_domains_it_is_remembered_and_no_more() {
        let memory = Memory::default();
        for number in 0..=MAX {
            memory.of(&format!("{number}.example"), REMEMBERED, async { Ok(Said::Nothing) }).await.unwrap();
        }
        assert!(memory.0.lock().unwrap().len() <= MAX);
    }
}
