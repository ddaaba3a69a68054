//! So many mails at once may be under way to one domain, or through one server: whoever is slow keeps her own waiting, and
//! nobody else's. Codes and announcements have places of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Places, so many for each name.
pub(super) struct Places {
    most: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// One that is taken, as long as this lives.
pub(super) struct Place {
    places: Arc<Places>,
    name: String,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// None if all of this name are taken. It does not wait: that would take a place of everybody's.
    pub(super) fn take(self: &Arc<Self>, name: &str) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(name.to_owned()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { places: Arc::clone(self), name: name.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_takes_its_own_places_and_gives_them_back() {
        let places = Places::new(2);
        let held = [places.take("slow.example").unwrap(), places.take("slow.example").unwrap()];
        assert!(places.take("slow.example").is_none());
        let other = places.take("quick.example").unwrap();
        drop((held, other));
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is remembered of who has gone");
        assert!(places.take("slow.example").is_some());
    }
}
