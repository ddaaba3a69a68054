//! A backup of keys for mail: one PKCS#12 file under a recovery phrase, so that OpenSSL opens it as well, on a day on which
//! nothing of ours is at hand.
//!
//! The keys and their certificates stand there as in any PKCS#12. What certtool needs beside them, to put each back where it
//! was, is a text in JSON, in a secret of its own: PKCS#12 has no other place for it.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use device::{AccountKey, Enrolment, KeptKey, MAX_FILE_BYTES, MailKey, SavedKey};
use identity::certificate::Certificate as Leaf;
use identity::trust::TrustPolicy;
use identity::{CertificateDer, Identifier, UnixTime};
use key_store::phrase::RecoveryPhrase;
use key_store::sealed;
use p12_keystore::error::Error;
use p12_keystore::secret::{Secret, SecretKeyType};
use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey, PrivateKeyChain,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::explained::{self, Closed};
use crate::text;

/// The form of the text.
const VERSION: u32 = 1;
/// What the secret with the text is called.
const CONTENTS: &str = "In Person: what is in this backup";
/// Rounds of both key derivations. The phrase has 256 bits: nobody guesses it, however few there are.
const ROUNDS: u32 = 10_000;
/// Most keys of a backup.
const MAX_KEYS: usize = 256;

/// Why a file is no backup that opens.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// Another kind of file.
    #[error("it is no backup of certtool: {0}")]
    Foreign(&'static str),
    /// The phrase is another one.
    #[error("these words are not those of this backup, or the file was altered")]
    Phrase,
    /// It opens, and holds something else than it should.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A newer form.
    #[error("it is of a newer form ({0}) than this certtool knows ({VERSION})")]
    Newer(u32),
    /// It cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(String),
}

/// What a backup holds.
pub(crate) struct Backup {
    pub(crate) made: String,
    pub(crate) keys: Vec<SavedKey>,
    /// Which policies were pinned.
    pub(crate) policies: Vec<Pinned>,
}

/// A policy that was pinned: how to pin it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    pub(crate) name: String,
    pub(crate) fingerprint: String,
}

/// The form alone, by which what is newer is told from what is damaged.
#[derive(Deserialize)]
struct Form {
    backup: u32,
}

/// The text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    backup: u32,
    made: String,
    keys: Vec<Entry>,
    policies: Vec<Pinned>,
}

/// One key for mail. The keys are named by their localKeyId, certificates by their SHA-256, in hex.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    identifier: Identifier,
    key: String,
    chain: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolment: Option<Enrolment>,
}

impl Backup {
    pub(crate) fn new(keys: Vec<SavedKey>, policies: &[TrustPolicy], now: UnixTime) -> Self {
        let policies = policies
            .iter()
            .map(|policy| Pinned { name: policy.name.clone(), fingerprint: policy.fingerprint().to_string() });
        Self { made: text::rfc3339(now), keys, policies: policies.collect() }
    }

    /// The file.
    pub(crate) fn write(&self, phrase: &RecoveryPhrase) -> Result<Vec<u8>, BackupError> {
        let failed = |error: Error| BackupError::Write(error.to_string());
        let (mut store, mut entries) = (KeyStore::new(), Vec::new());
        for (saved, number) in self.keys.iter().zip(1..) {
            let kept = &saved.kept;
            let mut put = |name: &str, id: [u8; 16], pkcs8: &[u8], chain: &[CertificateDer]| {
                let key = PrivateKey::from_der(pkcs8).map_err(failed)?;
                let chain: Result<Vec<_>, _> = chain.iter().map(|der| Certificate::from_der(der)).collect();
                let entry = PrivateKeyChain::new(&id[..], key, chain.map_err(failed)?);
                // The number tells keys of one name apart.
                let name = format!("{} ({name} {number})", text::friendly(kept.identifier.as_str()));
                store.add_entry(&name, KeyStoreEntry::PrivateKeyChain(entry));
                Ok(hex::encode(id))
            };
            let in_token = || BackupError::Write("a key lies in a token".to_owned());
            let key = put("mail", id(b"mail", number), kept.key.pkcs8().ok_or_else(in_token)?, &kept.chain)?;
            let account = match &saved.account {
                Some(account) => Some(put("account", id(b"account", number), &pkcs8_of(account)?, &[])?),
                None => None,
            };
            let chain = kept.chain.iter().map(|der| fingerprint(der)).collect();
            let (identifier, enrolment) = (kept.identifier.clone(), kept.enrolment.clone());
            entries.push(Entry { identifier, key, chain, account, enrolment });
        }
        let contents =
            Contents { backup: VERSION, made: self.made.clone(), keys: entries, policies: self.policies.clone() };
        let text = serde_json::to_vec(&contents).map_err(|error| BackupError::Write(error.to_string()))?;
        let secret = Secret::builder(SecretKeyType::Aes).with_key(text).with_local_key_id(CONTENTS).build();
        let secret = secret.map_err(|error| BackupError::Write(error.to_string()))?;
        store.add_entry(CONTENTS, KeyStoreEntry::Secret(secret));
        let passphrase = phrase.passphrase();
        let writer = store.writer(passphrase.as_str());
        let writer = writer.encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256);
        let writer = writer.encryption_iterations(ROUNDS).mac_algorithm(MacAlgorithm::HmacSha256);
        let file = writer.mac_iterations(ROUNDS).write().map_err(failed)?;
        if file.len() > MAX_FILE_BYTES {
            return Err(BackupError::Write(format!("{} bytes, which is more than is read again", file.len())));
        }
        Ok(file)
    }

    /// Reads a file. Everything in it counts only as it is proven by the phrase.
    pub(crate) fn read(file: &[u8], phrase: &RecoveryPhrase) -> Result<Self, BackupError> {
        Self::is_one(file)?;
        let archive = explained::archive(file, phrase.passphrase().as_str()).map_err(|closed| match closed {
            Closed::Wrong => BackupError::Phrase,
            Closed::Unreadable(found) => BackupError::Damaged(found),
            Closed::TooMuch => BackupError::Damaged("it takes longer to open than any honest file".to_owned()),
        })?;
        let named = archive.secrets.iter().find(|secret| secret.friendly_name.as_deref() == Some(CONTENTS));
        let text = named.ok_or(BackupError::Foreign("it opens, but does not say what is in it"))?.key.key();
        let damaged = |error: serde_json::Error| BackupError::Damaged(error.to_string());
        let Form { backup } = serde_json::from_slice(text).map_err(damaged)?;
        if backup > VERSION {
            return Err(BackupError::Newer(backup));
        }
        let contents: Contents = serde_json::from_slice(text).map_err(damaged)?;
        if contents.keys.len() > MAX_KEYS {
            return Err(BackupError::Damaged(format!("more than {MAX_KEYS} keys")));
        }
        let inside = Inside::of(&archive);
        let keys = contents.keys.into_iter().map(|entry| inside.saved(entry)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { made: contents.made, keys, policies: contents.policies })
    }

    /// Whether a file has the form of a backup, before anybody types words for it.
    pub(crate) fn is_one(file: &[u8]) -> Result<(), BackupError> {
        if !explained::is_pkcs12(file) {
            return Err(BackupError::Foreign("it is not PKCS#12, or not whole"));
        }
        // Without a proof over the whole, anybody could have put keys of her own there.
        match explained::has_mac(file) {
            true => Ok(()),
            false => Err(BackupError::Foreign("nothing proves that it was not altered")),
        }
    }
}

/// What was found in a file, by its names.
struct Inside<'a> {
    keys: HashMap<String, &'a [u8]>,
    certificates: HashMap<String, &'a [u8]>,
}

impl<'a> Inside<'a> {
    fn of(archive: &'a Pkcs12Archive) -> Self {
        let keys = archive.keys.iter().filter_map(|bag| {
            let id = bag.local_key_id.as_ref()?;
            Some((hex::encode(id.as_ref()), bag.key.as_der()))
        });
        let certificates = archive.certs.iter().map(|bag| (fingerprint(bag.cert.as_der()), bag.cert.as_der()));
        Self { keys: keys.collect(), certificates: certificates.collect() }
    }

    fn saved(&self, entry: Entry) -> Result<SavedKey, BackupError> {
        let Entry { identifier, key, chain, account, enrolment } = entry;
        let damaged = |what: &str| BackupError::Damaged(format!("{what} of mail:{identifier}"));
        let pkcs8 = |id: &String| self.keys.get(id).copied().ok_or_else(|| damaged("it lacks a key"));
        let key = MailKey::from_pkcs8(pkcs8(&key)?).map_err(|error| damaged(&format!("{error}: the key")))?;
        let account = match &account {
            Some(id) => {
                let pem = sealed::in_clear(sealed::PRIVATE_KEY, pkcs8(id)?);
                let pem = pem.map_err(|error| damaged(&format!("{error}: the account")))?;
                Some(AccountKey::from_pem(&pem).map_err(|error| damaged(&format!("{error}: the account")))?)
            }
            None => None,
        };
        let chain = chain.iter().map(|name| self.certificates.get(name).map(|der| CertificateDer::from(der.to_vec())));
        let chain: Option<Vec<CertificateDer>> = chain.collect();
        let chain = chain.filter(|chain| !chain.is_empty()).ok_or_else(|| damaged("it lacks a certificate"))?;
        let leaf = chain.first().and_then(|der| Leaf::parse(der).ok());
        let is_of = leaf.is_some_and(|leaf| leaf.tbs().spki().subject_public_key.raw_bytes() == key.public_bits());
        if !is_of {
            return Err(damaged("key and certificate do not match"));
        }
        if enrolment.as_ref().is_some_and(|enrolment| enrolment.identifier != identifier) {
            return Err(damaged("the record is of somebody else: that"));
        }
        Ok(SavedKey { kept: KeptKey { identifier, chain, key, enrolment }, account })
    }
}

fn pkcs8_of(account: &AccountKey) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let pem = account.to_pem().ok_or_else(|| BackupError::Write("a key lies in a token".to_owned()))?;
    sealed::open(sealed::PRIVATE_KEY, &pem, &mut || Ok(None)).map_err(|error| BackupError::Write(error.to_string()))
}

/// A name by which a key and its certificate find each other.
fn id(what: &[u8], number: usize) -> [u8; 16] {
    let digest = digest(&SHA256, &[what, &number.to_be_bytes()].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_ref()[..16]);
    id
}

fn fingerprint(der: &[u8]) -> String {
    hex::encode(digest(&SHA256, der))
}

#[cfg(test)]
mod tests {
    use device::{Enrolment, MailKeyType, RenewalSeed};
    use identity::profile::Profile;
    use identity::testing::{Authority, NOON};

    use super::*;

    fn alice() -> Identifier {
        Identifier::parse("alice@example.org").unwrap()
    }

    fn phrase(byte: u8) -> RecoveryPhrase {
        RecoveryPhrase::new(&Zeroizing::new([byte; 32]))
    }

    /// A key for mail with a certificate of the tests' authority.
    fn saved(used: bool) -> SavedKey {
        let (authority, key) = (Authority::new(1, NOON), MailKey::generate(MailKeyType::P256).unwrap());
        let spki = p256_spki(&key.public_bits());
        let chain = authority.issue_mail(Profile::mail(), &alice(), &spki, NOON);
        let enrolment = Enrolment {
            identifier: alice(),
            authority: "people".into(),
            acme: "https://localhost/acme".into(),
            policy: "5f".repeat(32),
            account: Some("https://localhost/acme/account/7".into()),
            pending_order: None,
            renewal_seed: RenewalSeed::default(),
            revoked: false,
        };
        let account = used.then(|| AccountKey::generate().unwrap());
        SavedKey { kept: KeptKey { identifier: alice(), chain, key, enrolment: used.then_some(enrolment) }, account }
    }

    /// SubjectPublicKeyInfo of a point on P-256 (RFC 5480 section 2).
    fn p256_spki(point: &[u8]) -> Vec<u8> {
        let before = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        [&hex::decode(before).unwrap()[..], point].concat()
    }

    #[test]
    fn what_is_written_comes_back_by_its_words_alone() {
        let policy = Authority::new(1, NOON).policy();
        let backup = Backup::new(vec![saved(true), saved(false), saved(false)], &[policy], NOON);
        let file = backup.write(&phrase(1)).unwrap();
        let read = Backup::read(&file, &phrase(1)).unwrap();
        assert_eq!((&read.made, &read.policies), (&backup.made, &backup.policies));
        for (one, other) in backup.keys.iter().zip(&read.keys) {
            assert_eq!(one.kept.key.pkcs8(), other.kept.key.pkcs8());
            assert_eq!((&one.kept.chain, &one.kept.enrolment), (&other.kept.chain, &other.kept.enrolment));
            let pem = |saved: &SavedKey| saved.account.as_ref().and_then(AccountKey::to_pem);
            assert_eq!(pem(one), pem(other));
        }
        assert!(matches!(Backup::read(&file, &phrase(2)), Err(BackupError::Phrase)));
        // No secret is in it in clear.
        let secret = backup.keys[0].kept.key.pkcs8().unwrap();
        assert!(!file.windows(32).any(|bytes| bytes == &secret[secret.len() - 32..]));
    }

    #[test]
    fn no_other_file_is_taken_for_one() {
        let backup = Backup::new(vec![saved(true)], &[], NOON);
        let file = backup.write(&phrase(1)).unwrap();
        for cut in (0..file.len()).step_by(97) {
            assert!(Backup::read(&file[..cut], &phrase(1)).is_err(), "{cut}");
        }
        for at in (0..file.len()).step_by(211) {
            let mut altered = file.clone();
            altered[at] ^= 1;
            // What algorithms are called with is no part of what is proven, and changes no key.
            let same = |read: Backup| read.keys[0].kept.key.pkcs8() == backup.keys[0].kept.key.pkcs8();
            assert!(Backup::read(&altered, &phrase(1)).map_or(true, same), "{at}");
        }
        // PKCS#12 that does not say what is in it, and one that nothing proves.
        let passphrase = phrase(1).passphrase();
        let empty = KeyStore::new().writer(passphrase.as_str()).write().unwrap();
        assert!(matches!(Backup::read(&empty, &phrase(1)), Err(BackupError::Foreign(_))));
        let unproven = include_bytes!("../../tests/fuzz/pkcs12/plain.p12");
        assert!(matches!(Backup::is_one(unproven), Err(BackupError::Foreign(why)) if why.contains("proves")));
        let mut newer = Secret::builder(SecretKeyType::Aes);
        let newer = newer.with_key(b"{\"backup\":2,\"x\":1}".to_vec()).with_local_key_id(CONTENTS).build().unwrap();
        let mut store = KeyStore::new();
        store.add_entry(CONTENTS, KeyStoreEntry::Secret(newer));
        let newer = store.writer(passphrase.as_str()).write().unwrap();
        assert!(matches!(Backup::read(&newer, &phrase(1)), Err(BackupError::Newer(2))));
    }
}
