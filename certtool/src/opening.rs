//! Which of one's own keys opens a message: those for mail, also from before, by how the message names its recipients.

use std::io::Read;
use std::path::Path;

use device::{EarlierMailbox, MailKey};
use identity::{CertificateDer, Identifier};
use message_syntax::{CmsError, ContentKey, DecryptionKey, Envelope, Recipient};

use crate::context::Context;
use crate::credential::PrivateKey;
use crate::failure::{Exit, Failure};
use crate::handed::Leaf;
use crate::subject::{self, for_earlier, for_mail};

/// A message's content key, and whose key opened it.
pub(crate) struct Opened {
    pub(crate) by: String,
    pub(crate) key: ContentKey,
}

/// A certificate with what opens its key.
struct Candidate {
    name: String,
    certificate: CertificateDer,
    place: Place,
}

enum Place {
    Mailbox(Identifier),
    Earlier(Box<EarlierMailbox>),
}

/// Opens it with the key of `named`, a certificate and its key, or with one of one's own.
///
/// # Errors
/// It is for none of them, or the key does not open.
pub(crate) fn opened<R: Read>(
    context: &Context,
    file: &Path,
    envelope: &Envelope<R>,
    named: Option<(&Path, &Path)>,
) -> Result<Opened, Failure> {
    let failed = |error: CmsError| not_decrypted(file, &error);
    if let Some((certificate, key)) = named {
        let chain = subject::chain_of_file(certificate)?;
        let key = PrivateKey::of_certificate(context, key, &chain, &certificate.display().to_string())?;
        let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
        let recipient = envelope.recipients().iter().find(|recipient| recipient.is(leaf));
        let recipient = recipient.ok_or_else(|| for_nobody_here(file, envelope.recipients().len()))?;
        let key = envelope.content_key(recipient, &decryption_key(&key)?).map_err(failed)?;
        return Ok(Opened { by: certificate.display().to_string(), key });
    }
    let candidates = candidates(context)?;
    let mut closed = None;
    for one in &candidates {
        let Some(recipient) = envelope.recipients().iter().find(|recipient| recipient.is(&one.certificate)) else {
            continue;
        };
        // Another one that it is for may open.
        match one.open(context).and_then(|own| envelope.content_key(recipient, &own).map_err(failed)) {
            Ok(key) => return Ok(Opened { by: one.name.clone(), key }),
            Err(failure) => _ = closed.get_or_insert(failure),
        }
    }
    if let Some(failure) = closed {
        return Err(failure);
    }
    // A certificate that was renewed is gone, and its key is the same: whoever has the old one still encrypts to that.
    for one in &candidates {
        let own = match one.open(context) {
            Ok(own) => own,
            // Another key may be at hand.
            Err(failure) => {
                closed.get_or_insert(failure);
                continue;
            }
        };
        if let Some(key) = before(envelope, one, &own) {
            return Ok(Opened { by: one.name.clone(), key });
        }
    }
    Err(closed.unwrap_or_else(|| for_nobody_here(file, envelope.recipients().len())))
}

/// The content's key for a certificate from before of one's own key, of which the message says no more than what it named.
fn before<R: Read>(envelope: &Envelope<R>, one: &Candidate, own: &DecryptionKey) -> Option<ContentKey> {
    let all = envelope.recipients();
    let mut certain = all.iter().filter(|recipient| recipient.proves_its_key());
    certain.find_map(|recipient| envelope.content_key(recipient, own).ok()).or_else(|| {
        // RSAES-PKCS1-v1_5 opens with every key, so only where one alone can be meant.
        let may_be = |recipient: &&Recipient| !recipient.proves_its_key() && recipient.may_be_before(&one.certificate);
        let mut blind = all.iter().filter(may_be);
        let only = blind.next().filter(|_| blind.next().is_none())?;
        envelope.content_key(only, own).ok()
    })
}

/// Every key for mail here, those of today first.
fn candidates(context: &Context) -> Result<Vec<Candidate>, Failure> {
    let mut candidates = Vec::new();
    for mailbox in context.home.mailboxes()? {
        let Some(certificate) = mailbox.chain.first().cloned() else { continue };
        let place = Place::Mailbox(mailbox.identifier.clone());
        candidates.push(Candidate { name: for_mail(&mailbox.identifier), certificate, place });
    }
    // Also of an address of which nothing is in use here: imported, or from a backup.
    let earlier = context.home.all_earlier_mailboxes().or_else(|error| match candidates.is_empty() {
        true => Err(error),
        // One that is damaged takes away no other key.
        false => {
            context.output.warning(&format!("keys from before are passed over: {error}"));
            Ok(Vec::new())
        }
    })?;
    for earlier in earlier {
        let Some(certificate) = earlier.chain.first().cloned() else { continue };
        let leaf = Leaf::of(&earlier.chain);
        let name = leaf.map_or_else(|| for_mail(&earlier.identifier), |leaf| for_earlier(&earlier.identifier, &leaf));
        candidates.push(Candidate { name, certificate, place: Place::Earlier(Box::new(earlier)) });
    }
    Ok(candidates)
}

impl Candidate {
    fn open(&self, context: &Context) -> Result<DecryptionKey, Failure> {
        let key: MailKey = match &self.place {
            Place::Mailbox(identifier) => context.home.mailbox(identifier)?.key,
            Place::Earlier(earlier) => context.home.earlier_mail_key(earlier)?,
        };
        decryption_key(&PrivateKey::Mail(key))
    }
}

fn decryption_key(key: &PrivateKey) -> Result<DecryptionKey, Failure> {
    if let PrivateKey::Mail(key) = key
        && let Some(token) = key.token()
    {
        let agree = move |point: &[u8]| token.agree(point).map_err(|error| error.to_string());
        return Ok(DecryptionKey::agreeing(Box::new(agree)));
    }
    DecryptionKey::from_pkcs8(&key.pkcs8()?)
        .map_err(|error| Failure::failed(error.to_string(), "Give the key of a certificate for mail."))
}

/// Why a message does not open.
pub(crate) fn not_decrypted(file: &Path, error: &CmsError) -> Failure {
    let what = format!("{} was not decrypted: {error}", file.display());
    match error {
        CmsError::Io(_) => Failure::failed(what, "Check the file and the free space; nothing was written."),
        CmsError::Agree(_) => Failure::failed(
            what,
            "Is the token still there, and does it permit key agreement (CKA_DERIVE) with this key? Nothing was written.",
        ),
        CmsError::Form { .. } | CmsError::Content(_) => Failure::new(
            Exit::Refused,
            what,
            "Is it an encrypted file? certtool inspect FILE says what it is. If it is, ask for it again; nothing was written.",
        ),
        CmsError::Algorithm { .. } => {
            Failure::new(Exit::Refused, what, "Ask for it as certtool encrypt writes it; nothing was written.")
        }
        _ => Failure::new(Exit::Refused, what, "Ask for it again; nothing was written."),
    }
}

fn for_nobody_here(file: &Path, recipients: usize) -> Failure {
    let to = match recipients {
        1 => "a key that is not here".to_owned(),
        many => format!("{many} keys, none of which is here"),
    };
    Failure::failed(
        format!("{} is encrypted to {to}", file.display()),
        "Was it for another address or device of yours? With a key that lies elsewhere: --by CERTIFICATE --key KEY.",
    )
}
