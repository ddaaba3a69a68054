//! What domains said of their directories, for a while: each domain is asked by one at a time, and whoever comes meanwhile
//! gets the same answer. So all people of a domain are looked for in the same place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::srv::{NamesError, Said};

/// For how long it is remembered what a domain said, and that it was not heard: those who wait for it are not made to wait
/// for the same silence one after the other.
const REMEMBERED: Duration = Duration::from_secs(300);
const SILENT: Duration = Duration::from_secs(10);
/// Domains of which it is remembered.
const MAX: usize = 1_024;

type Answer = Result<Said, NamesError>;
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Answer)>>>;

#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, Slot>>);

impl Memory {
    /// What the domain said; `ask` is polled if it has to be asked.
    pub(super) async fn of(&self, domain: &str, ask: impl Future<Output = Answer>) -> Answer {
        let slot = self.slot(domain);
        let mut known = slot.lock().await;
        if let Some((at, answer)) = &*known {
            let lasts = if answer.is_ok() { REMEMBERED } else { SILENT };
            if at.elapsed() < lasts {
                return answer.clone();
            }
        }
        let answer = ask.await;
        *known = Some((Instant::now(), answer.clone()));
        answer
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
        let first = memory.of("beta.example", ask(Ok(Said::Unavailable)));
        let second = memory.of("beta.example", ask(Ok(Said::Nothing)));
        let (first, second, ()) = tokio::join!(first, second, async { answers.notify_one() });
        assert_eq!((first, second), (Ok(Said::Unavailable), Ok(Said::Unavailable)));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // Another domain is another matter.
        answers.notify_one();
        assert_eq!(memory.of("gamma.example", ask(Ok(Said::Nothing))).await, Ok(Said::Nothing));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn of_so_many_domains_it_is_remembered_and_no_more() {
        let memory = Memory::default();
        for number in 0..=MAX {
            memory.of(&format!("{number}.example"), async { Ok(Said::Nothing) }).await.unwrap();
        }
        assert!(memory.0.lock().unwrap().len() <= MAX);
    }
}
