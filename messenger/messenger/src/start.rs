//! From the person's folder to a running engine.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use device::enrolment::{Renewed, renew_unattended};
use device::finding::{Finder, Names};
use device::watch::Owner;
use device::{Device, Enrolment, Home, HomeError, gossip, revocation};
use identity::card::ContactCard;
use identity::endorsement::Endorsement;
use identity::rules::Rule;
use identity::tls::device_fingerprint;
use identity::trust::{Authority, DirectoryEntry, Fingerprint, Trust, TrustPolicy};
use identity::verify::VerifiedPerson;
use identity::{Identifier, UnixTime};
use key_store::PassphraseSource;
use messenger_engine::{DirectoryAddress, Engine, EngineConfig, Event, Events, OfferedAddresses, PresenceSettings};
use rustls_pki_types::CertificateDer;

use crate::acquaintance;
use crate::app::Me;
use crate::appearance;
use crate::cli::Options;
use crate::clock;
use crate::contacts::{ContactBook, Contacts};
use crate::drafts::Safe;
use crate::failure::Failure;
use crate::gossip::Voice;
use crate::mail;
use crate::own_devices::{self, Desk};
use crate::renewal::Keeper;
use crate::settings::{self, Settings};
use crate::watch;
use crate::whereabouts::Guide;

/// How often the authority's revocation list is fetched.
const REVOCATION_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Pause between looks for the lists of people who were met.
const WANTED_INTERVAL: Duration = Duration::from_secs(60);

/// Everything needed to go online, read and verified; nothing has been sent to anybody yet.
pub(crate) struct Prepared {
    pub(crate) me: Me,
    pub(crate) book: ContactBook,
    pub(crate) contacts: Contacts,
    pub(crate) presence: PresenceSettings,
    pub(crate) behaviour: Settings,
    /// Where the passphrase of the history comes from.
    pub(crate) history_passphrase: Option<PassphraseSource>,
    pub(crate) home: Home,
    device: Device,
    /// By what right it is looked for certificates in one's name.
    owners: Vec<Owner>,
    /// The policy that its directory has to be certified under.
    enrolled_under: Fingerprint,
    /// What all connections verify by.
    pub(crate) trust: Arc<Trust>,
    /// Knows where people are found.
    pub(crate) finder: Arc<Finder>,
    directory: DirectoryAddress,
    bind: SocketAddr,
    offered: OfferedAddresses,
    pinholes: bool,
}

/// The person's folder.
pub(crate) fn folder(options: &Options) -> Result<Home, Failure> {
    let home = match &options.home {
        Some(folder) => Home::at(folder),
        None => Home::open(),
    };
    home.map_err(folder_failure)
}

/// Reads the folder, chooses the certificate, and verifies it as every peer will.
pub(crate) async fn prepare(options: &Options) -> Result<Prepared, Failure> {
    let home = folder(options)?;
    let source = options.passphrase.clone().unwrap_or(PassphraseSource::Ask);
    let home = home.unlocked_by(source, false);
    let device = choose(&home, options.identity.as_ref())?;
    let trust = Arc::new(home.trust().map_err(folder_failure)?);
    let (device, person) = verified(&home, &trust, device).await?;
    let policy = policy(&home, &device.enrolment, person.authority_root())?;
    let directory = directory(&policy, &device)?;
    // Before anything is drawn, as the device's: another passphrase may be asked for.
    let owners = watch::owners(&home, &device).map_err(folder_failure)?;
    let names = Names::open(&options.resolvers()).map_err(|error| {
        Failure::new(error, "`--resolver 192.0.2.53`, or nothing for the system's").with(crate::failure::Code::Usage)
    })?;
    let own = DirectoryEntry { name: directory.name.clone(), address: directory.address.clone() };
    let finder = Finder::new(&home, trust.clone(), (&policy, own), names);
    let finder = Arc::new(finder.map_err(folder_failure)?);
    let book = ContactBook::new(home.clone());
    let mut contacts =
        book.load().map_err(|error| Failure::new(error, "mend the file, or move it away to begin a new list"))?;
    contacts.remove(&device.identifier);
    let card = device::card::own(&home, &device.chain, &device.enrolment).ok();
    let presence = appearance::load(&home)
        .map_err(|error| Failure::new(error, "mend the file, or move it away to appear as without any setting"))?;
    let behaviour = settings::load(&home)
        .map_err(|error| Failure::new(error, "mend the file, or move it away to begin without any setting"))?;
    let me = me(&person, &directory, card);
    let bind = options.bind.unwrap_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)));
    let (offered, pinholes, enrolled_under) = (options.offer.into(), !options.no_pinhole, policy.fingerprint());
    Ok(Prepared {
        me,
        book,
        contacts,
        presence,
        behaviour,
        history_passphrase: options.history_passphrase.clone(),
        home,
        device,
        owners,
        enrolled_under,
        trust,
        finder,
        directory,
        bind,
        offered,
        pinholes,
    })
}

/// The device with the person whom its certificate proves. One that has ended is renewed, if that takes nobody.
async fn verified(home: &Home, trust: &Arc<Trust>, device: Device) -> Result<(Device, VerifiedPerson), Failure> {
    let error = match revocation::verify_own(home, trust, &device.chain, UnixTime::now()).await {
        Ok(person) => return Ok((device, person)),
        Err(error) => error,
    };
    let identifier = device.identifier.clone();
    let mut happened = format!("your certificate for {identifier} cannot be used: {error}");
    if error.rule == Rule::ChainExpired {
        match renew_unattended(home, device, UnixTime::now).await {
            Ok(Renewed::Done(certified)) => return Ok((certified.device, certified.person)),
            Ok(Renewed::NotDue { .. }) => {}
            Err(trouble) => happened = format!("{happened}. It was not renewed: {}", trouble.message),
        }
    }
    Err(Failure::new(happened, remedy(error.rule, &identifier, UnixTime::now())))
}

/// What helps against a certificate of one's own that does not count. The clock first: by a wrong one nothing is due, either.
pub(crate) fn remedy(rule: Rule, identifier: &Identifier, now: UnixTime) -> String {
    let clock = format!("{}; if that is wrong, set it and start again", clock::says(now));
    match rule {
        Rule::ChainNotYetValid => clock,
        Rule::ChainExpired => format!("{clock}; else `certtool renew {identifier}`"),
        Rule::RevocationRevoked => format!("`certtool enroll {identifier}` makes a new key and certificate"),
        _ => format!("`certtool status` says more, `certtool renew {identifier}` gets another one"),
    }
}

impl Prepared {
    /// What an engine of this device is started with.
    pub(crate) fn config(&self) -> EngineConfig {
        EngineConfig {
            identifier: self.device.identifier.clone(),
            chain: self.device.chain.clone(),
            key: Arc::new(self.device.key.clone()),
            enrolled_under: self.enrolled_under,
            trust: self.trust.clone(),
            directory: self.directory.clone(),
            bind: self.bind,
            offered: self.offered,
            pinholes: self.pinholes,
            contacts: self.contacts.keys().cloned().collect(),
            presence: self.presence.clone(),
            bot: false,
            endorsements: self.endorsements(),
            mail_certificate: self.mail_certificate(),
            gossip: None,
            whereabouts: Some(Arc::new(Guide(self.finder.clone()))),
        }
    }

    /// An address of the home server's that answers by HTTPS.
    pub(crate) fn server(&self) -> &str {
        &self.device.enrolment.acme
    }

    /// Where texts are kept that are nowhere else, if the program ends before its time.
    pub(crate) fn safe(&self) -> Result<Safe, Failure> {
        let safe = Safe::open(self.home.clone(), Arc::new(self.device.key.clone()));
        safe.map_err(|error| Failure::new(error, "make the device's key reachable, and start again"))
    }

    /// What goes on between this device and others of the same person; where nothing may be written, little does. What could not be
    /// read comes with it, as an `error` event.
    pub(crate) fn desk(&self, ephemeral: bool) -> (Desk, Option<Event>) {
        let endorse = own_devices::endorser(self.home.clone(), self.trust.clone(), self.device.clone());
        let own = device_fingerprint(&self.device.key.public_key());
        let book = (!ephemeral).then(|| self.book.clone());
        let trust = (self.trust.clone(), endorse);
        let (desk, problem) = Desk::new((self.me.identifier.clone(), own), book, trust, &self.endorsements());
        (desk.inviting_by(self.me.card.clone()), problem)
    }

    /// What other devices say of this one. What cannot be read is said of none: a new device is then told aloud.
    fn endorsements(&self) -> Vec<Endorsement> {
        let kept = self.home.endorsements(&self.device.identifier, UnixTime::now());
        kept.inspect_err(|error| tracing::warn!(%error, "no other device speaks for this one")).unwrap_or_default()
    }

    /// The certificate for mail that is told, if there is one.
    fn mail_certificate(&self) -> Vec<CertificateDer<'static>> {
        mail::if_it_counts(mail::to_be_told(&self.home, &self.device.identifier, &self.behaviour), &self.trust)
    }

    /// Starts the engine on the current runtime, with all that goes on for as long as a person talks. Being online follows as
    /// an event.
    pub(crate) fn start(&self, bot: bool) -> Result<(Engine, Events), Failure> {
        let started = self.start_briefly(bot)?;
        let to_engine = (started.0.renewals(), started.0.reports());
        let keeper = Keeper::new(self.home.clone(), self.device.clone(), self.trust.clone(), to_engine);
        tokio::spawn(keeper.keep());
        tokio::spawn(watch::follow(self.home.clone(), self.owners.clone(), started.0.reports()));
        Ok(started)
    }

    /// The same for the moment in which one thing is done: the authority is not asked about the certificate each time, which
    /// would tell it when somebody writes, and the log is not watched.
    pub(crate) fn start_briefly(&self, bot: bool) -> Result<(Engine, Events), Failure> {
        let gossip = gossip::Gossip::open(self.home.clone()).map_err(folder_failure)?;
        let (voice, listener) = Voice::new(Arc::new(gossip), &self.me.authority);
        let config = EngineConfig { bot, gossip: Some(Arc::new(voice)), ..self.config() };
        let started = Engine::start(config)
            .map_err(|error| Failure::new(error, "another address with --bind, or end the program that uses it"))?;
        tokio::spawn(follow_revocations(self.home.clone(), self.trust.clone(), self.device.clone()));
        tokio::spawn(acquaintance::follow(self.home.clone(), self.trust.clone()));
        tokio::spawn(listener.listen(started.0.reports()));
        Ok(started)
    }
}

/// The device asked for, or the only one.
fn choose(home: &Home, identity: Option<&Identifier>) -> Result<Device, Failure> {
    if home.trust_policies().map_err(folder_failure)?.is_empty() {
        let happened = format!("nothing is set up in {}: no home server is trusted there", home.folder().display());
        return Err(Failure::new(
            happened,
            "`certtool trust add URL --fingerprint HEX` with what your home server printed, then `certtool enroll YOUR-ADDRESS`",
        ));
    }
    if let Some(identity) = identity {
        return home.device(identity).map_err(|error| match error {
            HomeError::NoDevice { .. } => {
                Failure::new(error, format!("`certtool enroll {identity}` to get a certificate"))
            }
            error => folder_failure(error),
        });
    }
    let mut devices = home.devices().map_err(folder_failure)?;
    match devices.len() {
        0 => Err(Failure::new(
            format!("there is no certificate in {}", home.folder().display()),
            "`certtool enroll YOUR-ADDRESS` proves that the address is yours and gets one",
        )),
        // Before anything is drawn: a passphrase or a PIN may be asked for.
        1 => home.unlock(devices.remove(0)).map_err(folder_failure),
        _ => {
            let names: Vec<_> = devices.iter().map(|device| device.identifier.as_str()).collect();
            Err(Failure::new(
                format!("there are certificates for {}: which are you now?", names.join(" and ")),
                format!("`messenger --identity {}`", names[0]),
            )
            .with(crate::failure::Code::Usage))
        }
    }
}

/// The policy by which the device is certified, as it stands now: that of the authority with this root (names may be alike),
/// and of several the one under which it was enrolled.
fn policy(home: &Home, enrolment: &Enrolment, root: &[u8; 32]) -> Result<TrustPolicy, Failure> {
    let certifies = |policy: &TrustPolicy| {
        policy.authorities.iter().filter_map(Authority::root_digest).any(|listed| listed.0 == *root)
    };
    let enrolled_first = home.policies_beginning_with(enrolment).map_err(folder_failure)?;
    enrolled_first.into_iter().find(certifies).ok_or_else(|| no_directory(&enrolment.identifier))
}

/// The first directory of that policy.
fn directory(policy: &TrustPolicy, device: &Device) -> Result<DirectoryAddress, Failure> {
    let first = policy.directories.first().ok_or_else(|| no_directory(&device.identifier))?;
    Ok(DirectoryAddress { name: first.name.clone(), address: first.address.clone() })
}

fn no_directory(identifier: &Identifier) -> Failure {
    let happened = format!("the home server that certified {identifier} names no directory in its policy");
    Failure::new(happened, "ask who runs it; without a directory nobody can be found")
}

fn me(person: &VerifiedPerson, directory: &DirectoryAddress, card: Option<ContactCard>) -> Me {
    Me {
        identifier: person.identifier().clone(),
        authority: person.authority().to_owned(),
        until: clock::day(person.not_after().as_secs()),
        directory: directory.name.clone(),
        card,
    }
}

/// Fetches the authority's revocation list now and every hour, and those of the people one meets soon after meeting them,
/// into the trust that all connections share.
async fn follow_revocations(home: Home, trust: Arc<Trust>, device: Device) {
    let own = async {
        let mut interval = tokio::time::interval(REVOCATION_INTERVAL);
        loop {
            interval.tick().await;
            if let Err(error) = revocation::refresh(&home, &trust, &device.chain, UnixTime::now()).await {
                tracing::warn!(%error, "the revocation list could not be refreshed");
            }
        }
    };
    revocation::spread(&trust);
    let of_others = async {
        loop {
            tokio::time::sleep(WANTED_INTERVAL).await;
            revocation::refresh_wanted(&home, &trust, UnixTime::now()).await;
        }
    };
    tokio::join!(own, of_others);
}

pub(crate) fn folder_failure(error: HomeError) -> Failure {
    let remedy = match &error {
        HomeError::Sealed { .. } => {
            "`--passphrase` ask, file:PATH, fd:NUMBER or credential:NAME says where it comes from"
        }
        HomeError::Keyring { .. } => "start the keyring of your session and open it",
        HomeError::Token { .. } => "put the token in; its PIN comes from where pin-source says",
        _ => "another folder with --home or INPERSON_HOME, or mend this one",
    };
    Failure::new(error, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use device::RenewalSeed;
    use identity::testing::{Authority, NOON};
    use identity::verify::verify_person;

    #[test]
    fn the_policy_that_certifies_counts_and_of_several_the_recorded_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let [first, second] = [1, 2].map(|seed| Authority::new(seed, NOON));
        let pinned = [first.policy(), second.policy()];
        let pin = |policy: &TrustPolicy| home.add_trust(&policy.canonical(), &policy.fingerprint()).unwrap();
        for policy in &pinned {
            pin(policy);
        }
        let alice = Identifier::parse("alice@example.org").unwrap();
        let certified =
            verify_person(&second.issue_person(&alice, NOON).0, &home.trust_at(NOON).unwrap(), NOON).unwrap();
        let recorded = |policy: &TrustPolicy| Enrolment {
            identifier: alice.clone(),
            authority: "Test authority 2".to_owned(),
            acme: "https://ca.example.org/acme/directory".to_owned(),
            policy: policy.fingerprint().to_string(),
            account: None,
            pending_order: None,
            renewal_seed: RenewalSeed::default(),
            revoked: false,
        };
        let chosen = |named: &TrustPolicy| policy(&home, &recorded(named), certified.authority_root()).unwrap();
        for named in &pinned {
            assert_eq!(chosen(named), pinned[1], "whatever the record names");
        }
        // The same authority by another policy, too.
        let others = second.policy_with_directory("directory.example.org", "127.0.0.1:1");
        pin(&others);
        for named in [&pinned[1], &others] {
            assert_eq!(chosen(named), *named);
        }
    }
}
