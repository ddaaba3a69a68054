//! `certtool watch`: certificates in one's name that are not one's own.

mod found;
mod timer;

use std::time::Duration;

use clap::Args;
use device::enrolment::{self, Choice, choose_authority};
use device::watch::{self, Owner};
use identity::Identifier;

use self::found::Found;
use crate::alarm::{Kind, News, Ways};
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::Person;
use crate::failure::{Exit, Failure};
use crate::health::watch::Looks;
use crate::output::Page;
use crate::timer::WATCH;
use crate::{progress, subject};

/// Look for certificates in your name that are not yours.
///
/// Asks the authority to prove which labels in its log are yours, searches the whole log for them on this device, and
/// compares every certificate found with your keys. Exit code 3: alarm, the log holds something you do not know. Exit
/// code 5: blind, the authority gave no proofs, so nothing is known.
///
/// With --authority also at an authority that gave you no certificate: you prove that the address is yours, by a code
/// that is sent there, and nothing else happens.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool watch --once\n  \
    certtool watch alice@example.org --once --json\n  \
    certtool watch alice@example.org --authority https://ca.example.net\n  \
    certtool watch alice@example.org --once --known=5f1c09aa1b2c3d4e\n  \
    certtool watch --install-timer --notify --mail alice@example.net")]
pub(crate) struct Watch {
    /// Whose certificates; without it, everybody's who is enrolled or watched here
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Option<Identifier>,
    /// At this authority alone (its name, or its address), also if it gave you no certificate
    #[arg(long, value_name = "NAME|URL", requires = "identifier")]
    authority: Option<String>,
    /// Prove anew that the address is yours
    #[arg(long, requires = "authority", conflicts_with = "stop")]
    prove: bool,
    /// The code that was sent; without it, it is read from the terminal or from standard input
    #[arg(long, value_name = "CODE", requires = "authority")]
    code: Option<String>,
    /// Do not watch there any more: forget the proof
    #[arg(long, requires = "authority")]
    stop: bool,
    /// Read the log at this mirror (C2SP tlog-mirror), so that the log does not learn that you look
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Look once and end; without it, look again and again until something is wrong
    #[arg(long)]
    once: bool,
    /// How long between two looks, like 30m or 6h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = pause, conflicts_with = "once")]
    every: Duration,
    /// Certificates found that are new are yours (another device): remember their keys; with KEY, its first digits, only
    /// that one
    #[arg(long, value_name = "KEY", requires = "identifier", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = key_prefix)]
    known: Option<String>,
    /// Have systemd look every hour, with the options given, and tell you (--notify, if no way is given)
    #[arg(long, conflicts_with_all = ["known", "stop", "prove", "code", "remove_timer"])]
    install_timer: bool,
    /// Take that back
    #[arg(long)]
    remove_timer: bool,
    #[command(flatten)]
    ways: Ways,
}

fn pause(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    parsed.filter(|pause| *pause >= Duration::from_secs(1)).ok_or_else(|| "expected a time like 30m or 6h".to_owned())
}

/// Digits of a key, spaces as in the output allowed; nothing for all keys.
fn key_prefix(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect::<String>().to_lowercase();
    let long_enough = digits.is_empty() || digits.len() >= 8;
    if long_enough && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    Err("expected at least 8 hexadecimal digits of the key, as the alarm shows them".to_owned())
}

impl Watch {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.remove_timer {
            return WATCH.remove(context).await;
        }
        let choice = self.choice(context)?;
        if let (Some(identifier), Some(choice)) = (&self.identifier, &choice) {
            if self.stop {
                return stop(context, identifier, choice);
            }
            self.prove_control(context, identifier, choice).await?;
        }
        if self.install_timer {
            return WATCH.install(context, timer::arguments(&self)?).await;
        }
        loop {
            let exit = self.look(context, choice.as_ref()).await?;
            // Being offline for a while is nothing that ends a watch.
            if self.once || !matches!(exit, Exit::Ok | Exit::Unreachable) {
                return Ok(exit);
            }
            tokio::time::sleep(self.every).await;
        }
    }

    fn choice(&self, context: &Context) -> Result<Option<Choice>, Failure> {
        let (Some(identifier), Some(authority)) = (&self.identifier, &self.authority) else { return Ok(None) };
        Ok(Some(choose_authority(&context.home.trust_policies()?, identifier, Some(authority))?))
    }

    /// Proves control there, unless a certificate or an earlier proof says so already.
    async fn prove_control(&self, context: &Context, id: &Identifier, choice: &Choice) -> Result<(), Failure> {
        let home = &context.home;
        let enrolled = home.has_device(id)? && home.locked_device(id)?.enrolment.acme == choice.acme
            || home.has_mailbox(id)? && home.locked_mailbox(id)?.enrolment.acme == choice.acme;
        let proven = context.home.watching_at(id, &choice.acme)?.is_some_and(|one| one.pending_order.is_none());
        if !self.prove && (enrolled || proven) {
            return Ok(());
        }
        let mut person = Person::new(&context.output, self.code.clone());
        enrolment::prove_control(&context.home, id, &choice.acme, clock::now(), &mut person).await?;
        Ok(())
    }

    async fn look(&self, context: &Context, choice: Option<&Choice>) -> Result<Exit, Failure> {
        let owners = self.owners(context, choice)?;
        let mut exit = Exit::Ok;
        for owner in &owners {
            exit = worse(exit, self.look_as(context, owner).await?);
        }
        Ok(exit)
    }

    /// One look, told in all ways. What failed is told and does not keep the others from being looked for.
    async fn look_as(&self, context: &Context, owner: &Owner) -> Result<Exit, Failure> {
        let bar = progress::audit_bar(&context.output);
        let advance = |progress| progress::advance(&bar, &progress);
        let report = watch::watch_once(&context.home, owner, self.mirror.as_deref(), clock::now(), advance).await;
        bar.finish_and_clear();
        let (news, exit) = match report {
            Ok(report) => {
                let mut found = Found::new(owner, report);
                if let Some(prefix) = &self.known {
                    found.confirm(context, owner.identifier(), prefix)?;
                }
                context.output.report(&found);
                (found.news(owner), found.exit())
            }
            Err(error) => {
                let failure = Failure::from(error);
                context.output.failure(&failure);
                (failed(owner, &failure), failure.exit)
            }
        };
        Looks::remember(&context.home, owner.identifier(), owner.authority(), news.kind, clock::now())?;
        self.ways.tell(&context.home, &context.output, &news, clock::now()).await?;
        Ok(exit)
    }

    fn owners(&self, context: &Context, choice: Option<&Choice>) -> Result<Vec<Owner>, Failure> {
        let home = &context.home;
        let mut devices = home.devices()?;
        devices.retain(|device| self.identifier.as_ref().is_none_or(|id| device.identifier == *id));
        let opened = devices.into_iter().map(|device| home.unlock(device).map(Owner::from));
        let mut owners = opened.collect::<Result<Vec<_>, _>>()?;
        for mailbox in home.mailboxes()? {
            // Who looks for the device sees what is for mail as well: they are in one log, under the same labels.
            let same =
                |owner: &Owner| owner.acme() == mailbox.enrolment.acme && *owner.identifier() == mailbox.identifier;
            match owners.iter().position(same) {
                Some(at) => owners[at] = owners[at].clone().with_mailbox(&mailbox),
                None if self.identifier.as_ref().is_none_or(|id| mailbox.identifier == *id) => {
                    owners.push(home.unlock(mailbox)?.into());
                }
                None => {}
            }
        }
        for watching in home.watching()? {
            let by_certificate =
                |owner: &Owner| owner.acme() == watching.acme && *owner.identifier() == watching.identifier;
            if !owners.iter().any(by_certificate) {
                owners.push(watching.into());
            }
        }
        owners.retain(|owner| self.identifier.as_ref().is_none_or(|id| owner.identifier() == id));
        owners.retain(|owner| choice.is_none_or(|choice| owner.acme() == choice.acme));
        match (owners.is_empty(), &self.identifier) {
            (false, _) => Ok(owners),
            (true, None) => Err(subject::nobody()),
            (true, Some(identifier)) => Ok(vec![home.device(identifier)?.into()]),
        }
    }
}

fn stop(context: &Context, identifier: &Identifier, choice: &Choice) -> Result<Exit, Failure> {
    if context.home.drop_watching(identifier, &choice.acme)? {
        Looks::forget(&context.home, identifier, &choice.authority)?;
        context.output.step(&format!("{identifier} is no longer watched at {}", choice.authority));
        return Ok(Exit::Ok);
    }
    let what = format!("{identifier} is not watched at {} without a certificate", choice.authority);
    Err(Failure::failed(what, "What you have a certificate of is watched as long as it is here."))
}

fn failed<'a>(owner: &'a Owner, failure: &Failure) -> News<'a> {
    let who = owner.identifier();
    News {
        kind: Kind::Failed,
        identifier: who,
        authority: owner.authority(),
        title: format!("Certificates in the name of {who} cannot be looked for"),
        text: format!("{}.\n{}\n", failure.what, failure.remedy),
        json: serde_json::json!({
            "verdict": "failed", "identifier": who, "authority": owner.authority(),
            "error": { "what": failure.what, "try": failure.remedy, "exit": failure.exit as u8 },
        })
        .to_string(),
        about: "failed".to_owned(),
    }
}

/// An alarm is worse than blindness, blindness than a failure, and a failure than being offline.
fn worse(a: Exit, b: Exit) -> Exit {
    let weight = |exit: &Exit| match exit {
        Exit::Ok => 0,
        Exit::Unreachable => 1,
        Exit::Failed => 2,
        Exit::Blind => 3,
        Exit::Refused => 4,
    };
    std::cmp::max_by_key(a, b, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told() {
        assert_eq!(worse(Exit::Refused, Exit::Blind), Exit::Refused);
        assert_eq!(worse(Exit::Unreachable, Exit::Failed), Exit::Failed);
        assert_eq!(worse(Exit::Ok, Exit::Unreachable), Exit::Unreachable);
    }

    #[test]
    fn times_and_keys_as_people_type_them() {
        assert_eq!(pause("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(pause("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(pause("0s").is_err() && pause("-1h").is_err() && pause("soon").is_err());
        assert_eq!(key_prefix("5F1C 09aa").as_deref(), Ok("5f1c09aa"));
        assert_eq!(key_prefix("").as_deref(), Ok(""));
        assert!(key_prefix("5f1c").is_err() && key_prefix("not a key").is_err());
    }
}
