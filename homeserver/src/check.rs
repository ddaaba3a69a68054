//! Whether a server would start with its settings: what `ca config check` says. Nothing is changed, and a running server
//! is not disturbed.

use std::path::{Path, PathBuf};

use identity::trust::TrustPolicy;
use key_store::PassphraseSource;
use serde::Serialize;

use crate::error::StartError;
use crate::folder::Folder;
use crate::genesis;
use crate::log_store::LogStore;
use crate::neighbours::Neighbours;
use crate::server;
use crate::settings::{self, Settings};

/// Settings that are in order, and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The file.
    pub file: PathBuf,
    /// The address below which everything HTTPS is found.
    pub base_url: String,
    /// The first log's origin.
    pub log: String,
    /// Where mails go: `outbox`, the recipients' own servers, or the mail server without its password.
    pub mails: String,
    /// Mail domains whose people may enrol.
    pub permit_domains: Vec<String>,
    /// What phone numbers that may enrol begin with.
    pub permit_phones: Vec<String>,
    /// Whether the folder holds a trust policy already, which these settings fit.
    pub founded: bool,
    /// What starts, and is not for an authority that the public enrols at.
    pub warnings: Vec<&'static str>,
}

/// Nobody asks what a domain forbids.
const NO_CAA: &str = "no resolvers ([enrolment.dns]): what mail domains forbid by CAA is not heeded";
/// Nobody reads them.
const NO_MAIL: &str =
    "no mail server (smtp): mails stay in the outbox, where only this machine's people find their codes";

/// Checks `file`, or else the settings in `folder`, together with the files beside them that they need.
///
/// # Errors
/// What would keep the server from starting; the first of it.
pub fn check(folder: &Path, file: Option<&Path>) -> Result<Checked, StartError> {
    let place = Folder::beside(folder)?;
    let file = file.map_or_else(|| place.join(settings::FILE), Path::to_path_buf);
    let bytes = settings::read(&file)?;
    let wrong = |reason: String| StartError::Settings { path: file.clone(), reason };
    let settings = Settings::parse(&bytes).map_err(wrong)?;
    if let Some(source) = &settings.key_passphrase {
        source.parse::<PassphraseSource>().map_err(|reason| wrong(format!("key_passphrase: {reason}")))?;
    }
    let config = server::ca_config(&place, &settings, None)?;
    ca::check_config(&config).map_err(|error| wrong(error.to_string()))?;
    Neighbours::read(place.path())?;
    LogStore::open_to_read(&place, &settings)?;
    let founded = fits_the_policy(&place, &settings).map_err(wrong)?;
    Ok(Checked {
        base_url: settings.base_url(),
        log: settings.origin(),
        mails: settings.mails(),
        permit_domains: settings.permit_domains,
        permit_phones: settings.permit_phones,
        founded,
        warnings: [(config.dns.is_none(), NO_CAA), (settings.smtp.is_none(), NO_MAIL)]
            .into_iter()
            .filter_map(|(lacks, warning)| lacks.then_some(warning))
            .collect(),
        file,
    })
}

/// What people have pinned cannot be changed by an edit; whether there is such a policy.
fn fits_the_policy(place: &Folder, settings: &Settings) -> Result<bool, String> {
    let Some(bytes) = place.read(genesis::FILE).map_err(|error| error.to_string())? else { return Ok(false) };
    let policy = TrustPolicy::parse(&bytes).map_err(|error| format!("{}: {error}", genesis::FILE))?;
    let own = policy.authorities.first().ok_or("expected an authority in the trust policy, found none")?;
    let acme = format!("{}/acme/directory", settings.base_url());
    let directory = settings.directory_address();
    let fixed = [
        ("domain and https_port", own.acme.clone(), acme),
        ("log_year", own.log.clone(), settings.origin()),
        ("permit_domains", own.domains.join(", "), settings.permit_domains.join(", ")),
        ("permit_phones", own.phone_prefixes.join(", "), settings.permit_phones.join(", ")),
        ("directory_port", policy.directories.first().map(|one| one.address.clone()).unwrap_or_default(), directory),
    ];
    match fixed.into_iter().find(|(_, pinned, found)| pinned != found) {
        None => Ok(true),
        Some((what, pinned, found)) => {
            Err(format!("{what}: expected {pinned:?}, as in the trust policy that people have pinned, found {found:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    /// A folder with these lines behind the settings of a first start.
    fn place(head: &str, more: &str) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let text = Settings::first(&Options::default(), 2026).unwrap().to_toml();
        let text = text.replacen("domain =", &format!("{head}\ndomain ="), 1);
        std::fs::write(place.path().join(settings::FILE), format!("{text}{more}")).unwrap();
        place
    }

    async fn refused(head: &str, more: &str) -> String {
        check(place(head, more).path(), None).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn settings_are_checked_together_with_what_lies_beside_them() {
        let good = place("smtp = \"smtps://ca%40example.org:s3cret@mail.example.org\"", "");
        let checked = check(good.path(), None).unwrap();
        assert_eq!((checked.mails.as_str(), checked.founded), ("smtps://mail.example.org", false));
        assert_eq!(checked.warnings, [NO_CAA]);
        assert_eq!(check(place("", "").path(), None).unwrap().warnings, [NO_CAA, NO_MAIL]);
        let whole = "[enrolment.dns]\nresolvers = [\"192.0.2.53\"]\n";
        let whole = place("smtp = \"smtps://mail.example.org\"", whole);
        assert_eq!(check(whole.path(), None).unwrap().warnings, [""; 0]);
        assert_eq!(std::fs::read_dir(good.path()).unwrap().count(), 1, "nothing is made");
        let misspelt = refused("", "[enrolment]\nrequire_external_acount = true\n").await;
        assert!(misspelt.contains("did you mean `require_external_account`?"), "{misspelt}");
        assert!(refused("key_passphrase = \"s3cret\"", "").await.contains("key_passphrase"));
        assert!(!refused("key_passphrase = \"s3cret\"", "").await.contains("s3cret"));
        assert!(refused("", "[enrolment.dkim]\nselector = \"2026\"\n").await.contains("dkim"), "no key");
        assert!(refused("", "[log_store]\nbucket = \"logs\"\n").await.contains("the access key of [log_store]"));
        assert!(
            refused("", "[[openid]]\nissuer = \"https://l.example\"\nclient_id = \"x\"\ndomains = [\"*\"]\n")
                .await
                .contains("domains")
        );
        assert!(matches!(check(&good.path().join("nowhere"), None), Err(StartError::Folder { .. })));
        assert!(check(good.path(), Some(&good.path().join("none.toml"))).is_err());
    }

    #[tokio::test]
    async fn what_people_have_pinned_is_not_changed_by_an_edit() {
        let place = tempfile::tempdir().unwrap();
        let options = Options {
            folder: place.path().to_path_buf(),
            https_port: Some(0),
            directory_port: Some(0),
            ..Options::default()
        };
        crate::init::init(&options).unwrap();
        assert!(check(place.path(), None).unwrap().founded);
        let file = place.path().join(settings::FILE);
        let text = std::fs::read_to_string(&file).unwrap().replacen("\"*\"", "\"example.org\"", 1);
        std::fs::write(&file, text).unwrap();
        let refused = check(place.path(), None).unwrap_err().to_string();
        assert!(refused.contains("permit_domains") && refused.contains("pinned"), "{refused}");
    }
}
