//! Who tells where this device is seen from: the directory's ports, asked by STUN.

use std::net::SocketAddr;

use directory_protocol::observation::{self, Transaction};

use super::socket::canonical;
use super::{Gate, Table};

/// One port that tells where this device is seen from: what it was asked last, and what it said.
#[derive(Default)]
pub(super) struct Observer {
    asked: Transaction,
    answered: Option<Transaction>,
    seen: Option<SocketAddr>,
}

impl Gate {
    /// Asks a port of the directory where this device is seen from.
    pub(in crate::driver) fn ask(&self, port: SocketAddr, transaction: Transaction) {
        self.table().observers.entry(canonical(port)).or_default().asked = transaction;
        self.send_to(port, &observation::request(&transaction), None);
    }

    /// Asks one port of the directory to answer from its other one.
    pub(in crate::driver) fn ask_for_the_other(&self, port: SocketAddr, other: SocketAddr, transaction: Transaction) {
        self.table().observers.entry(canonical(other)).or_default().asked = transaction;
        self.send_to(port, &observation::request_from_other_port(&transaction), None);
    }

    /// Whether it has answered this question.
    pub(in crate::driver) fn has_answered(&self, port: SocketAddr, transaction: Transaction) -> bool {
        self.table().observers.get(&canonical(port)).is_some_and(|observer| observer.answered == Some(transaction))
    }

    /// Waits until one of them has answered since this was waited for last.
    pub(in crate::driver) async fn observed(&self) {
        self.observed.notified().await;
    }

    /// What one of them said last is true no more.
    pub(in crate::driver) fn forget_sight(&self, port: SocketAddr) {
        self.table().observers.entry(canonical(port)).and_modify(|observer| observer.seen = None);
    }

    /// Nobody is asked any more: this is another network.
    pub(in crate::driver) fn forget_sights(&self) {
        self.table().observers.clear();
    }

    /// Who sees this device where, or has not answered lately.
    pub(in crate::driver) fn sights(&self) -> Vec<(SocketAddr, Option<SocketAddr>)> {
        let table = self.table();
        let mut sights: Vec<_> = table.observers.iter().map(|(port, observer)| (*port, observer.seen)).collect();
        sights.sort();
        sights
    }

    pub(super) fn told(&self, table: &mut Table, datagram: &[u8], from: SocketAddr) {
        if let Some((transaction, seen)) = observation::observed(datagram)
            && let Some(observer) = table.observers.get_mut(&from)
            && observer.asked == transaction
        {
            observer.answered = Some(transaction);
            observer.seen = Some(seen);
            self.observed.notify_one();
        }
    }
}
