//! `certtool renew`: a fresh certificate for the same key.

use clap::Args;
use device::LockedDevice;
use device::desktop::Program;
use device::enrolment::{self, Renewed};
use identity::Identifier;
use serde::Serialize;

use super::enroll::Certificate;
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::Person;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::timer::RENEW;
use crate::{subject, text};

/// Get a fresh certificate for the same key.
///
/// Does nothing until about half of the certificate's life is over, so that a timer may run it as often as it likes. No code
/// is needed while the authority remembers that the address is yours.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool renew --all\n  \
    certtool renew alice@example.org --force\n  \
    certtool renew --install-timer --hook 'systemctl --user restart mail-sync'")]
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
    /// After each renewal run COMMAND with sh, to restart what uses the certificate, say; on its standard input is what
    /// --json prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "remove_timer")]
    hook: Option<String>,
    /// Have systemd renew everything that is due, four times a day, with --hook if that is given
    #[arg(long, conflicts_with_all = ["identifier", "force", "code", "remove_timer"])]
    install_timer: bool,
    /// Take that back
    #[arg(long, conflicts_with_all = ["identifier", "all", "force", "code"])]
    remove_timer: bool,
}

impl Renew {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.remove_timer {
            return RENEW.remove(context).await;
        }
        if self.install_timer {
            let hook = self.hook.iter().flat_map(|hook| ["--hook".to_owned(), hook.clone()]);
            return RENEW.install(context, std::iter::once("--all".to_owned()).chain(hook).collect()).await;
        }
        let devices = self.devices(context)?;
        let mut worst: Option<Failure> = None;
        for device in devices {
            let identifier = device.identifier.clone();
            // The others are renewed all the same; the last failure gives the exit code.
            let mut fail = |failure: Failure| {
                let failure = Failure { what: format!("{identifier}: {}", failure.what), ..failure };
                if let Some(earlier) = worst.replace(failure) {
                    context.output.failure(&earlier);
                }
            };
            let mut person = Person::new(&context.output, self.code.clone());
            let renewed = match context.home.unlock(device) {
                Ok(device) => enrolment::renew(&context.home, device, self.force, clock::now, &mut person).await,
                Err(error) => Err(error.into()),
            };
            match renewed {
                Ok(Renewed::Done(certified)) => {
                    let renewed = Certificate::new(&certified.person, "renewed");
                    context.output.report(&renewed);
                    if let Err(failure) = self.run_hook(context, &identifier, &renewed).await {
                        fail(failure);
                    }
                }
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
                Err(error) => fail(Failure::from(error)),
            }
        }
        worst.map_or(Ok(Exit::Ok), Err)
    }

    /// Runs the command that was given for what comes after a renewal.
    async fn run_hook(&self, context: &Context, identifier: &Identifier, renewed: &Certificate) -> Result<(), Failure> {
        let Some(hook) = &self.hook else { return Ok(()) };
        let mut program = Program::new("sh", ["-c".to_owned(), hook.clone()]);
        program.variable("INPERSON_IDENTIFIER", identifier.as_str());
        program.variable("INPERSON_CERTIFICATE", &context.home.chain_path(identifier).display().to_string());
        let told = serde_json::to_string(renewed).expect("reports are plain structures");
        program.run(told.as_bytes()).await.map_err(|reason| {
            Failure::failed(
                format!("it was renewed, and the command given by --hook failed: {reason}"),
                "Run that command by hand: it runs again after the next renewal only.",
            )
        })
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
