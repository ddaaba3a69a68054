//! The step that brings the certificate: the address, the code, and what happens meanwhile.

use device::Home;
use device::enrolment::{self, EnrolRequest, Typed};
use identity::{Identifier, UnixTime};
use tokio::sync::oneshot;

use super::owner::{Asked, Owner};
use super::page::{Face, Page, Turn};
use super::{Move, page};
use crate::failure::Failure;

const CODE: &str = "The code in it (empty: send another)";
const AGREE: &str = "Have you read them, and do you agree? y or n";

/// What the enrolment waits for.
enum Question {
    Code(oneshot::Sender<Typed>),
    Terms(oneshot::Sender<bool>),
}

/// Until this address is certified; or back to the question for it.
pub(super) async fn certify(
    home: &Home,
    who: &Identifier,
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Option<Move>, Failure> {
    page.notes.clear();
    page.question = None;
    if let Some(lookalike) = who.lookalike() {
        page.say(format!("Look twice: {lookalike}."));
    }
    let (mut owner, mut asked) = Owner::new();
    let request = EnrolRequest { identifier: who, authority: None, new: false, keys: None };
    let mut work = std::pin::pin!(enrolment::enroll(home, request, UnixTime::now, &mut owner));
    let mut question = None;
    loop {
        let next = async {
            tokio::select! {
                biased;
                Some(asked) = asked.recv() => Ok(asked),
                done = &mut work => Err(done),
            }
        };
        match face.turn(page, next).await? {
            Turn::Done(Ok(Asked::Step(step))) => page.say(step.words() + "."),
            Turn::Done(Ok(Asked::NotSent(reason))) => {
                page.complain(format!("The message with the code did not leave the authority: {reason}"));
            }
            Turn::Done(Ok(Asked::Code(answer))) => {
                page.question = Some(CODE.to_owned());
                question = Some(Question::Code(answer));
            }
            Turn::Done(Ok(Asked::Terms(terms, answer))) => {
                page.say(format!("Whoever makes an account here must agree to these terms: {terms}"));
                page.question = Some(AGREE.to_owned());
                question = Some(Question::Terms(answer));
            }
            Turn::Done(Err(Ok(_))) => return Ok(Some(Move::On)),
            Turn::Done(Err(Err(error))) => {
                page.question = None;
                page.complain(format!("{error}. What was begun is kept: Enter goes on with it."));
                return Ok(None);
            }
            Turn::Typed(line) => {
                page.question = None;
                // Whoever asked may have ended meanwhile; then its end comes next.
                match question.take() {
                    Some(Question::Code(answer)) if line.trim().is_empty() => drop(answer.send(Typed::SendAgain)),
                    Some(Question::Code(answer)) => drop(answer.send(Typed::Code(line.trim().to_owned()))),
                    Some(Question::Terms(answer)) => drop(answer.send(page::is_yes(&line))),
                    None => {}
                }
            }
            // Whatever was begun is on disk, and goes on next time.
            Turn::Back => {
                page.notes.clear();
                page.question = None;
                return Ok(None);
            }
            Turn::Leave => return Ok(Some(Move::Leave)),
        }
    }
}
