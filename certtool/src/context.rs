//! What every command needs: the person's folder and the way to print.

use device::Home;
use identity::Identifier;
use key_store::PassphraseSource;

use crate::cli::Global;
use crate::dating::Dated;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings;

/// The folder, what was said or set of its keys and its people, and the output.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) home: Home,
    pub(crate) passphrase: Option<PassphraseSource>,
    /// Whose certificate is meant where nobody is named, by the profile.
    pub(crate) identity: Option<Identifier>,
    /// Whether what is signed is dated at once, by the profile.
    pub(crate) dated: Option<Dated>,
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(global: &Global, output: Output) -> Result<Self, Failure> {
        let profile = settings::profile(global.profile.as_deref().filter(|name| !name.is_empty()))?;
        // What was said for this one time comes before what holds always.
        let said = global.home.as_ref().filter(|home| !home.as_os_str().is_empty());
        let home = match said.or(profile.home.as_ref()) {
            Some(folder) => Home::at(folder)?,
            None => Home::open()?,
        };
        let passphrase = global.passphrase.clone().or(profile.passphrase);
        let home = home.unlocked_by(passphrase.clone().unwrap_or(PassphraseSource::Ask), passphrase.is_some());
        Ok(Self { home, passphrase, identity: profile.identity, dated: profile.dated, output })
    }
}

/// An address as typed, in canonical form; the error goes to clap, which exits with 2.
pub(crate) fn identifier(text: &str) -> Result<Identifier, String> {
    Identifier::parse(text).map_err(|error| error.to_string())
}
