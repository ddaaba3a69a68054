//! `certtool trust remove`: a policy that is trusted no more.

use clap::Args;
use serde::Serialize;

use super::{Summary, choose};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};

/// Trust by a pinned policy no more.
///
/// For an authority that has ended, or whose operator tells you a new fingerprint. The policy is put aside, in the folder
/// trust-removed; by which authority people are known stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool trust remove 5f1c09aa")]
pub(crate) struct Remove {
    /// Name of the policy, or the beginning of its fingerprint
    #[arg(value_name = "NAME|FINGERPRINT")]
    which: String,
}

impl Remove {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let pinned = choose(context, Some(&self.which))?;
        context.home.remove_trust(&pinned.pinned)?;
        context.output.report(&Removed { done: "removed", policy: Summary::pinned(&pinned) });
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Serialize)]
struct Removed {
    done: &'static str,
    #[serde(flatten)]
    policy: Summary,
}

impl Report for Removed {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Trusted no more: {}", self.policy.name));
        self.policy.fields(page);
    }
}
