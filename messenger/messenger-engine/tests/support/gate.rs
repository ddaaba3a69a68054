//! A gate before the directory.

use std::net::SocketAddr;

use super::PATIENCE;

/// A way to the directory that lets nothing pass until it is opened; what came meanwhile is not lost.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    open: Option<tokio::sync::oneshot::Sender<()>>,
    waits: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl Gate {
    pub(crate) async fn before(directory: SocketAddr) -> Self {
        let bind = || tokio::net::UdpSocket::bind("127.0.0.1:0");
        let (near, far) = (bind().await.unwrap(), bind().await.unwrap());
        let address = near.local_addr().unwrap();
        let (open, opened) = tokio::sync::oneshot::channel();
        let (came, waits) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            // Whatever comes before waits in the socket.
            near.readable().await.unwrap();
            came.send(()).unwrap();
            if opened.await.is_err() {
                return;
            }
            let (mut up, mut down, mut client) = ([0; 2_048], [0; 2_048], None);
            loop {
                tokio::select! {
                    Ok((count, from)) = near.recv_from(&mut up) => {
                        client = Some(from);
                        far.send_to(&up[..count], directory).await.unwrap();
                    }
                    Ok((count, _)) = far.recv_from(&mut down) => if let Some(client) = client {
                        // The client may be gone.
                        let _ = near.send_to(&down[..count], client).await;
                    },
                    else => return,
                }
            }
        });
        Self { address, open: Some(open), waits: Some(waits) }
    }

    /// Waits until somebody is at the gate.
    pub(crate) async fn something_waits(&mut self) {
        tokio::time::timeout(PATIENCE, self.waits.take().unwrap()).await.unwrap().unwrap();
    }

    pub(crate) fn open(&mut self) {
        self.open.take().unwrap().send(()).unwrap();
    }
}
