//! Enrolling a device and renewing its certificate.
//!
//! Everything is stored before it is used: the keys before the order, the order before the code is asked for. An
//! enrolment that was interrupted anywhere goes on where it stopped when it is run again. A certificate is stored only
//! after the verifier accepted it and it names this person, this key and this authority.

mod callback;
mod choose;
mod code;
mod control;
mod conversation;
mod due;
mod error;
mod openid;
mod order;
mod reply;
mod request;
mod revoke;
mod unattended;
mod words;

use std::sync::Arc;

use identity::certificate::Certificate;
use identity::rules::Rule;
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use rustls_pki_types::CertificateDer;

pub(crate) use choose::permits;
pub use choose::{Choice, ChooseError, choose_authority};
pub use code::CodeShape;
pub use control::prove_control;
pub use conversation::{Aside, Conversation, Step, Typed, Way};
pub use due::Due;
pub use error::EnrolError;
pub use openid::LoginError;
pub use revoke::{Listed, Owner, Reason, Revoked, revoke_own};
pub use unattended::{Trouble, renew_unattended};

use crate::acme::messages::AcmeIdentifier;
use crate::acme::{AcmeClient, certificate_id, renewal_window};
use crate::home::Pending;
use crate::https::https_client;
use crate::{
    DeviceKey, Enrolment, Holder, Home, KeyPlace, MailKey, MailKeyType, OwnKey, RenewalSeed, revocation, watch,
};

/// What an enrolment is to do.
#[derive(Debug, Clone)]
pub struct EnrolRequest<'a> {
    /// For whom.
    pub identifier: &'a Identifier,
    /// At which authority, where more than one could.
    pub authority: Option<&'a str>,
    /// Make a new key and certificate even if there is a valid one.
    pub new: bool,
    /// Where new keys are kept; where those are that they take the place of, if nothing is said.
    pub keys: Option<&'a KeyPlace>,
}

/// A device, or what there is for mail, and the person its certificate was just verified to name.
#[derive(Debug)]
pub struct Certified<K: OwnKey = DeviceKey> {
    /// The device, as it is stored.
    pub device: Holder<K>,
    /// What its certificate proves.
    pub person: K::Verified,
}

/// How an enrolment ended well.
#[derive(Debug)]
pub enum Enrolled<K: OwnKey = DeviceKey> {
    /// There was a valid certificate already; nothing was done, and its key was not opened.
    Already(Box<K::Verified>),
    /// A new certificate is stored.
    New(Box<Certified<K>>),
}

/// Enrols this device, or goes on with an enrolment that was interrupted. An expired certificate is renewed.
pub async fn enroll(
    home: &Home,
    request: EnrolRequest<'_>,
    now: fn() -> UnixTime,
    owner: &mut dyn Conversation,
) -> Result<Enrolled, EnrolError> {
    enroll_as(home, request, None, now, owner).await
}

/// The same for a certificate for mail, whose key is of this type, or of that which there was. A key that another takes
/// the place of stays: it opens what was written to it.
pub async fn enroll_for_mail(
    home: &Home,
    request: EnrolRequest<'_>,
    key_type: Option<MailKeyType>,
    now: fn() -> UnixTime,
    owner: &mut dyn Conversation,
) -> Result<Enrolled<MailKey>, EnrolError> {
    enroll_as(home, request, key_type, now, owner).await
}

async fn enroll_as<K: OwnKey>(
    home: &Home,
    request: EnrolRequest<'_>,
    kind: Option<K::Kind>,
    now: fn() -> UnixTime,
    owner: &mut dyn Conversation,
) -> Result<Enrolled<K>, EnrolError> {
    let profile = profile::<K>(request.identifier)?;
    if !request.new && home.has::<K>(request.identifier)? {
        let device = home.locked::<K>(request.identifier)?;
        let trust = Arc::new(home.trust_at(now())?);
        // It may have been revoked since it was looked at last: by its owner from elsewhere, or by the authority.
        fetch_revocation(home, &trust, &device.chain, now()).await;
        match K::verify(&device.chain, &trust, now()) {
            _ if device.enrolment.revoked => owner.step(Step::Revoked),
            Ok(person) => return Ok(Enrolled::Already(Box::new(person))),
            Err(error) if error.rule == Rule::ChainExpired => {
                let device = home.unlock(device)?;
                let Renewed::Done(certified) = renew(home, device, true, now, owner).await? else {
                    unreachable!("a forced renewal is always done")
                };
                return Ok(Enrolled::New(certified));
            }
            Err(error) if error.rule == Rule::RevocationRevoked => owner.step(Step::Revoked),
            // Anything else (such as an authority that is no longer trusted): make a new one.
            Err(_) => {}
        }
    }
    let choice = choose_authority(&home.trust_policies()?, request.identifier, request.authority)?;
    let mut pending = pending::<K>(home, &request, kind, &choice, now())?;
    if home.has::<K>(request.identifier)? {
        let before = home.locked::<K>(request.identifier)?;
        // A token has given the same key once more.
        if before.enrolment.revoked && before.public_key().is_some_and(|key| key == pending.key.public_bits()) {
            home.drop_pending::<K>(request.identifier)?;
            return Err(EnrolError::Revoked { identifier: request.identifier.clone(), for_mail: K::FOR_MAIL });
        }
    }
    let trust = Arc::new(home.trust_at(now())?);
    owner.step(Step::Asking { authority: choice.authority.clone(), url: choice.acme.clone() });
    let mut client =
        AcmeClient::join(https_client(trust.clone()), &choice.acme, pending.account.clone(), owner).await?;
    pending.enrolment.account = Some(client.account().to_owned());

    let key = pending.key.clone();
    let asked = order::Asked { identifier: request.identifier, profile, replaces: None };
    let order = order::Job { asked, key: &key, revoked: false };
    let mut remember = |order: Option<&str>| {
        pending.enrolment.pending_order = order.map(str::to_owned);
        home.store_pending(&pending)
    };
    let open = home.pending::<K>(request.identifier)?.and_then(|pending| pending.enrolment.pending_order);
    let chain = order.run(&mut client, open, &mut remember, owner).await?;
    owner.step(Step::Verifying);
    fetch_revocation(home, &trust, &chain, now()).await;
    let person = check(&chain, &trust, now(), request.identifier, &key, &choice.authority)?;
    pending.enrolment.pending_order = None;
    let device = home.finish_pending(pending, chain)?;
    Ok(Enrolled::New(Box::new(Certified { device, person })))
}

/// How a renewal ended well.
#[derive(Debug)]
pub enum Renewed<K: OwnKey = DeviceKey> {
    /// It is not time yet.
    NotDue {
        /// When the renewal becomes due.
        due: UnixTime,
        /// When the certificate ends.
        not_after: UnixTime,
    },
    /// A new certificate for the same key is stored.
    Done(Box<Certified<K>>),
}

/// Renews a device's certificate, or one for mail, for the same key when it is [`Due`], or when its authority asks for it earlier (RFC 9773:
/// it does for one that it revoked), or at once if `force`.
///
/// A code is asked for only if the proof of control has lapsed meanwhile. What its owner has revoked with this device is not
/// renewed: the authority would have it renewed at once, and it would be back by the next timer.
pub async fn renew<K: OwnKey>(
    home: &Home,
    mut device: Holder<K>,
    force: bool,
    now: fn() -> UnixTime,
    owner: &mut dyn Conversation,
) -> Result<Renewed<K>, EnrolError> {
    if device.enrolment.revoked {
        return Err(EnrolError::Revoked { identifier: device.identifier, for_mail: K::FOR_MAIL });
    }
    let due = Due::of(&device.chain, &device.enrolment).map_err(|found| EnrolError::NoCertificate { found })?;
    if !force && now().as_secs() < due.from.as_secs() && device.enrolment.pending_order.is_none() {
        has_begun(home, &device, now())?;
        let due = due_as_asked(home, &device, due, now()).await;
        if now().as_secs() < due.from.as_secs() {
            return Ok(Renewed::NotDue { due: due.from, not_after: due.not_after });
        }
    }
    // The authority's address may have changed in a newer version of its policy.
    let policies = home.policies_beginning_with(&device.enrolment)?;
    let choice = choose_authority(&policies, &device.identifier, Some(&device.enrolment.authority))?;
    device.enrolment.acme.clone_from(&choice.acme);
    let trust = Arc::new(home.trust_at(now())?);
    owner.step(Step::Asking { authority: choice.authority.clone(), url: choice.acme.clone() });
    fetch_revocation(home, &trust, &device.chain, now()).await;
    let revoked = is_revoked::<K>(&device.chain, &trust, now());
    let mut client = AcmeClient::join(https_client(trust.clone()), &choice.acme, device.account.clone(), owner).await?;
    device.enrolment.account = Some(client.account().to_owned());

    let identifier = device.identifier.clone();
    let key = device.key.clone();
    let leaf = device.chain.first().and_then(|leaf| Certificate::parse(leaf).ok());
    let replaces = leaf.as_ref().and_then(certificate_id);
    let asked = order::Asked { identifier: &identifier, profile: profile::<K>(&identifier)?, replaces };
    let order = order::Job { asked, key: &key, revoked };
    let open = device.enrolment.pending_order.take();
    let enrolment = &mut device.enrolment;
    let mut remember = |order: Option<&str>| {
        enrolment.pending_order = order.map(str::to_owned);
        home.store_record::<K>(enrolment)
    };
    let chain = order.run(&mut client, open, &mut remember, owner).await?;
    owner.step(Step::Verifying);
    fetch_revocation(home, &trust, &chain, now()).await;
    let person = check(&chain, &trust, now(), &identifier, &key, &choice.authority)?;
    device.chain = chain;
    device.enrolment.policy = choice.policy;
    device.enrolment.pending_order = None;
    if device.enrolment.renewal_seed == RenewalSeed::default() {
        device.enrolment.renewal_seed = RenewalSeed::generate()?;
    }
    watch::remember_own_key(home, &identifier, &key, now())?;
    home.store_renewed(&device)?;
    Ok(Renewed::Done(Box::new(Certified { device, person })))
}

/// Of a certificate that begins later by this clock it cannot be said that nothing is due: the clock is wrong, and whoever
/// runs this by a timer hears of it while there is time.
fn has_begun<K: OwnKey>(home: &Home, device: &Holder<K>, now: UnixTime) -> Result<(), EnrolError> {
    match K::verify(&device.chain, &home.trust_at(now)?, now) {
        Err(error) if error.rule == Rule::ChainNotYetValid => Err(error.into()),
        _ => Ok(()),
    }
}

/// When the authority wants the certificate renewed. One that cannot be asked, or does not say, changes nothing.
async fn due_as_asked<K: OwnKey>(home: &Home, device: &Holder<K>, due: Due, now: UnixTime) -> Due {
    let id = device.chain.first().and_then(|leaf| certificate_id(&Certificate::parse(leaf).ok()?));
    let (Some(id), Ok(trust)) = (id, home.trust_at(now)) else { return due };
    match renewal_window(&https_client(Arc::new(trust)), &device.enrolment.acme, &id).await {
        Ok(Some(window)) => due.within(device, window.start, window.end),
        Ok(None) => due,
        Err(error) => {
            tracing::debug!(%error, "the authority does not say when to renew");
            due
        }
    }
}

/// The enrolment under way for this person at this authority, or a new one with new keys, stored.
fn pending<K: OwnKey>(
    home: &Home,
    request: &EnrolRequest<'_>,
    kind: Option<K::Kind>,
    choice: &Choice,
    now: UnixTime,
) -> Result<Pending<K>, EnrolError> {
    let identifier = request.identifier;
    // One whose keys lie elsewhere than they are wanted, or are of another kind, is not gone on with, nor one at another
    // authority.
    let wanted = request.keys.is_none_or(|place| home.pending_is_kept::<K>(identifier, place));
    if wanted
        && let Some(pending) = home.pending::<K>(identifier)?
        && kind.is_none_or(|kind| pending.key.kind() == kind)
        && pending.enrolment.acme == choice.acme
        && pending.enrolment.authority == choice.authority
    {
        return Ok(pending);
    }
    let enrolment = Enrolment {
        identifier: identifier.clone(),
        authority: choice.authority.clone(),
        acme: choice.acme.clone(),
        policy: choice.policy.clone(),
        account: None,
        pending_order: None,
        renewal_seed: RenewalSeed::generate()?,
        revoked: false,
    };
    let before = match home.has::<K>(identifier)? {
        true => K::kind_in(&home.locked::<K>(identifier)?.chain),
        false => None,
    };
    let pending = home.begin_pending::<K>(request.keys, kind.or(before).unwrap_or_default(), enrolment)?;
    // Before anything can be logged for it: an order that comes to nothing may leave an entry, and it is hers.
    watch::remember_own_key(home, identifier, &pending.key, now)?;
    Ok(pending)
}

/// Accepts a chain only if the verifier does and it is exactly what was ordered.
fn check<K: OwnKey>(
    chain: &[CertificateDer<'static>],
    trust: &Trust,
    now: UnixTime,
    identifier: &Identifier,
    key: &K,
    authority: &str,
) -> Result<K::Verified, EnrolError> {
    let verified = K::verify(chain, trust, now)?;
    let same = |what, expected: String, found: String| {
        if expected == found { Ok(()) } else { Err(EnrolError::Mismatch { what, expected, found }) }
    };
    same("person", identifier.to_string(), verified.identifier().to_string())?;
    let leaf =
        Certificate::parse(verified.leaf()).map_err(|error| EnrolError::NoCertificate { found: error.to_string() })?;
    let certified = leaf.tbs().spki().subject_public_key.raw_bytes();
    same("key", hex::encode(key.public_bits()), hex::encode(certified))?;
    same("authority", authority.to_owned(), verified.authority().to_owned())?;
    Ok(verified)
}

fn is_revoked<K: OwnKey>(chain: &[CertificateDer<'static>], trust: &Trust, now: UnixTime) -> bool {
    K::verify(chain, trust, now).is_err_and(|error| error.rule == Rule::RevocationRevoked)
}

/// A list that cannot be had now is no reason to fail here: verification says what is known without it.
async fn fetch_revocation(home: &Home, trust: &Arc<Trust>, chain: &[CertificateDer<'static>], now: UnixTime) {
    if let Err(error) = revocation::refresh(home, trust, chain, now).await {
        tracing::warn!(%error, "the revocation list could not be fetched");
    }
}

/// The profile that is asked for.
fn profile<K: OwnKey>(identifier: &Identifier) -> Result<&'static str, EnrolError> {
    let profile = K::profile(identifier).ok_or_else(|| EnrolError::NoMail { identifier: identifier.clone() })?;
    Ok(profile.name())
}

pub(crate) fn acme_identifier(identifier: &Identifier) -> AcmeIdentifier {
    AcmeIdentifier::from(identifier)
}
