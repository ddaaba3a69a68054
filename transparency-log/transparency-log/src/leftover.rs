//! What a handler leaves unread of a request is read and thrown away before its answer leaves. A server that closes while the
//! client still sends resets the connection (RFC 9112 section 9.6), and with it goes the answer that says what was wrong. For
//! every server of this house that accepts connections itself.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, header};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;

/// So much is read at most, in bytes: whoever sends more may lose the answer.
pub const MOST: usize = 4 << 20;
/// Time for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A body that is given back when it is dropped before its end.
struct Lent {
    body: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    /// Nothing is on its way yet if the client waits to be told to go on (RFC 9110 section 10.1.1), as hyper does at the
    /// first look.
    is_sent: bool,
}

/// Where a body comes back to.
#[derive(Debug)]
pub struct Leftover(oneshot::Receiver<Incoming>);

/// Lends the body of a request to its handler.
pub fn lend(request: Request<Incoming>) -> (Request<Body>, Leftover) {
    let (back, leftover) = oneshot::channel();
    let is_sent = !request.headers().contains_key(header::EXPECT);
    let lend = |body| Body::new(Lent { body: Some(body), back: Some(back), is_sent });
    (request.map(lend), Leftover(leftover))
}

impl Leftover {
    /// Reads and throws away what came back.
    pub async fn discard(mut self) {
        let Ok(body) = self.0.try_recv() else { return };
        let mut body = pin!(body);
        let reading = async {
            let mut read = 0;
            while read <= MOST
                && let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        // Whoever is slower loses the answer.
        let _ = tokio::time::timeout(PATIENCE, reading).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.is_sent = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| self.is_sent && !body.is_end_stream());
        if let (Some(body), Some(back)) = (left, self.back.take()) {
            // Fails where nobody answers any more.
            let _ = back.send(body);
        }
    }
}
