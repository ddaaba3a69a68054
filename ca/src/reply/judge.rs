//! A reply held against the challenge it answers. The cheap questions come first: the domain name system is asked only for
//! who brings the right digest.

use super::dkim::{Unsigned, signed_by};
use super::fields::Fields;
use super::message::{NoReply, Said, UnverifiedReply};
use crate::acme::{Service, keep_refusal, prove_by_reply};
use crate::store::{Authorization, AuthorizationStatus, Handover, IssuedReply, RACES, Select, StoreError};
use thiserror::Error;

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Control is proven.
    Proven,
    /// It changes nothing. Who asked for the challenge is told, if there is anybody; whoever sent it is not: the sender
    /// may be forged.
    Refused(String),
    /// It cannot be judged now; the mail server is to try again.
    Later(String),
}

/// Why a reply that belongs to a challenge does not prove anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum Refusal {
    #[error(transparent)]
    Said(#[from] NoReply),
    #[error("the reply is from another address than the one to be proven")]
    Sender,
    #[error("the reply does not bring the digest that belongs to the newest mail and this account's key")]
    Digest,
    #[error("the reply came too late")]
    Expired,
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
}

/// Judges a mail.
pub(crate) async fn judge(service: &Service, mail: &[u8]) -> Outcome {
    let reply = match UnverifiedReply::parse(mail) {
        Ok(reply) => reply,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    for _ in 0..RACES {
        match settle(service, mail, &reply).await {
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Outcome::Later(error.to_string()),
            Ok(outcome) => return outcome,
        }
    }
    Outcome::Later("its authorization changes all the time".into())
}

async fn settle(service: &Service, mail: &[u8], reply: &UnverifiedReply) -> Result<Outcome, StoreError> {
    let nothing = || Ok(Outcome::Refused("no challenge is waiting for it".into()));
    let select = Select::Authorization(reply.token.authorization());
    let Some(found) = service.store.authorization(select).await? else { return nothing() };
    let waits = found.status == AuthorizationStatus::Pending && found.expires > service.now().as_secs();
    let Some(sent) = found.reply.as_ref().and_then(|reply| reply.mail.clone()).filter(|_| waits) else {
        return nothing();
    };
    if sent.tries_left == 0 {
        return nothing();
    }
    match check(service, mail, reply, &found, &sent).await {
        Ok(()) => {
            prove_by_reply(service, found).await?;
            Ok(Outcome::Proven)
        }
        Err(Refusal::Unsigned(later @ Unsigned::Later(_))) => Ok(Outcome::Later(later.nameless())),
        Err(refusal) => {
            let refused = IssuedReply {
                tries_left: sent.tries_left - 1,
                refused: Some(refusal.to_string()),
                handover: Handover::Done,
                ..sent
            };
            keep_refusal(service, found, refused).await?;
            Ok(Outcome::Refused(refusal.nameless()))
        }
    }
}

impl Refusal {
    fn nameless(&self) -> String {
        match self {
            Self::Unsigned(unsigned) => unsigned.nameless(),
            other => other.to_string(),
        }
    }
}

async fn check(
    service: &Service,
    mail: &[u8],
    reply: &UnverifiedReply,
    found: &Authorization,
    sent: &IssuedReply,
) -> Result<(), Refusal> {
    let Said { from, digest } = reply.said.clone()?;
    if from != found.identifier {
        return Err(Refusal::Sender);
    }
    if sent.expires <= service.now().as_secs() {
        return Err(Refusal::Expired);
    }
    if !sent.digest.matches(&digest) {
        return Err(Refusal::Digest);
    }
    let fields = Fields::parse(mail).map_err(NoReply::Fields)?;
    let domain = from.domain().unwrap_or_default();
    match &service.dns {
        Some(dns) => Ok(signed_by(dns, &fields, domain).await?),
        None => Err(Unsigned::None(domain.to_owned()).into()),
    }
}
