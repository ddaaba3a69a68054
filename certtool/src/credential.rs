//! A certificate with its private key: this device's, or one whose files were named.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use clap::Args;
use device::{DeviceKey, MailKey, OwnKey as _, dating};
use identity::CertificateDer;
use identity::Identifier;
use identity::certificate::{Certificate, key_algorithm};
use identity::profile::KeyAlgorithm;
use identity::trust::TrustPolicy;
use identity::verify::Certified;
use key_store::PassphraseSource;
use key_store::sealed::{self, SealError};
use message_syntax::Algorithm;
use zeroize::Zeroizing;

use crate::clock;
use crate::context::Context;
use crate::explained::key_algorithm_of;
use crate::failure::{Failure, PASSPHRASE};
use crate::subject::{self, Source, Subject, for_mail};
use crate::verdict::{certified, refusal};

/// A certificate that holds now, with its chain to the root and its private key.
pub(crate) struct Credential {
    /// What the certificate proves.
    pub(crate) person: Certified,
    /// Leaf first, then the issuing certificate; without the root.
    pub(crate) chain: Vec<CertificateDer>,
    /// The root, which whoever is to take the certificate has to trust.
    pub(crate) root: CertificateDer,
    pub(crate) source: Source,
    pub(crate) key: PrivateKey,
}

/// A certificate that holds now, without its key.
pub(crate) struct Public {
    pub(crate) person: Certified,
    pub(crate) chain: Vec<CertificateDer>,
    pub(crate) root: CertificateDer,
    pub(crate) leaf: Certificate,
    /// Whose key it is.
    pub(crate) source: Source,
    pub(crate) algorithm: KeyAlgorithm,
}

/// Whose certificate, on a command line.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// A certificate in PEM or DER, or an address you enrolled, if several are enrolled here; with mail: before it, the
    /// certificate for mail, and after it / and the first digits of a fingerprint, one that you had before
    #[arg(value_name = "FILE|ID")]
    pub(crate) what: Option<String>,
    /// The key of that certificate, if it is none of this device's: PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "what")]
    pub(crate) key: Option<PathBuf>,
}

impl Named {
    pub(crate) fn public(&self, context: &Context) -> Result<Public, Failure> {
        public(context, self.what.as_deref())
    }

    pub(crate) fn private(&self, context: &Context) -> Result<Credential, Failure> {
        private(context, self.what.as_deref(), self.key.as_deref())
    }
}

impl Named {
    /// The certificate for mail, where none is named by its file and there is one: what takes no key of a device gets that.
    pub(crate) fn preferring_mail(self, context: &Context) -> Result<Self, Failure> {
        let what = match &self.what {
            _ if self.key.is_some() => return Ok(self),
            Some(what) if Path::new(what).exists() => return Ok(self),
            Some(what) => Identifier::parse(what).ok().filter(|id| context.home.has_mailbox(id).is_ok_and(|has| has)),
            None => subject::only_mailbox(context).ok().map(|mailbox| mailbox.identifier),
        };
        Ok(Self { what: what.map(|identifier| for_mail(&identifier)).or(self.what), key: None })
    }
}

/// Reads and verifies the certificate of `what`: a file, or the device enrolled for that address.
pub(crate) fn public(context: &Context, what: Option<&str>) -> Result<Public, Failure> {
    let subject = subject::find(context, what)?;
    let policies = context.home.trust_policies()?;
    if policies.is_empty() {
        return Err(device::enrolment::ChooseError::NoPolicy.into());
    }
    let now = clock::now();
    let person =
        certified(&subject, &context.home.trust_at(now)?, now).map_err(|error| refusal(error, &subject, now, false))?;
    let Subject { chain, name, source } = subject;
    let (leaf, algorithm) = chain
        .first()
        .and_then(|der| Certificate::parse(der).ok())
        .and_then(|leaf| key_algorithm(leaf.tbs().spki()).ok().map(|algorithm| (leaf, algorithm)))
        .ok_or_else(|| Failure::failed(format!("{name} has no key of a kind known here"), "Check the file."))?;
    let (chain, root) = completed(chain, &leaf, &person, &policies).ok_or_else(|| {
        Failure::failed(
            format!("the issuer of {name} is in no pinned policy"),
            "Take its newest trust policy: certtool trust update.",
        )
    })?;
    Ok(Public { person, chain, root, leaf, source, algorithm })
}

/// The same with its key: from the file `key`, or else this device's.
pub(crate) fn private(context: &Context, what: Option<&str>, key: Option<&Path>) -> Result<Credential, Failure> {
    let public = public(context, what)?;
    let key = match key {
        Some(path) => PrivateKey::read(context, path, public.algorithm)?,
        None if what.is_some_and(|what| Path::new(what).exists()) => {
            return Err(Failure::failed(
                format!("{} is a certificate, and its private key is wanted too", what.unwrap_or_default()),
                "Say where its key lies: --key FILE. Or give the address of a device that is enrolled here.",
            ));
        }
        None if public.source == Source::Mail => {
            PrivateKey::Mail(context.home.mailbox(public.person.identifier())?.key)
        }
        None if public.source == Source::Earlier => {
            let earlier = subject::earlier(context, what.unwrap_or_default())?.ok_or_else(subject::nobody)?;
            PrivateKey::Mail(context.home.earlier_mail_key(&earlier)?)
        }
        None => PrivateKey::Device(context.home.device(public.person.identifier())?.key),
    };
    key.belongs_to(&public.chain, public.person.identifier())?;
    let Public { person, chain, root, source, .. } = public;
    Ok(Credential { person, chain, root, source, key })
}

/// The chain without the root, and the root: what a file leaves out is in the trust policy.
fn completed(
    chain: Vec<CertificateDer>,
    leaf: &Certificate,
    person: &Certified,
    policies: &[TrustPolicy],
) -> Option<(Vec<CertificateDer>, CertificateDer)> {
    let key = |der: &[u8]| {
        Certificate::parse(der)
            .is_ok_and(|root| digest(&SHA256, &root.tbs().spki_der()).as_ref() == person.authority_root())
    };
    let authority = policies.iter().flat_map(|policy| &policy.authorities).find(|authority| key(&authority.root.0))?;
    let issued = |der: &[u8]| Certificate::parse(der).is_ok_and(|issuer| issuer.tbs().subject() == leaf.tbs().issuer());
    let given = chain.iter().skip(1).map(|der| der.to_vec());
    let issuer = given.chain(authority.issuers.iter().map(|der| der.0.clone())).find(|der| issued(der))?;
    let leaf = chain.into_iter().next()?;
    Some((vec![leaf, issuer.into()], authority.root.0.clone().into()))
}

/// A private key: this device's (in memory or in a token), or one of a mail program's kinds.
pub(crate) enum PrivateKey {
    /// Ed25519.
    Device(DeviceKey),
    /// P-256 or RSA.
    Mail(MailKey),
}

impl PrivateKey {
    /// Reads PKCS#8 in PEM, sealed or not, of the kind that the certificate names.
    fn read(context: &Context, path: &Path, algorithm: KeyAlgorithm) -> Result<Self, Failure> {
        let pem = dating::read_key_text(path)?;
        let sealed_error = |error: SealError| {
            let remedy = match &error {
                SealError::Passphrase(_) | SealError::NoPassphrase => PASSPHRASE,
                SealError::Wrong => "Try the passphrase again: --passphrase ask.",
                _ => "openssl pkcs8 -topk8 -in KEY -out FILE writes a key in this form; remove FILE afterwards.",
            };
            Failure::failed(format!("{}: {error}", path.display()), remedy)
        };
        let source = context.passphrase.clone().unwrap_or(PassphraseSource::Ask);
        let mut passphrase = || source.read(&path.display().to_string()).map(Some);
        let pkcs8 = sealed::open(sealed::PRIVATE_KEY, &pem, &mut passphrase).map_err(sealed_error)?;
        let wrong = |found: &dyn ToString| {
            Failure::failed(
                format!(
                    "{}: expected the certificate's {} key, found {}",
                    path.display(),
                    algorithm.name(),
                    found.to_string()
                ),
                "Give the key that the certificate was made for.",
            )
        };
        match algorithm {
            KeyAlgorithm::Ed25519 => {
                let clear = sealed::in_clear(sealed::PRIVATE_KEY, &pkcs8).map_err(sealed_error)?;
                DeviceKey::from_pem(&clear).map(Self::Device).map_err(|_| wrong(&"something else"))
            }
            KeyAlgorithm::P256 | KeyAlgorithm::Rsa => match MailKey::from_pkcs8(&pkcs8) {
                Ok(key) if key.algorithm() == algorithm => Ok(Self::Mail(key)),
                Ok(key) => Err(wrong(&format!("one of {}", key.algorithm().name()))),
                Err(_) => Err(wrong(&"something else")),
            },
        }
    }

    /// Reads the key of this chain's certificate, which may have ended: what was encrypted to it stays readable.
    ///
    /// # Errors
    /// It cannot be read, or is the key of another certificate.
    pub(crate) fn of_certificate(
        context: &Context,
        path: &Path,
        chain: &[CertificateDer],
        name: &str,
    ) -> Result<Self, Failure> {
        let leaf = chain.first().and_then(|der| Certificate::parse(der).ok());
        let algorithm = leaf.and_then(|leaf| key_algorithm_of(&leaf));
        let algorithm = algorithm
            .ok_or_else(|| Failure::failed(format!("{name} has no key of a kind known here"), "Check the file."))?;
        let key = Self::read(context, path, algorithm)?;
        if key.is_in(chain) { Ok(key) } else { Err(mismatch(name)) }
    }

    /// That it is the key in the first certificate of a chain.
    ///
    /// # Errors
    /// It is another one.
    pub(crate) fn belongs_to(&self, chain: &[CertificateDer], identifier: &Identifier) -> Result<(), Failure> {
        if self.is_in(chain) { Ok(()) } else { Err(mismatch(identifier.as_ref())) }
    }

    fn is_in(&self, chain: &[CertificateDer]) -> bool {
        let leaf = chain.first().and_then(|der| Certificate::parse(der).ok());
        leaf.is_some_and(|leaf| leaf.tbs().spki().subject_public_key.raw_bytes() == self.public())
    }

    /// As it stands in a SubjectPublicKeyInfo.
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Device(key) => key.public_key().to_vec(),
            Self::Mail(key) => key.public_bits(),
        }
    }

    /// How it signs messages.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Device(_) => Algorithm::Ed25519,
            Self::Mail(key) if key.algorithm() == KeyAlgorithm::Rsa => Algorithm::Rsa,
            Self::Mail(_) => Algorithm::EcdsaP256,
        }
    }

    /// How it signs requests to the authority.
    pub(crate) fn requests(&self) -> &dyn device::acme::jws::RequestKey {
        match self {
            Self::Device(key) => key,
            Self::Mail(key) => key,
        }
    }

    /// Signs a message, in the form that CMS has.
    ///
    /// # Errors
    /// The key, in a token, did not; or there is no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signed = match self {
            Self::Device(key) => key.sign(message),
            Self::Mail(key) => key.sign(message),
        };
        signed.map_err(|error| error.to_string())
    }

    /// PKCS#8 in DER.
    ///
    /// # Errors
    /// A token does not give it out.
    pub(crate) fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let in_token = || {
            Failure::failed(
                "the key lies in a token, which gives it to nobody",
                "Let the program use the token itself (PKCS#11); certtool key list says which one it is.",
            )
        };
        match self {
            Self::Mail(key) => key.pkcs8().cloned().ok_or_else(in_token),
            Self::Device(key) => {
                let pem = key.to_pem().ok_or_else(in_token)?;
                let opened = sealed::open(sealed::PRIVATE_KEY, &pem, &mut || Ok(None));
                opened.map_err(|error| Failure::failed(error.to_string(), "Try again."))
            }
        }
    }
}

fn mismatch(whose: &str) -> Failure {
    Failure::failed(
        format!("the key and the certificate of {whose} do not match"),
        "Give the key that the certificate was made for.",
    )
}
