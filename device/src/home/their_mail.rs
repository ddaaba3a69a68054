//! Certificates for mail of other people, as their devices told them: one file for each device that told one. What lies there was
//! verified when it came; whoever uses it verifies it again, and no way leads past that.

use std::fs;
use std::path::{Path, PathBuf};

use identity::certificate::Certificate;
use identity::trust::{Fingerprint, Trust};
use identity::verify::{VerifiedMailbox, verify_mail};
use identity::{Identifier, UnixTime};
use rustls_pki_types::CertificateDer;

use super::keys::corrupt;
use super::{Home, HomeError, file_name};
use crate::certificates::{chain_from_pem, chain_to_pem};
use crate::files;
use crate::mail_key::MailKey;
use crate::own_key::OwnKey as _;

const FOLDER: &str = ".others";

/// The most that are kept of one person: each of her devices may have a key of its own.
const MAX_KEPT: usize = 4;

/// The most people of whom any are kept.
const MAX_PEOPLE: usize = 10_000;

/// Somebody's certificate for mail, as one of her devices told it, verified now.
#[derive(Debug, Clone)]
pub struct TheirMailbox {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whose it is and how that is proven.
    pub verified: VerifiedMailbox,
}

/// Why there is no certificate for mail of somebody.
#[derive(Debug, thiserror::Error)]
pub enum NoTheirMailbox {
    /// None was told, or kept.
    #[error("no certificate for mail of {who} is kept here")]
    None {
        /// Who was asked for.
        who: Identifier,
    },
    /// What is kept counts no more.
    #[error("the certificate for mail of {who} that is kept here counts no more: {reason}")]
    Refused {
        /// Who was asked for.
        who: Identifier,
        /// The rule, or whose it is instead; of the newest.
        reason: String,
    },
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl NoTheirMailbox {
    /// What to try.
    pub fn remedy(&self) -> String {
        match self {
            Self::None { who } | Self::Refused { who, .. } => format!(
                "`messenger certificate {who}` while they are online gets it from their device, and so does talking to them in the \
                 messenger; or name a file with the certificate that they gave you"
            ),
            Self::Home(_) => "mend the file, or remove it: it comes again from their device".to_owned(),
        }
    }
}

/// Certificates for mail of others.
impl Home {
    /// The certificates for mail of somebody that count at `now`, the one that began last first: more than one where several of
    /// her devices have keys of their own, and what is for her is for each of them.
    ///
    /// # Errors
    /// [`NoTheirMailbox`]: there is none that counts, or the folder cannot be read.
    pub fn mail_certificates_of(
        &self,
        who: &Identifier,
        trust: &Trust,
        now: UnixTime,
    ) -> Result<Vec<TheirMailbox>, NoTheirMailbox> {
        let mut found: Vec<TheirMailbox> = Vec::new();
        let (mut refused, mut damaged): (Option<String>, Option<HomeError>) = (None, None);
        for (_, chain) in self.read_kept_mail(who)? {
            let chain = match chain {
                Ok(chain) => chain,
                // One damaged file takes away no other device's.
                Err(error) => {
                    damaged.get_or_insert(error);
                    continue;
                }
            };
            match verified_of(who, &chain, trust, now) {
                Ok(verified) if found.iter().any(|other| other.verified.key() == verified.key()) => {}
                Ok(verified) => found.push(TheirMailbox { chain, verified }),
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        match (found.is_empty(), damaged, refused) {
            (false, ..) => Ok(found),
            (true, Some(error), _) => Err(error.into()),
            (true, None, None) => Err(NoTheirMailbox::None { who: who.clone() }),
            (true, None, Some(reason)) => Err(NoTheirMailbox::Refused { who: who.clone(), reason }),
        }
    }

    /// Keeps what a device of somebody told, in place of what it told before; on disk when this returns. Whether it was news.
    /// Of more than 4 devices those go whose certificates began first.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_mail_certificate_of(
        &self,
        who: &Identifier,
        device: Fingerprint,
        chain: &[CertificateDer<'static>],
    ) -> Result<bool, HomeError> {
        let folder = self.their_mail(who);
        let _lock = self.lock()?;
        let (own, pem) = (folder.join(format!("{device}.pem")), chain_to_pem(chain));
        if files::read(&own)?.is_some_and(|kept| kept == pem.as_bytes()) {
            return Ok(false);
        }
        if !folder.is_dir() {
            let below = self.folder.join(MailKey::FOLDER).join(FOLDER);
            let people = files::subfolders(&below)?;
            // Whose news are oldest makes room: it comes again from her device.
            let changed = |path: &&PathBuf| fs::metadata(path).and_then(|found| found.modified()).ok();
            if people.len() >= MAX_PEOPLE
                && let Some(oldest) = people.iter().min_by_key(changed)
            {
                fs::remove_dir_all(oldest).map_err(|source| HomeError::Write { path: oldest.clone(), source })?;
            }
            files::create_private_folder(&folder)?;
        }
        files::write_atomic(&own, pem.as_bytes())?;
        let others = self.read_kept_mail(who)?.into_iter().filter(|(path, _)| *path != own);
        // What was just taken is one of them.
        for (path, _) in others.skip(MAX_KEPT - 1) {
            fs::remove_file(&path).map_err(|source| HomeError::Write { path, source })?;
        }
        Ok(true)
    }

    fn their_mail(&self, who: &Identifier) -> PathBuf {
        self.folder.join(MailKey::FOLDER).join(FOLDER).join(file_name(who))
    }

    /// What began last comes first, and what cannot be read last.
    fn read_kept_mail(&self, who: &Identifier) -> Result<Vec<(PathBuf, Kept)>, HomeError> {
        let files = files::files(&self.their_mail(who))?.into_iter();
        let mut kept: Vec<(PathBuf, Kept)> = files.map(|path| (path.clone(), read_chain(&path))).collect();
        kept.sort_by_key(|(_, chain)| std::cmp::Reverse(chain.as_ref().ok().map(|chain| begun(chain))));
        Ok(kept)
    }
}

/// A file of somebody's, read.
type Kept = Result<Vec<CertificateDer<'static>>, HomeError>;

/// Of this person, by every rule.
fn verified_of(
    who: &Identifier,
    chain: &[CertificateDer<'static>],
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedMailbox, String> {
    let verified = verify_mail(chain, trust, now).map_err(|error| error.to_string())?;
    match verified.identifier() {
        found if found == who => Ok(verified),
        // Somebody has moved files.
        found => Err(format!("expected a certificate of {who}, found one of {found}")),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, HomeError> {
    let pem = files::read(path)?.unwrap_or_default();
    chain_from_pem(&pem).map_err(|found| corrupt(path, "a certificate chain in PEM", found))
}

/// When it begins; at no time if that cannot be read.
fn begun(chain: &[CertificateDer<'static>]) -> u64 {
    let leaf = chain.first().and_then(|leaf| Certificate::parse(leaf).ok());
    leaf.map_or(0, |leaf| leaf.tbs().not_before().as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use identity::profile::{KeyAlgorithm, Profile};
    use identity::testing::{Authority, NOON, mail_key};

    use super::*;

    fn bob() -> Identifier {
        Identifier::parse("bob@example.org").unwrap()
    }

    fn later(hours: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + hours * 3600))
    }

    fn issue(
        authority: &Authority,
        who: &str,
        algorithm: KeyAlgorithm,
        begun: UnixTime,
    ) -> Vec<CertificateDer<'static>> {
        let who = Identifier::parse(who).unwrap();
        authority.issue_mail(Profile::mail(), &who, &mail_key(algorithm), begun)
    }

    fn place() -> (tempfile::TempDir, Home) {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path()).unwrap();
        (temp, home)
    }

    #[test]
    fn what_each_device_told_last_is_kept_for_its_owner_alone_and_verified_again() {
        let (authority, (_temp, home)) = (Authority::new(1, NOON), place());
        let trust = authority.trust();
        let none = home.mail_certificates_of(&bob(), &trust, NOON).unwrap_err();
        assert!(matches!(none, NoTheirMailbox::None { .. }), "{none}");
        assert!(none.remedy().contains("`messenger certificate bob@example.org`"));
        let (laptop, phone) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
        let first = issue(&authority, "bob@example.org", KeyAlgorithm::P256, NOON);
        assert!(home.keep_mail_certificate_of(&bob(), laptop, &first).unwrap());
        assert!(!home.keep_mail_certificate_of(&bob(), laptop, &first).unwrap(), "no news");
        let renewed = issue(&authority, "bob@example.org", KeyAlgorithm::P256, later(1));
        assert!(home.keep_mail_certificate_of(&bob(), laptop, &renewed).unwrap());
        let found = home.mail_certificates_of(&bob(), &trust, later(1)).unwrap();
        assert_eq!(found.iter().map(|one| &one.chain).collect::<Vec<_>>(), [&renewed]);
        // The phone has a key of its own; a copy of the laptop's would be the same key once more.
        let other = issue(&authority, "bob@example.org", KeyAlgorithm::Rsa, later(2));
        home.keep_mail_certificate_of(&bob(), phone, &other).unwrap();
        home.keep_mail_certificate_of(&bob(), Fingerprint([3; 32]), &first).unwrap();
        let found = home.mail_certificates_of(&bob(), &trust, later(2)).unwrap();
        assert_eq!(found.iter().map(|one| &one.chain).collect::<Vec<_>>(), [&other, &renewed]);
        let file = home.folder().join(format!("mail/.others/bob@example.org/{phone}.pem"));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(home.mailboxes().unwrap().is_empty(), "none of them is one's own");

        let ended = home.mail_certificates_of(&bob(), &trust, later(24 * 91)).unwrap_err();
        assert!(ended.to_string().contains("counts no more: CHAIN-07"), "{ended}");
    }

    #[test]
    fn the_devices_whose_certificates_began_first_make_room() {
        let (authority, (_temp, home)) = (Authority::new(1, NOON), place());
        for hour in [3, 1, 4, 2, 5] {
            let chain = issue(&authority, "bob@example.org", KeyAlgorithm::P256, later(hour));
            home.keep_mail_certificate_of(&bob(), Fingerprint([hour as u8; 32]), &chain).unwrap();
        }
        let kept = files::files(&home.their_mail(&bob())).unwrap();
        let names: Vec<_> =
            kept.iter().map(|path| path.file_name().unwrap().to_str().unwrap()[..2].to_owned()).collect();
        assert_eq!(names, ["02", "03", "04", "05"]);
    }

    #[test]
    fn who_has_told_nothing_for_the_longest_makes_room() {
        let (authority, (_temp, home)) = (Authority::new(1, NOON), place());
        let below = home.folder().join("mail/.others");
        for number in 0..MAX_PEOPLE {
            fs::create_dir_all(below.join(format!("p{number}@example.org"))).unwrap();
        }
        let oldest = below.join("p7@example.org");
        let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::open(&oldest).unwrap().set_modified(long_ago).unwrap();
        let chain = issue(&authority, "bob@example.org", KeyAlgorithm::P256, NOON);
        assert!(home.keep_mail_certificate_of(&bob(), Fingerprint([1; 32]), &chain).unwrap());
        assert!(!oldest.exists());
        assert_eq!(files::subfolders(&below).unwrap().len(), MAX_PEOPLE);
        // One damaged file takes no other away.
        fs::write(below.join("bob@example.org/damaged.pem"), "nonsense").unwrap();
        assert_eq!(home.mail_certificates_of(&bob(), &authority.trust(), NOON).unwrap().len(), 1);
    }

    #[test]
    fn anothers_another_authoritys_and_damage_are_told() {
        let (authority, careless) = (Authority::new(1, NOON), Authority::new(2, NOON));
        let refusal = |chain: &[CertificateDer<'static>]| {
            let (_temp, home) = place();
            home.keep_mail_certificate_of(&bob(), Fingerprint([1; 32]), chain).unwrap();
            match home.mail_certificates_of(&bob(), &authority.trust(), NOON).unwrap_err() {
                NoTheirMailbox::Refused { reason, .. } => reason,
                other => panic!("{other}"),
            }
        };
        let carols = refusal(&issue(&authority, "carol@example.org", KeyAlgorithm::P256, NOON));
        assert!(
            carols.contains("expected a certificate of bob@example.org, found one of carol@example.org"),
            "{carols}"
        );
        let others = refusal(&issue(&careless, "bob@example.org", KeyAlgorithm::P256, NOON));
        assert!(others.starts_with("CHAIN-04"), "{others}");
        let (_temp, home) = place();
        files::create_private_folder(&home.their_mail(&bob())).unwrap();
        fs::write(home.their_mail(&bob()).join("x.pem"), "no certificate").unwrap();
        let damaged = home.mail_certificates_of(&bob(), &authority.trust(), NOON).unwrap_err();
        assert!(damaged.to_string().contains("x.pem is damaged"), "{damaged}");
    }
}
