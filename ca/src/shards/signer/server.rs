//! The signer's end.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use identity::Identifier;
use identity::transparency::LabelInput;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{DESTROY, DONE, MAX_REQUEST, PROVE, PUBLIC, REFUSED};
use crate::files;
use crate::shards::LabelKey;

/// Connections at a time: an authority has one.
const CONNECTIONS: u8 = 32;
/// How long the rest of a request may take once its first byte is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a signer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// Its key is destroyed.
    Destroyed,
}

struct Signer {
    key: LabelKey,
    origin: String,
    stop: CancellationToken,
    destroyed: CancellationToken,
}

/// Listens on a socket in the file system, for its owner alone (mode 0600), or for the group of its folder as well (0660).
/// One that a signer has left behind is replaced.
///
/// # Errors
/// Another signer listens there, or the socket cannot be made.
pub fn bind(socket: &Path, for_group: bool) -> io::Result<UnixListener> {
    if let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        files::private_folder(folder)?;
    }
    if std::os::unix::net::UnixStream::connect(socket).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    let mode = if for_group { 0o660 } else { 0o600 };
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Answers with labels of the log `origin` until stopped, or until the key is destroyed.
///
/// # Errors
/// Nobody can connect any more.
pub async fn serve(listener: UnixListener, key: LabelKey, origin: &str, stop: CancellationToken) -> io::Result<Ended> {
    let signer =
        Arc::new(Signer { key, origin: origin.to_owned(), stop: stop.clone(), destroyed: CancellationToken::new() });
    let places = Arc::new(Semaphore::new(CONNECTIONS.into()));
    let ended = loop {
        let connected = tokio::select! {
            () = stop.cancelled() => break Ended::Stopped,
            () = signer.destroyed.cancelled() => break Ended::Destroyed,
            connected = listener.accept() => connected,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (stream, _) = connected?;
        let signer = Arc::clone(&signer);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = signer.answer_all(stream).await {
                tracing::debug!(%error, "a connection has ended");
            }
        });
    };
    // Nobody is answered after its end: all places are free then.
    drop(listener);
    let _ = places.acquire_many(CONNECTIONS.into()).await;
    Ok(ended)
}

impl Signer {
    async fn answer_all(&self, mut stream: UnixStream) -> io::Result<()> {
        loop {
            let mut first = [0];
            tokio::select! {
                // Whatever has come meanwhile.
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = self.destroyed.cancelled() => return Ok(()),
                read = stream.read(&mut first) => if read? == 0 { return Ok(()) },
            }
            let request = timeout(PATIENCE, rest(&mut stream, first[0])).await.map_err(io::Error::from)??;
            let answer = self.answer(&request).unwrap_or_else(|reason| [&[REFUSED], reason.as_bytes()].concat());
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            timeout(PATIENCE, stream.write_all(&[&length.to_be_bytes()[..], &answer].concat())).await??;
            if request == [DESTROY] && answer == [DONE] {
                self.destroyed.cancel();
                return Ok(());
            }
        }
    }

    fn answer(&self, request: &[u8]) -> Result<Vec<u8>, String> {
        match request.split_first() {
            Some((&PUBLIC, [])) => Ok([&[DONE][..], &self.key.public().to_bytes()].concat()),
            Some((&PROVE, input)) => self.prove(input),
            Some((&DESTROY, [])) => {
                self.key.destroy().map_err(|error| error.to_string())?;
                tracing::info!("the label key is destroyed");
                Ok(vec![DONE])
            }
            _ => Err("expected 00, 01 and a label input, or 02".to_owned()),
        }
    }

    fn prove(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let (origin, identifier, period, slot) = parse(bytes).ok_or("expected a label input")?;
        if origin != self.origin {
            return Err(format!("expected a label in the log {}, found one in another", self.origin));
        }
        let input = LabelInput { origin, identifier: &identifier, period, slot };
        // One spelling: what would be read otherwise is proven nowhere.
        if input.encode() != bytes {
            return Err("expected the one spelling of a label input".to_owned());
        }
        let (_, proof) = self.key.evaluate(&input).map_err(|error| error.to_string())?;
        Ok([&[DONE][..], proof.as_bytes()].concat())
    }
}

async fn rest(stream: &mut UnixStream, first: u8) -> io::Result<Vec<u8>> {
    let mut second = [0];
    stream.read_exact(&mut second).await?;
    let length = usize::from(u16::from_be_bytes([first, second[0]]));
    if length > MAX_REQUEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a request that is too long"));
    }
    let mut request = vec![0; length];
    stream.read_exact(&mut request).await?;
    Ok(request)
}

/// Origin, identifier, period and slot of `"inperson-label-v1" ‖ 0 ‖ len16(origin) ‖ origin ‖ kind8 ‖ len16(id) ‖ id ‖
/// period32 ‖ slot8`.
fn parse(bytes: &[u8]) -> Option<(&str, Identifier, u32, u8)> {
    let rest = bytes.strip_prefix(b"inperson-label-v1\0")?;
    let (origin, rest) = counted(rest)?;
    let (_kind, rest) = rest.split_first()?;
    let (identifier, rest) = counted(rest)?;
    let (period, rest) = rest.split_first_chunk::<4>()?;
    let [slot] = rest else { return None };
    let identifier = Identifier::from_canonical(std::str::from_utf8(identifier).ok()?).ok()?;
    Some((std::str::from_utf8(origin).ok()?, identifier, u32::from_be_bytes(*period), *slot))
}

/// Whatever is asked for, what is proven has one spelling.
#[cfg(any(test, fuzzing))]
pub(crate) fn look(bytes: &[u8]) {
    if let Some((origin, identifier, period, slot)) = parse(bytes) {
        let input = LabelInput { origin, identifier: &identifier, period, slot }.encode();
        let again = parse(&input).expect("what is written can be read");
        assert_eq!(again, (origin, identifier, period, slot));
    }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}
