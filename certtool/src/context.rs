//! What every command needs: the person's folder and the way to print.

use device::Home;
use identity::Identifier;
use key_store::PassphraseSource;

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;

/// The folder, where the passphrase of its keys comes from if that was said, and the output.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) passphrase: Option<PassphraseSource>,
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(global: &Global, output: Output) -> Result<Self, Failure> {
        let home = match global.home.as_ref().filter(|home| !home.as_os_str().is_empty()) {
            Some(folder) => Home::at(folder)?,
            None => Home::open()?,
        };
        let passphrase = global.passphrase.clone();
        let home = home.unlocked_by(passphrase.clone().unwrap_or(PassphraseSource::Ask), passphrase.is_some());
        Ok(Self { home, passphrase, output })
    }
}

/// An address as typed, in canonical form; the error goes to clap, which exits with 2.
pub(crate) fn identifier(text: &str) -> Result<Identifier, String> {
    Identifier::parse(text).map_err(|error| error.to_string())
}
