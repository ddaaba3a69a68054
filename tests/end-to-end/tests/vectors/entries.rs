//! Every entry point to verification, and what it says about each vector.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use identity::rules::Rule;
use identity::tls::{ComponentVerifier, PersonVerifier, ServiceVerifier};
use identity::trust::{Bindings, Trust, TrustPolicy};
use identity::verify::{
    Certified, Revocation, VerifyError, verify_component, verify_mail, verify_person, verify_service,
};
use identity::{CertificateDer, UnixTime};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error};

use story::{guard, process};

use super::files::read_all;
use super::vector::{Kind, Says, Vector};

/// What an entry point cannot be asked, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("rustls", "chain-01-no-certificate", "rustls itself refuses an empty chain before it asks a verifier"),
    ("certtool", "chain-01-no-certificate", "a file without a certificate is an unreadable file, not a refused one"),
    ("certtool", "chain-01-seven-certificates", "a file with more than six is not read to its end"),
];

fn excepted(entry: &str, vector: &Vector) -> bool {
    EXCEPTIONS.iter().any(|(at, name, _)| (*at, *name) == (entry, vector.name.as_str()))
}

/// Everything wrong at once, rather than the first thing.
pub(crate) fn all_right(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
}

fn now(vector: &Vector) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(vector.now))
}

fn chain(vector: &Vector) -> Vec<CertificateDer> {
    vector.chain().into_iter().map(CertificateDer::from).collect()
}

fn trust(vector: &Vector) -> Result<Trust, VerifyError> {
    let policy = TrustPolicy::parse(vector.policy.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
    let trust = Trust::new(vec![policy]).unwrap();
    trust.set_bindings(Bindings::from_json(&bindings(vector)).unwrap());
    for list in vector.crls() {
        trust.install_crl(&list, now(vector))?;
    }
    Ok(trust)
}

fn bindings(vector: &Vector) -> String {
    serde_json::to_string(&vector.bindings).unwrap()
}

#[test]
fn the_library_agrees() {
    let mut wrong = Vec::new();
    for vector in read_all::<Vector>() {
        let (rule, said) = match by_library(&vector) {
            Ok(says) => ("ok".to_owned(), format!("{says:?}")),
            Err(error) => (error.rule.id().to_owned(), error.to_string()),
        };
        if rule != vector.rule {
            wrong.push(format!("{}: {said}", vector.name));
        } else if rule == "ok" && said != format!("{:?}", vector.says.as_ref().unwrap()) {
            wrong.push(format!("{}: expected {:?}, found {said}", vector.name, vector.says));
        }
    }
    all_right(&wrong);
}

fn by_library(vector: &Vector) -> Result<Says, VerifyError> {
    let trust = trust(vector)?;
    let (chain, now) = (chain(vector), now(vector));
    let asked = || vector.service.as_deref().unwrap();
    Ok(match vector.kind {
        Kind::Person => {
            let person = verify_person(&chain, &trust, now)?;
            certified(&person)
        }
        Kind::Mail => {
            let mailbox = verify_mail(&chain, &trust, now)?;
            certified(&mailbox)
        }
        Kind::Service => {
            let found = verify_service(&chain, asked(), &trust, now)?;
            machine(found.name(), found.authority(), found.origin(), found.index())
        }
        Kind::Component => {
            let found = verify_component(&chain, asked(), &trust, now)?;
            machine(found.name(), found.authority(), found.origin(), found.index())
        }
    })
}

fn certified(person: &Certified) -> Says {
    Says {
        identifier: person.identifier().to_string(),
        authority: person.authority().to_owned(),
        origin: person.origin().to_owned(),
        index: person.index(),
        witnesses: person.witnesses().to_vec(),
        revocation: match person.revocation() {
            Revocation::Good { .. } => "good".to_owned(),
            Revocation::Unknown => "unknown".to_owned(),
            other => format!("{other:?}"),
        },
    }
}

fn machine(name: &str, authority: &str, origin: &str, index: u64) -> Says {
    Says {
        identifier: name.to_owned(),
        authority: authority.to_owned(),
        origin: origin.to_owned(),
        index,
        witnesses: Vec::new(),
        revocation: String::new(),
    }
}

#[test]
fn the_verifiers_for_rustls_agree() {
    let mut wrong = Vec::new();
    for vector in read_all::<Vector>().iter().filter(|vector| !excepted("rustls", vector)) {
        let said = match trust(vector) {
            Ok(trust) => by_rustls(vector, Arc::new(trust)),
            Err(error) => vec![error.rule.id().to_owned()],
        };
        if said.iter().any(|said| *said != vector.rule) {
            wrong.push(format!("{}: {said:?}", vector.name));
        }
    }
    all_right(&wrong);
}

/// What each verifier for this kind says: both traits for people, whose connections have them at both ends; and each
/// twice, as the second time may come from a cache.
fn by_rustls(vector: &Vector, trust: Arc<Trust>) -> Vec<String> {
    let chain = chain(vector);
    let (leaf, rest) = chain.split_first().unwrap();
    let now = now(vector);
    let mut said = Vec::new();
    match vector.kind {
        Kind::Person => {
            let verifier = PersonVerifier::new(trust);
            let name = ServerName::try_from("in-person").unwrap();
            for _ in 0..2 {
                said.push(rule(verifier.verify_server_cert(leaf, rest, &name, &[], now)));
                said.push(rule(verifier.verify_client_cert(leaf, rest, now)));
            }
        }
        Kind::Service => {
            let verifier = ServiceVerifier::new(trust);
            // A name that no connection can be made to cannot be asked for.
            if let Ok(name) = ServerName::try_from(vector.service.clone().unwrap()) {
                said.push(rule(verifier.verify_server_cert(leaf, rest, &name, &[], now)));
            }
        }
        Kind::Component => {
            let verifier = ComponentVerifier::new(trust, vector.service.as_deref().unwrap());
            said.push(rule(verifier.verify_client_cert(leaf, rest, now)));
        }
        // Nobody connects to us with a certificate for mail; that a device's verifier takes none, other vectors say.
        Kind::Mail => {}
    }
    said
}

/// The rule in an error of rustls.
fn rule<T>(result: Result<T, Error>) -> String {
    let Err(error) = result else { return "ok".to_owned() };
    let Error::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        CertificateError::Revoked => Rule::RevocationRevoked.id().to_owned(),
        CertificateError::UnknownIssuer => Rule::ChainPath.id().to_owned(),
        CertificateError::Expired => Rule::ChainExpired.id().to_owned(),
        CertificateError::NotValidYet => Rule::ChainNotYetValid.id().to_owned(),
        CertificateError::Other(other) => match other.0.downcast_ref::<VerifyError>() {
            Some(error) => error.rule.id().to_owned(),
            None => other.to_string(),
        },
        other => format!("{other:?}"),
    }
}

#[test]
fn certtool_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for vector in read_all::<Vector>().iter().filter(|vector| !excepted("certtool", vector)) {
        let done = by_certtool(vector, &folder.path().join(&vector.name));
        let said = if done.code == 0 {
            "ok".to_owned()
        } else {
            // … is refused by CHAIN-07: expected …
            let after = done.stderr.split(" is refused by ").nth(1).and_then(|rest| rest.split(':').next());
            after.unwrap_or_default().to_owned()
        };
        let code = if vector.rule == "ok" { 0 } else { 3 };
        let names = vector.says.as_ref().map_or("", |says| says.identifier.as_str());
        if said != vector.rule || done.code != code || !done.stdout.contains(names) {
            wrong.push(format!("{}: {} {}", vector.name, done.code, done.text()));
        }
    }
    all_right(&wrong);
}

/// `certtool verify` as a person runs it, who has pinned the vector's policy.
fn by_certtool(vector: &Vector, folder: &Path) -> process::Finished {
    let program = guard::program("certtool").unwrap();
    let fingerprint = TrustPolicy::parse(vector.policy.as_bytes()).unwrap().fingerprint().to_string();
    std::fs::create_dir(folder).unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let run = |arguments: &[&str]| {
        let mut command = guard::guarded(&program).unwrap();
        command.arg("--home").arg(folder.join("home")).args(arguments);
        process::run("certtool", command, Duration::from_secs(60)).unwrap()
    };
    let policy = file("policy.json", vector.policy.as_bytes());
    run(&["trust", "add", &policy, "--fingerprint", &fingerprint]).expect(0, "trust add").unwrap();
    if !vector.bindings.is_empty() {
        file("home/bindings.json", bindings(vector).as_bytes());
    }
    let pem: String = vector.chain().iter().map(|der| pem(der)).collect();
    let (chain, at) = (file("chain.pem", pem.as_bytes()), vector.now.to_string());
    let mut arguments = vec!["verify".to_owned(), chain, "--at".to_owned(), at];
    for (n, list) in vector.crls().iter().enumerate() {
        arguments.extend(["--crl".to_owned(), file(&format!("{n}.crl"), list)]);
    }
    let asked = || vector.service.clone().unwrap();
    arguments.extend(match vector.kind {
        Kind::Person => ["--for".to_owned(), "live".to_owned()],
        Kind::Mail => ["--for".to_owned(), "mail".to_owned()],
        Kind::Service => ["--service".to_owned(), asked()],
        Kind::Component => ["--component".to_owned(), asked()],
    });
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn pem(der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
