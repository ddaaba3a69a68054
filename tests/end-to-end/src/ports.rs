//! Ports for programs that must be told one, and cannot say which free one they took.
//!
//! A port given out here is bound until this process ends, but not listened on: nobody is given it as a free one, while
//! the program that is told of it can listen there all the same, again and again. That is what Linux makes of SO_REUSEADDR,
//! which Rust, Go, Node and Python set on sockets that listen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tokio::net::TcpSocket;

use crate::{Context, Failure};

static HELD: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());

/// A TCP port of 127.0.0.1 for this process and its children alone.
///
/// # Errors
/// There is none.
pub fn own() -> Result<u16, Failure> {
    Ok(hold((Ipv4Addr::LOCALHOST, 0).into())?.port())
}

/// The same at this address; a free port of it if it says 0.
///
/// # Errors
/// It is taken.
pub fn hold(address: SocketAddr) -> Result<SocketAddr, Failure> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok::<_, std::io::Error>((socket.local_addr()?, socket))
    };
    let (address, socket) = bound().context(format!("holding a port at {address}"))?;
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_is_told_of_it_listens_again_and_again() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, own().unwrap()));
        for _ in 0..2 {
            assert!(TcpStream::connect(address).is_err(), "nobody listens");
            let listener = TcpListener::bind(address).unwrap();
            let _connected = TcpStream::connect(address).unwrap();
            let _accepted = listener.accept().unwrap();
        }
    }
}
