//! A connection to a mail server, before anything is said.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

/// Connects to one of its addresses.
///
/// lettre writes the line that ends a mail by itself: the kernel would hold it back until the server has acknowledged the
/// rest, which servers put off by 40 ms and more.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
