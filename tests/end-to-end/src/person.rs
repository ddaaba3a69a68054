//! Somebody with a home folder of her own: what she types, and what she sees.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::guard;
use crate::headless::Messenger;
use crate::homeserver::Ready;
use crate::mail::Maildir;
use crate::process::{self, Collecting, Finished};
use crate::{Context, Failure};

/// How long one command may take on a very busy machine.
const COMMAND: Duration = Duration::from_secs(180);

/// A person: an address and a home folder (`INPERSON_HOME`).
#[derive(Debug, Clone)]
pub struct Person {
    address: String,
    home: PathBuf,
    wrapper: Vec<String>,
}

impl Person {
    /// A person whose home folder lies in `root`, named after her address.
    #[must_use]
    pub fn new(root: &Path, address: &str) -> Self {
        let name = address.split('@').next().unwrap_or(address);
        Self { address: address.to_owned(), home: root.join(name), wrapper: Vec::new() }
    }

    /// The same person, whose commands all run under another program: `faketime` for a clock that is wrong.
    #[must_use]
    pub fn under(&self, wrapper: &[&str]) -> Self {
        Self { wrapper: wrapper.iter().map(|&word| word.to_owned()).collect(), ..self.clone() }
    }

    /// Her address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Her home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// One of the project's programs, guarded, with her home.
    ///
    /// # Errors
    /// It has not been built.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Result<Command, Failure> {
        let path = guard::program(program)?;
        let mut command = guard::guarded_under(&self.wrapper, &path)?;
        command.args(arguments).env("INPERSON_HOME", &self.home).env("NO_COLOR", "1").env_remove("RUST_LOG");
        // Nor anything that whoever runs this has set for herself.
        command.env("INPERSON_CONFIG", self.home.join("settings.toml")).env_remove("INPERSON_PROFILE");
        Ok(command)
    }

    /// Runs `certtool` to its end.
    ///
    /// # Errors
    /// It cannot be started or does not end in time. An exit code other than 0 is no error here.
    pub fn certtool(&self, arguments: &[&str]) -> Result<Finished, Failure> {
        process::run("certtool", self.command("certtool", arguments)?, COMMAND)
    }

    /// Runs `certtool --json` and reads what it prints.
    ///
    /// # Errors
    /// As [`Person::certtool`]; also if the exit code is not 0 or the output is not JSON.
    pub fn certtool_json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        let all: Vec<&str> = std::iter::once("--json").chain(arguments.iter().copied()).collect();
        let done = self.certtool(&all)?.expect(0, &format!("certtool {}", all.join(" ")))?;
        serde_json::from_str(done.stdout.trim()).context(format!("reading the output of certtool {}", all.join(" ")))
    }

    /// Pins a home server's policy by its fingerprint.
    ///
    /// # Errors
    /// As [`Person::certtool`]; also if the exit code is not 0.
    pub fn trust(&self, ready: &Ready) -> Result<Finished, Failure> {
        self.certtool(&["trust", "add", &ready.policy, "--fingerprint", &ready.fingerprint])?
            .expect(0, "certtool trust add")
    }

    /// Starts `certtool enroll`, which then waits for the code on its standard input.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn begin_enrolment(&self, options: &[&str]) -> Result<Collecting, Failure> {
        let mut arguments = vec!["enroll", self.address.as_str()];
        arguments.extend_from_slice(options);
        process::collect("certtool", self.command("certtool", &arguments)?)
    }

    /// Enrols: starts, reads the code from the mail, types it in. Also returns the code.
    ///
    /// # Errors
    /// No mail comes, or `certtool` ends with an exit code other than 0.
    pub fn enroll(&self, outbox: &Maildir) -> Result<(Finished, String), Failure> {
        self.enroll_with(&[], outbox)
    }

    /// The same with further `options`.
    ///
    /// # Errors
    /// As [`Person::enroll`].
    pub fn enroll_with(&self, options: &[&str], outbox: &Maildir) -> Result<(Finished, String), Failure> {
        let seen = outbox.to(&self.address).len();
        let mut enrolment = self.begin_enrolment(options)?;
        let code = match outbox.await_mail(&self.address, seen, COMMAND) {
            Ok(mail) => mail.code()?,
            Err(no_mail) => {
                let said = enrolment.finish(Duration::ZERO).map_or_else(|_| String::new(), |done| done.text());
                return Err(Failure::new(format!("{no_mail}\ncerttool said:\n{said}")));
            }
        };
        enrolment.type_line(&code);
        let done = enrolment.finish(COMMAND)?.expect(0, &format!("certtool enroll {}", self.address))?;
        Ok((done, code))
    }

    /// One more certificate, for another key; with the code, where one is mailed.
    ///
    /// # Errors
    /// It cannot be started, or does not end.
    pub fn enroll_anew(&self, outbox: &Maildir) -> Result<Finished, Failure> {
        self.answering(&["enroll", self.address.as_str(), "--new"], outbox)
    }

    /// A fresh certificate for the same key, due or not; with the code, if the authority wants a new proof.
    ///
    /// # Errors
    /// It cannot be started, or does not end.
    pub fn renew(&self, outbox: &Maildir) -> Result<Finished, Failure> {
        self.answering(&["renew", self.address.as_str(), "--force"], outbox)
    }

    /// Runs `certtool` to its end, and types the code if one is mailed meanwhile.
    fn answering(&self, arguments: &[&str], outbox: &Maildir) -> Result<Finished, Failure> {
        let seen = outbox.to(&self.address).len();
        let mut certtool = process::collect("certtool", self.command("certtool", arguments)?)?;
        let code = process::await_sight("a code, or the end", COMMAND, || {
            let codes = outbox.to(&self.address).split_off(seen).into_iter().find_map(|mail| mail.code().ok());
            let ended = certtool.process().ended().is_ok_and(|code| code.is_some());
            (codes.is_some() || ended).then_some(codes)
        });
        if let Some(code) = code? {
            certtool.type_line(&code);
        }
        certtool.finish(COMMAND)
    }

    /// Pins the policy and enrols: from nothing to a certificate.
    ///
    /// # Errors
    /// As [`Person::trust`] and [`Person::enroll`].
    pub fn join(&self, ready: &Ready, outbox: &Maildir) -> Result<(), Failure> {
        self.trust(ready)?;
        self.enroll(outbox)?;
        Ok(())
    }

    /// The folder of her device: key, chain, enrolment.
    #[must_use]
    pub fn device(&self) -> PathBuf {
        self.home.join("devices").join(&self.address)
    }

    /// Her messenger without a screen.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn messenger(&self) -> Result<Messenger, Failure> {
        self.messenger_with(&[])
    }

    /// The same with further `options`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn messenger_with(&self, options: &[&str]) -> Result<Messenger, Failure> {
        let arguments: Vec<&str> = std::iter::once("headless").chain(options.iter().copied()).collect();
        let name = format!("{}'s messenger", self.address);
        Messenger::start(name, self.command("messenger", &arguments)?, &self.home.with_extension("messenger.log"))
    }
}
