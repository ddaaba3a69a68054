//! `certtool renew`: a fresh certificate for the same key.

use clap::Args;
use device::LockedDevice;
use device::enrolment::{self, Renewed};
use identity::Identifier;
use serde::Serialize;

use super::enroll::Certificate;
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::Person;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{subject, text};

/// Get a fresh certificate for the same key.
///
/// Does nothing until about half of the certificate's life is over, so that a timer may run it as often as it likes. No code
/// is needed while the authority remembers that the address is yours.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool renew --all\n  certtool renew alice@example.org --force")]
pub(crate) struct Renew {
    /// Whose certificate; not needed if there is only one
    #[arg(value_name = "ID", value_parser = identifier, conflicts_with = "all")]
    identifier: Option<Identifier>,
    /// Every certificate here
    #[arg(long)]
    all: bool,
    /// Now, even if it is not due
    #[arg(long)]
    force: bool,
    /// The code that was sent, if the authority wants a new proof
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

impl Renew {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let devices = self.devices(context)?;
        let mut worst: Option<Failure> = None;
        for device in devices {
            let identifier = device.identifier.clone();
            let mut person = Person::new(&context.output, self.code.clone());
            let renewed = match context.home.unlock(device) {
                Ok(device) => enrolment::renew(&context.home, device, self.force, clock::now, &mut person).await,
                Err(error) => Err(error.into()),
            };
            match renewed {
                Ok(Renewed::Done(certified)) => context.output.report(&Certificate::new(&certified.person, "renewed")),
                Ok(Renewed::NotDue { due, not_after }) => context.output.report(&NotDue {
                    done: "nothing",
                    identifier: identifier.to_string(),
                    due: text::rfc3339(due),
                    not_after: text::rfc3339(not_after),
                    in_words: format!(
                        "renewal is due {}, the certificate ends {}",
                        text::relative(due, clock::now()),
                        text::relative(not_after, clock::now())
                    ),
                }),
                Err(error) => {
                    // The others are renewed all the same; the last failure gives the exit code.
                    let mut failure = Failure::from(error);
                    failure.what = format!("{identifier}: {}", failure.what);
                    if let Some(earlier) = worst.replace(failure) {
                        context.output.failure(&earlier);
                    }
                }
            }
        }
        worst.map_or(Ok(Exit::Ok), Err)
    }

    fn devices(&self, context: &Context) -> Result<Vec<LockedDevice>, Failure> {
        let devices = context.home.devices()?;
        if devices.is_empty() {
            return Err(subject::nobody());
        }
        if self.all {
            return Ok(devices);
        }
        let identifier = match &self.identifier {
            Some(identifier) => identifier.clone(),
            None => Identifier::parse(&subject::only_device(context)?.name)
                .map_err(|error| Failure::failed(error.to_string(), "Say whose certificate."))?,
        };
        Ok(vec![context.home.locked_device(&identifier)?])
    }
}

#[derive(Debug, Serialize)]
struct NotDue {
    done: &'static str,
    identifier: String,
    due: String,
    not_after: String,
    #[serde(skip)]
    in_words: String,
}

impl Report for NotDue {
    fn page(&self, page: &mut Page) {
        page.line(format!("Nothing to do for {}: {}.", self.identifier, self.in_words));
    }
}
