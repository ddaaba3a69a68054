//! The authority's end.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use identity::transparency::{LabelInput, VrfProof, VrfPublicKey};

use super::{DESTROY, DONE, MAX_ANSWER, PROVE, PUBLIC, SignerError};

/// How long one answer may take. It takes a third of a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// A signer, and the connection to it that is kept. Calls block.
#[derive(Debug)]
pub(in crate::shards) struct Remote {
    socket: PathBuf,
    connection: Mutex<Option<UnixStream>>,
}

impl Remote {
    /// Nothing is asked yet.
    pub(in crate::shards) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_path_buf(), connection: Mutex::default() }
    }

    /// The public half of its key.
    pub(in crate::shards) fn public(&self) -> Result<VrfPublicKey, SignerError> {
        let wrong = || SignerError::Answer { socket: self.socket.clone(), expected: "a label key" };
        let bytes = <[u8; 32]>::try_from(self.ask(PUBLIC, &[])?).map_err(|_| wrong())?;
        VrfPublicKey::from_bytes(&bytes).map_err(|_| wrong())
    }

    /// The label for an input and its proof, which is verified: what the signer says is not believed.
    pub(in crate::shards) fn evaluate(
        &self,
        public: &VrfPublicKey,
        input: &LabelInput<'_>,
    ) -> Result<([u8; 32], VrfProof), SignerError> {
        let wrong = || SignerError::Answer { socket: self.socket.clone(), expected: "a proof of the label" };
        let proof = <[u8; 80]>::try_from(self.ask(PROVE, &input.encode())?).map_err(|_| wrong())?;
        let proof = VrfProof::from_bytes(proof);
        let label = public.verify(input, &proof).map_err(|_| wrong())?;
        Ok((label, proof))
    }

    /// Has the key destroyed. Once it is, there is nobody who would answer a second time.
    pub(in crate::shards) fn destroy(&self) -> Result<(), SignerError> {
        self.ask(DESTROY, &[]).map(drop)
    }

    /// A connection that was kept may have ended meanwhile: then a new one is tried, once.
    fn ask(&self, kind: u8, content: &[u8]) -> Result<Vec<u8>, SignerError> {
        let io = |source| SignerError::Io { socket: self.socket.clone(), source };
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match kept.take().map(|stream| exchange(stream, kind, content)) {
            Some(Ok(answer)) => answer,
            // Its key may be destroyed by now: that is not asked for twice.
            Some(Err(error)) if kind == DESTROY => return Err(io(error)),
            Some(Err(_)) | None => exchange(connect(&self.socket).map_err(io)?, kind, content).map_err(io)?,
        };
        let (stream, mut answer) = answer;
        *kept = Some(stream);
        match answer.first() {
            Some(&DONE) => Ok(answer.split_off(1)),
            _ => {
                let reason = String::from_utf8_lossy(answer.get(1..).unwrap_or_default());
                let reason = reason.chars().filter(|c| !c.is_control()).take(200).collect();
                Err(SignerError::Refused { socket: self.socket.clone(), reason })
            }
        }
    }
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(mut stream: UnixStream, kind: u8, content: &[u8]) -> io::Result<(UnixStream, Vec<u8>)> {
    let length = u16::try_from(1 + content.len()).map_err(io::Error::other)?;
    let mut request = length.to_be_bytes().to_vec();
    request.push(kind);
    request.extend_from_slice(content);
    stream.write_all(&request)?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > MAX_ANSWER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that is too long"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok((stream, answer))
}
