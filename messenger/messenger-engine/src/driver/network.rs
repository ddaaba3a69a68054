//! The network: notices that this device has other addresses than before.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Happening;
use super::addresses::{ANYBODY, source_toward};

/// How often to look: a few system calls.
const LOOK: Duration = Duration::from_secs(1);
/// A change counts once it has lasted for this long: while a network comes up, addresses come and go.
const SETTLED: Duration = Duration::from_millis(250);

/// The addresses from which packets would leave now, by family.
type Sources = [Option<IpAddr>; 2];

/// Reports changes until the engine is gone.
pub(super) async fn watch(outbox: mpsc::Sender<Happening>) {
    follow(sources, outbox).await;
}

async fn follow(mut look: impl FnMut() -> Sources, outbox: mpsc::Sender<Happening>) {
    let mut known = look();
    loop {
        tokio::time::sleep(LOOK).await;
        if outbox.is_closed() {
            return;
        }
        let settled = settle(&mut look, &known).await;
        if !is_another(&known, &settled) {
            continue;
        }
        known = settled;
        if outbox.send(Happening::NetworkChanged).await.is_err() {
            return;
        }
    }
}

/// The addresses once they change no more.
async fn settle(look: &mut impl FnMut() -> Sources, known: &Sources) -> Sources {
    let mut seen = look();
    while seen != *known {
        tokio::time::sleep(SETTLED).await;
        let now = look();
        if now == seen {
            break;
        }
        seen = now;
    }
    seen
}

/// Whether there is a network, and it is not the one before. Without one there is nowhere to go; when the same comes
/// back, nothing has changed.
fn is_another(known: &Sources, now: &Sources) -> bool {
    now != known && now.iter().any(Option::is_some)
}

fn sources() -> Sources {
    ANYBODY.map(|ip| source_toward(SocketAddr::new(ip, 9)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 168, 1, 7)));
    const OFFICE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)));

    #[test]
    fn another_address_is_a_change_and_no_network_is_none() {
        assert!(is_another(&[HOME, None], &[OFFICE, None]));
        assert!(is_another(&[HOME, None], &[HOME, Some(Ipv6Addr::LOCALHOST.into())]));
        assert!(!is_another(&[HOME, None], &[HOME, None]));
        assert!(!is_another(&[HOME, None], &[None, None]), "there is nowhere to go");
    }

    /// How often a change was reported while the network was like this, for so many milliseconds each.
    async fn reported(history: &[(Sources, u64)]) -> usize {
        let (outbox, mut inbox) = mpsc::channel(16);
        let (began, history) = (tokio::time::Instant::now(), history.to_vec());
        let total = history.iter().map(|(_, lasted)| lasted).sum();
        let look = move || {
            let mut left = began.elapsed();
            for (sources, lasted) in &history {
                let lasted = Duration::from_millis(*lasted);
                if left < lasted {
                    return *sources;
                }
                left -= lasted;
            }
            history.last().unwrap().0
        };
        let watching = tokio::spawn(follow(look, outbox));
        tokio::time::sleep(Duration::from_millis(total)).await;
        watching.abort();
        let mut count = 0;
        while inbox.recv().await.is_some() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_when_it_has_settled() {
        let (home, office, none) = ([HOME, None], [OFFICE, None], [None, None]);
        assert_eq!(reported(&[(home, 60_000)]).await, 0);
        assert_eq!(reported(&[(home, 5_500), (office, 60_000)]).await, 1);
        assert_eq!(reported(&[(home, 5_500), (office, 1_300)]).await, 1, "within 1.25 s");
        assert_eq!(reported(&[(home, 5_500), (office, 10_000), (home, 10_000)]).await, 2);
        assert_eq!(reported(&[(home, 5_500), (none, 20_000), (home, 20_000)]).await, 0, "the same is back");
        assert_eq!(reported(&[(home, 5_500), (none, 20_000), (office, 20_000)]).await, 1);
        assert_eq!(reported(&[(none, 5_500), (home, 20_000)]).await, 1, "there is one at last");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_and_goes_is_waited_for() {
        let (home, office, none) = ([HOME, None], [OFFICE, None], [None, None]);
        let mut flapping = vec![(home, 5_900)];
        for _ in 0..10 {
            flapping.extend([(office, 200), (none, 200)]);
        }
        flapping.push((office, 10_000));
        assert_eq!(reported(&flapping).await, 1);
        flapping.pop();
        flapping.push((home, 10_000));
        assert_eq!(reported(&flapping).await, 0);
    }

    #[test]
    fn this_machine_knows_from_where_it_speaks_to_itself() {
        assert_eq!(source_toward((Ipv4Addr::LOCALHOST, 9).into()), Some(Ipv4Addr::LOCALHOST.into()));
    }
}
