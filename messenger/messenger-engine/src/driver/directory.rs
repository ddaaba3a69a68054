//! The link to the directory: connected while wanted, tried again with growing, jittered pauses when lost.

mod announcing;
mod asking;
mod reach;
mod renewing;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::client::RequestError;
use directory_protocol::{Announced, Announcement, DirectoryClient, DirectoryEvent};
use futures_util::FutureExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::task::AbortOnDropHandle;

use super::Happening;
use super::gate::Pass;
use super::place::{Outlet, Place};
use crate::api::CallId;
use crate::core::{Ask, Presenting};
use crate::whereabouts::DirectoryElsewhere;
use announcing::{Said, keep_announced, not_taken};
use reach::Reached;
pub(super) use reach::Route;
use renewing::AGAIN;
use watching::{WatchList, keep_watched};

/// The pause after the first failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long an attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(10);
/// How long the directory may take to answer from a new network before it is connected to anew.
const FOLLOWING: Duration = Duration::from_secs(3);

/// What a link is told beside what it is asked.
#[derive(Default)]
pub(super) struct Cues {
    /// The network has changed.
    pub(super) follow: Notify,
    /// There is a newer certificate to be shown.
    pub(super) renew: Notify,
}

/// The task that owns the connection to the directory.
pub(super) struct Link {
    route: Route,
    outbox: mpsc::Sender<Happening>,
    /// How to be present, now and on every later connection.
    presenting: Presenting,
    /// Whom to watch there.
    watched: Arc<WatchList>,
    /// Calls that are being placed.
    placing: Vec<(CallId, AbortHandle)>,
    whose: Whose,
}

/// Whose directory it is.
pub(super) enum Whose {
    /// One's own: it says where this device is.
    Own(watch::Sender<Option<Place>>),
    /// Other people's. Where this device is, its own one says; which of its addresses has answered, is told.
    Others { own: watch::Receiver<Option<Place>>, answered: watch::Sender<Option<SocketAddr>> },
}

/// A connection that stands.
struct Standing {
    client: DirectoryClient,
    events: mpsc::Receiver<DirectoryEvent>,
    /// Lets its packets in.
    _pass: Pass,
    /// Where it leads, and all addresses of the directory.
    to: (SocketAddr, Vec<SocketAddr>),
    place: Place,
    /// How to be present from now on; ends with the connection.
    presenting: watch::Sender<Said>,
    /// Which of it the directory has taken.
    told: watch::Receiver<u64>,
    /// Tells the directory; ends when it did not take what it was told.
    announcing: JoinHandle<RequestError>,
    /// Asks it whom to watch; ends with the connection.
    _watching: AbortOnDropHandle<()>,
}

/// Why a connection is served no longer.
enum End {
    /// It was lost, with the reason.
    Lost(String),
    /// The person went offline.
    NotWanted,
    /// Nobody is left to serve.
    EngineGone,
}

impl Link {
    pub(super) fn new(
        outlet: Outlet,
        config: quinn::ClientConfig,
        (directory, whose): (DirectoryElsewhere, Whose),
        outbox: mpsc::Sender<Happening>,
    ) -> Self {
        let presenting = Presenting { announcement: Announcement::available(Vec::new()), idle: None };
        let watched = Arc::default();
        let route = Route { outlet, config, directory };
        Self { route, outbox, presenting, watched, placing: Vec::new(), whose }
    }

    /// Runs until the engine is gone. `wanted` is odd while the connection is wanted, and counts every change of mind:
    /// going away and coming back at once is two changes, and not none.
    /// `cues` come as long as the engine runs.
    pub(super) async fn run(
        mut self,
        mut wanted: watch::Receiver<u64>,
        mut asks: mpsc::UnboundedReceiver<Ask>,
        cues: Arc<Cues>,
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            while wanted.borrow_and_update().is_multiple_of(2) {
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    ask = asks.recv() => match ask { Some(ask) => self.not_now(ask).await, None => return },
                }
            }
            self.take_waiting(&mut asks).await;
            // Whatever is newest is shown.
            let _ = cues.renew.notified().now_or_never();
            let reason = match tokio::time::timeout(ATTEMPT, self.connect(&wanted, &mut asks)).await {
                Ok(Ok(standing)) => {
                    pause = FIRST_PAUSE;
                    if self.outbox.send(Happening::DirectoryUp).await.is_err() {
                        return;
                    }
                    let end = self.serve(standing, &mut wanted, &mut asks, &cues).await;
                    self.is_at(None);
                    match end {
                        End::Lost(reason) => reason,
                        End::NotWanted => continue,
                        End::EngineGone => return,
                    }
                }
                Ok(Err(reason)) => reason,
                Err(_) => {
                    let addresses = self.route.directory.addresses.join(" or ");
                    format!("the directory {addresses} did not answer within {} s", ATTEMPT.as_secs())
                }
            };
            if self.outbox.send(Happening::DirectoryDown(reason)).await.is_err() {
                return;
            }
            match self.rest(pause, &mut wanted, &mut asks, &cues).await {
                Some(next) => pause = next,
                None => return,
            }
        }
    }

    async fn connect(
        &mut self,
        wanted: &watch::Receiver<u64>,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
    ) -> Result<Standing, String> {
        let (addresses, reached) = self.route.reach_any().await?;
        // Meanwhile she may have decided not to be seen: then not even for a moment.
        self.take_waiting(asks).await;
        if wanted.borrow().is_multiple_of(2) {
            return Err("went offline".to_owned());
        }
        self.stand(addresses, reached).await
    }

    /// Says on a connection that was just made how to be present, and whom to watch.
    async fn stand(&self, addresses: Vec<SocketAddr>, reached: Reached) -> Result<Standing, String> {
        let (found, pass, client, events) = reached;
        let presenting = self.presenting.clone();
        let announced = client.announce(presenting.at(Instant::now())).await.map_err(|error| not_taken(&error))?;
        let wait = watching::begin(&self.watched, &client).await.map_err(|error| error.to_string())?;
        if let Whose::Others { answered, .. } = &self.whose {
            answered.send_replace(Some(found));
        }
        let to = (found, addresses);
        let place = self.place(&to, &announced);
        self.is_at(Some(&place));
        // What is said from now on is a change of what was just announced, also before the task that tells it has begun.
        let (said, changes) = watch::channel(Said { number: 0, presenting: presenting.clone() });
        let (taken, told) = watch::channel(0);
        let announcing = tokio::spawn(keep_announced(client.clone(), presenting, changes, taken));
        let (list, at) = (self.watched.clone(), client.clone());
        let watching = tokio::spawn(async move { keep_watched(&list, &at, wait).await });
        let _watching = AbortOnDropHandle::new(watching);
        Ok(Standing { client, events, _pass: pass, to, place, presenting: said, told, announcing, _watching })
    }

    /// Where this device is, as the directory has just said.
    fn place(&self, to: &(SocketAddr, Vec<SocketAddr>), announced: &Announced) -> Place {
        let outlet = self.route.outlet.clone();
        match &self.whose {
            Whose::Own(_) => Place::new(outlet, to, announced),
            Whose::Others { own, .. } => Place::before(own.borrow().clone(), outlet, to.0, announced),
        }
    }

    /// Lets the links to other directories know where this device is.
    fn is_at(&self, place: Option<&Place>) {
        if let Whose::Own(told) = &self.whose {
            told.send_replace(place.cloned());
        }
    }

    /// Serves until the connection is lost, not wanted any more, or the engine is gone.
    async fn serve(
        &mut self,
        mut standing: Standing,
        wanted: &mut watch::Receiver<u64>,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
        cues: &Cues,
    ) -> End {
        let mut renewing = None;
        loop {
            tokio::select! {
                biased;
                // What is asked after a change of the network is asked with the addresses of the new one.
                () = cues.follow.notified() => if let Err(reason) = self.follow(&mut standing).await {
                    standing.client.close();
                    return End::Lost(reason);
                },
                () = cues.renew.notified() => renewing = Some(self.reach_again(Duration::ZERO)),
                reached = renewing::reached(&mut renewing) => if self.replace(&mut standing, asks, reached).await.is_err() {
                    renewing = Some(self.reach_again(AGAIN));
                },
                changed = wanted.changed() => {
                    standing.client.close();
                    return if changed.is_ok() { End::NotWanted } else { End::EngineGone };
                },
                ask = asks.recv() => match ask {
                    Some(ask) => self.ask(&standing, ask),
                    None => {
                        standing.client.close();
                        return End::EngineGone;
                    }
                },
                ended = &mut standing.announcing => {
                    standing.client.close();
                    return self.not_announced(ended.ok()).await;
                },
                event = standing.events.recv() => match event {
                    Some(DirectoryEvent::Closed { reason }) => return End::Lost(reason.to_string()),
                    Some(event) => if self.outbox.send(Happening::Directory(event)).await.is_err() {
                        return End::EngineGone;
                    },
                    None => return End::Lost("the connection to the directory was lost".into()),
                },
            }
        }
    }

    /// The network has changed. The socket is bound to no network, so the connection goes on from the new address as soon as
    /// something is sent (RFC 9000 section 9): what is asked is where the directory sees this device now.
    async fn follow(&self, standing: &mut Standing) -> Result<(), String> {
        let announcement = self.presenting.at(Instant::now());
        match tokio::time::timeout(FOLLOWING, standing.client.announce(announcement)).await {
            Ok(Ok(announced)) => {
                standing.place = self.place(&standing.to, &announced);
                self.is_at(Some(&standing.place));
                Ok(())
            }
            // Too often, perhaps; what it was told before stands.
            Ok(Err(error @ RequestError::Refused { .. })) => {
                tracing::debug!(%error, "the directory did not say where it sees this device");
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the network changed, and the directory does not answer from the new one".to_owned()),
        }
    }

    /// What is asked without a connection: how to be present is remembered, calls fail, the rest is told anew on connecting.
    async fn not_now(&mut self, ask: Ask) {
        match ask {
            Ask::Announce(presenting) => self.presenting = *presenting,
            Ask::Watch { who } => self.watched.watch(who),
            Ask::Unwatch { who } => self.watched.unwatch(who),
            Ask::Invite { call, .. } => {
                let reason = "this device is not connected to its directory".into();
                let _ = self.outbox.send(Happening::CallFailed { call, reason }).await;
            }
            _ => {}
        }
    }

    async fn take_waiting(&mut self, asks: &mut mpsc::UnboundedReceiver<Ask>) {
        while let Ok(ask) = asks.try_recv() {
            self.not_now(ask).await;
        }
    }

    /// Waits between attempts, with jitter; the pause after the next one, or nothing when the engine is gone. From another
    /// network, or by a newer certificate, the directory may be reached at once.
    async fn rest(
        &mut self,
        pause: Duration,
        wanted: &mut watch::Receiver<u64>,
        asks: &mut mpsc::UnboundedReceiver<Ask>,
        cues: &Cues,
    ) -> Option<Duration> {
        let mut next = (pause * 2).min(LONGEST_PAUSE);
        let sleep = tokio::time::sleep(jittered(pause));
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => return Some(next),
                changed = wanted.changed() => return changed.is_ok().then_some(next),
                () = cues.follow.notified() => {}
                () = cues.renew.notified() => {}
                ask = asks.recv() => {
                    self.not_now(ask?).await;
                    continue;
                }
            }
            let soon = tokio::time::Instant::now() + jittered(FIRST_PAUSE);
            let earlier = sleep.deadline().min(soon);
            sleep.as_mut().reset(earlier);
            next = FIRST_PAUSE * 2;
        }
    }
}

/// Whom to ask where one is seen from: the directory's port and its second one, at the address that has answered, and in
/// the other family at the first one.
pub(super) fn listening(found: SocketAddr, addresses: &[SocketAddr], second: Option<u16>) -> Vec<SocketAddr> {
    let families =
        [true, false].map(|ipv6| std::iter::once(&found).chain(addresses).find(|address| address.is_ipv6() == ipv6));
    let ports = families.into_iter().flatten().flat_map(|address| {
        let second = second.filter(|port| *port != 0).map(|port| SocketAddr::new(address.ip(), port));
        [Some(*address), second]
    });
    ports.flatten().collect()
}

/// Between half and one and a half of it, so that a thousand clients do not come back in the same instant.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OfferedAddresses;
    use crate::driver::gate::Gate;
    use crate::driver::pinhole::Pinholes;
    use identity::UnixTime;
    use identity::testing::{Authority, private_key};
    use quinn::{EndpointConfig, TokioRuntime};

    fn link() -> Link {
        let gate = Gate::open("127.0.0.1:0".parse().unwrap()).unwrap();
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            quinn::Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, gate.clone(), runtime).unwrap();
        let outlet =
            Outlet { endpoint, gate, offered: OfferedAddresses::default(), pinholes: Arc::new(Pinholes::none()) };
        let now = UnixTime::now();
        let authority = Authority::new(5, now);
        let (chain, key) = authority.issue_person(&"alice@example.org".parse().unwrap(), now);
        let config = directory_protocol::client::client_config(chain, private_key(&key), authority.trust()).unwrap();
        let directory =
            DirectoryElsewhere { name: "directory.example.org".to_owned(), addresses: vec!["127.0.0.1:1".to_owned()] };
        Link::new(outlet, config, (directory, Whose::Own(watch::channel(None).0)), mpsc::channel(1).0)
    }

    #[tokio::test(start_paused = true)]
    async fn another_network_or_a_newer_certificate_ends_a_long_pause() {
        let ((_wants, mut wanted), (_asks, mut asked)) = (watch::channel(1), mpsc::unbounded_channel());
        let (mut link, cues) = (link(), Cues::default());
        for cue in [&cues.follow, &cues.renew] {
            let began = tokio::time::Instant::now();
            let comes = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                cue.notify_one();
                std::future::pending::<()>().await;
            };
            let next = tokio::select! {
                next = link.rest(LONGEST_PAUSE, &mut wanted, &mut asked, &cues) => next,
                () = comes => None,
            };
            assert_eq!(next, Some(FIRST_PAUSE * 2));
            let waited = began.elapsed();
            assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(2), "{waited:?}");
        }
        // Without either it takes its time, and longer the next time.
        let began = tokio::time::Instant::now();
        assert_eq!(link.rest(FIRST_PAUSE * 8, &mut wanted, &mut asked, &cues).await, Some(FIRST_PAUSE * 16));
        assert!(began.elapsed() >= FIRST_PAUSE * 4);
    }

    /// When a directory comes back, a thousand devices must not come in the same moment; nor may one come at once, or late.
    #[tokio::test(start_paused = true)]
    async fn pauses_are_spread_evenly_from_half_to_one_and_a_half() {
        let (mut link, cues) = (link(), Cues::default());
        let ((_wants, mut wanted), (_asks, mut asked)) = (watch::channel(1), mpsc::unbounded_channel());
        let pause = FIRST_PAUSE * 10;
        let mut tenths = [0; 10];
        for _ in 0..1_000 {
            let began = tokio::time::Instant::now();
            link.rest(pause, &mut wanted, &mut asked, &cues).await.expect("the engine is there");
            // The timer's own grain is a millisecond.
            let part = (began.elapsed().as_secs_f64() - 0.001) / pause.as_secs_f64() - 0.5;
            assert!((-0.001..=1.0).contains(&part), "{part}");
            tenths[((part * 10.0) as usize).min(9)] += 1;
        }
        // A hundred each are to be expected, give or take ten.
        assert!(tenths.iter().all(|count| (50..=160).contains(count)), "{tenths:?}");
    }
}
