//! The power fails: SIGKILL to a home server in the middle of what somebody does, as often as it takes her to get through,
//! and the reckoning afterwards.
//!
//! It never waits for a good moment, and it judges by what the programs say: `certtool` for the people, `ca` for the
//! operator.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::homeserver::Homeserver;
use crate::mail::Maildir;
use crate::person::Person;
use crate::process::{self, Collecting, Finished};
use crate::random::{self, Random};
use crate::{Context, Failure, guard};

/// How often one person tries before she is given up.
const ATTEMPTS: usize = 20;
/// How long one attempt may take. Whoever still waits then waits for something that does not come.
const ATTEMPT: Duration = Duration::from_secs(180);
/// Of so many first attempts at least one has to break off; else the power failed at moments that show nothing. Fewer show
/// nothing by themselves.
const ONE_BREAKS_OFF_OF: usize = 5;
/// How often what cannot be awaited is looked at again.
const GLANCE: Duration = Duration::from_millis(5);

/// Has these people enrol one after the other by `attempt`: the first undisturbed, every other one while the power fails once
/// at some moment; then [`account_for`] them all. Gives the server that runs then.
///
/// # Errors
/// Somebody does not get through, the reckoning is not right, or too few attempts broke off to show anything.
pub fn all_through_failures(
    people: &[Person],
    mut server: Homeserver,
    mut attempt: impl FnMut(&Person) -> Result<Finished, Failure>,
) -> Result<Homeserver, Failure> {
    let seed = random::seed();
    println!("seed {seed} (INPERSON_SEED={seed} repeats this choice of moments)");
    let mut random = Random::from_seed(seed);
    let (first, others) = people.split_first().context("nobody is to enrol")?;
    first.trust(server.ready())?;
    let mut moments = undisturbed(|| attempt(first))?;
    let mut broke_off = 0;
    for person in others {
        person.trust(server.ready())?;
        let through = through_failure(person.address(), server, random.up_to(moments), || attempt(person))?;
        server = through.server;
        match through.worked_in {
            // Others may be quicker than the first, who came while all was cold.
            Some(took) => moments = a_fifth_more(took),
            None => broke_off += 1,
        }
    }
    let (all, least) = (others.len(), others.len() / ONE_BREAKS_OFF_OF);
    println!("{broke_off} of {all} first attempts broke off");
    if broke_off < least {
        return Err(Failure::new(format!(
            "expected {least} of {all} attempts or more to break off, found {broke_off}"
        )));
    }
    account_for(people, server.folder())?;
    Ok(server)
}

/// Somebody who got through.
struct Through {
    /// The server that runs then.
    server: Homeserver,
    /// How long her first attempt took; none if it broke off.
    worked_in: Option<Duration>,
}

/// Has `attempt` made while the server is killed once at `moment`, then again until it has worked.
///
/// # Errors
/// The server does not start again, or no attempt works.
fn through_failure(
    who: &str,
    server: Homeserver,
    moment: Duration,
    mut attempt: impl FnMut() -> Result<Finished, Failure>,
) -> Result<Through, Failure> {
    let folder = server.folder().to_path_buf();
    let began = Instant::now();
    let killer = process::kill_after(moment, server.id());
    let first = attempt();
    let took = began.elapsed();
    let _ = killer.join();
    server.kill();
    let server = Homeserver::start(&folder, &[]).context(format!("after SIGKILL at {moment:?}"))?;
    let mut last = first?;
    let worked_in = (last.code == 0).then_some(took);
    println!("{who}: killed at {moment:?}, first attempt {}", worked_in.map_or("broke off", |_| "had worked"));
    for _ in 0..ATTEMPTS {
        if last.code == 0 {
            return Ok(Through { server, worked_in });
        }
        last = attempt()?;
    }
    let (said, words) = (last.text(), server.words());
    Err(Failure::new(format!("{who} could not enrol after SIGKILL at {moment:?}: {said}\n{words}")))
}

/// How long an attempt takes here that nothing disturbs, and a fifth more.
///
/// # Errors
/// None works.
fn undisturbed(mut attempt: impl FnMut() -> Result<Finished, Failure>) -> Result<Duration, Failure> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let began = Instant::now();
        let done = attempt()?;
        if done.code == 0 {
            return Ok(a_fifth_more(began.elapsed()));
        }
        last = done.text();
    }
    Err(Failure::new(format!("no attempt worked, though nothing disturbed them: {last}")))
}

/// The power fails at any moment of an attempt, or just after it.
fn a_fifth_more(took: Duration) -> Duration {
    took.mul_f64(1.2)
}

/// One `certtool enroll`, with every code typed in that arrives meanwhile.
///
/// # Errors
/// It waits in vain.
pub fn by_code(person: &Person, outbox: &Maildir) -> Result<Finished, Failure> {
    let mut typed = Vec::new();
    let mut enrolment = person.begin_enrolment(&[])?;
    let deadline = Instant::now() + ATTEMPT;
    // An earlier attempt's code may still be good: then no new mail comes. So the newest is typed in any case.
    loop {
        if let Some(mail) = outbox.to(person.address()).pop().filter(|mail| !typed.contains(&mail.file)) {
            if let Ok(code) = mail.code() {
                enrolment.type_line(&code);
            }
            typed.push(mail.file);
        }
        if enrolment.process().ended()?.is_some() {
            return enrolment.finish(Duration::ZERO);
        }
        if Instant::now() > deadline {
            return Err(stuck(person, enrolment, outbox));
        }
        thread::sleep(GLANCE);
    }
}

/// What an enrolment that does not end has said, and how many mails it got.
fn stuck(person: &Person, mut enrolment: Collecting, outbox: &Maildir) -> Failure {
    enrolment.process().kill();
    let said = enrolment.finish(Duration::ZERO).map_or_else(|why| why.to_string(), |done| done.text());
    let mails = outbox.to(person.address()).len();
    Failure::new(format!(
        "{} waits in vain after {ATTEMPT:?}, with {mails} mails in the outbox; certtool said:\n{said}",
        person.address()
    ))
}

/// Every certificate verifies offline, and each of these people has exactly one; every certificate entry in the log belongs
/// to one of them and has been opened to her; the audit recomputes the log without a complaint; nothing is left half done.
/// `folder` is that of the home server, which runs.
///
/// # Errors
/// What of it is not so.
pub fn account_for(people: &[Person], folder: &Path) -> Result<(), Failure> {
    process::await_sight("no certificate under way", ATTEMPT, || {
        stats(folder).is_ok_and(|stats| stats["unfinished"] == 0).then_some(())
    })?;
    let issued = issued(folder)?;
    let mut opened = 0;
    for person in people {
        person.certtool(&["verify", person.address()])?.expect(0, "certtool verify")?;
        let count = issued.get(person.address()).copied().unwrap_or_default();
        if count != 1 {
            let who = person.address();
            return Err(Failure::new(format!("expected one certificate issued to {who}, found {count}")));
        }
        // Entries whose certificate never reached her device are listed, opened by the authority, for her to judge.
        let watch = person.certtool(&["--json", "watch", person.address(), "--once", "--known"])?;
        let watch = watch.expect(0, "certtool watch")?;
        opened += entries(&serde_json::from_str(watch.stdout.trim()).context("reading what certtool watch says")?)?;
    }
    let auditor = people.first().context("nobody has enrolled")?;
    let audit = auditor.certtool_json(&["audit", "--from-start"])?;
    println!("audit: {audit}");
    let logged = audit["kinds"]["certificates"].as_u64().context(format!("no count of certificates in {audit}"))?;
    if opened != logged || logged < people.len() as u64 {
        let most = people.len();
        return Err(Failure::new(format!(
            "expected {most} certificate entries or more in the log, each shown to its owner, found {logged}, and {opened} that were shown"
        )));
    }
    Ok(())
}

/// How many entries under her labels a watch found in the log.
fn entries(report: &Value) -> Result<u64, Failure> {
    let certificates = &report["certificates"];
    let count = certificates.as_u64().or_else(|| certificates.as_array().map(|all| all.len() as u64));
    count.context(format!("no certificates in {report}"))
}

/// How many certificates that are valid the database holds, by name.
///
/// # Errors
/// `ca list` fails.
pub fn issued(folder: &Path) -> Result<BTreeMap<String, usize>, Failure> {
    let mut issued = BTreeMap::new();
    for line in operator(folder, "list")?.lines() {
        let record: Value = serde_json::from_str(line).context("reading what ca list says")?;
        if record["state"] == "valid" {
            *issued.entry(record["name"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    Ok(issued)
}

/// The operator's figures.
///
/// # Errors
/// `ca stats` fails.
pub fn stats(folder: &Path) -> Result<Value, Failure> {
    serde_json::from_str(operator(folder, "stats")?.trim()).context("reading what ca stats says")
}

fn operator(folder: &Path, command: &str) -> Result<String, Failure> {
    let mut ca = guard::command("ca")?;
    ca.args(["--json", "--folder"]).arg(folder).arg(command);
    Ok(process::run("ca", ca, ATTEMPT)?.expect(0, &format!("ca {command}"))?.stdout)
}
