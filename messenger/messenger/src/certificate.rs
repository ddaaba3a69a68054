//! `messenger certificate`: somebody's certificate for mail, from her device and from nowhere else. It is kept, so that
//! `certtool` encrypts with it also when she is not there.
//!
//! Nobody is there to read an answer, so nothing is taken that comes meanwhile, as with [`send`].

use std::path::Path;
use std::time::Duration;

use command_line::{complain, say};
use device::{NoTheirMailbox, keep_file, revocation};
use identity::{Identifier, UnixTime};
use messenger_engine::{Command, Engine, Event, Events, MailCertificate, NoMail};
use serde_json::json;

use crate::clock;
use crate::failure::{Code, Failure};
use crate::mail;
use crate::run::ended_by_signal;
use crate::send::{self, invisible, recipient};
use crate::start::Prepared;
use crate::text::harmless_line;

/// How long it may take from there until her device has told it: nobody's call rings longer, and then it connects.
const FETCHING: Duration = Duration::from_secs(60);
/// How long fetching the revocation list may take that speaks for it; without, it is judged by what is known.
const LISTS: Duration = Duration::from_secs(10);

/// Asks for it, keeps it, and writes it where it was wanted.
pub(crate) async fn run(mut prepared: Prepared, who: &str, output: Option<&Path>, json: bool) -> Result<(), Failure> {
    let who = recipient(who, &prepared.contacts)?;
    prepared.presence = invisible(prepared.presence);
    let (engine, mut events) = prepared.start_briefly(false)?;
    let fetched = fetch(&prepared, (&engine, &mut events), &who).await;
    engine.leave(&mut events).await;
    let (told, not_kept) = fetched.map_err(|failure| with_what_is_kept(&prepared, &who, failure))?;
    let until = judged_again(&prepared, &told).await?;
    if let Some(file) = output {
        write(file, &mail::pem(&told))?;
    }
    let file = output.map(|file| file.display().to_string());
    let kept = match (not_kept, &file) {
        (None, _) => true,
        // It is where it was wanted.
        (Some(failure), Some(_)) => {
            complain!("{}: {}", harmless_line(&failure.happened), failure.remedy);
            false
        }
        (Some(failure), None) => return Err(failure),
    };
    if json {
        let (serial, not_after) = (&told.serial, told.not_after);
        say!("{}", json!({ "who": told.who, "serial": serial, "not_after": not_after, "file": file, "kept": kept }));
    } else {
        let how = if kept { format!(": kept, for `certtool encrypt --to {who}`") } else { String::new() };
        say!("certificate for mail of {who} until {until}{how}");
        if let Some(file) = file {
            say!("written to {}", harmless_line(&file));
        }
    }
    Ok(())
}

/// Goes online, and waits for what her device tells; with it, why that could not be kept.
async fn fetch(
    prepared: &Prepared,
    (engine, events): (&Engine, &mut Events),
    who: &Identifier,
) -> Result<(MailCertificate, Option<Failure>), Failure> {
    let fetching = async {
        send::online(events).await.map_err(unreachable)?;
        engine.send(Command::MailCertificate { who: who.to_string() }).await;
        let told = tokio::time::timeout(FETCHING, follow(prepared, events, who)).await;
        told.unwrap_or_else(|_| {
            Err(unreachable(format!("no certificate for mail of {who}: their device did not say in time")))
        })
    };
    tokio::select! {
        fetched = fetching => fetched,
        () = ended_by_signal() => Err(unreachable("you ended it before it came".to_owned())),
    }
}

fn unreachable(what: String) -> Failure {
    Failure::new(harmless_line(&what), NoMail::Unreachable.remedy()).with(Code::Unreachable)
}

async fn follow(
    prepared: &Prepared,
    events: &mut Events,
    who: &Identifier,
) -> Result<(MailCertificate, Option<Failure>), Failure> {
    while let Some(event) = events.recv().await {
        // Nobody reads what others say.
        events.not_taken();
        if let Event::MailCertificate(told) = &event
            && told.who == *who
        {
            let not_kept = match mail::keep(prepared.book.home(), &event) {
                Some(Event::Error { message, remedy, .. }) => Some(Failure::new(message, remedy)),
                _ => None,
            };
            return Ok((told.clone(), not_kept));
        }
        send::kept(prepared, &event);
        match event {
            Event::NoMailCertificate { who: of, because, message, remedy } if of == *who => {
                let code = if because == NoMail::Unreachable { Code::Unreachable } else { Code::Failed };
                return Err(Failure::new(harmless_line(&message), remedy).with(code));
            }
            Event::Error { about, message, remedy } if about == "mail_certificate" => {
                return Err(Failure::new(message, remedy).with(Code::Usage));
            }
            _ => {}
        }
    }
    Err(Failure::new("the engine ended by itself", "start again; RUST_LOG=debug says more"))
}

/// What stands in the list of revoked certificates that speaks for it may be news: it was not known who she is.
async fn judged_again(prepared: &Prepared, told: &MailCertificate) -> Result<String, Failure> {
    let (home, trust) = (prepared.book.home(), &prepared.trust);
    let lists = revocation::refresh_wanted(home, trust, UnixTime::now());
    if tokio::time::timeout(LISTS, lists).await.is_err() {
        tracing::warn!("the revocation list could not be fetched in time");
    }
    identity::verify::verify_mail(&mail::chain(told), trust, UnixTime::now()).map_err(|error| {
        Failure::new(
            format!("the certificate for mail of {} is refused by {error}", told.who),
            NoMail::Refused.remedy(),
        )
    })?;
    Ok(clock::day(told.not_after))
}

/// It may be there from before.
fn with_what_is_kept(prepared: &Prepared, who: &Identifier, mut failure: Failure) -> Failure {
    match prepared.book.home().mail_certificates_of(who, &prepared.trust, UnixTime::now()) {
        Ok(kept) => {
            let until = kept.first().map(|one| clock::day(one.verified.not_after().as_secs())).unwrap_or_default();
            failure.happened = format!("{}; the one that is kept here counts until {until}", failure.happened);
        }
        Err(NoTheirMailbox::None { .. }) => {}
        Err(error) => failure.happened = format!("{}; {error}", failure.happened),
    }
    failure
}

fn write(file: &Path, pem: &str) -> Result<(), Failure> {
    keep_file(file, pem.as_bytes()).map_err(|error| Failure::new(error, "another place with --output"))
}
