//! `certtool trust contacts`, `bind` and `unbind`: by which authority each person is known.

use std::time::Duration;

use clap::Args;
use identity::trust::{Binding, Bindings};
use identity::verify::verify_person;
use identity::{Identifier, UnixTime};
use serde::Serialize;

use crate::clock;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::verdict::refusal;
use crate::{subject, text};

/// List by which authority each person is known.
///
/// Whoever is known by one authority is refused with a certificate of another, until you agree (certtool trust bind).
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool trust contacts")]
pub(crate) struct Contacts {}

impl Contacts {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bindings = context.home.bindings()?;
        context.output.report(&Bound { people: bindings.iter().map(|(who, to)| Person::new(who, to)).collect() });
        Ok(Exit::Ok)
    }
}

/// Know a person by the authority of this certificate from now on.
///
/// The certificate is verified first; what she was bound to before is let go of. Compare with her, by phone or in
/// person, before you change it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool trust bind alice.pem")]
pub(crate) struct Bind {
    /// A certificate in PEM or DER
    #[arg(value_name = "FILE|ID")]
    what: String,
}

impl Bind {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let subject = subject::find(context, Some(&self.what))?;
        let now = clock::now();
        let trust = context.home.trust_at(now)?;
        trust.set_bindings(Bindings::default());
        let person =
            verify_person(&subject.chain, &trust, now).map_err(|error| refusal(error, &subject, now, false))?;
        let who = person.identifier();
        let bound = context.home.change_bindings(|bindings| {
            bindings.release(who);
            bindings.bind(who, person.authority(), person.authority_root(), now);
            bindings.get(who).map(|to| Person::new(who, to))
        })?;
        context.output.report(&Bound { people: bound.into_iter().collect() });
        Ok(Exit::Ok)
    }
}

/// Let go of a person's authority: the next one seen counts as the first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool trust unbind alice@example.org")]
pub(crate) struct Unbind {
    /// Who
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Identifier,
}

impl Unbind {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let who = &self.identifier;
        let released = context.home.change_bindings(|bindings| bindings.release(who))?;
        match released {
            Some(binding) => {
                context.output.report(&Released { identifier: who.to_string(), authority: binding.authority });
                Ok(Exit::Ok)
            }
            None => {
                Err(Failure::failed(format!("{who} is bound to no authority"), "certtool trust contacts shows who is."))
            }
        }
    }
}

#[derive(Debug, Serialize)]
struct Bound {
    people: Vec<Person>,
}

#[derive(Debug, Serialize)]
struct Person {
    identifier: String,
    authority: String,
    root: String,
    since: String,
    #[serde(skip)]
    in_words: String,
}

impl Person {
    fn new(who: &Identifier, to: &Binding) -> Self {
        let since = UnixTime::since_unix_epoch(Duration::from_secs(to.since));
        let root = to.root.to_string();
        Self {
            identifier: who.to_string(),
            authority: to.authority.clone(),
            since: text::rfc3339(since),
            in_words: format!(
                "known by {} (root {} …) since {}",
                to.authority,
                text::groups(&root[..16], 4),
                text::time(since)
            ),
            root,
        }
    }
}

impl Report for Bound {
    fn page(&self, page: &mut Page) {
        if self.people.is_empty() {
            page.line("Nobody is bound to an authority yet.");
        }
        for person in &self.people {
            page.heading(&person.identifier);
            page.field("authority", &person.in_words);
        }
    }
}

#[derive(Debug, Serialize)]
struct Released {
    identifier: String,
    authority: String,
}

impl Report for Released {
    fn page(&self, page: &mut Page) {
        page.good(&format!("{} is not bound to {} any more.", self.identifier, self.authority));
    }
}
