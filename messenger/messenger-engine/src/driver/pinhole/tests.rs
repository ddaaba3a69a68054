use std::collections::VecDeque;

use super::tending::NotRenewed;
use super::*;

/// A router that does what it is told to, and what it was asked.
#[derive(Default)]
struct Puppet {
    asked: Mutex<Vec<(&'static str, SocketAddr, [u8; 12])>>,
    /// What becomes of renewals; all are granted when there is nothing more.
    renewals: Mutex<VecDeque<NotRenewed>>,
    /// It does not answer about IPv4.
    slow_v4: bool,
    /// It grants so little, if not [`LIFETIME`].
    grants: Option<Duration>,
}

const LIFETIME: Duration = Duration::from_secs(1_800);

impl Puppet {
    fn note(&self, what: &'static str, at: SocketAddr, nonce: [u8; 12]) {
        self.asked.lock().unwrap().push((what, at, nonce));
    }

    fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().unwrap().iter().map(|(what, ..)| *what).collect()
    }
}

impl Asks for Puppet {
    type Hole = (SocketAddr, [u8; 12]);

    async fn open(&self, inside: &Inside, nonce: [u8; 12]) -> Result<Self::Hole, String> {
        self.note("open", inside.address, nonce);
        if self.slow_v4 && inside.address.is_ipv4() {
            std::future::pending::<()>().await;
        }
        Ok((inside.address, nonce))
    }

    async fn renew(&self, hole: &mut Self::Hole) -> Result<(), NotRenewed> {
        self.note("renew", hole.0, hole.1);
        self.renewals.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }

    async fn close(&self, hole: Self::Hole) {
        self.note("close", hole.0, hole.1);
    }

    async fn forget(&self, inside: &Inside, nonce: [u8; 12]) {
        self.note("forget", inside.address, nonce);
    }

    fn outside(&self, hole: &Self::Hole) -> SocketAddr {
        SocketAddr::new("203.0.113.1".parse().unwrap(), hole.0.port())
    }

    fn lifetime(&self, _: &Self::Hole) -> Duration {
        self.grants.unwrap_or(LIFETIME)
    }
}

const V4: &str = "192.168.1.7:4000";
const V6: &str = "[2001:db8::7]:4000";

fn inside(address: &str) -> Inside {
    Inside { address: address.parse().unwrap(), interface: "eth0".to_owned(), index: 2 }
}

/// A device whose addresses are as its test says.
struct Device {
    puppet: Arc<Puppet>,
    here: Arc<Mutex<Vec<Inside>>>,
    pinholes: Pinholes,
}

impl Device {
    fn at(addresses: &[&str], puppet: Puppet) -> Self {
        let puppet = Arc::new(puppet);
        let here = Arc::new(Mutex::new(addresses.iter().map(|address| inside(address)).collect::<Vec<_>>()));
        let (wanted, wants) = watch::channel(Wanted::default());
        let ((tell, told), stop) = (watch::channel(Vec::new()), CancellationToken::new());
        let insides = {
            let here = Arc::clone(&here);
            move |_| here.lock().unwrap().clone()
        };
        let keeping = tokio::spawn(keep(Arc::clone(&puppet), insides, wants, Arc::new(tell), stop.clone()));
        let pinholes = Pinholes { wanted, told, stop, keeping: Mutex::new(Some(keeping)) };
        Self { puppet, here, pinholes }
    }

    async fn connected(addresses: &[&str], puppet: Puppet) -> Self {
        let device = Self::at(addresses, puppet);
        device.pinholes.want("198.51.100.1:8444".parse().unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
        device
    }

    fn told(&self) -> Vec<SocketAddr> {
        self.pinholes.open().iter().map(|way| way.inside).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_opened_renewed_at_half_of_its_life_and_closed_at_the_end() {
    let device = Device::connected(&[V4], Puppet::default()).await;
    assert_eq!(device.told(), [V4.parse().unwrap()]);
    tokio::time::sleep(LIFETIME / 2).await;
    assert_eq!(device.puppet.asked(), ["open", "renew"]);
    tokio::time::sleep(LIFETIME / 2).await;
    assert_eq!(device.puppet.asked(), ["open", "renew", "renew"]);
    device.pinholes.close().await;
    assert_eq!(device.puppet.asked(), ["open", "renew", "renew", "close"]);
    assert!(device.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_router_that_grants_a_second_is_not_asked_all_the_time() {
    let grants = Some(Duration::from_secs(1));
    let device = Device::connected(&[V4], Puppet { grants, ..Puppet::default() }).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(device.puppet.asked(), ["open", "renew", "renew", "renew", "renew"]);
}

#[tokio::test(start_paused = true)]
async fn none_is_asked_for_before_the_directory_is_known_or_beside_one_on_this_machine() {
    let device = Device::at(&[V4], Puppet::default());
    tokio::time::sleep(LIFETIME).await;
    device.pinholes.want("[::ffff:127.0.0.1]:8444".parse().unwrap());
    tokio::time::sleep(LIFETIME).await;
    assert!(device.puppet.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_router_that_is_silent_for_a_while_costs_nothing() {
    let renewals = Mutex::new(VecDeque::from([NotRenewed::Silent; 20]));
    let device = Device::connected(&[V4], Puppet { renewals, ..Puppet::default() }).await;
    tokio::time::sleep(LIFETIME / 2 + Duration::from_secs(200)).await;
    assert_eq!(device.told().len(), 1, "it is open still");
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(device.told().len(), 1);
    assert_eq!(device.puppet.asked().iter().filter(|what| **what == "open").count(), 1, "renewed when it answered");
}

#[tokio::test(start_paused = true)]
async fn a_router_that_is_silent_for_too_long_has_lost_it() {
    let renewals = Mutex::new(VecDeque::from([NotRenewed::Silent; 1_000]));
    let device = Device::connected(&[V4], Puppet { renewals, ..Puppet::default() }).await;
    tokio::time::sleep(LIFETIME + Duration::from_secs(1)).await;
    assert_eq!(device.puppet.asked().iter().filter(|what| **what == "open").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_forgot_is_asked_anew_by_the_same_number() {
    let renewals = Mutex::new(VecDeque::from([NotRenewed::Gone]));
    let device = Device::connected(&[V4], Puppet { renewals, ..Puppet::default() }).await;
    tokio::time::sleep(LIFETIME / 2).await;
    assert_eq!(device.puppet.asked(), ["open", "renew", "open"]);
    let asked = device.puppet.asked.lock().unwrap();
    assert!(asked.iter().all(|(.., nonce)| *nonce == asked[0].2));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_gone_has_its_hole_closed_and_the_next_one_gets_its_own() {
    let device = Device::connected(&[V4], Puppet::default()).await;
    *device.here.lock().unwrap() = vec![inside(V6)];
    tokio::time::sleep(LOOK).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(device.told(), [V6.parse().unwrap()]);
    *device.here.lock().unwrap() = vec![inside(V4)];
    tokio::time::sleep(LOOK).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(device.told(), [V4.parse().unwrap()]);
    let asked = device.puppet.asked.lock().unwrap();
    let of_v4: Vec<_> =
        asked.iter().filter(|(_, at, _)| at.is_ipv4()).map(|(what, _, nonce)| (*what, *nonce)).collect();
    assert_eq!(of_v4.iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["open", "close", "open"]);
    assert!(of_v4.iter().all(|(_, nonce)| *nonce == of_v4[0].1), "the router may know it still");
}

#[tokio::test(start_paused = true)]
async fn a_slow_router_holds_up_no_other_and_what_it_may_have_opened_is_closed() {
    let device = Device::connected(&[V4, V6], Puppet { slow_v4: true, ..Puppet::default() }).await;
    assert_eq!(device.told(), [V6.parse().unwrap()]);
    device.pinholes.close().await;
    let mut asked = device.puppet.asked();
    asked.sort_unstable();
    assert_eq!(asked, ["close", "forget", "open", "open"]);
}

#[tokio::test(start_paused = true)]
async fn another_connection_to_the_directory_has_holes_seen_to_at_once() {
    let device = Device::connected(&[V4], Puppet::default()).await;
    device.pinholes.want("198.51.100.1:8444".parse().unwrap());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(device.puppet.asked(), ["open", "renew"], "this device, or the router, may have slept");
}

#[test]
fn what_a_router_says_counts_where_the_directory_sees_the_same() {
    let (ip, at) = (|ip: &str| ip.parse::<IpAddr>().unwrap(), |address: &str| address.parse::<SocketAddr>().unwrap());
    let way = Way { inside: at(V4), outside: at("203.0.113.1:4000") };
    let own = [ip("192.168.1.7"), ip("2001:db8::7")];
    assert!(way.is_for_others(&own, &[at("203.0.113.1:61000")]));
    assert!(!way.is_for_others(&own, &[at("203.0.113.9:61000")]), "another router is before it, or it lies");
    assert!(!way.is_for_others(&own, &[]), "nobody has seen it");
    assert!(!way.is_for_others(&own[1..], &[at("203.0.113.1:61000")]), "that address is held back");
    let firewall = Way { inside: at(V6), outside: at(V6) };
    assert!(firewall.is_for_others(&own, &[]), "its own address");
}
