//! Chapters two to four: alice and bob pin the policy, enrol, and look closely at what they got.

use super::Tale;
use crate::Failure;
use crate::person::Person;

impl Tale {
    /// Chapter two: trust begins with a fingerprint.
    pub(super) fn pin(&mut self) -> Result<(), Failure> {
        self.narrator.chapter("Alice and Bob pin the server's trust policy by its fingerprint");
        self.narrator.tell("They can compare it over the phone. It is the only thing they have to believe.");
        for person in [&self.alice, &self.bob] {
            let ready = self.server.ready();
            let done = person.trust(ready)?;
            self.typed(person, &format!("certtool trust add {} --fingerprint {}", ready.policy, ready.fingerprint));
            self.narrator.printed(&done.text());
        }
        Ok(())
    }

    /// Chapter three: an address is proven, a certificate comes back.
    pub(super) fn enrol(&mut self) -> Result<(), Failure> {
        self.narrator.chapter("Both prove their address and get a certificate");
        for (person, show_mail) in [(&self.alice, true), (&self.bob, false)] {
            self.enrol_one(person, show_mail)?;
        }
        Ok(())
    }

    /// Enrols one person and shows how; with `show_mail` also the mail that came.
    pub(super) fn enrol_one(&self, person: &Person, show_mail: bool) -> Result<(), Failure> {
        let outbox = self.server.outbox();
        let (done, code) = person.enroll(&outbox)?;
        self.typed(person, &format!("certtool enroll {}", person.address()));
        if let Some(mail) = outbox.to(person.address()).last().filter(|_| show_mail) {
            self.narrator.tell(format!("The mail that arrived ({}):", mail.file.display()));
            self.narrator.printed(&mail.text);
        }
        self.narrator.tell(format!("Typed in: {code}"));
        self.narrator.printed(&done.text());
        Ok(())
    }

    /// Chapter four: nothing has to be taken on faith.
    pub(super) fn look_closely(&mut self) -> Result<(), Failure> {
        self.narrator.chapter("Alice looks at her certificate, checks it offline, audits the log, watches her name");
        let address = self.alice.address();
        for arguments in [&["inspect", address][..], &["verify", address]] {
            self.show(arguments)?;
        }
        let audit = self.show(&["audit"])?;
        expect_words(&audit, "witnessed only by the CA's operator")?;
        self.show(&["watch", address, "--once"])?;
        self.narrator.shown("the log holds exactly the certificates that Alice knows of");
        Ok(())
    }

    /// Runs one of alice's `certtool` commands and shows it.
    fn show(&self, arguments: &[&str]) -> Result<String, Failure> {
        let line = format!("certtool {}", arguments.join(" "));
        let done = self.alice.certtool(arguments)?.expect(0, &line)?;
        self.typed(&self.alice, &line);
        self.narrator.printed(&done.text());
        Ok(done.text())
    }

    /// Shows a command as this person would type it.
    pub(super) fn typed(&self, person: &Person, line: &str) {
        self.narrator.typed(format!("INPERSON_HOME={} {line}", person.home().display()));
    }
}

/// The output contains `words`, wherever its lines are broken.
fn expect_words(output: &str, words: &str) -> Result<(), Failure> {
    let flat = output.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.contains(words) {
        return Ok(());
    }
    Err(Failure::new(format!("expected the words {words:?}, found:\n{output}")))
}
