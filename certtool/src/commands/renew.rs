//! `certtool renew`: a fresh certificate for the same key.

use std::path::Path;

use clap::Args;
use device::desktop::Program;
use device::enrolment::{self, Renewed};
use device::{Locked, LockedDevice, LockedMailbox, OwnKey};
use identity::Identifier;
use serde::Serialize;

use super::enroll::Certificate;
use super::verify::Purpose;
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
/// is needed while the authority remembers that the address is yours. What you have revoked here is not renewed, also where the
/// authority would have it: certtool enroll makes a new key and certificate.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool renew --all\n  \
    certtool renew alice@example.org --force\n  \
    certtool renew alice@example.org --for mail\n  \
    certtool renew --install-timer --hook 'systemctl --user restart mail-sync'")]
pub(crate) struct Renew {
    /// Whose certificate; not needed if there is only one
    #[arg(value_name = "ID", value_parser = identifier, conflicts_with = "all")]
    identifier: Option<Identifier>,
    /// Which of its certificates [default: that of this device]
    #[arg(long = "for", value_name = "USE", value_enum, conflicts_with_all = ["all", "install_timer", "remove_timer"])]
    purpose: Option<Purpose>,
    /// Every certificate here, those for mail as well
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
        let mut worst = Worst { context, failure: None };
        for device in self.devices(context)? {
            let name = device.identifier.to_string();
            worst.take(&name, self.renew(context, &name, device).await);
        }
        for mailbox in self.mailboxes(context)? {
            let name = subject::for_mail(&mailbox.identifier);
            worst.take(&name, self.renew(context, &name, mailbox).await);
        }
        worst.failure.map_or(Ok(Exit::Ok), Err)
    }

    async fn renew<K: OwnKey>(&self, context: &Context, name: &str, locked: Locked<K>) -> Result<(), Failure> {
        let (identifier, chain) = (locked.identifier.clone(), locked.chain_path());
        // A timer would fail by it for ever. Who names it hears that it is refused.
        if self.all && locked.enrolment.revoked {
            let option = if K::FOR_MAIL { " --for mail" } else { "" };
            context.output.report(&Ended {
                done: "nothing",
                identifier: identifier.to_string(),
                revoked: true,
                name: name.to_owned(),
                anew: format!("certtool enroll {identifier}{option}"),
            });
            return Ok(());
        }
        let mut person = Person::new(&context.output, self.code.clone());
        let opened = context.home.unlock(locked)?;
        match enrolment::renew(&context.home, opened, self.force, clock::now, &mut person).await? {
            Renewed::Done(certified) => {
                let renewed = Certificate::new(&certified.person, "renewed");
                context.output.report(&renewed);
                self.run_hook(&identifier, &chain, &renewed).await?;
            }
            Renewed::NotDue { due, not_after } => context.output.report(&NotDue {
                done: "nothing",
                identifier: identifier.to_string(),
                due: text::rfc3339(due),
                not_after: text::rfc3339(not_after),
                name: name.to_owned(),
                in_words: format!(
                    "renewal is due {}, the certificate ends {}",
                    text::relative(due, clock::now()),
                    text::relative(not_after, clock::now())
                ),
            }),
        }
        Ok(())
    }

    /// Runs the command that was given for what comes after a renewal.
    async fn run_hook(&self, identifier: &Identifier, chain: &Path, renewed: &Certificate) -> Result<(), Failure> {
        let Some(hook) = &self.hook else { return Ok(()) };
        let mut program = Program::new("sh", ["-c".to_owned(), hook.clone()]);
        program.variable("INPERSON_IDENTIFIER", identifier.as_str());
        program.variable("INPERSON_CERTIFICATE", &chain.display().to_string());
        let told = serde_json::to_string(renewed).expect("reports are plain structures");
        program.run(told.as_bytes()).await.map_err(|reason| {
            Failure::failed(
                format!("it was renewed, and the command given by --hook failed: {reason}"),
                "Run that command by hand: it runs again after the next renewal only.",
            )
        })
    }

    /// What there is for mail and is meant.
    fn mailboxes(&self, context: &Context) -> Result<Vec<LockedMailbox>, Failure> {
        match (&self.identifier, self.purpose) {
            _ if self.all => Ok(context.home.mailboxes()?),
            (_, None | Some(Purpose::Live)) => Ok(Vec::new()),
            (Some(identifier), Some(Purpose::Mail)) => Ok(vec![context.home.locked_mailbox(identifier)?]),
            (None, Some(Purpose::Mail)) => Ok(vec![subject::only_mailbox(context)?]),
        }
    }

    fn devices(&self, context: &Context) -> Result<Vec<LockedDevice>, Failure> {
        if self.purpose == Some(Purpose::Mail) {
            return Ok(Vec::new());
        }
        let devices = context.home.devices()?;
        if devices.is_empty() && (!self.all || context.home.mailboxes()?.is_empty()) {
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

/// The others are renewed all the same; the last failure gives the exit code.
struct Worst<'a> {
    context: &'a Context,
    failure: Option<Failure>,
}

impl Worst<'_> {
    fn take(&mut self, name: &str, renewed: Result<(), Failure>) {
        let Err(failure) = renewed else { return };
        let failure = Failure { what: format!("{name}: {}", failure.what), ..failure };
        if let Some(earlier) = self.failure.replace(failure) {
            self.context.output.failure(&earlier);
        }
    }
}

/// What its owner has revoked stays so.
#[derive(Debug, Serialize)]
struct Ended {
    done: &'static str,
    identifier: String,
    revoked: bool,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    anew: String,
}

impl Report for Ended {
    fn page(&self, page: &mut Page) {
        page.line(format!(
            "Nothing to do for {}: you have revoked it. A new key and certificate: {}",
            self.name, self.anew
        ));
    }
}

#[derive(Debug, Serialize)]
struct NotDue {
    done: &'static str,
    identifier: String,
    due: String,
    not_after: String,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    in_words: String,
}

impl Report for NotDue {
    fn page(&self, page: &mut Page) {
        page.line(format!("Nothing to do for {}: {}.", self.name, self.in_words));
    }
}
