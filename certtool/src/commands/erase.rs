//! `certtool erase`: have the authority forget what opens one's entries in the log.

use clap::Args;
use device::enrolment::choose_authority;
use device::watch::{self, Owner, WatchReport};
use identity::Identifier;
use serde::Serialize;

use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::text;

/// Have the authority forget what opens your entries in the log.
///
/// An entry stays in the log for ever, but without its opening nobody can tell any more what it says. Certificates that
/// have ended are erased now, others 90 days after their end by themselves. Looks for unknown certificates first, and
/// erases nothing while there are any.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool erase alice@example.org")]
pub(crate) struct Erase {
    /// Whose entries
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Identifier,
    /// At this authority (its name, or its address), if not at the one that certified you
    #[arg(long, value_name = "NAME|URL")]
    authority: Option<String>,
}

impl Erase {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let owner = self.owner(context)?;
        // Everything that is in the log is seen, and remembered as open, before nobody can open it any more.
        match watch::watch_once(&context.home, &owner, None, clock::now(), |_| {}).await? {
            WatchReport::Clean(_) => {}
            WatchReport::Alarm(..) => {
                let what = format!("the log holds something in the name of {} that you do not know", self.identifier);
                return Err(Failure::new(
                    Exit::Refused,
                    what,
                    "Nothing was erased. certtool watch says what it is; it may be evidence.",
                ));
            }
            WatchReport::Blind(reason) => {
                let what = format!("it is not known what the log holds for {}: {reason}", self.identifier);
                return Err(Failure::new(Exit::Blind, what, "Nothing was erased."));
            }
        }
        let erased = watch::erase_openings(&context.home, &owner, clock::now()).await?;
        let (identifier, authority) = (self.identifier.to_string(), owner.authority().to_owned());
        context.output.report(&Erased { identifier, authority, erased });
        Ok(Exit::Ok)
    }

    fn owner(&self, context: &Context) -> Result<Owner, Failure> {
        let (home, identifier) = (&context.home, &self.identifier);
        let Some(authority) = &self.authority else {
            return match home.has_device(identifier)? || !home.has_mailbox(identifier)? {
                true => Ok(home.device(identifier)?.into()),
                false => Ok(home.mailbox(identifier)?.into()),
            };
        };
        let choice = choose_authority(&context.home.trust_policies()?, &self.identifier, Some(authority))?;
        if let Some(watching) = context.home.watching_at(&self.identifier, &choice.acme)? {
            return Ok(watching.into());
        }
        if home.has_mailbox(identifier)? && home.locked_mailbox(identifier)?.enrolment.acme == choice.acme {
            return Ok(home.mailbox(identifier)?.into());
        }
        let device = home.device(identifier)?;
        if device.enrolment.acme == choice.acme {
            return Ok(device.into());
        }
        let what = format!("{} has not proven anything to {}", self.identifier, choice.authority);
        let remedy = format!("certtool watch {} --authority '{}'", self.identifier, choice.authority);
        Err(Failure::failed(what, remedy))
    }
}

#[derive(Debug, Serialize)]
struct Erased {
    identifier: String,
    authority: String,
    erased: u64,
}

impl Report for Erased {
    fn page(&self, page: &mut Page) {
        let Self { identifier, authority, erased } = self;
        if *erased == 0 {
            page.line(format!("{authority} holds no opening of an ended certificate of {identifier}."));
        } else {
            let openings = text::count(*erased, "opening", "openings");
            page.good(&format!("{authority} has erased {openings} of certificates of {identifier} that have ended."));
        }
    }
}
