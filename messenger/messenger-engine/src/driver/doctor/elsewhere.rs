//! The other directories in which one's contacts are found: whether each is found, is reached, and takes this device in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use identity::Identifier;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use super::{nobody_sees, shortest_round_trip};
use crate::driver::directories::NOT_REACHED;
use crate::driver::directory::{ATTEMPT, Route};
use crate::driver::place::Outlet;
use crate::driver::tls::ToDirectories;
use crate::whereabouts::{DirectoryElsewhere, Find, NotFound, Whereabouts};

/// How long it may take to find all contacts.
const FINDING: Duration = Duration::from_secs(45);
/// Searches and attempts at once.
const AT_ONCE: usize = 16;
/// Directories that are tried: as many as the messenger connects to.
const MOST: usize = 64;

/// Another directory than one's own, in which contacts are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The DNS name that its certificate must carry.
    pub name: String,
    /// Where it is said to listen, each `host:port`.
    pub addresses: Vec<String>,
    /// Who is found there.
    pub contacts: Vec<Identifier>,
    /// The shortest of a few round trips, in milliseconds, if it is reached and takes this device in.
    pub round_trip_ms: Option<f64>,
    /// Else why not.
    pub trouble: Option<Trouble>,
}

/// A contact of whom nobody says where she is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NowhereFound {
    /// Who.
    pub who: Identifier,
    /// Why.
    pub trouble: Trouble,
}

/// What is wrong, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What happened.
    pub message: String,
    /// What to try.
    pub remedy: String,
}

/// Looks for all contacts, and tries each directory in which some are found, as somebody whom nobody sees.
pub(super) async fn look(
    contacts: Vec<Identifier>,
    finder: &Arc<dyn Find>,
    outlet: &Outlet,
    tls: &ToDirectories,
) -> (Vec<Elsewhere>, Vec<NowhereFound>) {
    let until = Instant::now() + FINDING;
    let searches = stream::iter(contacts).map(|who| {
        let search = finder.find(&who);
        async move { (who, timeout_at(until, search).await.unwrap_or_else(|_| Err(nobody_said()))) }
    });
    let (mut there, mut nowhere) = (BTreeMap::<_, Vec<Identifier>>::new(), Vec::new());
    for (who, found) in searches.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        match found {
            Ok(Whereabouts::Here) => {}
            // Whose word counts for it may differ from person to person: then so does whether it is believed.
            Ok(Whereabouts::At(directory)) => {
                let vouchers = tls.vouchers(&directory.name, &who);
                there.entry((directory, vouchers)).or_default().push(who);
            }
            Err(NotFound { message, remedy }) => {
                nowhere.push(NowhereFound { who, trouble: Trouble { message, remedy } });
            }
        }
    }
    nowhere.sort_by(|one, other| one.who.cmp(&other.who));
    let tried = stream::iter(there.into_iter().take(MOST)).map(|((directory, _), mut contacts)| async move {
        contacts.sort();
        let reached = round_trip_ms(directory.clone(), contacts[0].clone(), outlet, tls).await;
        let (round_trip_ms, trouble) = match reached {
            Ok(took) => (Some(took), None),
            Err(message) => (None, Some(Trouble { message, remedy: NOT_REACHED.to_owned() })),
        };
        Elsewhere { name: directory.name, addresses: directory.addresses, contacts, round_trip_ms, trouble }
    });
    (tried.buffered(AT_ONCE).collect().await, nowhere)
}

fn nobody_said() -> NotFound {
    NotFound {
        message: format!("nobody said within {} s where they are found", FINDING.as_secs()),
        remedy: "look whether this network's resolver answers (`--resolver` names another one)".to_owned(),
    }
}

/// How far away it is, as the directory of this person, if it takes this device in.
async fn round_trip_ms(
    directory: DirectoryElsewhere,
    who: Identifier,
    outlet: &Outlet,
    tls: &ToDirectories,
) -> Result<f64, String> {
    let config = tls.of(who).map_err(|error| error.to_string())?;
    let route = Route { outlet: outlet.clone(), config, directory };
    let attempt = async {
        let (_, (_, _pass, client, _events)) = route.reach_any().await?;
        client.announce(nobody_sees()).await.map_err(|error| error.to_string())?;
        let took = shortest_round_trip(&client).await?;
        client.close();
        Ok(took.as_secs_f64() * 1_000.0)
    };
    let late = |_| Err(format!("it did not answer within {} s", ATTEMPT.as_secs()));
    timeout(ATTEMPT, attempt).await.unwrap_or_else(late)
}
