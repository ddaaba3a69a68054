//! How every start begins: settings, ports, keys, trust policy. What is missing is made at the first start, and goes again if
//! that comes to nothing: nobody finds keys that nobody uses, nor a domain that is decided although nothing ever ran under it.
//!
//! From the moment at which the trust policy is on disk there is an authority, whatever happens then: others may have seen
//! its keys, so the next start goes on with them.

#[cfg(test)]
mod tests;
mod unfinished;

use ca::{AuthorityKeys, LabelKey};
use identity::UnixTime;
use identity::trust::TrustPolicy;
use key_store::{Passphrase, PassphraseSource};

use crate::clock;
use crate::error::StartError;
use crate::folder::Folder;
use crate::genesis::{self, Signers};
use crate::options::Options;
use crate::ports::{self, Ports};
use crate::server::KEYS;
use crate::settings::{self, Settings};
use unfinished::Unfinished;

/// What is decided for a start, and not written down yet.
pub(crate) struct Settled {
    pub(crate) settings: Settings,
    pub(crate) ports: Ports,
    /// What the file holds.
    remembered: Option<Vec<u8>>,
}

/// Keys, and the policy that names them.
pub(crate) struct Founded {
    pub(crate) authority: AuthorityKeys,
    pub(crate) signers: Signers,
    pub(crate) policy: TrustPolicy,
}

/// The settings for this start, on ports that are bound; unless the clock cannot be right.
pub(crate) fn settle(folder: &Folder, options: &Options, now: UnixTime) -> Result<Settled, StartError> {
    let remembered = folder.read(settings::FILE)?;
    let mut settings = match &remembered {
        Some(bytes) => {
            let settings = Settings::parse(bytes)
                .map_err(|reason| StartError::Settings { path: folder.join(settings::FILE), reason })?
                .with(options)?;
            // What lies in an object store is looked at once that is open.
            if !options.clock_is_right && settings.log_store.is_none() {
                clock::check_ahead(folder, &settings, Vec::new(), now)?;
            }
            settings
        }
        None => Settings::first(options, year(now))?,
    };
    let ports = ports::bind(&mut settings)?;
    Ok(Settled { settings, ports, remembered })
}

/// Into how many parts the revocation list of an authority that is founded for others is cut (docs/operations/ca.md).
const PARTS: u16 = 16;

impl Settled {
    /// For an authority that an operator founds, who has many people in mind. A first start by itself, as a family's, leaves
    /// the list whole: then it does not tell who talks to whom.
    pub(crate) fn for_many(mut self) -> Self {
        if self.remembered.is_none() {
            self.settings.enrolment.crl_shards = Some(PARTS);
        }
        self
    }

    /// Opens keys and policy, and writes the settings down. What is not there yet is made; of a first start that fails here
    /// nothing stays.
    ///
    /// # Errors
    /// The passphrase is not to be had or the wrong one, a file is damaged or cannot be written, or the clock is wrong.
    pub(crate) fn found(&self, folder: &Folder, now: UnixTime) -> Result<Founded, StartError> {
        // Somebody may be typing it: nothing is made meanwhile.
        let passphrase = self.passphrase(folder)?;
        let unfinished = Unfinished::begin(folder)?;
        if self.remembered.is_none() {
            // Before the keys: after a crash the next start goes on under the same name and at the same ports.
            self.remember(folder)?;
        }
        let authority = self.authority(folder, passphrase, now)?;
        let signers = Signers::open(folder, &self.settings)?;
        let labels = genesis::labels(folder)?;
        let labels = labels.as_ref().map(LabelKey::public);
        let policy = genesis::open(folder, &self.settings, &authority, &signers, labels)?;
        self.remember(folder)?;
        unfinished.keep();
        Ok(Founded { authority, signers, policy })
    }

    fn passphrase(&self, folder: &Folder) -> Result<Option<Passphrase>, StartError> {
        let Some(source) = &self.settings.key_passphrase else { return Ok(None) };
        let wrong = |reason| StartError::Settings { path: folder.join(settings::FILE), reason };
        let source: PassphraseSource = source.parse().map_err(|reason| wrong(format!("key_passphrase: {reason}")))?;
        let read = source.read("the authority's keys");
        read.map(Some).map_err(|error| StartError::Unlocking { reason: error.to_string() })
    }

    /// The authority's keys, made at the first start; and a clock that can have seen them made.
    fn authority(
        &self,
        folder: &Folder,
        passphrase: Option<Passphrase>,
        now: UnixTime,
    ) -> Result<AuthorityKeys, StartError> {
        let keys = folder.join(KEYS);
        if !AuthorityKeys::exist(&keys) {
            ca::init(&keys, &self.settings.domain, now).map_err(|error| StartError::part("authority", &error))?;
        }
        let authority = AuthorityKeys::open_unlocked(&keys, passphrase).map_err(|error| match &error {
            ca::KeysError::Io { path, .. } | ca::KeysError::Content { path, .. } => {
                StartError::Damaged { what: path.display().to_string(), reason: error.to_string() }
            }
            _ => StartError::Unlocking { reason: error.to_string() },
        })?;
        clock::check_behind(authority.began(), now)?;
        Ok(authority)
    }

    fn remember(&self, folder: &Folder) -> Result<(), StartError> {
        let text = self.settings.to_toml();
        if folder.read(settings::FILE)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        folder.write(settings::FILE, text.as_bytes())
    }
}

fn year(now: UnixTime) -> i16 {
    let time = i64::try_from(now.as_secs()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).year()
}
