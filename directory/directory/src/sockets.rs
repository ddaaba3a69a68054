//! The two UDP ports, taken before anything else is made: their numbers may be written down long before a directory
//! answers on them, and nobody else can have them meanwhile.

use crate::config::Observation;
use crate::server::BindError;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// How many ports are drawn until one is found after which the next is free, too.
const DRAWS: usize = 64;

/// Both ports, bound; nothing is read from them yet. Outside a runtime as well.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) first: UdpSocket,
    pub(crate) second: Option<UdpSocket>,
}

impl Sockets {
    /// Takes the ports. With port 0 one is found that has a free one beside it, if [`Observation::Beside`] asks for that.
    ///
    /// # Errors
    /// [`BindError::Socket`] with the address that cannot be had. A second one that was not asked for is done without.
    pub fn bind(address: SocketAddr, observation: Observation) -> Result<Self, BindError> {
        match (observation, address.port()) {
            (Observation::Beside, 0) => pair(|| bound(address)),
            (Observation::Beside, _) => Ok(with_or_without(bound(address)?)),
            (Observation::Off, _) => Ok(Self { first: bound(address)?, second: None }),
            (Observation::At(port), _) => {
                let first = bound(address)?;
                let local = first.local_addr().map_err(|reason| BindError::Socket { address, reason })?;
                Ok(Self { first, second: Some(bound(SocketAddr::new(local.ip(), port))?) })
            }
        }
    }

    /// The first one's address, with the port that was found if none was asked for.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.first.local_addr()
    }
}

/// Two ports beside one another, the first of them as it is drawn.
fn pair(draw: impl Fn() -> Result<UdpSocket, BindError>) -> Result<Sockets, BindError> {
    // Those that do not fit are kept until the end, so that none is drawn twice.
    let mut unfit = Vec::new();
    for _ in 1..DRAWS {
        let first = draw()?;
        match beside(&first) {
            Ok(second) => return Ok(Sockets { first, second: Some(second) }),
            Err(_) => unfit.push(first),
        }
    }
    draw().map(with_or_without)
}

/// This port and the one after it, or this one alone if that cannot be had.
fn with_or_without(first: UdpSocket) -> Sockets {
    let second = beside(&first).inspect_err(|error| {
        tracing::warn!(%error, "no second port: devices cannot tell what router they are behind");
    });
    Sockets { first, second: second.ok() }
}

/// The port after this one, of the same address.
fn beside(first: &UdpSocket) -> Result<UdpSocket, BindError> {
    let own = first.local_addr();
    let address = own.map_err(|reason| BindError::Socket { address: SocketAddr::from(([0; 4], 0)), reason })?;
    let next = address.port().checked_add(1).map(|port| SocketAddr::new(address.ip(), port));
    next.map_or_else(
        || Err(BindError::Socket { address, reason: io::Error::other("the last port has none after it") }),
        bound,
    )
}

fn bound(address: SocketAddr) -> Result<UdpSocket, BindError> {
    UdpSocket::bind(address).map_err(|reason| BindError::Socket { address, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn another_port_is_drawn_where_the_next_one_is_taken() {
        let any = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let lonely = any();
        // Taken by this test, or by somebody else.
        let _taken = beside(&lonely);
        let unfit = lonely.local_addr().unwrap();
        let drawn = RefCell::new(vec![lonely]);
        let sockets = pair(|| Ok(drawn.borrow_mut().pop().unwrap_or_else(any))).unwrap();
        let (first, second) = (sockets.local_addr().unwrap(), sockets.second.unwrap().local_addr().unwrap());
        assert_ne!(first, unfit);
        assert_eq!(second.port(), first.port() + 1);
    }
}
