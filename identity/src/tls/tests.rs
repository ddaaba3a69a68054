//! Real handshakes, in memory.

use std::{io, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection,
    client::{Resumption, danger::ServerCertVerifier},
    server::danger::ClientCertVerifier,
    time_provider::TimeProvider,
};
use rustls_pki_types::{PrivateKeyDer, ServerName, UnixTime};

use super::*;
use crate::{
    Identifier,
    testing::{Authority, NOON, private_key},
};

#[derive(Debug)]
struct Fixed(UnixTime);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

type Identity = (Vec<CertificateDer>, PrivateKeyDer<'static>);

fn client(verifier: Arc<dyn ServerCertVerifier>, identity: Option<Identity>, now: UnixTime) -> ClientConfig {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(Fixed(now)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

fn server(verifier: Option<Arc<dyn ClientCertVerifier>>, (chain, key): Identity, now: UnixTime) -> ServerConfig {
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Fixed(now)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).unwrap()
}

/// Runs a handshake to its end; what both sides then hold, or the first error.
fn shake(
    client: ClientConfig,
    server: ServerConfig,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = io::Cursor::new(bytes);
        while (rest.position() as usize) < rest.get_ref().len() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = io::Cursor::new(bytes);
        while (rest.position() as usize) < rest.get_ref().len() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn person(authority: &Authority, name: &str) -> Identity {
    let (chain, key) = authority.issue_person(&Identifier::parse(name).unwrap(), NOON);
    (chain, private_key(&key))
}

#[test]
fn two_people_know_each_other() {
    let authority = Authority::new(1, NOON);
    let verifier = Arc::new(PersonVerifier::new(authority.trust()));
    let (alice, bob) = (person(&authority, "alice@example.org"), person(&authority, "bob@example.org"));
    let (client, server) =
        shake(client(verifier.clone(), Some(alice), NOON), server(Some(verifier.clone()), bob, NOON), "in-person")
            .unwrap();
    let seen = |chain: Option<&[rustls_pki_types::CertificateDer<'static>]>| {
        verifier.person(chain.unwrap(), NOON).unwrap().identifier().to_string()
    };
    assert_eq!(seen(client.peer_certificates()), "bob@example.org");
    assert_eq!(seen(server.peer_certificates()), "alice@example.org");
    assert_eq!(client.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(client.negotiated_key_exchange_group().unwrap().name(), rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn a_stranger_is_refused_at_either_end() {
    let (authority, other) = (Authority::new(1, NOON), Authority::new(2, NOON));
    let verifier = Arc::new(PersonVerifier::new(authority.trust()));
    let with = |alice: Identity, bob: Identity| {
        shake(client(verifier.clone(), Some(alice), NOON), server(Some(verifier.clone()), bob, NOON), "in-person").err()
    };
    let ours = || person(&authority, "alice@example.org");
    let theirs = || person(&other, "mallory@example.org");
    assert_eq!(with(ours(), ours()), None);
    let unknown = Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert_eq!(with(theirs(), ours()), Some(unknown.clone()));
    assert_eq!(with(ours(), theirs()), Some(unknown));
    let mut expired = client(verifier.clone(), Some(ours()), NOON);
    expired.time_provider =
        Arc::new(Fixed(UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + 86_400 * 15))));
    let error = shake(expired, server(Some(verifier.clone()), ours(), NOON), "in-person").err();
    assert_eq!(error, Some(Error::InvalidCertificate(rustls::CertificateError::Expired)));
    // A certificate of somebody else, without her key.
    let key = provider().key_provider.load_private_key(theirs().1).unwrap();
    let stolen = rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(ours().0, key));
    let mut thief = client(verifier.clone(), None, NOON);
    thief.client_auth_cert_resolver = Arc::new(stolen);
    let error = shake(thief, server(Some(verifier.clone()), ours(), NOON), "in-person").err();
    assert_eq!(error, Some(Error::InvalidCertificate(rustls::CertificateError::BadSignature)));
}

#[test]
fn a_service_is_known_by_its_name() {
    let authority = Authority::new(1, NOON);
    let verifier = || Arc::new(ServiceVerifier::new(authority.trust()));
    let config = || server(None, authority.issue_service("localhost", NOON), NOON);
    assert!(shake(client(verifier(), None, NOON), config(), "localhost").is_ok());
    let wrong = shake(client(verifier(), None, NOON), config(), "example.org").err().unwrap();
    assert!(wrong.to_string().contains("SAN-03"), "{wrong}");
    let address = shake(client(verifier(), None, NOON), config(), "127.0.0.1").err().unwrap();
    assert!(address.to_string().contains("SAN-03"), "{address}");
    // A person is no service.
    let alice = server(None, person(&authority, "alice@example.org"), NOON);
    assert!(shake(client(verifier(), None, NOON), alice, "localhost").is_err());
}

#[test]
fn the_cache_keeps_neither_the_expired_nor_the_revoked() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    let verifier = PersonVerifier::new(trust.clone());
    let (chain, _) = person(&authority, "alice@example.org");
    let later = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + seconds));
    let first = verifier.person(&chain, NOON).unwrap();
    assert_eq!(verifier.person(&chain[..1], later(60)).unwrap(), first);
    assert_eq!(verifier.person(&chain, later(14 * 86_400)).unwrap_err().rule, Rule::ChainExpired);
    verifier.person(&chain, NOON).unwrap();
    trust.install_crl(&authority.people_crl(1, NOON, &[first.serial()]), NOON).unwrap();
    assert_eq!(verifier.person(&chain, NOON).unwrap_err().rule, Rule::RevocationRevoked);
    assert_eq!(verifier.person(&chain, NOON).unwrap_err().rule, Rule::RevocationRevoked);
}

#[test]
fn the_cache_forgets_whom_it_has_not_seen_for_longest() {
    let authority = Authority::new(1, NOON);
    let verifier = PersonVerifier::new(authority.trust()).remembering(3);
    let people: Vec<_> = (0..6).map(|n| person(&authority, &format!("person{n}@example.org")).0).collect();
    for chain in &people {
        verifier.person(chain, NOON).unwrap();
        // Somebody who is seen again and again stays.
        verifier.person(&people[0], NOON).unwrap();
        assert!(verifier.remembered() <= 3);
    }
    assert_eq!(verifier.remembered(), 3);
    // What is refused is not remembered: strangers fill nothing.
    let (stranger, _) = person(&Authority::new(2, NOON), "mallory@example.org");
    verifier.person(&stranger, NOON).unwrap_err();
    let fresh = PersonVerifier::new(authority.trust()).remembering(3);
    fresh.person(&stranger, NOON).unwrap_err();
    assert_eq!((verifier.remembered(), fresh.remembered()), (3, 0));
    // Forgotten people are verified anew.
    verifier.person(&people[1], NOON).unwrap();
}

#[test]
fn whoever_is_admitted_is_looked_at_again_without_being_remembered() {
    let authority = Authority::new(1, NOON);
    let trust = authority.trust();
    let verifier = PersonVerifier::new(trust.clone());
    let later = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + seconds));
    let unneeded = || -> Vec<CertificateDer> { panic!("the certificate is not needed under the same trust") };
    let (alice, bob) = (person(&authority, "alice@example.org").0, person(&authority, "bob@example.org").0);
    let (first, tenure) = verifier.admit(&alice, NOON).unwrap();
    let (_, bobs) = verifier.admit(&bob, NOON).unwrap();
    assert_eq!((first.identifier().to_string().as_str(), verifier.remembered()), ("alice@example.org", 0));
    assert!(verifier.still(&tenure, unneeded, later(60)).unwrap().is_none());
    let rule = |tenure, now| verifier.still(tenure, unneeded, now).unwrap_err().rule;
    assert_eq!(rule(&tenure, later(14 * 86_400)), Rule::ChainExpired);
    let before = UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() - 86_400));
    assert_eq!(rule(&tenure, before), Rule::ChainNotYetValid);
    trust.install_crl(&authority.people_crl(1, NOON, &[first.serial()]), NOON).unwrap();
    assert_eq!(rule(&tenure, NOON), Rule::RevocationRevoked);
    assert!(verifier.still(&bobs, unneeded, NOON).unwrap().is_none());
    assert_eq!(rule(&bobs, later(8 * 86_400)), Rule::RevocationFresh);
}

#[test]
fn under_another_trust_the_whole_certificate_is_verified_anew() {
    let (authority, other) = (Authority::new(1, NOON), Authority::new(2, NOON));
    let chain = person(&authority, "alice@example.org").0;
    let (_, tenure) = PersonVerifier::new(authority.trust()).admit(&chain, NOON).unwrap();
    let refusals = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&refusals);
    let elsewhere = PersonVerifier::new(other.trust()).watched(move |error| heard.lock().unwrap().push(error.rule));
    assert_eq!(elsewhere.still(&tenure, || chain.clone(), NOON).unwrap_err().rule, Rule::ChainPath);
    assert_eq!(*refusals.lock().unwrap(), [Rule::ChainPath]);
    // An equal one is another one all the same.
    let again = PersonVerifier::new(authority.trust());
    let anew = again.still(&tenure, || chain.clone(), NOON).unwrap().expect("it belongs to the new trust");
    assert!(anew.is_under(again.trust()) && !tenure.is_under(again.trust()));
}

#[test]
fn a_component_is_known_by_its_name() {
    let authority = Authority::new(1, NOON);
    let verifier = |name: &str| Arc::new(ComponentVerifier::new(authority.trust(), name));
    let service = || authority.issue_service("localhost", NOON);
    let towards = || Arc::new(ServiceVerifier::new(authority.trust()));
    let with = |identity: Identity, name: &str| {
        let server = server(Some(verifier(name)), service(), NOON);
        shake(client(towards(), Some(identity), NOON), server, "localhost").err().map(|error| error.to_string())
    };
    assert_eq!(with(authority.issue_component("ca.example.org", NOON), "ca.example.org"), None);
    let wrong = with(authority.issue_component("ca.example.org", NOON), "cb.example.org").unwrap();
    assert!(wrong.contains("SAN-03"), "{wrong}");
    // Neither a person nor a service is a component.
    assert!(with(person(&authority, "alice@example.org"), "ca.example.org").is_some());
    assert!(with(service(), "localhost").is_some());
}

#[test]
fn the_cache_is_not_asked_about_other_bytes() {
    let authority = Authority::new(1, NOON);
    let verifier = PersonVerifier::new(authority.trust());
    let (chain, _) = person(&authority, "alice@example.org");
    verifier.person(&chain, NOON).unwrap();
    let mut altered = chain[0].to_vec();
    *altered.last_mut().unwrap() ^= 1;
    assert!(verifier.person(&[altered.into()], NOON).is_err());
    assert!(verifier.person(&[], NOON).is_err());
}

#[test]
fn tls_1_2_is_not_spoken() {
    let authority = Authority::new(1, NOON);
    let verifier = PersonVerifier::new(authority.trust());
    assert_eq!(ServerCertVerifier::supported_verify_schemes(&verifier), [rustls::SignatureScheme::ED25519]);
    assert!(provider().cipher_suites.iter().all(|suite| suite.tls13().is_some()));
}
