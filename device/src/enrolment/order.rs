//! One ACME order, driven from wherever it stands to its certificate.

use std::convert::Infallible;
use std::time::Duration;

use identity::Identifier;
use reqwest::StatusCode;
use rustls_pki_types::CertificateDer;
use serde_json::json;

use super::code::{CodeShape, shaped};
use super::{Aside, Conversation, EnrolError, Step, Typed, Way, acme_identifier, openid, reply, request};
use crate::acme::messages::{Authorization, Challenge, Order, OrderStatus, Problem, ProofStatus};
use crate::acme::{AcmeClient, AcmeError};
use crate::certificates::chain_from_pem;
use crate::{HomeError, OwnKey};

/// The challenges this program can answer by a typed code, and by a reply.
const CODES: [&str; 2] = ["email-code-00", "sms-code-00"];
const REPLY: &str = "email-reply-00";
/// And by a log-in.
const OPENID: &str = "oidc-00";
/// How long a certificate in the making is waited for.
const DEADLINE: Duration = Duration::from_secs(60);
/// First pause between two looks at an order; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between two looks at an order.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// First pause before a look whether a message has left; doubled each time, until so long has been looked.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// An authority has given up a message within a few minutes.
const LAST_LOOK: Duration = Duration::from_secs(300);
/// How often a new order replaces one that had gone before anything was done with it.
const ORDERS: usize = 2;

/// What is asked for: a certificate of this profile, or the right to one.
pub(super) struct Asked<'a> {
    pub(super) identifier: &'a Identifier,
    pub(super) profile: &'a str,
    /// The certificate that a new one takes the place of (RFC 9773 section 4.1).
    pub(super) replaces: Option<String>,
}

/// What is ordered.
pub(super) struct Job<'a, K> {
    pub(super) asked: Asked<'a>,
    pub(super) key: &'a K,
    /// Whether the key's certificate is revoked: then control is not proven anew for it.
    pub(super) revoked: bool,
}

/// Stores the URL of the order that is open, or that there is none any more.
type Remember<'a> = dyn FnMut(Option<&str>) -> Result<(), HomeError> + Send + 'a;

impl<K: OwnKey> Job<'_, K> {
    /// Goes on with the order `open`, or makes one, and gives the certificate chain, not yet verified.
    pub(super) async fn run(
        &self,
        client: &mut AcmeClient,
        open: Option<String>,
        remember: &mut Remember<'_>,
        person: &mut dyn Conversation,
    ) -> Result<Vec<CertificateDer<'static>>, EnrolError> {
        let asked = &self.asked;
        let (mut url, mut order) = asked.begin(client, open, remember, person).await?;
        let mut orders = 1;
        let mut waited = Duration::ZERO;
        let mut pause = FIRST_PAUSE;
        loop {
            match order.status {
                // The authority has forgotten the proof together with the key: a code would be typed for nothing.
                OrderStatus::Pending if self.revoked => {
                    remember(None)?;
                    return Err(EnrolError::Revoked { identifier: asked.identifier.clone(), for_mail: K::FOR_MAIL });
                }
                OrderStatus::Pending => {
                    asked.prove(client, &order, remember, person).await?;
                    order = client.order(&url).await?.0;
                }
                OrderStatus::Ready => {
                    person.step(Step::Issuing);
                    let csr = request::csr(asked.identifier, self.key, &url)?;
                    order = client.finalize(&order.finalize, &csr).await?;
                }
                OrderStatus::Processing => {
                    if waited.saturating_add(pause) > DEADLINE {
                        return Err(EnrolError::Slow { seconds: waited.as_secs() });
                    }
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    let (next, retry_after) = client.order(&url).await?;
                    order = next;
                    // Who says when to come back is taken at her word (RFC 8555 section 7.4).
                    pause = match retry_after {
                        Some(told) => told.max(FIRST_PAUSE),
                        None => (pause * 2).min(LONGEST_PAUSE),
                    };
                }
                OrderStatus::Valid => return download(client, &url, &order).await,
                OrderStatus::Invalid => {
                    remember(None)?;
                    let reason = order.error.take().unwrap_or_default().to_string();
                    if orders == ORDERS {
                        return Err(EnrolError::Invalid { reason });
                    }
                    tracing::info!(%reason, "an order became invalid; making another");
                    (url, order) = asked.order(client, remember).await?;
                    orders += 1;
                }
            }
        }
    }
}

impl Asked<'_> {
    /// Proves control and orders nothing: the order by which it is done is never finalized, and lapses.
    pub(super) async fn prove_only(
        &self,
        client: &mut AcmeClient,
        open: Option<String>,
        remember: &mut Remember<'_>,
        person: &mut dyn Conversation,
    ) -> Result<(), EnrolError> {
        let (_, order) = self.begin(client, open, remember, person).await?;
        if order.status == OrderStatus::Pending {
            self.prove(client, &order, remember, person).await?;
        }
        Ok(remember(None)?)
    }

    /// The order from before, or a new one.
    async fn begin(
        &self,
        client: &mut AcmeClient,
        open: Option<String>,
        remember: &mut Remember<'_>,
        person: &mut dyn Conversation,
    ) -> Result<(String, Order), EnrolError> {
        match self.resume(client, open, person).await? {
            Some(found) => Ok(found),
            None => self.order(client, remember).await,
        }
    }

    async fn order(&self, client: &mut AcmeClient, remember: &mut Remember<'_>) -> Result<(String, Order), EnrolError> {
        let identifier = acme_identifier(self.identifier);
        let ordered = match client.new_order(&identifier, self.profile, self.replaces.as_deref()).await {
            // Another order was made for it and is lost to us, or the account is a new one: then without.
            Err(AcmeError::Refused { status: StatusCode::CONFLICT | StatusCode::BAD_REQUEST, .. })
                if self.replaces.is_some() =>
            {
                client.new_order(&identifier, self.profile, None).await
            }
            other => other,
        };
        let (url, order) = ordered?;
        remember(Some(&url))?;
        Ok((url, order))
    }

    /// The order from before, unless the authority has forgotten it or it has come to nothing.
    async fn resume(
        &self,
        client: &mut AcmeClient,
        open: Option<String>,
        person: &mut dyn Conversation,
    ) -> Result<Option<(String, Order)>, EnrolError> {
        let Some(url) = open else { return Ok(None) };
        match client.order(&url).await {
            Ok((order, _)) if order.status != OrderStatus::Invalid => {
                person.step(Step::Resuming);
                Ok(Some((url, order)))
            }
            Ok(_) => Ok(None),
            Err(AcmeError::Refused {
                status: StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED,
                ..
            }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Proves control for every authorisation of the order. One by which it cannot be proven any more is forgotten.
    async fn prove(
        &self,
        client: &mut AcmeClient,
        order: &Order,
        remember: &mut Remember<'_>,
        person: &mut dyn Conversation,
    ) -> Result<(), EnrolError> {
        let spent = self.prove_each(client, order, person).await;
        if matches!(spent, Err(EnrolError::CodeSpent { .. } | EnrolError::Invalid { .. })) {
            remember(None)?;
        }
        spent
    }

    async fn prove_each(
        &self,
        client: &mut AcmeClient,
        order: &Order,
        person: &mut dyn Conversation,
    ) -> Result<(), EnrolError> {
        for url in &order.authorizations {
            let authorization = client.authorization(url).await?;
            prove(client, &authorization, self.identifier, person).await?;
        }
        person.step(Step::Proven);
        Ok(())
    }
}

/// Proves control for one authorisation, unless it is proven.
pub(super) async fn prove(
    client: &mut AcmeClient,
    authorization: &Authorization,
    identifier: &Identifier,
    person: &mut dyn Conversation,
) -> Result<(), EnrolError> {
    match authorization.status {
        ProofStatus::Valid => Ok(()),
        ProofStatus::Pending | ProofStatus::Processing if !person.is_there() => Err(EnrolError::Unattended),
        ProofStatus::Pending | ProofStatus::Processing => {
            let challenge = answerable(authorization, person.way())?;
            let canonical = Identifier::parse(&authorization.identifier.value).unwrap_or_else(|_| identifier.clone());
            match challenge.kind.as_str() {
                REPLY => reply::answer(client, challenge, &canonical, person).await,
                OPENID => openid::answer(client, challenge, &canonical, person).await,
                _ => answer(client, challenge, &canonical, person).await,
            }
        }
        other => Err(EnrolError::Invalid { reason: format!("the proof of control is {other:?}").to_lowercase() }),
    }
}

/// The challenge she wants. Who did not choose takes what there is.
fn answerable(authorization: &Authorization, way: Way) -> Result<&Challenge, EnrolError> {
    let offered = &authorization.challenges;
    let code = offered.iter().find(|challenge| CODES.contains(&challenge.kind.as_str()));
    let reply = offered.iter().find(|challenge| challenge.kind == REPLY);
    let (found, expected) = match way {
        Way::Code => (code.or(reply), "email-code-00, sms-code-00, email-reply-00"),
        Way::Reply => (reply, REPLY),
        Way::OpenId => (offered.iter().find(|challenge| challenge.kind == OPENID), OPENID),
    };
    found.ok_or_else(|| {
        let offered: Vec<_> = offered.iter().map(|challenge| challenge.kind.as_str()).collect();
        EnrolError::NoChallenge { expected, found: offered.join(", ") }
    })
}

/// Has a code sent, unless one is on its way already, and hands in what the person types until it is right.
async fn answer(
    client: &mut AcmeClient,
    challenge: &Challenge,
    to: &Identifier,
    person: &mut dyn Conversation,
) -> Result<(), EnrolError> {
    // A message that could not be handed over is not on its way.
    let earlier = challenge.status != ProofStatus::Pending && challenge.error.is_none();
    if !earlier {
        send(client, challenge).await?;
    }
    let (account, expected) = (client.thumbprint(), CodeShape::of(to));
    let failed = challenge.error.as_ref().map(ToString::to_string);
    person.step(Step::CodeSent { to: to.clone(), earlier, failed, account: account.clone() });
    let mut wrong = None;
    loop {
        let aside = person.aside();
        let typed = tokio::select! {
            biased;
            typed = person.code() => typed,
            never = tell_of_failure(client, challenge, aside) => match never {},
        };
        let code = match typed {
            Typed::Nothing => match wrong {
                Some(tries_left) => return Err(EnrolError::CodeWrong { tries_left }),
                None => return Err(no_code(client, challenge).await),
            },
            Typed::SendAgain => {
                send(client, challenge).await?;
                wrong = None;
                person.step(Step::CodeSent { to: to.clone(), earlier: false, failed: None, account: account.clone() });
                continue;
            }
            Typed::Code(typed) => match shaped(&typed, expected) {
                Ok(code) => code,
                Err(found) if person.asks_again() => {
                    person.step(Step::CodeMisshapen { expected, found });
                    continue;
                }
                Err(found) => return Err(EnrolError::CodeMisshapen { expected, found }),
            },
        };
        let problem = match client.challenge(&challenge.url, &json!({ "code": code })).await {
            Ok(Challenge { status: ProofStatus::Valid, .. }) => return Ok(()),
            Ok(Challenge { error: Some(problem), .. }) => problem,
            Ok(other) => {
                return Err(EnrolError::Invalid {
                    reason: format!("the challenge is {:?}", other.status).to_lowercase(),
                });
            }
            Err(AcmeError::Refused { problem, .. }) if is_about_the_code(&problem) => problem,
            Err(error) => return Err(error.into()),
        };
        if !problem.is("codeWrong") || problem.tries_left == Some(0) {
            return Err(EnrolError::CodeSpent { reason: problem.to_string() });
        }
        person.step(Step::CodeWrong { tries_left: problem.tries_left });
        wrong = Some(problem.tries_left);
    }
}

/// Looks, while she waits for the message, whether it left at all: an authority finds that out after it has answered.
async fn tell_of_failure(client: &mut AcmeClient, challenge: &Challenge, aside: Aside) -> Infallible {
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_LOOK);
    while waited < LAST_LOOK {
        tokio::time::sleep(pause).await;
        waited += pause;
        pause *= 2;
        // What goes wrong here goes wrong again with the code, and is told then.
        if let Ok(Challenge { error: Some(problem), .. }) = client.read_challenge(&challenge.url).await {
            // Of a code that was wrong she knows.
            if !is_about_the_code(&problem) {
                aside(&problem.to_string());
                break;
            }
        }
    }
    std::future::pending().await
}

/// Why she has no code: there may have been no message.
async fn no_code(client: &mut AcmeClient, challenge: &Challenge) -> EnrolError {
    match client.read_challenge(&challenge.url).await {
        Ok(Challenge { error: Some(problem), .. }) if !is_about_the_code(&problem) => {
            EnrolError::NotSent { reason: problem.to_string() }
        }
        _ => EnrolError::NoCode,
    }
}

/// Has a code sent; one sent before is worth nothing from now on.
async fn send(client: &mut AcmeClient, challenge: &Challenge) -> Result<(), EnrolError> {
    let answered = client.challenge(&challenge.url, &json!({})).await?;
    answered.error.map_or(Ok(()), |problem| Err(EnrolError::NotSent { reason: problem.to_string() }))
}

fn is_about_the_code(problem: &Problem) -> bool {
    ["codeWrong", "codeExpired", "codeExhausted"].iter().any(|name| problem.is(name))
}

async fn download(
    client: &mut AcmeClient,
    url: &str,
    order: &Order,
) -> Result<Vec<CertificateDer<'static>>, EnrolError> {
    let certificate = order.certificate.as_ref().ok_or_else(|| AcmeError::Protocol {
        url: url.to_owned(),
        expected: "a valid order with the address of its certificate",
        found: "none".to_owned(),
    })?;
    let pem = client.certificate(certificate).await?;
    chain_from_pem(&pem).map_err(|found| EnrolError::NoCertificate { found })
}
