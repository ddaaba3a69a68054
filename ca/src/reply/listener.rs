//! The LMTP listener: connections, deadlines, limits.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::judge::{Outcome, judge};
use super::lmtp::{Answer, Incoming, MAX_COMMAND_BYTES, MAX_TEXT_LINE_BYTES, Next, Session};
use crate::acme::Service;
use crate::config::{LmtpAddress, Replies};

/// Connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 32;
/// For a command to come, or a line of a mail (RFC 5321 section 4.5.3.2 has minutes, between strangers on the Internet;
/// this one is beside us).
const STEP: Duration = Duration::from_secs(60);
/// For one mail from its first line to its verdict.
const MAIL: Duration = Duration::from_secs(180);
/// For a whole connection.
const CONNECTION: Duration = Duration::from_secs(1800);

/// An open listener.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens. A socket that an earlier process has left in the file system is taken over.
    pub(crate) async fn bind(address: &LmtpAddress) -> io::Result<Self> {
        match address {
            LmtpAddress::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            LmtpAddress::Unix(path) => {
                match std::fs::symlink_metadata(path) {
                    Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
                        std::fs::remove_file(path)?;
                    }
                    _ => {}
                }
                let listener = UnixListener::bind(path)?;
                // The mail server runs as somebody else: who may come near is decided by the folder.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Takes connections until stopped.
pub(crate) async fn serve(listener: Listener, service: Arc<Service>, replies: Replies, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let (service, address, stop) = (Arc::clone(&service), replies.address.clone(), stop.clone());
                tokio::spawn(async move { connection(stream, &service, &address, &stop, place).await });
            }
            Err(error) => {
                // Such as too many open files: it passes.
                tracing::warn!(%error, "the LMTP listener could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(
    stream: Box<dyn Stream>,
    service: &Service,
    address: &str,
    stop: &CancellationToken,
    place: OwnedSemaphorePermit,
) {
    let mut session = Session::new(service.host(), address);
    let mut stream = BufReader::new(stream);
    let talked = tokio::select! {
        talked = timeout(CONNECTION, talk(&mut stream, &mut session, service)) => talked,
        () = stop.cancelled() => {
            let bye = Answer::new(421, "4.3.2 shutting down").to_string();
            let _ = timeout(Duration::from_secs(1), stream.get_mut().write_all(bye.as_bytes())).await;
            return;
        }
    };
    match talked {
        Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
            tracing::info!(%error, "an LMTP connection broke off");
        }
        _ => {}
    }
    drop(place);
}

async fn talk(stream: &mut BufReader<Box<dyn Stream>>, session: &mut Session, service: &Service) -> io::Result<()> {
    say(stream, &session.greeting()).await?;
    let mut line = Vec::new();
    loop {
        let whole = read_line(stream, &mut line, MAX_COMMAND_BYTES).await?;
        let (answer, next) = match line.strip_suffix(b"\r\n").filter(|_| whole) {
            Some(command) => session.command(command),
            // Where one command ends and the next begins is not certain any more.
            None => (Answer::new(421, "4.5.2 a line too long, or not ended with CR and LF"), Next::Close),
        };
        say(stream, &answer).await?;
        match next {
            Next::Command => {}
            Next::Close => return Ok(()),
            Next::Message { recipients } => {
                let taken = timeout(MAIL, take(stream, service)).await.map_err(|_| io::ErrorKind::TimedOut)?;
                let answer = taken?;
                // RFC 2033 section 4.2: one answer for each recipient.
                for _ in 0..recipients {
                    say(stream, &answer).await?;
                }
                session.reset();
            }
        }
    }
}

/// A mail and its verdict. One that says nothing to us is taken all the same: a refusal would come back to a sender who may
/// be forged.
async fn take(stream: &mut BufReader<Box<dyn Stream>>, service: &Service) -> io::Result<Answer> {
    let mut incoming = Incoming::default();
    let (mut line, mut in_overlong) = (Vec::new(), false);
    loop {
        let whole = read_line(stream, &mut line, MAX_TEXT_LINE_BYTES).await?;
        if !whole {
            incoming.overlong();
        } else if !in_overlong && incoming.line(&line) {
            break;
        }
        in_overlong = !whole;
    }
    let mail = match incoming.finish() {
        Ok(mail) => mail,
        Err(fault) => return Ok(fault.answer()),
    };
    Ok(match judge(service, &mail).await {
        Outcome::Proven => Answer::new(250, "2.0.0 control is proven"),
        Outcome::Refused(reason) => {
            tracing::info!(reason, "a mail that proves nothing");
            Answer::new(250, "2.0.0 read")
        }
        Outcome::Later(reason) => {
            tracing::warn!(reason, "a reply cannot be judged now");
            Answer::new(451, "4.3.0 cannot be judged now, try again")
        }
    })
}

/// Reads up to and with the next LF, or up to `limit` bytes. Answers whether there is an LF.
async fn read_line(stream: &mut BufReader<Box<dyn Stream>>, line: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
    line.clear();
    let read = async {
        loop {
            let ready = stream.fill_buf().await?;
            if ready.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let room = &ready[..ready.len().min(limit - line.len())];
            let (end, whole) = match room.iter().position(|b| *b == b'\n') {
                Some(at) => (at + 1, true),
                None => (room.len(), false),
            };
            line.extend_from_slice(&room[..end]);
            stream.consume(end);
            if whole || line.len() == limit {
                return Ok(whole);
            }
        }
    };
    timeout(STEP, read).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn say(stream: &mut BufReader<Box<dyn Stream>>, answer: &Answer) -> io::Result<()> {
    let text = answer.to_string();
    let said = timeout(STEP, stream.get_mut().write_all(text.as_bytes())).await;
    said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
