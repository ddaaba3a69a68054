//! Telling whoever asks where she is seen from: at the directory's own port, below QUIC, and at a second one.

use crate::config::Observation;
use directory_protocol::observation::{Answer, MAX_REQUEST_BYTES, answer, is_stun};
use directory_protocol::sieve::sift;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UdpSocket;

/// The directory's socket: questions about addresses are answered here, the rest is QUIC's.
#[derive(Debug)]
pub(crate) struct Observing {
    socket: Arc<dyn AsyncUdpSocket>,
    second: Option<UdpSocket>,
}

impl Observing {
    /// Takes both ports.
    ///
    /// # Errors
    /// The address that cannot be had. A second one that was not asked for is done without.
    pub(crate) fn bind(address: SocketAddr, observation: Observation) -> Result<Self, (SocketAddr, io::Error)> {
        let refused = |error| (address, error);
        let socket = std::net::UdpSocket::bind(address).map_err(refused)?;
        let socket = TokioRuntime.wrap_udp_socket(socket).map_err(refused)?;
        let second = second(observation, socket.local_addr().map_err(refused)?)?;
        Ok(Self { socket, second })
    }

    /// The second port.
    pub(crate) fn second_port(&self) -> Option<u16> {
        self.second.as_ref().and_then(|socket| socket.local_addr().ok()).map(|address| address.port())
    }

    /// Answers what came in at the first port, or (`at_second`) at the other one. What the system does not take now is lost:
    /// whoever asked will ask again.
    fn respond(&self, datagram: &[u8], from: SocketAddr, to: Option<IpAddr>, at_second: bool) {
        let Some(Answer { bytes, from_other_port }) = answer(datagram, from) else { return };
        if at_second != from_other_port {
            if let Some(second) = &self.second {
                let _ = second.try_send_to(&bytes, from);
            }
            return;
        }
        let transmit = Transmit { destination: from, ecn: None, contents: &bytes, segment_size: None, src_ip: to };
        let _ = self.socket.try_send(&transmit);
    }

    /// Answers at the second port, for ever.
    pub(crate) async fn serve_second(&self) {
        let Some(second) = &self.second else { return std::future::pending().await };
        // One byte more than is looked at: what fills it is too long.
        let mut buffer = [0; MAX_REQUEST_BYTES + 1];
        loop {
            match second.recv_from(&mut buffer).await {
                Ok((length, from)) => self.respond(&buffer[..length], from, None, true),
                // What an earlier answer met on its way (ICMP), on systems that tell.
                Err(error) => {
                    tracing::debug!(%error, "the second port");
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

impl AsyncUdpSocket for Observing {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in bufs.iter_mut().zip(meta).take(count) {
                let came = *meta;
                sift(buffer, meta, |datagram| {
                    let asks = is_stun(datagram);
                    if asks {
                        self.respond(datagram, came.addr, came.dst_ip, false);
                    }
                    !asks
                });
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

/// The second socket, of the first one's address.
fn second(observation: Observation, first: SocketAddr) -> Result<Option<UdpSocket>, (SocketAddr, io::Error)> {
    let bind = |port| {
        let address = SocketAddr::new(first.ip(), port);
        let socket = std::net::UdpSocket::bind(address)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .and_then(UdpSocket::from_std);
        socket.map_err(|error| (address, error))
    };
    match observation {
        Observation::Off => Ok(None),
        Observation::At(port) => bind(port).map(Some),
        Observation::Beside => {
            let socket = first.port().checked_add(1).map(bind);
            Ok(socket.and_then(|bound| {
                bound
                    .inspect_err(|(address, error)| {
                        tracing::warn!(%address, %error, "no second port: devices cannot tell what router they are behind");
                    })
                    .ok()
            }))
        }
    }
}
