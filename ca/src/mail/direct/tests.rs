//! Many domains behind one server.

use std::net::SocketAddr;

use super::*;
use crate::config::DirectTable;

fn exchange(host: &str) -> Exchange {
    Exchange { host: host.into(), domains: vec![], secure: false }
}

/// However many domains a server serves, sixteen mails wait for it, and the seventeenth goes elsewhere or is told that it is
/// busy. Announcements have as many places of their own.
#[tokio::test]
async fn a_slow_server_of_many_domains_keeps_sixteen_mails_waiting_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let resolvers = Resolvers { servers: vec![nobody], agree: None };
    let delivery = DirectTable::default().delivery("ca.example", folder.path());
    let direct = Direct::open(&delivery, &resolvers, folder.path()).unwrap();
    let (slow, both) = ([exchange("mx.slow.example")], [exchange("mx.slow.example"), exchange("mx.quick.example")]);
    for places in [&direct.servers, &direct.announcing_servers] {
        let next = |exchanges: &[Exchange]| {
            let mut last = MailError::Unreachable("no server".into());
            let found = next_free(&mut exchanges.iter(), places, &mut last);
            (found.map(|(exchange, place)| (exchange.host.clone(), place)), last)
        };
        // Of sixteen domains, none of which has more than one mail under way.
        let mut waiting: Vec<_> = (0..16).map(|_| next(&slow).0.expect("a place")).collect();
        let (none, told) = next(&slow);
        assert!(none.is_none() && matches!(&told, MailError::Busy(server) if server == "mx.slow.example"), "{told}");
        // The domain has another one, which may not take it: the busy one might have.
        let (other, told) = next(&both);
        assert_eq!(other.map(|(host, _)| host).as_deref(), Some("mx.quick.example"));
        assert!(matches!(told, MailError::Busy(_)), "{told}");
        drop(waiting.pop());
        let (found, told) = next(&both);
        assert_eq!(found.map(|(host, _)| host).as_deref(), Some("mx.slow.example"), "a place is given back");
        assert!(matches!(told, MailError::Unreachable(_)), "{told}");
    }
}
