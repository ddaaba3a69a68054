//! Private keys at rest: in files, with or without a passphrase, in keyrings, and in tokens.
//!
//! **What it does.** Reads and writes PKCS#8 (RFC 5958) under a passphrase ([`sealed`]: PBES2 of RFC 8018, scrypt and
//! AES-256, as OpenSSL reads and writes it). Gets passphrases from where they may come from ([`PassphraseSource`]). Signs
//! with keys that never leave a token ([`TokenKey`]: PKCS#11, named by an RFC 7512 URI). Keeps secrets in the keyring of a
//! person's session ([`KeyringItem`], with the feature `keyring`). Knows recovery phrases ([`phrase`], with the feature
//! `recovery`: BIP-39).
//!
//! **What it never does.** It takes no secret from the command line or the environment, shows none in an error, a log line
//! or a `Debug`, and leaves none in memory it has let go of, as far as that is ours. It does not know what it signs: who may
//! sign what is decided above it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "keyring")]
mod keyring;
mod passphrase;
pub mod pem;
#[cfg(feature = "recovery")]
pub mod phrase;
pub mod sealed;
mod terminal;
pub mod testing;
mod token;

#[cfg(feature = "keyring")]
pub use keyring::{KeyringError, KeyringItem};
pub use passphrase::{MAX_PASSPHRASE_BYTES, Passphrase, PassphraseError, PassphraseSource};
pub use terminal::Terminal;
pub use token::{TokenAlgorithm, TokenError, TokenKey, TokenUri, TokenUriError};
