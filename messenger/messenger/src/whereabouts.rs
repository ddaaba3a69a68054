//! Tells the engine in which directories people are found, as `device` finds out.

use std::sync::Arc;
use std::time::Duration;

use device::finding::{FindError, Finder, Found};
use identity::Identifier;
use messenger_engine::whereabouts::{DirectoryElsewhere, Find, NotFound, Search, Whereabouts};

/// The device's finder, as the engine wants it.
pub(crate) struct Guide(pub(crate) Arc<Finder>);

impl Find for Guide {
    fn find(&self, who: &Identifier) -> Search {
        let (finder, who) = (Arc::clone(&self.0), who.clone());
        Box::pin(async move { said(finder.find(&who).await) })
    }

    fn find_again(&self, who: &Identifier, at_most: Duration) -> Search {
        let (finder, who) = (Arc::clone(&self.0), who.clone());
        Box::pin(async move { said(finder.find_again(&who, at_most).await) })
    }

    fn not_reached(&self, who: &Identifier, directory: &DirectoryElsewhere) -> Option<String> {
        self.0.not_reached(who, &directory.name, &directory.addresses).then(|| {
            format!(
                "{who} is looked for where her domain says, for her contact card names that directory and may be old; \
                 ask for a new one"
            )
        })
    }

    fn was_cut_off(&self, lately: Duration) {
        self.0.was_cut_off(lately);
    }
}

fn said(found: Result<Found, FindError>) -> Result<Whereabouts, NotFound> {
    match found {
        Ok(Found::Own) => Ok(Whereabouts::Here),
        Ok(Found::At { name, addresses }) => Ok(Whereabouts::At(DirectoryElsewhere { name, addresses })),
        Err(error) => Err(NotFound { remedy: error.remedy(), message: error.to_string() }),
    }
}
