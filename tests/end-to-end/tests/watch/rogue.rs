//! A dishonest authority: it makes a certificate that everybody accepts, for a key of its own choice, behind the back of
//! its own records. It uses its own keys, its own log, and the very code by which it issues honestly.

use std::path::Path;

use ca::issuance::{PersonInput, Planned, Signer, SignerError, SigningInput};
use ca::proven::Proven;
use ca::store::{Authorization, AuthorizationStatus, Serial};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use identity::certificate::{Certificate, SignatureAlgorithm};
use identity::profile::Profile;
use identity::transparency::VrfSecretKey;
use identity::trust::TrustPolicy;
use identity::{CertificateDer, Identifier, UnixTime};
use p256::ecdsa::signature::Signer as _;
use rustls::pki_types::pem::PemObject;
use transparency_log::Submit;

use super::seized::seize;

/// The issuing key for people, out of its file.
struct Stolen {
    certificate: Certificate,
    key: p256::ecdsa::SigningKey,
}

impl Stolen {
    fn from(keys: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(keys.join("people.pem")).unwrap();
        let pem = std::fs::read_to_string(keys.join("people.key.pem")).unwrap();
        let key = p256::SecretKey::from_pkcs8_pem(&pem).unwrap();
        Self { certificate: Certificate::parse(&certificate).unwrap(), key: key.into() }
    }
}

impl Signer for Stolen {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError> {
        let signature: p256::ecdsa::DerSignature = self.key.sign(input.bytes());
        Ok(signature.as_bytes().to_vec())
    }
}

fn label_key(keys: &Path) -> VrfSecretKey {
    let pem = std::fs::read_to_string(keys.join("vrf.key.pem")).unwrap();
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
    VrfSecretKey::from_bytes(bytes.as_slice().try_into().unwrap())
}

/// What it made.
pub(crate) struct Rogue {
    /// The chain in PEM.
    pub(crate) pem: String,
    /// Where it stands in the log.
    pub(crate) index: u64,
    /// The key it is for.
    pub(crate) key: [u8; 32],
}

/// Issues a certificate in the name of `who` for a key that is not theirs, with the keys in a stopped server's folder, and
/// tells the server's database nothing.
pub(crate) fn issue(folder: &Path, who: &str) -> Rogue {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(issue_with(folder, &Identifier::parse(who).unwrap()))
}

async fn issue_with(folder: &Path, identifier: &Identifier) -> Rogue {
    let policy = TrustPolicy::parse(&std::fs::read(folder.join("policy.json")).unwrap()).unwrap();
    let (keys, now) = (folder.join("keys"), UnixTime::now());
    let (signer, vrf, origin) = (Stolen::from(&keys), label_key(&keys), policy.authorities[0].log.clone());
    // Nobody has proven anything: it is simply claimed.
    let claimed = Authorization {
        id: String::new(),
        revision: 0,
        account: String::new(),
        identifier: identifier.clone(),
        status: AuthorizationStatus::Valid,
        expires: u64::MAX,
        validated: None,
        proven_by: None,
        code: None,
        reply: None,
    };
    let key = SigningKey::from_bytes(&[0x66; 32]);
    let spki = ed25519_dalek::pkcs8::EncodePublicKey::to_public_key_der(&key.verifying_key()).unwrap();
    let planned = Planned::person(&PersonInput {
        profile: Profile::device(),
        proven: &Proven::by(&claimed, now).unwrap(),
        spki_der: spki.as_bytes(),
        serial: Serial([0x55; 16]),
        opening: [0x44; 32],
        slot: 9,
        now,
        issuer: signer.certificate(),
        crl_url: "https://localhost:1/acme/crl/people.crl",
        issuer_url: None,
        label: vrf.evaluate(&identity::transparency::LabelInput {
            origin: &origin,
            identifier: &claimed.identifier,
            period: identity::transparency::period_of(now),
            slot: 9,
        }),
    });
    let linted = planned.unwrap().lint().unwrap();
    let log = seize(folder, &policy).await;
    let logged = log.submit(linted.entry().to_vec()).await.unwrap();
    log.stop().await;
    let issued = linted.logged(&logged.proof, &policy.log_policy().unwrap(), &origin).unwrap().sign(&signer).unwrap();
    let pem = |der: &[u8]| {
        let text = data_encoding::BASE64.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    let pem = format!("{}{}", pem(issued.der()), pem(signer.certificate().der()));
    Rogue { pem, index: issued.index(), key: key.verifying_key().to_bytes() }
}
