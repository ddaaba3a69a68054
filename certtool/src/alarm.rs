//! Tells the owner what her watch found where she will notice it: on her desktop, by mail, by a command of hers.
//!
//! Exit code and output say the same; these are for a watch that nobody looks at. A way that fails is said on standard
//! error and never changes the verdict. Nothing goes to anybody whom the owner has not named.

mod letter;
mod told;

use std::path::PathBuf;

use clap::Args;
use device::desktop::{self, Notification, Program, Urgency};
use device::{Home, HomeError};
use identity::{Identifier, UnixTime};

pub(crate) use self::told::Kind;
use self::told::Told;
use crate::context::identifier;
use crate::output::{Output, harmless};

/// Heading of these options in the help.
const HEADING: &str = "Being told";

/// How the owner wants to be told.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Ways {
    /// Show a desktop notification
    #[arg(long, help_heading = HEADING)]
    pub(crate) notify: bool,
    /// Run COMMAND with sh; on its standard input is what --json prints
    #[arg(long, help_heading = HEADING, value_name = "COMMAND")]
    pub(crate) hook: Option<String>,
    /// Send a mail; best to another mailbox than the watched one, whose reader may be the thief
    #[arg(long, help_heading = HEADING, value_name = "ADDRESS", value_parser = mail_address)]
    pub(crate) mail: Vec<Identifier>,
    /// The program that takes mails, as sendmail does
    #[arg(long, help_heading = HEADING, value_name = "FILE", default_value = "/usr/sbin/sendmail")]
    pub(crate) sendmail: PathBuf,
}

/// An address that can stand in a header without being encoded.
fn mail_address(text: &str) -> Result<Identifier, String> {
    let address = identifier(text)?;
    let plain = address.domain().is_some() && address.as_str().is_ascii();
    if plain { Ok(address) } else { Err("expected a mail address in ASCII".to_owned()) }
}

fn notification(news: &News<'_>) -> Notification {
    Notification { title: harmless(&news.title), body: harmless(&news.text), urgency: Urgency::Critical }
}

/// Something to tell.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) kind: Kind,
    pub(crate) identifier: &'a Identifier,
    pub(crate) authority: &'a str,
    /// One line.
    pub(crate) title: String,
    /// Lines for people.
    pub(crate) text: String,
    /// What `--json` prints.
    pub(crate) json: String,
    /// What makes this news another than the last; the same is told again after a day only.
    pub(crate) about: String,
}

impl Ways {
    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.notify || self.hook.is_some() || !self.mail.is_empty()
    }

    /// Tells it in every way, unless the same was told within a day.
    pub(crate) async fn tell(
        &self,
        home: &Home,
        output: &Output,
        news: &News<'_>,
        now: UnixTime,
    ) -> Result<(), HomeError> {
        if !self.any() {
            return Ok(());
        }
        let who = format!("{} at {}", news.identifier, news.authority);
        let mut told = Told::read(home)?;
        if told.is_due(&who, news.kind, &news.about, now) {
            let mut reached = false;
            for (way, done) in self.try_all(news, now).await {
                match done {
                    Ok(()) => reached = true,
                    Err(reason) => output.warning(&format!("{way} failed: {reason}")),
                }
            }
            if reached {
                told.was_told(&who, &news.about, now);
            }
        }
        told.write(home)
    }

    async fn try_all(&self, news: &News<'_>, now: UnixTime) -> Vec<(&'static str, Result<(), String>)> {
        let mut done = Vec::new();
        if self.notify {
            done.push(("the desktop notification", desktop::notify(&notification(news), false).await));
        }
        if let Some(hook) = &self.hook {
            let mut program = Program::new("sh", [String::from("-c"), hook.clone()]);
            program.variable("INPERSON_VERDICT", news.kind.as_str());
            program.variable("INPERSON_IDENTIFIER", news.identifier.as_str());
            program.variable("INPERSON_AUTHORITY", news.authority);
            done.push(("the command given by --hook", program.run(news.json.as_bytes()).await));
        }
        if !self.mail.is_empty() {
            let letter = letter::write(&self.mail, news, now);
            let arguments = ["-oi", "-t"].map(String::from);
            done.push(("the mail", Program::new(&self.sendmail, arguments).run(letter.as_bytes()).await));
        }
        done
    }
}
