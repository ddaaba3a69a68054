//! Tending the hole for one address: opened, renewed at half of its life, opened again when the router has lost it, closed when
//! the address is offered no longer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::addresses::Inside;
use super::Way;

/// A router that opens nothing is asked again: it may have been started anew, or told to.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// A router that did not answer is asked again soon, for as long as the hole lives.
const SOON: Duration = Duration::from_secs(15);

/// Who is asked for holes.
pub(super) trait Asks: Send + Sync + 'static {
    /// What was opened.
    type Hole: Send;

    /// Asks for one; why there is none in words.
    fn open(&self, inside: &Inside, nonce: [u8; 12]) -> impl Future<Output = Result<Self::Hole, String>> + Send;

    /// Asks for more time.
    fn renew(&self, hole: &mut Self::Hole) -> impl Future<Output = Result<(), NotRenewed>> + Send;

    /// Has it closed, as well as can be.
    fn close(&self, hole: Self::Hole) -> impl Future<Output = ()> + Send;

    /// Has closed what may have been opened, by a request whose answer was not waited for.
    fn forget(&self, inside: &Inside, nonce: [u8; 12]) -> impl Future<Output = ()> + Send;

    /// Where others come in.
    fn outside(&self, hole: &Self::Hole) -> SocketAddr;

    /// How long it stays from its last renewal.
    fn lifetime(&self, hole: &Self::Hole) -> Duration;
}

/// Why a hole was not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRenewed {
    /// Nobody answered: it may be open still.
    Silent,
    /// The router knows nothing of it, or wants to know no more.
    Gone,
}

/// The hole for one address.
pub(super) struct Tending<A: Asks> {
    pub(super) inside: Inside,
    /// By which the router knows it.
    pub(super) nonce: [u8; 12],
    pub(super) asks: Arc<A>,
    /// What is told of all holes of the socket.
    pub(super) tell: Arc<watch::Sender<Vec<Way>>>,
    /// Changes when the hole is to be seen to at once.
    pub(super) again: watch::Receiver<u64>,
}

/// A hole, and when it ends unless it is renewed.
struct Open<H> {
    hole: H,
    ends: Instant,
}

impl<A: Asks> Tending<A> {
    /// Until `end`.
    pub(super) async fn run(mut self, end: CancellationToken) {
        let mut open: Option<Open<A::Hole>> = None;
        loop {
            self.again.mark_unchanged();
            let pause = tokio::select! {
                () = end.cancelled() => break,
                pause = self.see_to(&mut open) => pause,
            };
            self.tell(open.as_ref().map(|open| self.asks.outside(&open.hole)));
            tokio::select! {
                () = end.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                _ = self.again.changed() => {}
            }
        }
        self.tell(None);
        match open {
            Some(Open { hole, .. }) => self.asks.close(hole).await,
            None => self.asks.forget(&self.inside, self.nonce).await,
        }
    }

    /// Opens or renews; when to see to it again.
    async fn see_to(&self, open: &mut Option<Open<A::Hole>>) -> Duration {
        if let Some(Open { hole, ends }) = open {
            match self.asks.renew(hole).await {
                Ok(()) => {
                    let lifetime = self.asks.lifetime(hole);
                    *ends = Instant::now() + lifetime;
                    return (lifetime / 2).max(SOON);
                }
                Err(NotRenewed::Silent) if Instant::now() + SOON < *ends => return SOON,
                Err(NotRenewed::Silent | NotRenewed::Gone) => *open = None,
            }
        }
        match self.asks.open(&self.inside, self.nonce).await {
            Ok(hole) => {
                let lifetime = self.asks.lifetime(&hole);
                *open = Some(Open { hole, ends: Instant::now() + lifetime });
                (lifetime / 2).max(SOON)
            }
            Err(reason) => {
                tracing::debug!(reason, "no pinhole");
                AGAIN
            }
        }
    }

    fn tell(&self, outside: Option<SocketAddr>) {
        let inside = self.inside.address;
        self.tell.send_modify(|told| {
            told.retain(|way| way.inside != inside);
            told.extend(outside.map(|outside| Way { inside, outside }));
        });
    }
}
