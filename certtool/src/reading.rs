//! Files that are read as streams, however large: what is signed or encrypted, and messages.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::{Exit, Failure};

/// So much is read and written at once (bytes).
pub(crate) const BUFFER: usize = 256 * 1024;
/// A message in PEM is read whole, if it is not larger than this.
const MAX_PEM_BYTES: u64 = 4 << 20;

/// The file, or why it cannot be read.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(file),
    });
    opened.map_err(|error| {
        Failure::failed(format!("{} cannot be read: {error}", path.display()), "Check the path and its permissions.")
    })
}

/// A message in PEM, which holds no large content.
pub(crate) fn pem(path: &Path, reader: &mut dyn Read) -> Result<Vec<u8>, Failure> {
    let refused = |found: String| {
        let what = format!("{}: expected a message in PEM, found {found}", path.display());
        Failure::new(Exit::Refused, what, "Ask for it again.")
    };
    let mut pem = Vec::new();
    reader.take(MAX_PEM_BYTES + 1).read_to_end(&mut pem).map_err(Failure::system)?;
    if pem.len() as u64 > MAX_PEM_BYTES {
        return Err(refused(format!("more than {} MiB", MAX_PEM_BYTES >> 20)));
    }
    pem_content(&pem).map_err(refused)
}

/// What stands between the first two lines of PEM, whatever they are called.
pub(crate) fn pem_content(pem: &[u8]) -> Result<Vec<u8>, String> {
    der::pem::decode_vec(pem).map(|(_, der)| der).map_err(|error| error.to_string())
}
