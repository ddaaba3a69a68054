//! Replying to a mail (RFC 8823, `email-reply-00`), with the person in between: she gives the subject of the mail, gets the
//! lines that belong into her reply, sends it by her own mail program, and it is waited for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Identifier;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Conversation, EnrolError, Step, Typed};
use crate::acme::AcmeClient;
use crate::acme::messages::{Challenge, ProofStatus};

/// How long a reply is waited for in one run; the order stays open longer.
const DEADLINE: Duration = Duration::from_secs(1800);
/// First pause between two looks; grows up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The least that half a token can have: 128 bits (RFC 8823 section 3.1).
const LEAST_BYTES: usize = 16;

/// Has the mail sent, unless it was, shows the reply, and waits until it has arrived.
pub(super) async fn answer(
    client: &mut AcmeClient,
    challenge: &Challenge,
    to: &Identifier,
    person: &mut dyn Conversation,
) -> Result<(), EnrolError> {
    let earlier = challenge.status != ProofStatus::Pending && (challenge.error.is_none() || is_refusal(challenge));
    if !earlier {
        send(client, challenge, false).await?;
    }
    let (Some(part2), Some(from)) = (&challenge.token, &challenge.from) else {
        return Err(EnrolError::NoChallenge { expected: "token and from in email-reply-00", found: "none".to_owned() });
    };
    let asked = |earlier| Step::ReplyAsked { to: to.clone(), from: from.clone(), earlier };
    person.step(asked(earlier));
    loop {
        let part1 = match person.subject().await {
            // Who comes back later has sent it already.
            Typed::Nothing if earlier => break,
            Typed::Nothing => return Err(EnrolError::NoSubject),
            Typed::SendAgain => {
                send(client, challenge, true).await?;
                person.step(asked(false));
                continue;
            }
            Typed::Code(typed) => match token(&typed) {
                Ok(part1) => part1,
                Err(found) if person.asks_again() => {
                    person.step(Step::SubjectMisshapen { found });
                    continue;
                }
                Err(found) => return Err(EnrolError::SubjectMisshapen { found }),
            },
        };
        person.step(Step::ReplyReady {
            to: from.clone(),
            subject: format!("Re: ACME: {part1}"),
            text: text(&part1, part2, &client.thumbprint()),
        });
        break;
    }
    await_reply(client, challenge, person).await
}

async fn send(client: &mut AcmeClient, challenge: &Challenge, again: bool) -> Result<(), EnrolError> {
    let asked = if again { json!({ "resend": true }) } else { json!({}) };
    let answered = client.challenge(&challenge.url, &asked).await?;
    let failed = answered.error.filter(|error| !error.is("replyRefused"));
    failed.map_or(Ok(()), |problem| Err(EnrolError::NotSent { reason: problem.to_string() }))
}

/// Half a token: the subject of the mail, or what stands in it after `ACME:`. The error does not repeat the text.
fn token(typed: &str) -> Result<String, String> {
    let text = typed.rsplit_once("ACME:").map_or(typed, |(_, token)| token);
    let token: String = text.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
    match URL_SAFE_NO_PAD.decode(&token) {
        Ok(bytes) if bytes.len() >= LEAST_BYTES => Ok(token),
        Ok(bytes) => Err(format!("{} bytes", bytes.len())),
        Err(_) => Err(format!("{} characters that are not base64url", token.chars().count())),
    }
}

/// What the reply has to contain (RFC 8823 section 3.2, item 7).
fn text(part1: &str, part2: &str, thumbprint: &str) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{part1}{part2}.{thumbprint}")));
    format!("-----BEGIN ACME RESPONSE-----\n{digest}\n-----END ACME RESPONSE-----")
}

async fn await_reply(
    client: &mut AcmeClient,
    challenge: &Challenge,
    person: &mut dyn Conversation,
) -> Result<(), EnrolError> {
    person.step(Step::AwaitingReply);
    // The reply is on its way (RFC 8823 section 3, step 6).
    let mut seen = client.challenge(&challenge.url, &json!({})).await?;
    // Two replies may be refused for one reason: each costs a try.
    let mut told = refusal(challenge);
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    loop {
        match seen.status {
            ProofStatus::Valid => return Ok(()),
            ProofStatus::Pending | ProofStatus::Processing => {}
            other => {
                return Err(EnrolError::Invalid { reason: format!("the challenge is {other:?}").to_lowercase() });
            }
        }
        let newest = refusal(&seen);
        if newest != told
            && let Some((reason, tries_left)) = newest.clone()
        {
            if tries_left == Some(0) {
                return Err(EnrolError::CodeSpent { reason });
            }
            person.step(if is_refusal(&seen) { Step::ReplyRefused { reason } } else { Step::ReplyDelayed { reason } });
            pause = FIRST_PAUSE;
        }
        told = newest;
        if waited >= DEADLINE {
            return Err(EnrolError::NoReply { seconds: waited.as_secs() });
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        seen = client.read_challenge(&challenge.url).await?;
    }
}

/// Whether a reply has arrived that proves nothing. Else the authority has met with a fault of its own.
fn is_refusal(challenge: &Challenge) -> bool {
    challenge.error.as_ref().is_some_and(|error| error.is("replyRefused"))
}

/// Why the last reply proved nothing, and how many more are looked at.
fn refusal(challenge: &Challenge) -> Option<(String, Option<u32>)> {
    challenge.error.as_ref().map(|error| (error.to_string(), challenge.tries_left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_given_whole_or_in_part() {
        let token_of = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj";
        for typed in [token_of.to_owned(), format!("ACME: {token_of}"), format!("Subject: ACME:\n {token_of} =")] {
            assert_eq!(token(&typed).as_deref(), Ok(token_of), "{typed}");
        }
        assert_eq!(token("ACME: AAECAw").unwrap_err(), "4 bytes");
        assert_eq!(token("hunter2 is my password").unwrap_err(), "19 characters that are not base64url");
    }

    #[test]
    fn a_fault_of_the_authority_is_no_reply_that_proves_nothing() {
        let challenge = |kind: &str| -> Challenge {
            let error = json!({ "type": format!("urn:ietf:params:acme:error:{kind}") });
            let url = "https://ca.example/chall/1";
            serde_json::from_value(
                json!({"type": "email-reply-00", "url": url, "status": "processing", "error": error}),
            )
            .unwrap()
        };
        assert!(is_refusal(&challenge("replyRefused")));
        assert!(!is_refusal(&challenge("serverInternal")));
    }

    #[test]
    fn the_digest_is_that_of_the_key_authorization() {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest("AAAABBBB.thumb"));
        assert_eq!(text("AAAA", "BBBB", "thumb").lines().nth(1), Some(digest.as_str()));
    }
}
