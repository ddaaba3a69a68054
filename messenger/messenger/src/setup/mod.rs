//! The first start: from an empty folder to a certificate, how one appears, and a look at the network, step by step. On
//! a [screen] or [line by line](lines); broken off anywhere it goes on there ([`progress`]).
//!
//! It does what `certtool trust add` and `certtool enroll` do, by the same functions of `device`.

mod draw;
mod enrolling;
pub(crate) mod lines;
mod owner;
mod page;
mod progress;
pub(crate) mod screen;
#[cfg(test)]
mod tests;
mod trusting;

use device::Home;
use identity::card::{Invitation, Link};
use identity::{Identifier, UnixTime};
use messenger_engine::{Audience, Event, MAX_NOTE_BYTES};

use self::page::{Face, Page, Turn};
use self::progress::{Progress, Step};
use crate::cli::Options;
use crate::failure::Failure;
use crate::own_devices::invitation;
use crate::{appearance, doctor, start};

/// Where it goes from a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    On,
    Back,
    Leave,
}

/// How the set-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is nothing left to set up.
    Ready,
    /// She left; the next start goes on.
    Left,
}

/// Whether anything is to be set up before the messenger can begin.
pub(crate) fn is_due(options: &Options) -> Result<bool, Failure> {
    let home = start::folder(options)?;
    // Whoever names an identity has set up something elsewhere: what is missing is said.
    Ok(options.identity.is_none() && progress::load(&home).map_err(start::folder_failure)?.is_some())
}

/// Goes through the steps that are left.
async fn run(options: &Options, opened: Option<&Link>, face: &mut impl Face) -> Result<Outcome, Failure> {
    let home = start::folder(options)?;
    let Some(mut progress) = progress::load(&home).map_err(start::folder_failure)? else { return Ok(Outcome::Ready) };
    let mut before = Move::On;
    loop {
        let mut page = Page { step: (progress.step as usize + 1, Step::ALL.len()), ..Page::default() };
        // A device that is to be added to others: some of what is asked is known there.
        let invited = invitation::load(&home, UnixTime::now()).map_err(|error| {
            Failure::new(error, "move the file away; /devices add on the other device shows another link")
        })?;
        let went = match progress.step {
            Step::Trust => trusting::trust(&home, opened, &mut page, face).await?,
            Step::Address => address(&home, (&mut progress, invited.as_ref()), &mut page, face).await?,
            Step::Words => words(&home, &mut page, face).await?,
            Step::Visibility if invited.is_some_and(|by| progress.address.as_ref() == Some(&by.card().identifier)) => {
                before
            }
            Step::Visibility => visibility(&home, &mut page, face).await?,
            Step::Network => network(options, &mut page, face).await?,
        };
        match (went, progress.step.after()) {
            (Move::On, Some(next)) => progress.step = next,
            (Move::On, None) => {
                progress::forget(&home).map_err(|error| Failure::new(error, "mend the folder"))?;
                return Ok(Outcome::Ready);
            }
            (Move::Back, _) => progress.step = progress.step.before(),
            (Move::Leave, _) => return Ok(Outcome::Left),
        }
        before = went;
        progress::keep(&home, &progress).map_err(start::folder_failure)?;
    }
}

/// Asks for her address, and has it certified.
async fn address(
    home: &Home,
    (progress, invited): (&mut Progress, Option<&Invitation>),
    page: &mut Page,
    face: &mut impl Face,
) -> Result<Move, Failure> {
    page.title = "Your address";
    let mut proposed =
        invited.map(|invitation| invitation.card().identifier.clone()).or_else(|| progress.address.clone());
    page.words = vec![
        match invited {
            Some(_) => "The device that invited this one has this address: Enter takes it.".to_owned(),
            None => "By which address are people to find you? An e-mail address or a phone number.".to_owned(),
        },
        "A code is sent there and typed in here: that proves it is yours. The key that is made now never leaves this device."
            .to_owned(),
    ];
    loop {
        page.question = Some("Your address".to_owned());
        page.proposal = proposed.as_ref().map(ToString::to_string).unwrap_or_default();
        let typed = match face.ask(page).await? {
            Turn::Typed(typed) => typed,
            Turn::Back => return Ok(Move::Back),
            Turn::Leave => return Ok(Move::Leave),
        };
        page.proposal.clear();
        let typed = if typed.trim().is_empty() { proposed.as_ref().map(ToString::to_string) } else { Some(typed) };
        match Identifier::parse(typed.unwrap_or_default().trim()) {
            Ok(who) => {
                progress.address = Some(who.clone());
                proposed = Some(who.clone());
                progress::keep(home, progress).map_err(start::folder_failure)?;
                if let Some(went) = enrolling::certify(home, &who, page, face).await? {
                    return Ok(went);
                }
            }
            Err(error) => {
                page.notes.clear();
                page.complain(format!("That is no address: {error}. Write alice@example.org, or +14155550123."));
            }
        }
    }
}

/// Asks for what others see beside her address.
async fn words(home: &Home, page: &mut Page, face: &mut impl Face) -> Result<Move, Failure> {
    let mut settings = appearance::load(home).map_err(|error| Failure::new(error, "mend the file, or move it away"))?;
    page.title = "A few words";
    page.words = vec![
        "What do your contacts see beside your address while you are online? Your name, say.".to_owned(),
        "It proves nothing, and you can change it at any time (/status). Empty: nothing.".to_owned(),
    ];
    page.question = Some("Your words".to_owned());
    page.proposal.clone_from(&settings.text);
    loop {
        match face.ask(page).await? {
            Turn::Typed(typed) => {
                let typed = typed.trim();
                if typed.len() > MAX_NOTE_BYTES {
                    page.notes.clear();
                    page.complain(format!("At most {MAX_NOTE_BYTES} bytes, and these are {}.", typed.len()));
                    continue;
                }
                typed.clone_into(&mut settings.text);
                return Ok(keep(home, &Event::Appearance(settings), page, face).await?.unwrap_or(Move::On));
            }
            Turn::Back => return Ok(Move::Back),
            Turn::Leave => return Ok(Move::Leave),
        }
    }
}

/// Asks who is to see her.
async fn visibility(home: &Home, page: &mut Page, face: &mut impl Face) -> Result<Move, Failure> {
    let mut settings = appearance::load(home).map_err(|error| Failure::new(error, "mend the file, or move it away"))?;
    page.title = "Who sees you";
    page.words = vec![
        "Who sees when you are online?".to_owned(),
        "1  your contacts: whom you have added (Enter)\n2  everyone who knows your address\n3  nobody".to_owned(),
        "Whoever does not see you knocks before she can write, and learns nothing until you open. /visible and /reachable change this."
            .to_owned(),
    ];
    page.question = Some("1, 2 or 3".to_owned());
    loop {
        settings.visible_to = match face.ask(page).await? {
            Turn::Typed(typed) => match typed.trim() {
                "" | "1" => Audience::Contacts,
                "2" => Audience::Everyone,
                "3" => Audience::Nobody,
                _ => {
                    page.notes.clear();
                    page.complain("Type 1, 2 or 3.");
                    continue;
                }
            },
            Turn::Back => return Ok(Move::Back),
            Turn::Leave => return Ok(Move::Leave),
        };
        return Ok(keep(home, &Event::Appearance(settings), page, face).await?.unwrap_or(Move::On));
    }
}

/// Keeps how she appears. If that fails she is shown why, and goes back or leaves.
async fn keep(home: &Home, event: &Event, page: &mut Page, face: &mut impl Face) -> Result<Option<Move>, Failure> {
    let Some(Event::Error { message, remedy, .. }) = appearance::keep_as_told(home, event) else { return Ok(None) };
    page.fail(&Failure::new(message, remedy));
    Ok(Some(match face.ask(page).await? {
        Turn::Leave => Move::Leave,
        _ => Move::Back,
    }))
}

/// Looks at the network and shows what it means.
async fn network(options: &Options, page: &mut Page, face: &mut impl Face) -> Result<Move, Failure> {
    page.title = "The network";
    page.words = vec!["Can others reach this device? A look at the directory, your router and your clock:".to_owned()];
    let look = async { doctor::look(&start::prepare(options).await?).await };
    match face.turn(page, look).await? {
        Turn::Done(Ok(found)) => found.lines().for_each(|line| page.say(line)),
        // Whoever is offline today may be online tomorrow: it keeps nobody from going on.
        Turn::Done(Err(failure)) => page.fail(&failure),
        Turn::Back => return Ok(Move::Back),
        Turn::Leave => return Ok(Move::Leave),
        Turn::Typed(_) => unreachable!("nothing was asked"),
    }
    page.question = Some("Enter opens the messenger".to_owned());
    Ok(match face.ask(page).await? {
        Turn::Typed(_) => Move::On,
        Turn::Back => Move::Back,
        Turn::Leave => Move::Leave,
    })
}
