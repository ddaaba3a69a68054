//! A complete authority in memory, made from a seed: for tests and benchmarks of everything that needs certificates.
//!
//! It issues by the same plans, lints, entries and extensions as the real one, into a real (small) Merkle tree with
//! signed and cosigned checkpoints, so that what it issues keeps every rule. What it lacks is all that makes an authority
//! trustworthy: it validates nothing, stores nothing, and everybody knows its keys. The functions here panic where a test
//! asks for what cannot be.

mod log;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _, pkcs8::EncodePublicKey as _};
use p256::ecdsa::{Signature, SigningKey as EcdsaKey, signature::Signer};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use sha2::{Digest, Sha256};
use tlog_proof::{Entry, ObjectKind};

use crate::{
    CertificateDer, Identifier, IdentifierKind,
    certificate::{Certificate, SignatureAlgorithm, Tbs, assemble},
    endorsement::Endorsement,
    plan::{
        AuthorityPlan, AuthorityRole, ComponentPlan, CrlPlan, PersonPlan, PlanError, RevokedEntry, ServicePlan,
        assemble_crl, crl, lint,
    },
    profile::{KeyAlgorithm, Profile},
    transparency::{
        LabelInput, Opening, SLOTS, TransparencyExtension, VrfSecretKey, commitment, period_of, service_name_digest,
    },
    trust::Fingerprint,
    trust::{
        Authority as PolicyAuthority, Base64Bytes, DirectoryEntry, PolicyUpdate, Trust, TrustPolicy, signing_input,
    },
};

pub use log::{MemoryLog, WITNESS};

/// The origin of a test authority's log.
pub const ORIGIN: &str = "log.example.org/2026";
/// Where its revocation lists would be.
pub const CRL_URL: &str = "http://ca.example.org/crl";
/// Where its people CA's certificate would be.
pub const ISSUER_URL: &str = "http://ca.example.org/people.cer";
/// A moment at which an authority may begin: 2026-11-23 12:00:00 UTC.
pub const NOON: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_435_200));

const YEAR: u64 = 365 * 24 * 60 * 60;

/// One of the authority's CAs: its key and its certificate.
pub struct Ca {
    key: EcdsaKey,
    /// Its certificate.
    pub certificate: Certificate,
}

/// An authority with root, people CA, services CA, VRF key, log and one witness.
pub struct Authority {
    seed: u64,
    name: String,
    /// The CA that issues to people.
    pub people: Ca,
    /// The CA that issues to services.
    pub services: Ca,
    root: Ca,
    vrf: VrfSecretKey,
    log: MemoryLog,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    counter: u64,
    slots: HashMap<(Identifier, u32), u8>,
}

impl Authority {
    /// An authority that begins at `begin`. Equal seeds make equal keys.
    pub fn new(seed: u64, begin: UnixTime) -> Self {
        let name = format!("Test authority {seed}");
        let keys = ["root", "people", "services"].map(|what| ecdsa_key(seed, what));
        let [root_key, people_key, services_key] = keys;
        let plan = |role, key: &EcdsaKey, issuer: Option<&Certificate>, signer: &EcdsaKey| {
            let spki_der = spki(key);
            let years = if role == AuthorityRole::Root { 10 } else { 5 };
            let plan = AuthorityPlan {
                generation: 1,
                role,
                name: &name,
                spki_der: &spki_der,
                serial: bytes(seed, role_name(role), 0),
                not_before: begin,
                lifetime: Duration::from_secs(years * YEAR),
                issuer,
            };
            sign(&plan.tbs().expect("the plan is in order"), signer)
        };
        let root = plan(AuthorityRole::Root, &root_key, None, &root_key);
        let people = plan(AuthorityRole::People, &people_key, Some(&root), &root_key);
        let services = plan(AuthorityRole::Services, &services_key, Some(&root), &root_key);
        Self {
            seed,
            root: Ca { key: root_key, certificate: root },
            people: Ca { key: people_key, certificate: people },
            services: Ca { key: services_key, certificate: services },
            vrf: VrfSecretKey::from_bytes(&bytes(seed, "vrf", 0)),
            log: MemoryLog::new(ORIGIN, seed),
            state: Mutex::default(),
            name,
        }
    }

    /// Its trust policy: all identifiers, the one log, a quorum of the one witness, no directory.
    pub fn policy(&self) -> TrustPolicy {
        let der = |ca: &Ca| Base64Bytes(ca.certificate.der().to_vec());
        TrustPolicy {
            version: 1,
            number: 1,
            previous: None,
            name: self.name.clone(),
            authorities: vec![PolicyAuthority {
                name: self.name.clone(),
                acme: "https://ca.example.org/acme/directory".to_owned(),
                root: der(&self.root),
                issuers: vec![der(&self.people), der(&self.services)],
                withdrawn: Vec::new(),
                kinds: vec![IdentifierKind::Email, IdentifierKind::Phone],
                domains: vec!["*".to_owned()],
                phone_prefixes: vec!["*".to_owned()],
                vrf_key: Base64Bytes(self.vrf.public().to_bytes().to_vec()),
                log: ORIGIN.to_owned(),
                earlier_logs: Vec::new(),
            }],
            directories: Vec::new(),
            tlog_policy: self.log.policy_text(),
            operator_witnesses: Vec::new(),
            windows: Vec::new(),
            updates: None,
        }
    }

    /// The same policy with one directory.
    pub fn policy_with_directory(&self, name: &str, address: &str) -> TrustPolicy {
        let directory = DirectoryEntry { name: name.to_owned(), address: address.to_owned() };
        TrustPolicy { directories: vec![directory], ..self.policy() }
    }

    /// Trust in this authority alone, with directories at `localhost` and `directory.example.org`.
    pub fn trust(&self) -> Arc<Trust> {
        let directory = |name: &str| DirectoryEntry { name: name.to_owned(), address: format!("{name}:8444") };
        let directories = ["localhost", "directory.example.org"].map(directory).to_vec();
        Arc::new(Trust::new(vec![TrustPolicy { directories, ..self.policy() }]).expect("the policy is in order"))
    }

    /// The update that makes `next` the policy after the one before: signed by this root, logged and cosigned at `time`.
    pub fn update(&self, next: &TrustPolicy, time: UnixTime) -> PolicyUpdate {
        let policy = next.canonical();
        let signature: Signature = self.root.key.sign(&signing_input(&policy));
        let entry = Entry::Object { kind: ObjectKind::TrustPolicy, hash: next.fingerprint().0 };
        PolicyUpdate {
            policy: String::from_utf8(policy).expect("JSON is UTF-8"),
            proof: self.log.append(&entry, time.as_secs()).to_string(),
            signature: signature.to_der().as_bytes().to_vec().into(),
        }
    }

    /// Its log.
    pub fn log(&self) -> &MemoryLog {
        &self.log
    }

    /// The key of its labels.
    pub fn vrf(&self) -> &VrfSecretKey {
        &self.vrf
    }

    /// A certificate for a new device of this person, logged and cosigned at `not_before`, and the device's key.
    pub fn issue_person(&self, identifier: &Identifier, not_before: UnixTime) -> (Vec<CertificateDer>, SigningKey) {
        let key = SigningKey::from_bytes(&bytes(self.seed, "device", self.next()));
        (self.renew_person(identifier, &key, not_before), key)
    }

    /// A certificate for a device that has a key already.
    pub fn renew_person(&self, identifier: &Identifier, key: &SigningKey, not_before: UnixTime) -> Vec<CertificateDer> {
        let tbs = self.plan_person(identifier, key, not_before);
        let extension = self.log_person(&tbs, identifier, not_before.as_secs());
        self.chain(&tbs.with_transparency(&extension), &self.people)
    }

    /// A certificate of the profile `mail`, or of what an operator made of it, for a key as SubjectPublicKeyInfo in DER.
    pub fn issue_mail(
        &self,
        profile: &Profile,
        identifier: &Identifier,
        spki_der: &[u8],
        not_before: UnixTime,
    ) -> Vec<CertificateDer> {
        let tbs = self.plan(profile, identifier, spki_der, not_before);
        let extension = self.log_person(&tbs, identifier, not_before.as_secs());
        self.chain(&tbs.with_transparency(&extension), &self.people)
    }

    /// A certificate for a service, logged and cosigned at `not_before`, and its key.
    pub fn issue_service(&self, name: &str, not_before: UnixTime) -> (Vec<CertificateDer>, PrivateKeyDer<'static>) {
        self.issue_machine(Profile::service(), name, not_before, |plan| plan.tbs())
    }

    /// A certificate for a component, logged and cosigned at `not_before`, and its key.
    pub fn issue_component(&self, name: &str, not_before: UnixTime) -> (Vec<CertificateDer>, PrivateKeyDer<'static>) {
        self.issue_machine(Profile::component(), name, not_before, |plan| ComponentPlan(plan).tbs())
    }

    fn issue_machine(
        &self,
        profile: &Profile,
        name: &str,
        not_before: UnixTime,
        plan: impl FnOnce(ServicePlan<'_>) -> Result<Tbs, PlanError>,
    ) -> (Vec<CertificateDer>, PrivateKeyDer<'static>) {
        let key = ecdsa_key(self.seed, &format!("service {}", self.next()));
        let tbs = plan(ServicePlan {
            name,
            spki_der: &spki(&key),
            serial: bytes(self.seed, "serial", self.next()),
            not_before,
            lifetime: profile.lifetime(),
            issuer: &self.services.certificate,
            crl_url: CRL_URL,
        })
        .expect("the plan is in order");
        assert_eq!(lint(&tbs, profile), []);
        let extension = self.log_service(&tbs, name, not_before.as_secs());
        let chain = self.chain(&tbs.with_transparency(&extension), &self.services);
        let der = key.to_pkcs8_der().expect("a key encodes").as_bytes().to_vec();
        (chain, PrivatePkcs8KeyDer::from(der).into())
    }

    /// A revocation list of the people CA with these serial numbers.
    pub fn people_crl(&self, number: u64, this_update: UnixTime, serials: &[&[u8]]) -> Vec<u8> {
        self.people_crl_at(None, number, this_update, serials)
    }

    /// The same, for the certificates that name this address alone.
    pub fn people_crl_at(&self, place: Option<&str>, number: u64, this_update: UnixTime, serials: &[&[u8]]) -> Vec<u8> {
        let revoked: Vec<_> = (serials.iter())
            .map(|serial| RevokedEntry { serial: serial.to_vec(), time: this_update, reason: None })
            .collect();
        self.sign_crl(&CrlPlan {
            issuer: &self.people.certificate,
            this_update,
            next_update: UnixTime::since_unix_epoch(Duration::from_secs(this_update.as_secs() + 86_400)),
            number,
            revoked: &revoked,
            place,
        })
    }

    pub(crate) fn sign_crl(&self, plan: &CrlPlan<'_>) -> Vec<u8> {
        let tbs = crl(plan).expect("the plan is in order");
        let signature: Signature = self.people.key.sign(&tbs);
        assemble_crl(&tbs, SignatureAlgorithm::EcdsaP256Sha256, signature.to_der().as_bytes())
    }

    pub(crate) fn plan_person(&self, identifier: &Identifier, key: &SigningKey, not_before: UnixTime) -> Tbs {
        let profile = match identifier.kind() {
            IdentifierKind::Email => Profile::device(),
            IdentifierKind::Phone => Profile::phone_device(),
        };
        let spki_der = key.verifying_key().to_public_key_der().expect("a key encodes").into_vec();
        self.plan(profile, identifier, &spki_der, not_before)
    }

    fn plan(&self, profile: &Profile, identifier: &Identifier, spki_der: &[u8], not_before: UnixTime) -> Tbs {
        let tbs = PersonPlan {
            profile,
            identifier,
            spki_der,
            serial: bytes(self.seed, "serial", self.next()),
            not_before,
            lifetime: profile.lifetime(),
            issuer: &self.people.certificate,
            crl_url: CRL_URL,
            issuer_url: Some(ISSUER_URL),
        }
        .tbs()
        .expect("the plan is in order");
        assert_eq!(lint(&tbs, profile), []);
        tbs
    }

    /// Logs a person's certificate; the witness cosigns at `time`, in seconds since the epoch.
    pub(crate) fn log_person(&self, tbs: &Tbs, identifier: &Identifier, time: u64) -> TransparencyExtension {
        let period = period_of(tbs.not_before());
        let slot = self.slot(identifier, period);
        let (label, proof) = self.vrf.evaluate(&LabelInput { origin: ORIGIN, identifier, period, slot });
        let opening = Opening::new(bytes(self.seed, "opening", self.next()));
        let commitment = commitment(&opening, &tbs.encode());
        let logged = self.log.append(&Entry::Certificate { label, commitment }, time);
        TransparencyExtension::build(period, slot, Some(proof), opening, &logged).expect("the log's proof is in order")
    }

    pub(crate) fn log_service(&self, tbs: &Tbs, name: &str, time: u64) -> TransparencyExtension {
        let opening = Opening::new(bytes(self.seed, "opening", self.next()));
        let commitment = commitment(&opening, &tbs.encode());
        let logged = self.log.append(&Entry::Service { name_digest: service_name_digest(name), commitment }, time);
        let period = period_of(tbs.not_before());
        TransparencyExtension::build(period, 0, None, opening, &logged).expect("the log's proof is in order")
    }

    /// Signs what it is given, whatever it is.
    pub(crate) fn chain(&self, tbs: &Tbs, ca: &Ca) -> Vec<CertificateDer> {
        let leaf = sign(tbs, &ca.key);
        [leaf.der(), ca.certificate.der()].map(|der| CertificateDer::from(der.to_vec())).to_vec()
    }

    /// Makes the people CA's certificate anew, changed: what an authority could do that is not ours.
    #[cfg(test)]
    pub(crate) fn change_people(&mut self, change: impl FnOnce(&mut crate::certificate::TbsParts)) {
        let mut parts = self.people.certificate.tbs().to_parts();
        change(&mut parts);
        self.people.certificate = sign(&Tbs::from_parts(parts).expect("the parts are in order"), &self.root.key);
    }

    /// Signs with the root's key.
    #[cfg(test)]
    pub(crate) fn root(&self) -> &Ca {
        &self.root
    }

    fn slot(&self, identifier: &Identifier, period: u32) -> u8 {
        let mut state = self.state.lock().expect("no test panicked in here");
        let used = state.slots.entry((identifier.clone(), period)).or_default();
        assert!(*used < SLOTS, "all slots of {identifier} in period {period} are used");
        *used += 1;
        // Not in order: nothing may depend on it.
        (*used * 7) % SLOTS
    }

    fn next(&self) -> u64 {
        let mut state = self.state.lock().expect("no test panicked in here");
        state.counter += 1;
        state.counter
    }
}

/// A device's key as rustls wants it.
pub fn private_key(key: &SigningKey) -> PrivateKeyDer<'static> {
    let der = key.to_pkcs8_der().expect("a key encodes").as_bytes().to_vec();
    PrivatePkcs8KeyDer::from(der).into()
}

/// An endorsement that names whatever certificate and end it is given.
pub fn endorsement(
    certificate: CertificateDer,
    (who, key): (&Identifier, &SigningKey),
    of: Fingerprint,
    until: u64,
) -> Endorsement {
    Endorsement::signed(certificate, (who, key), of, until).expect("a key in memory signs")
}

/// A public key for a mail program, as SubjectPublicKeyInfo in DER; the RSA one has 3072 bits.
pub fn mail_key(algorithm: KeyAlgorithm) -> Vec<u8> {
    match algorithm {
        KeyAlgorithm::Ed25519 => {
            let key = SigningKey::from_bytes(&bytes(0, "mail", 0)).verifying_key();
            key.to_public_key_der().expect("a key encodes").into_vec()
        }
        KeyAlgorithm::P256 => spki(&ecdsa_key(0, "mail")),
        KeyAlgorithm::Rsa => include_bytes!("testing/rsa-3072.der").to_vec(),
    }
}

fn sign(tbs: &Tbs, key: &EcdsaKey) -> Certificate {
    let signature: Signature = key.sign(&tbs.encode());
    let der = assemble(tbs, SignatureAlgorithm::EcdsaP256Sha256, signature.to_der().as_bytes());
    Certificate::parse(&der).expect("what was assembled parses")
}

fn spki(key: &EcdsaKey) -> Vec<u8> {
    key.verifying_key().to_public_key_der().expect("a key encodes").into_vec()
}

fn ecdsa_key(seed: u64, what: &str) -> EcdsaKey {
    let bytes: [u8; 32] = bytes(seed, what, 0);
    EcdsaKey::from_slice(&bytes).expect("a hash beyond the group's order has chance 2^-32")
}

fn role_name(role: AuthorityRole) -> &'static str {
    match role {
        AuthorityRole::Root => "root serial",
        AuthorityRole::People => "people serial",
        AuthorityRole::Services => "services serial",
    }
}

/// Bytes that look random: for at most 32 of them.
fn bytes<const N: usize>(seed: u64, what: &str, counter: u64) -> [u8; N] {
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(counter.to_be_bytes())
        .chain_update(what.as_bytes())
        .finalize();
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest[..N]);
    bytes
}
