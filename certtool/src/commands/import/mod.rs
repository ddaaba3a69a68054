//! `certtool import`: a key for mail from elsewhere, kept beside one's own, so that old mails stay readable.

mod pair;
mod read;
mod report;

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;
use device::KeptKey;
use identity::{Identifier, IdentifierKind};
use key_store::PassphraseSource;

use crate::context::{self, Context};
use crate::failure::{Exit, Failure};
use pair::Pair;
use read::{Material, Reader};
use report::Imported;

/// Keep a key for mail from elsewhere, with its certificate, so that old mails stay readable.
///
/// Takes an S/MIME key (P-256, or RSA of 2048 bits or more) with its certificate, of whatever authority, in PKCS#12 (.p12,
/// .pfx) or PEM, and keeps it beside your earlier keys for mail: certtool install hands it to other programs together with
/// yours. It opens what was written to it and stands for you in nothing: what you sign, and where you log in, goes by a
/// certificate that stands in the log of its authority (certtool enroll --for mail). That its certificate has ended, or that
/// nobody here vouches for its authority, is told. Keys of age, ssh, OpenPGP and WireGuard are none for mail, and refused with
/// the reason. A second time changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool import old.p12\n  \
    certtool import old.p12 --file-passphrase file:passphrase\n  \
    certtool import old.pem --key old.key.pem\n  \
    certtool import old.p12 --address alice@example.org")]
pub(crate) struct Import {
    /// PKCS#12, or PEM with the certificate and its key
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The key, if it lies in another file: PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Which address of yours it is for, if the certificate names none or several
    #[arg(long, value_name = "ID", value_parser = context::identifier)]
    address: Option<Identifier>,
    /// Where the passphrase of the file comes from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd) [default: ask, at a
    /// terminal, if there is one]
    #[arg(long, value_name = "SOURCE")]
    file_passphrase: Option<PassphraseSource>,
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(phone) = self.address.as_ref().filter(|address| address.kind() != IdentifierKind::Email) {
            return Err(Failure::failed(
                format!("{phone} is no mail address, and the key is for mail"),
                "Give the mail address that the certificate is for.",
            ));
        }
        let reader = Reader { context, source: self.file_passphrase.as_ref(), given: RefCell::default() };
        let mut material = Material::default();
        for path in [Some(&self.file), self.key.as_ref()].into_iter().flatten() {
            reader.read(path, &mut material)?;
        }
        let (pairs, notes) = pair::pairs(material, &self.file)?;
        let kept = pairs.into_iter().map(|pair| self.kept(pair)).collect::<Result<Vec<_>, _>>()?;
        let are_new = context.home.keep_mail_keys(&kept)?;
        context.output.report(&Imported::of(context, &self.file, &kept, &are_new, notes)?);
        Ok(Exit::Ok)
    }

    /// With whose it is.
    fn kept(&self, pair: Pair) -> Result<KeptKey, Failure> {
        let named = pair.addresses();
        let list = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let identifier = match (&self.address, named.as_slice()) {
            (Some(address), []) => address.clone(),
            (Some(address), named) if named.contains(address) => address.clone(),
            (Some(address), _) => {
                return Err(Failure::failed(
                    format!("the certificate is for {list}, not for {address}"),
                    "Give one of its addresses, or leave --address out.",
                ));
            }
            (None, [only]) => only.clone(),
            (None, []) => {
                return Err(Failure::failed(
                    "the certificate names no mail address",
                    "Say which address of yours it was for: --address ID.",
                ));
            }
            (None, _) => {
                return Err(Failure::failed(
                    format!("the certificate names several addresses: {list}"),
                    "Say for which one it is to be kept: --address ID.",
                ));
            }
        };
        Ok(KeptKey { identifier, chain: pair.chain, key: pair.key, enrolment: None })
    }
}
