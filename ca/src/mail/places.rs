//! So many mails at once may be under way to one domain, or through one server: whoever is slow keeps her own waiting, and
//! nobody else's. Codes and announcements have places of their own.
//!
//! Mails with codes stand in line for a place of their domain, in the order in which they came and not for ever. Whoever
//! waits there takes no place of anybody else's, and no network's people take more than their share of the line.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Places, so many for each name, and a line before them.
pub(super) struct Places {
    most: usize,
    line: usize,
    /// So many of a line are one network's at most.
    share: usize,
    names: Mutex<HashMap<String, Name>>,
}

struct Name {
    /// It lets in whoever came first (tokio's semaphore is fair).
    places: Arc<Semaphore>,
    /// Who has a place or waits for one.
    here: usize,
    /// How many wait whose mails were asked for from which network.
    waiting: HashMap<String, usize>,
}

/// One that is taken, as long as this lives. The place is given back before it is forgotten who was here.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _here: Here,
}

/// A place, or a stand in the line.
pub(super) enum Turn {
    Now(Place),
    Later(Waiting),
}

/// Why there is not even a stand in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All of the line is taken.
    Line,
    /// As much of it is taken by the network as may be.
    Share,
}

pub(super) struct Waiting {
    permit: BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>,
    _stand: Option<Stand>,
    here: Here,
}

/// In the line, on behalf of a network.
struct Stand {
    places: Arc<Places>,
    name: String,
    network: String,
}

struct Here {
    places: Arc<Places>,
    name: String,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Self::with_line(most, 0, 0)
    }

    /// Up to `line` mails wait for a place, of one network up to `share`.
    pub(super) fn with_line(most: usize, line: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { most, line, share, names: Mutex::default() })
    }

    /// None if all of this name are taken, or waited for. It does not wait.
    pub(super) fn take(self: &Arc<Self>, name: &str) -> Option<Place> {
        let (semaphore, here) = self.enter(name)?;
        Some(Place { _permit: semaphore.try_acquire_owned().ok()?, _here: here })
    }

    /// A place, or a stand in the line, for what `network` asks for, if it is known. From now on it is known who came first.
    pub(super) async fn ask(self: &Arc<Self>, name: &str, network: Option<String>) -> Result<Turn, Full> {
        let (semaphore, here) = self.enter(name).ok_or(Full::Line)?;
        let mut permit: BoxFuture<'static, _> = Box::pin(semaphore.acquire_owned());
        match futures_util::poll!(&mut permit) {
            std::task::Poll::Ready(permit) => {
                Ok(Turn::Now(Place { _permit: permit.map_err(|_| Full::Line)?, _here: here }))
            }
            std::task::Poll::Pending => {
                let stand = network.map(|network| self.stand(name, network)).transpose()?;
                Ok(Turn::Later(Waiting { permit, _stand: stand, here }))
            }
        }
    }

    fn stand(self: &Arc<Self>, name: &str, network: String) -> Result<Stand, Full> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever asks is here, so the name is known.
        let waiting = &mut names.get_mut(name).ok_or(Full::Line)?.waiting;
        if waiting.get(&network).is_some_and(|own| *own >= self.share) {
            return Err(Full::Share);
        }
        *waiting.entry(network.clone()).or_default() += 1;
        Ok(Stand { places: Arc::clone(self), name: name.to_owned(), network })
    }

    fn enter(self: &Arc<Self>, name: &str) -> Option<(Arc<Semaphore>, Here)> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Name { places: Arc::new(Semaphore::new(self.most)), here: 0, waiting: HashMap::new() };
        let entry = names.entry(name.to_owned()).or_insert_with(new);
        if entry.here >= self.most.saturating_add(self.line) {
            return None;
        }
        entry.here += 1;
        Some((Arc::clone(&entry.places), Here { places: Arc::clone(self), name: name.to_owned() }))
    }
}

impl Waiting {
    /// None if nobody has left by then.
    pub(super) async fn come(self, patience: Duration) -> Option<Place> {
        // The stand is given back before it is forgotten who was here.
        let Self { here, _stand, permit } = self;
        let permit = tokio::time::timeout(patience, permit).await.ok()?.ok()?;
        Some(Place { _permit: permit, _here: here })
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let mut names = self.places.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = names.get_mut(&self.name).map(|name| &mut name.waiting)
            && let Some(own) = waiting.get_mut(&self.network)
        {
            *own -= 1;
            if *own == 0 {
                waiting.remove(&self.network);
            }
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let mut names = self.places.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get_mut(&self.name) {
            name.here -= 1;
            if name.here == 0 {
                names.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(90);

    #[test]
    fn one_name_takes_its_own_places_and_gives_them_back() {
        let places = Places::new(2);
        let held = [places.take("slow.example").unwrap(), places.take("slow.example").unwrap()];
        assert!(places.take("slow.example").is_none());
        let other = places.take("quick.example").unwrap();
        drop((held, other));
        assert!(places.names.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
        assert!(places.take("slow.example").is_some());
    }

    async fn waiting(places: &Arc<Places>) -> Waiting {
        from(places, None).await.unwrap_or_else(|full| panic!("{full:?} is full"))
    }

    async fn from(places: &Arc<Places>, network: Option<&str>) -> Result<Waiting, Full> {
        match places.ask("slow.example", network.map(str::to_owned)).await? {
            Turn::Later(waiting) => Ok(waiting),
            Turn::Now(_) => panic!("a place was free"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_came_first_is_let_in_first_and_the_line_ends_somewhere() {
        let places = Places::with_line(1, 2, 2);
        let Ok(Turn::Now(first)) = places.ask("slow.example", None).await else { panic!("a place is free") };
        let (second, third) = (waiting(&places).await, waiting(&places).await);
        assert_eq!(from(&places, None).await.err(), Some(Full::Line));
        assert!(matches!(places.ask("quick.example", None).await, Ok(Turn::Now(_))), "and nobody else's");
        // The last in line asks first: that gains nothing.
        let third = tokio::spawn(third.come(PATIENCE));
        tokio::task::yield_now().await;
        let second = tokio::spawn(second.come(PATIENCE));
        tokio::task::yield_now().await;
        drop(first);
        let second = second.await.unwrap().unwrap();
        assert!(!third.is_finished());
        drop(second);
        drop(third.await.unwrap().unwrap());
        assert!(places.names.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_and_whoever_leaves_the_line_holds_up_nobody() {
        let places = Places::with_line(1, 2, 2);
        let Ok(Turn::Now(first)) = places.ask("slow.example", None).await else { panic!("a place is free") };
        let (second, third) = (waiting(&places).await, waiting(&places).await);
        let begun = tokio::time::Instant::now();
        assert!(second.come(PATIENCE).await.is_none());
        assert_eq!(begun.elapsed(), PATIENCE);
        let fourth = waiting(&places).await;
        drop(third);
        drop(first);
        assert!(fourth.come(PATIENCE).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_takes_its_share_of_the_line_and_gives_it_back() {
        let places = Places::with_line(1, 4, 2);
        let Ok(Turn::Now(place)) = places.ask("slow.example", Some("a".into())).await else {
            panic!("a place is free")
        };
        // Who has a place waits no more.
        let first = from(&places, Some("a")).await.unwrap();
        let second = from(&places, Some("a")).await.unwrap();
        assert_eq!(from(&places, Some("a")).await.err(), Some(Full::Share));
        // It has not taken a stand of others' by asking in vain.
        let others = [from(&places, Some("b")).await.unwrap(), from(&places, None).await.unwrap()];
        assert_eq!(from(&places, Some("b")).await.err(), Some(Full::Line));
        drop(others);
        drop(place);
        let place = first.come(PATIENCE).await.unwrap();
        let third = from(&places, Some("a")).await.unwrap();
        assert_eq!(from(&places, Some("a")).await.err(), Some(Full::Share));
        drop(second);
        assert!(from(&places, Some("a")).await.is_ok(), "whoever leaves the line gives her stand back");
        drop((third, place));
        assert!(places.names.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
    }
}
