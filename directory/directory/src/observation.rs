//! Telling whoever asks where she is seen from: at the directory's own port, below QUIC, and at a second one.

use crate::config::Observation;
use directory_protocol::observation::{MAX_REQUEST_BYTES, answer, is_stun};
use directory_protocol::sieve::sift;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UdpSocket;

/// The directory's socket: questions about addresses are answered here, the rest is QUIC's.
#[derive(Debug)]
pub(crate) struct Observing(Arc<dyn AsyncUdpSocket>);

impl Observing {
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        Ok(Self(TokioRuntime.wrap_udp_socket(socket)?))
    }

    /// What the system does not take now is lost: whoever asked will ask again.
    fn respond(&self, datagram: &[u8], meta: &RecvMeta) {
        if let Some(contents) = answer(datagram, meta.addr) {
            let (destination, src_ip) = (meta.addr, meta.dst_ip);
            let transmit = Transmit { destination, ecn: None, contents: &contents, segment_size: None, src_ip };
            let _ = self.0.try_send(&transmit);
        }
    }
}

impl AsyncUdpSocket for Observing {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.0.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.0.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in bufs.iter_mut().zip(meta).take(count) {
                let came = *meta;
                sift(buffer, meta, |datagram| {
                    let asks = is_stun(datagram);
                    if asks {
                        self.respond(datagram, &came);
                    }
                    !asks
                });
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.0.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}

/// The second socket, beside the first one's address.
///
/// # Errors
/// The address that was asked for and cannot be had; without one asked for, there is none.
pub(crate) fn second(
    observation: Observation,
    first: SocketAddr,
) -> Result<Option<UdpSocket>, (SocketAddr, io::Error)> {
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

/// Answers at the second port, for ever.
pub(crate) async fn serve(socket: Option<&UdpSocket>) {
    let Some(socket) = socket else { return std::future::pending().await };
    // One byte more than is looked at: what fills it is too long.
    let mut buffer = [0; MAX_REQUEST_BYTES + 1];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, from)) => {
                if let Some(answer) = answer(&buffer[..length], from) {
                    let _ = socket.try_send_to(&answer, from);
                }
            }
            // What an earlier answer met on its way (ICMP), on systems that tell.
            Err(error) => {
                tracing::debug!(%error, "the second port");
                tokio::task::yield_now().await;
            }
        }
    }
}
