//! Revoking certificates: this device's own, or, after a theft, another device's.
//!
//! Nothing of the lost device is needed. Who proves control of the address learns by the owner's watch which certificates
//! there are, and may revoke each of them.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::Tbs;
use identity::{Identifier, UnixTime};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    Choice, Conversation, EnrolError, Step, acme_identifier, choose_authority, fetch_revocation, order, prove_control,
};
use crate::acme::messages::ProofStatus;
use crate::acme::{AcmeClient, AcmeError};
use crate::https::https_client;
use crate::watch::lose_key;
use crate::{AccountKey, Holder, Home, OwnKey};

/// Why a certificate is revoked (RFC 5280 section 5.3.1); what an owner may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No reason is given.
    Unspecified,
    /// The device was stolen or lost, or somebody else has its key: the authority takes the key no more, and who holds
    /// the account beside it must prove control of the address anew.
    KeyCompromise,
    /// The address is no longer hers.
    AffiliationChanged,
    /// Another certificate takes its place.
    Superseded,
    /// The device is out of use.
    CessationOfOperation,
}

impl Reason {
    /// CRLReason.
    const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

/// What became of a certificate that was to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It is revoked now.
    Now,
    /// It was revoked before.
    Before,
    /// There is none: the authority gave up what it had planned.
    Never,
}

/// A certificate in the owner's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its serial number, hex.
    pub serial: String,
    /// The public key (the bits of its subjectPublicKey).
    pub key: Vec<u8>,
    /// When it begins.
    pub not_before: UnixTime,
    /// When it ends, or has ended: its device may ask for another one all the same.
    pub not_after: UnixTime,
    /// Whether the authority says that it never became one, and never will.
    pub given_up: bool,
}

/// A connection to the authority as somebody who has proven control of the address.
#[derive(Debug)]
pub struct Owner {
    client: AcmeClient,
    identifier: Identifier,
}

/// Revokes the certificate of this device, or the one for mail, and those of the same key from before, with the key of its account, and takes the
/// list that says so. The key gets no other certificate from here: enrolling makes a new one.
pub async fn revoke_own<K: OwnKey>(
    home: &Home,
    device: &Holder<K>,
    reason: Reason,
    now: UnixTime,
    person: &mut dyn Conversation,
) -> Result<Revoked, EnrolError> {
    let leaf = device.chain.first().ok_or_else(|| EnrolError::NoCertificate { found: "an empty chain".to_owned() })?;
    let authority = Some(device.enrolment.authority.as_str());
    let choice = choose_authority(&home.trust_policies()?, &device.identifier, authority)?;
    let mut client = connect(home, &choice, device.account.clone(), now, person).await?;
    let certificate = json!({ "certificate": URL_SAFE_NO_PAD.encode(leaf), "reason": reason.code() });
    let revoked = revoke(&mut client, &certificate).await?;
    // From now on neither a timer nor a messenger brings it back.
    let noted = home.store_revoked(device);
    let earlier = revoke_earlier(&mut client, device, reason, now).await;
    // The authority's list shows it before it answers: this device knows it from now on.
    fetch_revocation(home, &Arc::new(home.trust_at(now)?), &device.chain, now).await;
    earlier.and(noted.map_err(EnrolError::from)).map(|()| revoked)
}

impl Owner {
    /// Proves control of the address now: by the account of this device if it has one there, else by one that is kept for the
    /// watch, so that one that was interrupted goes on where it stopped. A proof of the last hour is good still.
    pub async fn prove(
        home: &Home,
        identifier: &Identifier,
        authority: Option<&str>,
        now: UnixTime,
        person: &mut dyn Conversation,
    ) -> Result<Self, EnrolError> {
        let choice = choose_authority(&home.trust_policies()?, identifier, authority)?;
        let enrolled = if home.has_device(identifier)? { Some(home.device(identifier)?) } else { None };
        let mut client = match enrolled.filter(|device| device.enrolment.acme == choice.acme) {
            Some(device) => connect(home, &choice, device.account, now, person).await?,
            None => {
                let watching = prove_control(home, identifier, &choice.acme, now, person).await?;
                let trust = Arc::new(home.trust_at(now)?);
                AcmeClient::connect(https_client(trust), &choice.acme, watching.account).await?
            }
        };
        if let Some(proof) = client.new_authorization(&acme_identifier(identifier)).await? {
            let before = proof.status == ProofStatus::Valid;
            order::prove(&mut client, &proof, identifier, person).await?;
            if !before {
                person.step(Step::Proven);
            }
        }
        Ok(Self { client, identifier: identifier.clone() })
    }

    /// Ends the proofs of control that other accounts have: of the device that was lost, and of whoever else read a code.
    /// Other devices of hers prove it anew when they renew. Gives the number of proofs.
    pub async fn end_other_proofs(&mut self) -> Result<u64, EnrolError> {
        Ok(self.client.end_proofs(self.identifier.as_str()).await?)
    }

    /// The certificates in her name that the authority still opens, also those that have ended, the oldest first. (That it
    /// opens all there are is what the watch checks against the log.)
    pub async fn certificates(&mut self) -> Result<Vec<Listed>, EnrolError> {
        listed(&mut self.client, &self.identifier).await
    }

    /// Revokes one of them. After a key compromise the watch of this device alarms if there is ever another for its key.
    pub async fn revoke(
        &mut self,
        home: &Home,
        one: &Listed,
        reason: Reason,
        now: UnixTime,
    ) -> Result<Revoked, EnrolError> {
        let asked = json!({ "serial": one.serial, "reason": reason.code() });
        let revoked = match revoke(&mut self.client, &asked).await {
            // The authority has opened it: it knows what became of it, and there is nothing to revoke.
            Err(EnrolError::Acme(AcmeError::Refused { status, .. })) if status == StatusCode::NOT_FOUND => {
                return Ok(Revoked::Never);
            }
            answer => answer?,
        };
        if reason == Reason::KeyCompromise {
            lose_key(home, &self.identifier, &one.key, now)?;
        }
        Ok(revoked)
    }
}

async fn listed(client: &mut AcmeClient, identifier: &Identifier) -> Result<Vec<Listed>, EnrolError> {
    let answers = client.watch(identifier.as_str()).await?;
    let read = |tbs: &str| {
        let der = URL_SAFE_NO_PAD.decode(tbs).map_err(|error| error.to_string())?;
        Tbs::decode(&der).map_err(|error| error.to_string())
    };
    let mut listed = Vec::new();
    for entry in answers.logs.iter().flat_map(|log| &log.entries) {
        let tbs = read(&entry.tbs).map_err(|found| EnrolError::NoCertificate { found })?;
        listed.push(Listed {
            serial: tbs.serial_hex(),
            key: tbs.spki().subject_public_key.raw_bytes().to_vec(),
            not_before: tbs.not_before(),
            not_after: tbs.not_after(),
            given_up: entry.given_up,
        });
    }
    listed.sort_by_key(|one| one.not_before.as_secs());
    Ok(listed)
}

/// Renewals overlap: what this device has from before is to count no more either. Which those are the authority tells as
/// long as control is proven; afterwards there is nothing to tell it by, and they end by themselves. Whatever else keeps one
/// of them valid is said, after all others were tried.
async fn revoke_earlier<K: OwnKey>(
    client: &mut AcmeClient,
    device: &Holder<K>,
    reason: Reason,
    now: UnixTime,
) -> Result<(), EnrolError> {
    let listed = match listed(client, &device.identifier).await {
        Err(EnrolError::Acme(error)) if error.problem().is_some_and(|problem| problem.is("unauthorized")) => {
            return Ok(());
        }
        listed => listed.map_err(|source| EnrolError::EarlierLeft { serials: Vec::new(), source: Box::new(source) })?,
    };
    let own = device.key.public_bits();
    let earlier = |one: &&Listed| one.key == own && !one.given_up && one.not_after.as_secs() >= now.as_secs();
    let serials = listed.iter().filter(earlier).map(|one| one.serial.clone()).collect();
    each(serials, async |serial| revoke(client, &json!({ "serial": serial, "reason": reason.code() })).await).await
}

async fn each(
    serials: Vec<String>,
    mut revoke: impl AsyncFnMut(&str) -> Result<Revoked, EnrolError>,
) -> Result<(), EnrolError> {
    let (mut left, mut why) = (Vec::new(), None);
    for serial in serials {
        match revoke(&serial).await {
            // An entry may be of a certificate that never was.
            Ok(_) | Err(EnrolError::Acme(AcmeError::Refused { status: StatusCode::NOT_FOUND, .. })) => {}
            Err(error) => {
                left.push(serial);
                why.get_or_insert(error);
            }
        }
    }
    match why {
        None => Ok(()),
        Some(source) => Err(EnrolError::EarlierLeft { serials: left, source: Box::new(source) }),
    }
}

async fn connect(
    home: &Home,
    choice: &Choice,
    account: AccountKey,
    now: UnixTime,
    person: &mut dyn Conversation,
) -> Result<AcmeClient, EnrolError> {
    let trust = Arc::new(home.trust_at(now)?);
    person.step(Step::Asking { authority: choice.authority.clone(), url: choice.acme.clone() });
    Ok(AcmeClient::join(https_client(trust), &choice.acme, account, person).await?)
}

async fn revoke(client: &mut AcmeClient, asked: &Value) -> Result<Revoked, EnrolError> {
    match client.revoke(asked).await {
        Ok(()) => Ok(Revoked::Now),
        Err(error) if error.problem().is_some_and(|problem| problem.is("alreadyRevoked")) => Ok(Revoked::Before),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: StatusCode, kind: &str) -> EnrolError {
        let problem = serde_json::from_value(json!({ "type": format!("urn:ietf:params:acme:error:{kind}") })).unwrap();
        AcmeError::Refused { url: "https://ca.example/revoke-cert".into(), status, problem, retry_after: None }.into()
    }

    #[tokio::test]
    async fn an_earlier_certificate_that_is_left_valid_is_named() {
        let mut asked = Vec::new();
        let answer = async |serial: &str| {
            asked.push(serial.to_owned());
            match serial {
                "0a" => Err(refused(StatusCode::NOT_FOUND, "malformed")),
                "0b" => Err(refused(StatusCode::TOO_MANY_REQUESTS, "rateLimited")),
                _ => Ok(Revoked::Now),
            }
        };
        let all = ["0a", "0b", "0c"].map(str::to_owned).to_vec();
        let left = each(all, answer).await.unwrap_err();
        assert_eq!(asked, ["0a", "0b", "0c"], "none behind it stays valid");
        assert!(matches!(&left, EnrolError::EarlierLeft { serials, .. } if *serials == ["0b"]), "{left}");
        assert!(left.to_string().contains("0b of the same key"), "{left}");
        let gone = async |_: &str| Err(refused(StatusCode::NOT_FOUND, "malformed"));
        each(vec!["0a".into()], gone).await.unwrap();
    }
}
