//! A key of one's own with its certificates, as another program gets them: the one that holds now, or one from before that
//! opens old mails.

use std::path::Path;

use device::EarlierMailbox;
use identity::certificate::Certificate;
use identity::profile::KeyAlgorithm;
use identity::{CertificateDer, Identifier, UnixTime};
use serde::Serialize;

use crate::context::Context;
use crate::credential::{Credential, Named, PrivateKey};
use crate::explained::{key_algorithm_of, rsa_bits};
use crate::failure::Failure;
use crate::subject;
use crate::text;

/// What of one's own goes into another program.
pub(crate) struct Handed {
    pub(crate) identifier: Identifier,
    /// Leaf first, then the issuing certificate; without the root.
    pub(crate) chain: Vec<CertificateDer>,
    /// The root. Of a certificate from before it may be unknown by now.
    pub(crate) root: Option<CertificateDer>,
    pub(crate) leaf: Leaf,
    pub(crate) key: PrivateKey,
}

/// What is told of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    /// SHA-256 of it, in hex.
    pub(crate) fingerprint: String,
    pub(crate) algorithm: KeyAlgorithm,
    /// What the key is called: of RSA with its bits, of which one from elsewhere may have fewer than ours.
    pub(crate) key: String,
    pub(crate) not_after: UnixTime,
}

/// So many digits of a fingerprint are shown where they are to be typed again.
pub(crate) const DIGITS: usize = 8;

impl Leaf {
    /// Of the first certificate of a chain; none if it is of no kind that is known here.
    pub(crate) fn of(chain: &[CertificateDer]) -> Option<Self> {
        let leaf = Certificate::parse(chain.first()?).ok()?;
        let algorithm = key_algorithm_of(&leaf)?;
        let bits = rsa_bits(leaf.tbs().spki()).filter(|_| algorithm == KeyAlgorithm::Rsa);
        Some(Self {
            fingerprint: hex::encode(leaf.fingerprint()),
            algorithm,
            key: bits.map_or_else(|| algorithm.name().to_owned(), |bits| format!("RSA-{bits}")),
            not_after: leaf.tbs().not_after(),
        })
    }

    /// The beginning of the fingerprint.
    pub(crate) fn digits(&self) -> &str {
        &self.fingerprint[..DIGITS]
    }
}

/// A key for mail, as what it became is told.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// As it is typed.
    pub(crate) name: String,
    identifier: String,
    fingerprint: String,
    pub(crate) algorithm: String,
    not_after: String,
    #[serde(skip)]
    pub(crate) until: String,
}

impl Told {
    pub(crate) fn of(name: String, identifier: &Identifier, leaf: &Leaf) -> Self {
        Self {
            name,
            identifier: identifier.to_string(),
            fingerprint: leaf.fingerprint.clone(),
            algorithm: leaf.key.clone(),
            not_after: text::rfc3339(leaf.not_after),
            until: text::time(leaf.not_after),
        }
    }
}

impl Handed {
    /// The certificate that holds now.
    pub(crate) fn current(credential: Credential) -> Result<Self, Failure> {
        let Credential { person, chain, root, key, .. } = credential;
        let identifier = person.identifier().clone();
        let leaf = Leaf::of(&chain).ok_or_else(|| unknown(&identifier))?;
        Ok(Self { identifier, chain, root: Some(root), leaf, key })
    }

    /// One from before. It vouches for nothing any more, and opens what was written to it: that its certificate has ended, or
    /// is revoked, is no reason to leave letters closed.
    pub(crate) fn earlier(context: &Context, earlier: &EarlierMailbox) -> Result<Self, Failure> {
        let (identifier, chain) = (earlier.identifier.clone(), earlier.chain.clone());
        let leaf = Leaf::of(&chain).ok_or_else(|| unknown(&identifier))?;
        let key = PrivateKey::Mail(context.home.earlier_mail_key(earlier)?);
        key.belongs_to(&chain, &identifier)?;
        let root = root_of(context, &chain)?;
        Ok(Self { identifier, chain, root, leaf, key })
    }

    /// The certificate itself, in DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        self.chain.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// The whole chain: leaf first, the root last, if it is known.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &CertificateDer> {
        self.chain.iter().chain(&self.root)
    }
}

impl Named {
    /// The certificate from before that is meant, if one is.
    pub(crate) fn earlier(&self, context: &Context) -> Result<Option<EarlierMailbox>, Failure> {
        match self.what.as_deref() {
            Some(what) if self.key.is_none() && !Path::new(what).exists() => subject::earlier(context, what),
            _ => Ok(None),
        }
    }
}

/// The root above it, by name, of those that are pinned.
fn root_of(context: &Context, chain: &[CertificateDer]) -> Result<Option<CertificateDer>, Failure> {
    let parsed = |der: &[u8]| Certificate::parse(der).ok();
    let Some(last) = chain.last().and_then(|der| parsed(der)) else { return Ok(None) };
    let policies = context.home.trust_policies()?;
    let mut roots = policies.iter().flat_map(|policy| &policy.authorities).map(|authority| &authority.root.0);
    let above = roots.find(|root| parsed(root).is_some_and(|root| root.tbs().subject() == last.tbs().issuer()));
    Ok(above.map(|root| root.clone().into()))
}

fn unknown(identifier: &Identifier) -> Failure {
    Failure::failed(format!("the certificate of {identifier} has no key of a kind known here"), "Check the file.")
}
