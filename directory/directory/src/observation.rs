//! Telling whoever asks where she is seen from: at the directory's own port, below QUIC, and at a second one.

use crate::sockets::Sockets;
use directory_protocol::observation::{Answer, MAX_REQUEST_BYTES, answer, is_stun};
use directory_protocol::sieve::sift;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The pause after the second port could not be read: what is wrong may last.
const AFTER_AN_ERROR: Duration = Duration::from_millis(100);
/// Datagrams of the second port read at once, and room for as many of them as the system may hand over in one piece.
const BATCH: usize = 16;
const BUFFER_BYTES: usize = (MAX_REQUEST_BYTES + 1) * 64;

/// The directory's socket: questions about addresses are answered here, the rest is QUIC's.
#[derive(Debug)]
pub(crate) struct Observing {
    socket: Arc<dyn AsyncUdpSocket>,
    second: Option<Arc<dyn AsyncUdpSocket>>,
}

impl Observing {
    /// On both ports.
    ///
    /// # Errors
    /// The runtime does not take them.
    pub(crate) fn new(sockets: Sockets) -> io::Result<Self> {
        let socket = TokioRuntime.wrap_udp_socket(sockets.first)?;
        let second = sockets.second.map(|second| TokioRuntime.wrap_udp_socket(second)).transpose()?;
        Ok(Self { socket, second })
    }

    /// The second port.
    pub(crate) fn second_port(&self) -> Option<u16> {
        self.second.as_ref().and_then(|socket| socket.local_addr().ok()).map(|address| address.port())
    }

    /// Answers what came in at the first port, or (`at_second`) at the other one, from the address of this machine that was
    /// asked. What the system does not take now is lost: whoever asked will ask again.
    fn respond(&self, datagram: &[u8], came: &RecvMeta, at_second: bool) {
        let Some(Answer { bytes, from_other_port }) = answer(datagram, came.addr) else { return };
        let socket = if at_second == from_other_port { Some(&self.socket) } else { self.second.as_ref() };
        let (destination, src_ip) = (came.addr, came.dst_ip);
        let transmit = Transmit { destination, ecn: None, contents: &bytes, segment_size: None, src_ip };
        let _ = socket.map(|socket| socket.try_send(&transmit));
    }

    /// Answers at the second port, for ever.
    pub(crate) async fn serve_second(&self) {
        let Some(second) = &self.second else { return std::future::pending().await };
        let mut buffers = vec![vec![0; BUFFER_BYTES]; BATCH];
        let mut metas = [RecvMeta::default(); BATCH];
        loop {
            let mut slices: Vec<IoSliceMut<'_>> = buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
            let read = std::future::poll_fn(|cx| second.poll_recv(cx, &mut slices, &mut metas)).await;
            match read {
                Ok(count) => {
                    for (buffer, meta) in slices.iter_mut().zip(&mut metas).take(count) {
                        let came = *meta;
                        sift(buffer, meta, |datagram| {
                            self.respond(datagram, &came, true);
                            false
                        });
                    }
                }
                // What an earlier answer met on its way (ICMP), on systems that tell.
                Err(error) => {
                    tracing::debug!(%error, "the second port");
                    tokio::time::sleep(AFTER_AN_ERROR).await;
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
                        self.respond(datagram, &came, false);
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
