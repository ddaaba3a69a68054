//! The power fails while people reply to the authority's mails. The mail server beside it does as mail servers do: it tries
//! again until a reply is taken.

use std::collections::HashMap;
use std::sync::mpsc::RecvTimeoutError;

use story::crash;
use story::process::Finished;

use super::*;

/// The authority answers before its mail has left, and what it had in its hands is lost with it. Whoever waited so long asks
/// again.
const LOST: Duration = Duration::from_secs(20);

/// How long one look at what the program says takes.
const GLANCE: Duration = Duration::from_millis(5);

#[test]
fn the_power_fails_while_people_reply() {
    enrol_through_failures(2);
}

#[test]
#[ignore = "takes minutes; run by ./test --all"]
fn the_power_fails_again_and_again_while_people_reply() {
    enrol_through_failures(40);
}

fn enrol_through_failures(enrolments: usize) {
    let place = tempfile::tempdir().unwrap();
    let Some(mut stage) = Stage::set(place.path()) else { return };
    let limits = "[enrolment.limits]\nmails_per_domain = \"1000/h\"\nmails_per_address = \"1000/h\"\n\
                  mails_per_account = \"1000/h\"\n";
    let server = server(place.path(), &mut stage, limits);
    let people: Vec<_> =
        (0..=enrolments).map(|number| Person::new(place.path(), &format!("person{number:02}@example.org"))).collect();
    let mut newest = HashMap::new();
    let attempt =
        |person: &Person| Ok(attempt(&mut stage, person, newest.entry(person.address().to_owned()).or_default()));
    crash::all_through_failures(&people, server, attempt).unwrap().stop().unwrap();
}

/// One `certtool enroll`: she gives the subject of the newest mail, and what she is shown is sent until it is taken. Who
/// replied to a mail that is not the newest any more begins anew.
fn attempt(stage: &mut Stage, person: &Person, newest: &mut Option<Value>) -> Finished {
    let mut enrolment = Enrolment::begin(person);
    let deadline = Instant::now() + PATIENCE;
    // Whether the mail that she is asked about came before; none until she is asked.
    let (mut before, mut came, mut given) = (None, false, false);
    let mut waits_since: Option<Instant> = None;
    let mut shown = Vec::new();
    let mut reply = None;
    loop {
        assert!(Instant::now() < deadline, "{} waits in vain:\n{}", person.address(), enrolment.heard);
        let said: Vec<Value> = stage.says.try_iter().collect();
        for said in said {
            if let Some(mail) = said.get("mail").filter(|mail| mail["to"] == json!([person.address()])) {
                *newest = Some(mail.clone());
                came = true;
            }
            if said.get("replied").is_some() {
                reply = reply.filter(|_| said["answer"] != "taken");
                if let Some(again) = &reply {
                    stage.tell(again);
                }
            }
        }
        if let (Some(mail), false) =
            (newest.as_ref().filter(|_| came || before == Some(true)), given || before.is_none())
        {
            enrolment.types(mail["subject"].as_str().unwrap());
            given = true;
        }
        if !given && waits_since.is_some_and(|since| since.elapsed() > LOST) {
            enrolment.running.kill();
        }
        match enrolment.words.recv_timeout(GLANCE) {
            Ok(line) => {
                enrolment.heard.push_str(&format!("{line}\n"));
                if line.contains("Its subject begins with ACME") {
                    before = Some(line.contains("was sent before"));
                    waits_since = Some(Instant::now());
                } else if line.contains("proves nothing") {
                    enrolment.running.kill();
                } else if line.contains("-----BEGIN ACME RESPONSE-----") || !shown.is_empty() {
                    shown.push(line);
                }
                if let ([begin, digest, end], None, Some(mail)) = (shown.as_slice(), &reply, newest.as_ref()) {
                    let text = format!("{begin}\n{digest}\n{end}");
                    let subject = format!("Re: {}", mail["subject"].as_str().unwrap());
                    let asked = json!({
                        "to": "acme@ca.example", "by": person.address(), "subject": subject, "id": mail["id"], "text": text,
                    });
                    let asked = json!({"reply": asked, "how": "signed"});
                    stage.tell(&asked);
                    reply = Some(asked);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if reply.is_some() {
        // On its way still; the next attempt sends another.
        stage.hears("replied");
    }
    let code = i32::from(!enrolment.running.wait(PATIENCE).unwrap().success());
    Finished { code, stdout: String::new(), stderr: enrolment.heard }
}
