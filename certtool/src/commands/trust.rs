//! `certtool trust`: pins trust policies and shows those pinned.

use std::path::Path;

use clap::{Args, Subcommand};
use device::https::fetch_to_compare_by_fingerprint;
use identity::trust::{Fingerprint, TrustPolicy};
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{progress, subject, text};

/// Pin an authority's trust policy, or look at those pinned.
///
/// A trust policy says which authority may certify whom, which log and witnesses stand behind it, and where it is
/// reached. All trust begins with its fingerprint: 64 hexadecimal digits that you compare with the operator.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  certtool trust list")]
pub(crate) enum Trust {
    Add(Add),
    List(List),
    Show(Show),
}

impl Trust {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List(list) => list.run(context),
            Self::Show(show) => show.run(context),
        }
    }
}

/// Pin an authority's trust policy by its fingerprint.
///
/// The policy is fetched over a connection that proves nothing; the fingerprint is what authenticates it. Get it from the
/// operator by another way: by phone, on paper, in person.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool trust add https://chat.example.org:8443/policy\n      \
        shows the fingerprint found and pins nothing, so that you can compare it first\n  \
    certtool trust add policy.json --fingerprint \\\n      \
        5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5")]
pub(crate) struct Add {
    /// Where the policy is: an https address or a file
    #[arg(value_name = "URL|FILE")]
    from: String,
    /// Its fingerprint, 64 hexadecimal digits; spaces, colons and capitals do not matter
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    fingerprint: Option<Fingerprint>,
}

impl Add {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bytes = self.read(context).await?;
        let Some(expected) = self.fingerprint else { return Err(unconfirmed(&self.from, &bytes)) };
        let policy = context.home.add_trust(&bytes, &expected)?;
        context.output.report(&Pinned { done: "pinned", policy: Summary::new(&policy) });
        Ok(Exit::Ok)
    }

    async fn read(&self, context: &Context) -> Result<Vec<u8>, Failure> {
        if self.from.contains("://") {
            let spinner = progress::spinner(&context.output, "fetching the policy");
            let bytes = fetch_to_compare_by_fingerprint(&self.from).await;
            spinner.finish_and_clear();
            Ok(bytes?)
        } else {
            subject::read_file(Path::new(&self.from))
        }
    }
}

/// Without a fingerprint nothing is pinned; the one found is shown, to be compared.
fn unconfirmed(from: &str, bytes: &[u8]) -> Failure {
    match TrustPolicy::parse(bytes) {
        Ok(policy) => {
            let found = policy.fingerprint();
            Failure::new(
                Exit::Refused,
                format!("nothing was pinned: the policy {:?} at {from} has the fingerprint {found}", policy.name),
                format!(
                    "Compare it with the operator by phone or in person. If it is the same: certtool trust add {from} --fingerprint {found}"
                ),
            )
        }
        Err(error) => device::HomeError::Policy(error.to_string()).into(),
    }
}

/// List the policies pinned.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool trust list --json")]
pub(crate) struct List {}

impl List {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policies = context.home.trust_policies()?;
        context.output.report(&Listed { policies: policies.iter().map(Summary::new).collect() });
        Ok(Exit::Ok)
    }
}

/// Show what a pinned policy says: whom its authorities may certify, its log, its witnesses, its directories.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool trust show\n  certtool trust show 5f1c")]
pub(crate) struct Show {
    /// Name of the policy, or the beginning of its fingerprint; not needed if there is only one
    #[arg(value_name = "NAME|FINGERPRINT")]
    which: Option<String>,
}

impl Show {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policies = context.home.trust_policies()?;
        let wanted = |policy: &&TrustPolicy| match &self.which {
            None => true,
            Some(which) => policy.name == *which || policy.fingerprint().to_string().starts_with(&which.to_lowercase()),
        };
        let found: Vec<_> = policies.iter().filter(wanted).collect();
        match found.as_slice() {
            [policy] => context.output.report(&Shown { summary: Summary::new(policy), details: Details::new(policy) }),
            [] if policies.is_empty() => return Err(device::enrolment::ChooseError::NoPolicy.into()),
            [] => {
                return Err(Failure::failed(
                    "no pinned policy of that name or fingerprint",
                    "certtool trust list shows them.",
                ));
            }
            _ => {
                return Err(Failure::failed(
                    "more than one pinned policy fits",
                    "Say which one, by name or fingerprint.",
                ));
            }
        }
        Ok(Exit::Ok)
    }
}

/// A policy in a few words.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    name: String,
    number: u64,
    fingerprint: String,
    authorities: Vec<AuthoritySummary>,
}

#[derive(Debug, Serialize)]
struct AuthoritySummary {
    name: String,
    acme: String,
    kinds: Vec<String>,
    domains: Vec<String>,
    phone_prefixes: Vec<String>,
    log: String,
}

impl Summary {
    pub(crate) fn new(policy: &TrustPolicy) -> Self {
        let authorities = policy.authorities.iter().map(|authority| AuthoritySummary {
            name: authority.name.clone(),
            acme: authority.acme.clone(),
            kinds: authority.kinds.iter().map(ToString::to_string).collect(),
            domains: authority.domains.clone(),
            phone_prefixes: authority.phone_prefixes.clone(),
            log: authority.log.clone(),
        });
        Self {
            name: policy.name.clone(),
            number: policy.number,
            fingerprint: policy.fingerprint().to_string(),
            authorities: authorities.collect(),
        }
    }

    /// Name and beginning of the fingerprint.
    pub(crate) fn line(&self) -> String {
        format!("{} (fingerprint {} …)", self.name, text::groups(&self.fingerprint[..16], 4))
    }

    fn fields(&self, page: &mut Page) {
        page.field("fingerprint", text::groups(&self.fingerprint, 4));
        page.field("version", self.number);
        for authority in &self.authorities {
            page.field("authority", format!("{} may certify {}", authority.name, authority.permitted()));
        }
    }
}

impl AuthoritySummary {
    /// `every e-mail address`, `e-mail addresses at example.org`, `phone numbers +49…`.
    fn permitted(&self) -> String {
        let mut permitted = Vec::new();
        if self.kinds.iter().any(|kind| kind == "email") {
            permitted.push(match self.domains.as_slice() {
                [all] if all == "*" => "every e-mail address".to_owned(),
                domains => format!("e-mail addresses at {}", domains.join(", ")),
            });
        }
        if self.kinds.iter().any(|kind| kind == "phone") {
            permitted.push(match self.phone_prefixes.as_slice() {
                [all] if all == "*" => "every phone number".to_owned(),
                prefixes => format!("phone numbers that begin with {}", prefixes.join(", ")),
            });
        }
        if permitted.is_empty() { "nobody".to_owned() } else { permitted.join(" and ") }
    }
}

#[derive(Debug, Serialize)]
struct Pinned {
    done: &'static str,
    policy: Summary,
}

impl Report for Pinned {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Pinned: {}", self.policy.name));
        self.policy.fields(page);
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    policies: Vec<Summary>,
}

impl Report for Listed {
    fn page(&self, page: &mut Page) {
        if self.policies.is_empty() {
            page.line("No trust policy is pinned yet. Pin one: certtool trust add URL --fingerprint HEX");
        }
        for policy in &self.policies {
            page.heading(&policy.name);
            policy.fields(page);
        }
    }
}

/// The rest of a policy.
#[derive(Debug, Serialize)]
struct Details {
    directories: Vec<DirectorySummary>,
    tlog_policy: String,
    operator_witnesses: Vec<String>,
}

#[derive(Debug, Serialize)]
struct DirectorySummary {
    name: String,
    address: String,
}

impl Details {
    fn new(policy: &TrustPolicy) -> Self {
        let directories = policy
            .directories
            .iter()
            .map(|directory| DirectorySummary { name: directory.name.clone(), address: directory.address.clone() });
        Self {
            directories: directories.collect(),
            tlog_policy: policy.tlog_policy.to_string(),
            operator_witnesses: policy.operator_witnesses.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    #[serde(flatten)]
    details: Details,
}

impl Report for Shown {
    fn page(&self, page: &mut Page) {
        page.heading(&self.summary.name);
        self.summary.fields(page);
        for authority in &self.summary.authorities {
            page.field("enrolment", &authority.acme);
            page.field("log", &authority.log);
        }
        for directory in &self.details.directories {
            page.field("directory", format!("{} at {}", directory.name, directory.address));
        }
        for line in self.details.tlog_policy.lines().filter(|line| !line.is_empty()) {
            page.field("log policy", line);
        }
        for witness in &self.details.operator_witnesses {
            page.field("operator's", format!("witness {witness} is run by the authority's own operator"));
        }
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(|error: <Fingerprint as std::str::FromStr>::Err| error.to_string())
}
