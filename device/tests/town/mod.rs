//! A home server, the devices of the people who use it, and a person who reads her mail from the outbox.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::fs;
use std::path::{Path, PathBuf};

use device::Home;
use device::acme::Holder;
use device::enrolment::{Conversation, EnrolError, EnrolRequest, Enrolled, Step, Typed, enroll};
use device::https::fetch_to_compare_by_fingerprint;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use homeserver::{Homeserver, Options};
use identity::{Identifier, UnixTime};

/// A running homeserver and the folders of the people who use it.
pub struct Town {
    pub temp: tempfile::TempDir,
    pub server: Homeserver,
}

impl Town {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut options = Options {
            folder: temp.path().join("server"),
            https_port: Some(0),
            directory_port: Some(0),
            ..Options::default()
        };
        change(&mut options);
        let server = Homeserver::start(&options).await.unwrap();
        Self { temp, server }
    }

    /// One whose server takes something else for the time than the system's clock says.
    pub async fn at(clock: std::sync::Arc<dyn Fn() -> UnixTime + Send + Sync>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let options = Options {
            folder: temp.path().join("server"),
            https_port: Some(0),
            directory_port: Some(0),
            ..Options::default()
        };
        let server = Homeserver::start_at(&options, clock).await.unwrap();
        Self { temp, server }
    }

    /// A new device that has pinned the policy.
    pub async fn device(&self, name: &str) -> Home {
        let home = Home::at(self.temp.path().join(name)).unwrap();
        let ready = self.server.ready();
        let bytes = fetch_to_compare_by_fingerprint(&ready.policy).await.unwrap();
        home.add_trust(&bytes, &ready.fingerprint.parse().unwrap()).unwrap();
        home
    }

    pub fn outbox(&self) -> PathBuf {
        self.server.ready().outbox.clone().unwrap().join("new")
    }

    /// The code of the newest mail.
    pub fn mailed(&self) -> String {
        newest_code(&self.outbox()).expect("a mail has arrived")
    }
}

pub fn newest_code(outbox: &Path) -> Option<String> {
    let mut mails: Vec<_> = fs::read_dir(outbox).ok()?.map(|mail| mail.unwrap().path()).collect();
    mails.sort();
    // Mails about another device have none, and come at times of their own.
    mails.iter().rev().find_map(|mail| {
        let mail = fs::read_to_string(mail).unwrap();
        let mut lines = mail.lines().map(str::trim);
        lines.find(|line| line.len() == 29 && line.split('-').all(|group| group.len() == 4)).map(str::to_owned)
    })
}

/// Types what it was told to, then what the mail says, then nothing.
pub struct Person {
    pub outbox: PathBuf,
    pub wrong: Vec<&'static str>,
    pub gives_up: bool,
    pub steps: Vec<Step>,
}

impl Person {
    pub fn new(town: &Town) -> Self {
        Self { outbox: town.outbox(), wrong: Vec::new(), gives_up: false, steps: Vec::new() }
    }

    pub fn codes_sent(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::CodeSent { earlier: false, .. })).count()
    }
}

impl Holder for Person {}

impl Conversation for Person {
    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn code(&mut self) -> BoxFuture<'_, Typed> {
        let typed = match self.wrong.pop() {
            Some(wrong) => Typed::Code(wrong.to_owned()),
            None if self.gives_up => Typed::Nothing,
            None => Typed::Code(newest_code(&self.outbox).unwrap().to_lowercase().replace('-', " ")),
        };
        async { typed }.boxed()
    }
}

pub fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

pub async fn enrol(home: &Home, person: &mut Person) -> Result<Enrolled, EnrolError> {
    let identifier = alice();
    let request = EnrolRequest { identifier: &identifier, authority: None, new: false, keys: None };
    enroll(home, request, UnixTime::now, person).await
}
