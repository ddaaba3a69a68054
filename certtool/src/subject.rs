//! What a command is about: a certificate file, or the device of a person.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use device::{MAX_FILE_BYTES, chain_from_pem};
use identity::Identifier;
use rustls_pki_types::CertificateDer;

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// A chain to look at and where it came from.
#[derive(Debug)]
pub(crate) struct Subject {
    /// A path or an identifier.
    pub(crate) name: String,
    /// Leaf first; never empty.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// Reads the chain of `what`: a file in PEM or DER if there is one of that name, else the device enrolled for that
/// address. Without a name: the only device there is.
pub(crate) fn find(context: &Context, what: Option<&str>) -> Result<Subject, Failure> {
    let Some(what) = what else { return only_device(context) };
    let path = Path::new(what);
    if path.exists() {
        return Ok(Subject { name: what.to_owned(), chain: chain_of_file(path)? });
    }
    match Identifier::parse(what) {
        Ok(identifier) => {
            let device = context.home.locked_device(&identifier)?;
            Ok(Subject { name: identifier.to_string(), chain: device.chain })
        }
        Err(error) => Err(Failure::failed(
            format!("{what:?} is neither a file nor an address: {error}"),
            "Give the path of a certificate in PEM or DER, or an address you enrolled.",
        )),
    }
}

/// The device that the profile means, else the only one, or a failure that says which there are.
pub(crate) fn only_device(context: &Context) -> Result<Subject, Failure> {
    if let Some(identity) = &context.identity {
        let device = context.home.locked_device(identity)?;
        return Ok(Subject { name: device.identifier.to_string(), chain: device.chain });
    }
    let mut devices = context.home.devices()?;
    match (devices.pop(), devices.is_empty()) {
        (Some(device), true) => Ok(Subject { name: device.identifier.to_string(), chain: device.chain }),
        (None, _) => Err(nobody()),
        (Some(last), false) => {
            let names: Vec<_> = devices.iter().chain([&last]).map(|device| device.identifier.to_string()).collect();
            Err(Failure::failed(
                format!("there is more than one certificate here: {}", names.join(", ")),
                "Say which one, or write identity = \"ADDRESS\" into a profile of the settings.",
            ))
        }
    }
}

/// Nobody is enrolled here.
pub(crate) fn nobody() -> Failure {
    Failure::failed("nobody is enrolled here yet", "Get a certificate: certtool enroll you@example.org")
}

/// The file beside another that has its name with something after it.
pub(crate) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// The whole file of a certificate or policy, at most 1 MiB.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    read_up_to(path, MAX_FILE_BYTES, "certificate or policy")
}

/// The whole file, at most `limit` bytes (a whole number of MiB); `what` it is to be stands in the refusal.
pub(crate) fn read_up_to(path: &Path, limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("{} cannot be read: {error}", path.display()), "Check the path and its permissions.")
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > limit {
        return Err(Failure::failed(
            format!("{} is larger than {} MiB, which no {what} is", path.display(), limit >> 20),
            "Check that it is the right file.",
        ));
    }
    Ok(bytes)
}

/// The chain in a file, in PEM, or a single certificate in DER.
pub(crate) fn chain_of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let bytes = read_file(path)?;
    // A SEQUENCE tag begins every certificate in DER; PEM begins with text.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    chain_from_pem(&bytes).map_err(|found| {
        Failure::new(
            Exit::Failed,
            format!("{}: expected a certificate in PEM or DER, found {found}", path.display()),
            "A PEM file has a line -----BEGIN CERTIFICATE-----.",
        )
    })
}
