//! `certtool trust`: pins trust policies, shows them, follows their updates; and to whom people are bound.

mod bind;
mod remove;
mod show;
mod update;
mod words;

use std::path::Path;

use clap::{Args, Subcommand};
use device::PinnedPolicy;
use device::card::{PinFailure, Taken};
use device::https::fetch_to_compare_by_fingerprint;
use identity::card::ContactCard;
use identity::trust::{Fingerprint, TrustPolicy};
use serde::Serialize;

use super::card;
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{progress, subject, text};

/// Pin an authority's trust policy, follow its updates, or look at those pinned.
///
/// A trust policy says which authority may certify whom, which log and witnesses stand behind it, and where it is
/// reached. All trust begins with its fingerprint: 64 hexadecimal digits that you compare with the operator.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  certtool trust list")]
pub(crate) enum Trust {
    Add(Add),
    List(List),
    Show(show::Show),
    Update(update::Update),
    Remove(remove::Remove),
    Contacts(bind::Contacts),
    Bind(bind::Bind),
    Unbind(bind::Unbind),
}

impl Trust {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::Add(add) => add.run(context).await,
            Self::List(list) => list.run(context),
            Self::Show(show) => show.run(context),
            Self::Update(update) => update.run(context).await,
            Self::Remove(remove) => remove.run(context),
            Self::Contacts(contacts) => contacts.run(context),
            Self::Bind(bind) => bind.run(context),
            Self::Unbind(unbind) => unbind.run(context),
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
        5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5\n  \
    certtool trust add 'inperson:bob@example.org?genesis=5f1c…'\n      \
        pins the policy on a contact card, and knows its person by that authority")]
pub(crate) struct Add {
    /// Where the policy is: an https address or a file; or a contact card (certtool card), as a link or a picture
    #[arg(value_name = "URL|FILE|CARD")]
    from: String,
    /// Its fingerprint, 64 hexadecimal digits; spaces, colons and capitals do not matter
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    fingerprint: Option<Fingerprint>,
}

impl Add {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if let Some(card) = card::link_or_picture(&self.from) {
            return self.of_card(context, &card?).await;
        }
        let bytes = read(context, &self.from).await?;
        let Some(expected) = self.fingerprint else { return Err(unconfirmed(&self.from, &bytes)) };
        let policy = context.home.add_trust(&bytes, &expected)?;
        context.output.report(&Pinned { done: "pinned", policy: Summary::new(&policy), person: None });
        Ok(Exit::Ok)
    }

    /// Pins the policy on a card by the fingerprint on it, and knows the person on it by its authority.
    async fn of_card(&self, context: &Context, card: &ContactCard) -> Result<Exit, Failure> {
        if let Some(other) = self.fingerprint.filter(|given| *given != card.genesis) {
            return Err(Failure::new(
                Exit::Refused,
                format!("expected the fingerprint {other}, found {} on the card", card.genesis),
                "Ask who gave you the card, or the operator, by phone or in person.",
            ));
        }
        let spinner = progress::spinner(&context.output, "fetching the policy");
        let pinned = device::card::pin(&context.home, card).await;
        spinner.finish_and_clear();
        let policy = match pinned {
            Ok(policy) => policy,
            Err(PinFailure::NoAddress) => {
                return Err(Failure::failed(
                    PinFailure::NoAddress.to_string(),
                    format!("Ask for the address, then: certtool trust add URL --fingerprint {}", card.genesis),
                ));
            }
            Err(PinFailure::Fetch(error)) => return Err(error.into()),
            Err(PinFailure::Home(error)) => return Err(error.into()),
        };
        let taken = device::card::take(&context.home, card, clock::now())?;
        let person = Some(OnCard::new(card, &taken));
        context.output.report(&Pinned { done: "pinned", policy: Summary::new(&policy), person });
        Ok(if matches!(taken, Taken::Other { .. }) { Exit::Refused } else { Exit::Ok })
    }
}

async fn read(context: &Context, from: &str) -> Result<Vec<u8>, Failure> {
    if from.contains("://") {
        let spinner = progress::spinner(&context.output, "fetching the policy");
        let bytes = fetch_to_compare_by_fingerprint(from).await;
        spinner.finish_and_clear();
        Ok(bytes?)
    } else {
        subject::read_file(Path::new(from))
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
        let policies = context.home.pinned_policies()?;
        context.output.report(&Listed { policies: policies.iter().map(Summary::pinned).collect() });
        Ok(Exit::Ok)
    }
}

/// A policy in a few words.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    name: String,
    number: u64,
    fingerprint: String,
    /// The fingerprint that was pinned, if this is a later version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<String>,
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
            pinned: None,
            authorities: authorities.collect(),
        }
    }

    /// The newest version of a pinned policy: with the fingerprint that was pinned, where it is another.
    pub(crate) fn pinned(pinned: &PinnedPolicy) -> Self {
        let summary = Self::new(&pinned.policy);
        let first = pinned.pinned.to_string();
        Self { pinned: Some(first).filter(|first| *first != summary.fingerprint), ..summary }
    }

    /// Name and beginning of the fingerprint.
    pub(crate) fn line(&self) -> String {
        format!("{} (fingerprint {} …)", self.name, text::groups(&self.fingerprint[..16], 4))
    }

    fn fields(&self, page: &mut Page) {
        page.field("fingerprint", text::groups(&self.fingerprint, 4));
        page.field("version", self.number);
        if let Some(pinned) = &self.pinned {
            page.field("pinned as", text::groups(pinned, 4));
        }
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
    /// Who was on the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<OnCard>,
}

/// What became of the person on a card.
#[derive(Debug, Serialize)]
struct OnCard {
    identifier: String,
    /// The authority by which she is known, if she is.
    known_by: Option<String>,
    #[serde(skip)]
    good: bool,
    #[serde(skip)]
    in_words: String,
}

impl OnCard {
    fn new(card: &ContactCard, taken: &Taken) -> Self {
        let who = card.identifier.to_string();
        let (known_by, in_words) = match taken {
            Taken::Known { authority, newly: true } => (
                Some(authority),
                format!("{who} is known by {authority} from now on: another authority's certificate is refused."),
            ),
            Taken::Known { authority, newly: false } => {
                (Some(authority), format!("{who} is known by {authority}, as before."))
            }
            Taken::Other { known, card } => (
                Some(known),
                format!(
                    "{who} is known by {known}, and the card says {card}. Ask them; then certtool trust unbind {who}."
                ),
            ),
            Taken::Open { permitted: 0 } => {
                (None, format!("Nobody may certify {who} by this policy: the card is wrong."))
            }
            Taken::Open { .. } | Taken::NotPinned => {
                (None, format!("{who} will be known by the authority seen first, as several may certify them."))
            }
        };
        let good = matches!(taken, Taken::Known { .. });
        Self { identifier: who, known_by: known_by.cloned(), good, in_words }
    }
}

impl Report for Pinned {
    fn page(&self, page: &mut Page) {
        page.good(&format!("Pinned: {}", self.policy.name));
        self.policy.fields(page);
        match &self.person {
            Some(person) if person.good => page.good(&person.in_words),
            Some(person) => page.warning(&person.in_words),
            None => {}
        }
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

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    text.parse().map_err(|error: <Fingerprint as std::str::FromStr>::Err| error.to_string())
}

/// The pinned policy with this name or the beginning of its fingerprint, pinned or current; the only one without a name.
fn choose(context: &Context, which: Option<&str>) -> Result<PinnedPolicy, Failure> {
    let mut policies = context.home.pinned_policies()?;
    if policies.is_empty() {
        return Err(device::enrolment::ChooseError::NoPolicy.into());
    }
    if let Some(which) = which {
        let digits = which.to_lowercase();
        policies.retain(|pinned| {
            let fingerprints = [pinned.pinned, pinned.policy.fingerprint()];
            pinned.policy.name == which || fingerprints.iter().any(|f| f.to_string().starts_with(&digits))
        });
    }
    match (policies.pop(), policies.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            Err(Failure::failed("no pinned policy of that name or fingerprint", "certtool trust list shows them."))
        }
        (Some(_), false) => {
            Err(Failure::failed("more than one pinned policy fits", "Say which one, by name or fingerprint."))
        }
    }
}
