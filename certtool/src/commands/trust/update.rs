//! `certtool trust update`: the next versions of a pinned policy.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use clap::Args;
use device::PinnedPolicy;
use device::policy::{Update as Fetched, fetch_updates};
use identity::trust::{Change, MAX_UPDATE_BYTES, PolicyUpdate};
use serde::Serialize;

use super::{Summary, choose};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{progress, subject, text};

/// Take the updates of a pinned policy.
///
/// Each version must be the next one, signed by the root of the version before, and stand in its log, seen by its
/// witnesses. What changes is shown; changes of whom you trust are taken only if you agree.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  certtool trust update\n  certtool trust update 5f1c --yes\n  certtool trust update 5f1c --from update-2.json"
)]
pub(crate) struct Update {
    /// Name of the policy, or the beginning of its fingerprint; without it, every pinned policy
    #[arg(value_name = "NAME|FINGERPRINT")]
    which: Option<String>,
    /// Where its updates are, if the policy does not say so or has moved: version n is at URL/n; or a file with the next one
    #[arg(long, value_name = "URL|FILE", requires = "which")]
    from: Option<String>,
    /// Agree to every change
    #[arg(long)]
    yes: bool,
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policies = match &self.which {
            Some(which) => vec![choose(context, Some(which))?],
            None => context.home.pinned_policies()?,
        };
        if policies.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        for pinned in &policies {
            let updates = self.updates(context, pinned).await?;
            self.take(context, pinned, updates)?;
        }
        Ok(Exit::Ok)
    }

    /// Verified, and not yet taken: from a file without any connection, or from where they are published.
    async fn updates(&self, context: &Context, pinned: &PinnedPolicy) -> Result<Vec<Fetched>, Failure> {
        if let Some(file) = self.from.as_deref().filter(|from| !from.contains("://")) {
            return of_file(Path::new(file), pinned).map(|update| vec![update]);
        }
        let spinner = progress::spinner(&context.output, "asking for updates");
        let updates = fetch_updates(pinned, self.from.as_deref()).await;
        spinner.finish_and_clear();
        Ok(updates?)
    }

    /// Shows what changes, asks, and takes version by version.
    fn take(&self, context: &Context, pinned: &PinnedPolicy, updates: Vec<Fetched>) -> Result<(), Failure> {
        let mut updated = Updated {
            name: pinned.policy.name.clone(),
            before: pinned.policy.number,
            now: pinned.policy.number,
            changes: Vec::new(),
            policy: None,
        };
        for update in updates {
            let number = update.verified.number();
            let changes = update.verified.changes();
            if update.verified.clone().take().is_err() && !self.yes {
                agree(context, number, &changes)?;
            }
            let policy = context.home.take_update(&pinned.pinned, &update.document)?;
            updated.now = number;
            updated.changes.extend(changes.into_iter().map(|change| Changed::new(number, change)));
            updated.policy = Some(Summary::new(&policy));
        }
        context.output.report(&updated);
        Ok(())
    }
}

/// The next version out of a file that somebody brought.
fn of_file(file: &Path, pinned: &PinnedPolicy) -> Result<Fetched, Failure> {
    let bytes = subject::read_up_to(file, MAX_UPDATE_BYTES, "update of a trust policy")?;
    let verified = |document: PolicyUpdate| Ok(Fetched { verified: document.verify(&pinned.policy)?, document });
    PolicyUpdate::parse(&bytes).and_then(verified).map_err(|error| {
        let what = format!("{} is refused by {error}", file.display());
        Failure::new(Exit::Refused, what, "It was not taken. Tell the operator by phone or in person.")
    })
}

/// Asks at a terminal. A program must say --yes: it cannot have read them.
fn agree(context: &Context, number: u64, changes: &[Change]) -> Result<(), Failure> {
    let listed: Vec<_> = changes.iter().map(|change| format!("  {change}")).collect();
    let question = format!("Version {number} changes whom you trust:\n{}", listed.join("\n"));
    let disagreed = || {
        Failure::new(
            Exit::Refused,
            format!("version {number} was not taken; it changes:\n{}", listed.join("\n")),
            "Ask the operator whether it is right, then: certtool trust update --yes",
        )
    };
    if !io::stdin().is_terminal() {
        return Err(disagreed());
    }
    context.output.step(&question);
    let _ = write!(io::stderr(), "Take it? Type yes: ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    if read.is_ok() && answer.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(disagreed()) }
}

#[derive(Debug, Serialize)]
struct Updated {
    name: String,
    before: u64,
    now: u64,
    changes: Vec<Changed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Summary>,
}

#[derive(Debug, Serialize)]
struct Changed {
    number: u64,
    #[serde(flatten)]
    change: Change,
    #[serde(skip)]
    in_words: String,
}

impl Changed {
    fn new(number: u64, change: Change) -> Self {
        Self { number, in_words: change.to_string(), change }
    }
}

impl Report for Updated {
    fn page(&self, page: &mut Page) {
        let versions = self.now - self.before;
        if versions == 0 {
            page.good(&format!("{}: version {} is the newest.", self.name, self.now));
            return;
        }
        page.good(&format!(
            "{}: now version {}, {} taken.",
            self.name,
            self.now,
            text::count(versions, "update", "updates")
        ));
        for changed in &self.changes {
            page.field(&format!("version {}", changed.number), &changed.in_words);
        }
    }
}
