//! `certtool gen`: what a server needs to log a person in by her certificate.

mod servers;

use clap::{Args, ValueEnum};
use device::chain_to_pem;
use identity::Identifier;
use serde::Serialize;

use crate::context::Context;
use crate::credential::{self, Public};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};

/// Print the settings with which a server logs a person in by her certificate
///
/// They name the person and not the certificate, so they last when it is renewed. What the server trusts is the root of your
/// authority, which `certtool gen anchors` prints. Servers look at names and times, neither at our rules nor at the log; for
/// that they have to ask certtool verify, as sshd does here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool gen anchors > /etc/nginx/inperson-ca.pem\n  \
    certtool gen nginx alice@example.org\n  \
    certtool gen postgres alice@example.org --role alice\n  \
    certtool gen caddy --anchors /etc/caddy/family.pem")]
pub(crate) struct Gen {
    /// For which server; or anchors: what servers trust
    #[arg(value_name = "SERVER", value_enum)]
    server: Server,
    /// Whom it lets in: an address you enrolled, or a certificate in PEM or DER; not needed if you enrolled one
    #[arg(value_name = "FILE|ID")]
    who: Option<String>,
    /// Where the server finds the anchors
    #[arg(long, value_name = "FILE", value_parser = as_written)]
    anchors: Option<String>,
    /// As whom PostgreSQL logs her in (otherwise a role named by her address)
    #[arg(long, value_name = "NAME", value_parser = role)]
    role: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Server {
    // No words of its own for each: clap would turn every help text into its long form.
    Anchors,
    Nginx,
    Caddy,
    Postgres,
    Ssh,
}

impl Gen {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.anchors.is_some() && matches!(self.server, Server::Anchors | Server::Ssh) {
            return Err(Failure::failed(
                "--anchors says where nginx, Caddy or PostgreSQL finds them",
                "Leave it away.",
            ));
        }
        if self.role.is_some() && self.server != Server::Postgres {
            return Err(Failure::failed("--role names one of PostgreSQL", "Leave it away."));
        }
        let anchors = |folder: &str| self.anchors.clone().unwrap_or_else(|| format!("/etc/{folder}/inperson-ca.pem"));
        let public = credential::public(context, self.who.as_deref())?;
        let text = match self.server {
            Server::Anchors => anchors_of(&public),
            Server::Nginx => servers::nginx(&name(&public, ASK)?, &anchors("nginx")),
            Server::Caddy => servers::caddy(&name(&public, ASK)?, &anchors("caddy")),
            Server::Postgres => {
                let name = name(&public, NO_OTHER)?;
                let role = self.role.map_or_else(|| role(&name), Ok).map_err(|error| {
                    Failure::failed(format!("{name} cannot name a role: {error}"), "Name one: --role NAME.")
                })?;
                servers::postgres(&name, &role, &anchors("postgresql"))
            }
            Server::Ssh => servers::SSH.to_owned(),
        };
        let identifier = public.person.identifier().to_string();
        context.output.report(&Recipe { server: self.server, identifier, text });
        Ok(Exit::Ok)
    }
}

/// The root, and the authority below it that issued the certificate: a client may come without that.
fn anchors_of(public: &Public) -> String {
    let chain: Vec<_> = std::iter::once(&public.root).chain(public.chain.iter().skip(1)).cloned().collect();
    chain_to_pem(&chain)
}

/// A path that every server reads as it stands. Each quotes other ones in a way of its own.
fn as_written(path: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@~".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => Ok(path.to_owned()),
        false => Err("expected a path of letters, digits and / . _ - + @ ~".to_owned()),
    }
}

/// A role of PostgreSQL that its settings take as it stands in quotes, and that is not cut off.
fn role(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    match (1..=ROLE).contains(&name.len()) && name.chars().all(plain) {
        true => Ok(name.to_owned()),
        false => Err(format!("expected up to {ROLE} letters, digits and . _ - + @")),
    }
}

/// `NAMEDATALEN` without the zero at the end.
const ROLE: usize = 63;

/// What helps where servers cannot compare a name.
const ASK: &str = "They compare up to 64 ASCII characters there; let the server ask certtool verify instead.";
/// PostgreSQL runs no command at a log-in.
const NO_OTHER: &str =
    "PostgreSQL looks at no other name than the subject's; use an address of up to 64 ASCII characters.";

/// The name by which servers know her: the common name, which is all of the subject.
fn name(public: &Public, remedy: &str) -> Result<String, Failure> {
    let id: &Identifier = public.person.identifier();
    let plain = |c: char| c.is_ascii_alphanumeric() || "@._-+".contains(c);
    let named = public.leaf.tbs().subject().iter().count() == 1;
    if named && id.as_str().chars().all(plain) {
        return Ok(id.to_string());
    }
    Err(Failure::failed(
        format!("{id} does not stand in the subject of the certificate in a way in which servers compare it"),
        remedy,
    ))
}

#[derive(Debug, Serialize)]
struct Recipe {
    server: Server,
    identifier: String,
    text: String,
}

impl Report for Recipe {
    fn page(&self, page: &mut Page) {
        self.text.lines().for_each(|line| page.line(line));
    }
}
