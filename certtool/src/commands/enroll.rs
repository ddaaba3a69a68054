//! `certtool enroll`: a certificate for one's address on this device.

use clap::Args;
use device::acme::ExternalAccount;
use device::enrolment::{self, EnrolRequest, Enrolled, Way};
use device::{KeyPlace, MailKeyType, OwnKey};
use identity::Identifier;
use identity::certificate::{Certificate as Leaf, key_algorithm};
use identity::profile::Profile;
use identity::verify::Certified;
use key_store::PassphraseSource;
use serde::Serialize;

use super::verify::Purpose;
use crate::clock;
use crate::context::{Context, identifier};
use crate::conversation::Person;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::text;

/// Get a certificate for your address on this device, or one for mail.
///
/// Makes a key here (it never leaves this device), asks the authority that may certify the address, and proves that the
/// address is yours: a code is sent there and typed in here. A phone number is as good as a mail address. An enrolment
/// that was interrupted goes on where it stopped.
///
/// With --for mail the certificate is for mail programs, browsers, servers and git. Its key is another one, P-256 or RSA;
/// the authority wants a code for it again after 30 days. A key that --new takes the place of stays in your folder: it opens
/// what was written to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool enroll alice@example.org\n  \
    certtool enroll +4915112345678\n  \
    certtool enroll alice@example.org --for mail\n  \
    certtool enroll alice@example.org --for mail --key-type rsa3072\n  \
    certtool enroll alice@example.org --code ABCD-EFGH-IJKL-MNOP-QRST-UVWX\n  \
    echo ABCD-EFGH-IJKL-MNOP-QRST-UVWX | certtool enroll alice@example.org\n  \
    certtool enroll alice@example.org --passphrase ask\n  \
    certtool enroll alice@example.org --key keyring\n  \
    certtool enroll alice@example.org --key \"pkcs11:object=alice?module-path=/usr/lib/libykcs11.so&pin-source=ask\"\n  \
    certtool enroll alice@example.org --challenge oidc\n  \
    certtool enroll alice@example.org --agree-to https://example.org/terms/1\n  \
    certtool enroll alice@example.org --external-account member-7 --external-key file:member.key\n  \
    certtool enroll alice@example.org --challenge email-reply\n  \
    certtool enroll alice@example.org --challenge email-reply --code \"ACME: AAECAwQFBgcI…\"")]
pub(crate) struct Enroll {
    /// Your e-mail address or phone number, in any spelling
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Identifier,
    /// What the certificate is to be for
    #[arg(long = "for", value_name = "USE", value_enum, default_value = "live")]
    purpose: Purpose,
    /// Which kind of key, with --for mail: p256, or rsa3072 for programs that know no other [default: p256, or as the one
    /// before]
    #[arg(long, value_name = "KIND")]
    key_type: Option<MailKeyType>,
    /// Which authority, if more than one of those pinned may certify you
    #[arg(long, value_name = "NAME")]
    authority: Option<String>,
    /// How to prove that the address is yours: code, email-reply to reply to a mail, or oidc to log in where your
    /// organisation does
    #[arg(long, value_name = "WAY", default_value = "code", value_parser = way)]
    challenge: Way,
    /// Where to log in, with --challenge oidc, if several vouch for your address [default: the first]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The code that was sent, or the subject of the mail to reply to; without it, it is read from the terminal or from
    /// standard input
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Make a new key and certificate even if there is a valid one
    #[arg(long)]
    new: bool,
    /// Agree to the authority's terms at this address, which you have read; without it, you are asked at the terminal
    #[arg(long, value_name = "URL")]
    agree_to: Option<String>,
    /// The account elsewhere to which yours is bound, where the authority wants one (a membership, say): its name, as the
    /// operator gave it
    #[arg(long, value_name = "NAME", requires = "external_key")]
    external_account: Option<String>,
    /// Where the key of that account comes from: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    #[arg(long, value_name = "SOURCE", requires = "external_account")]
    external_key: Option<PassphraseSource>,
    /// Where the new keys are kept: file, keyring (of your session), or the URI of a key in a token (RFC 7512; it is made
    /// there if there is none) [default: file, or where the old ones are]
    ///
    /// A file is one that you alone can read; with --passphrase it is sealed.
    #[arg(long, value_name = "WHERE")]
    key: Option<KeyPlace>,
}

fn way(text: &str) -> Result<Way, String> {
    match text {
        "code" => Ok(Way::Code),
        "email-reply" => Ok(Way::Reply),
        "oidc" => Ok(Way::OpenId),
        other => Err(format!("expected code, email-reply or oidc, found {other:?}")),
    }
}

impl Enroll {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if self.purpose == Purpose::Live && self.key_type.is_some() {
            let what = "--key-type is for certificates for mail: a device's key is always Ed25519";
            return Err(Failure::failed(what, "Add --for mail, or leave it out."));
        }
        if let Some(lookalike) = self.identifier.lookalike() {
            context.output.step(&format!("Look twice: {lookalike}."));
        }
        let request = EnrolRequest {
            identifier: &self.identifier,
            authority: self.authority.as_deref(),
            new: self.new,
            keys: self.key.as_ref(),
        };
        let elsewhere = elsewhere(self.external_account, self.external_key.as_ref())?;
        let person = Person::new(&context.output, self.code).by(self.challenge).at(self.issuer);
        let mut person = person.joining(self.agree_to, elsewhere);
        let (home, key_type) = (&context.home, self.key_type);
        let certificate = match self.purpose {
            Purpose::Live => told(&enrolment::enroll(home, request, clock::now, &mut person).await?),
            Purpose::Mail => told(&enrolment::enroll_for_mail(home, request, key_type, clock::now, &mut person).await?),
        };
        context.output.report(&certificate);
        Ok(Exit::Ok)
    }
}

fn told<K: OwnKey>(enrolled: &Enrolled<K>) -> Certificate {
    match enrolled {
        Enrolled::Already(person) => Certificate::new(person, "already enrolled"),
        Enrolled::New(certified) => Certificate::new(&certified.person, "enrolled"),
    }
}

/// The account elsewhere, if one is named.
fn elsewhere(name: Option<String>, key: Option<&PassphraseSource>) -> Result<Option<ExternalAccount>, Failure> {
    let (Some(name), Some(key)) = (name, key) else { return Ok(None) };
    let remedy = "Take name and key as the operator handed them out; say where the key comes from with --external-key ask, file:PATH, fd:NUMBER or credential:NAME.";
    let key = key.read(&format!("the account {name}")).map_err(|error| Failure::failed(error.to_string(), remedy))?;
    let account = ExternalAccount::new(name, key.as_str());
    account.map(Some).map_err(|error| Failure::failed(error.to_string(), remedy))
}

/// A certificate that one has now.
#[derive(Debug, Serialize)]
pub(crate) struct Certificate {
    done: &'static str,
    identifier: String,
    authority: String,
    serial: String,
    /// `device`, `phone-device` or `mail`.
    profile: String,
    /// Of its key.
    algorithm: &'static str,
    device_key: String,
    not_before: String,
    not_after: String,
    log: String,
    index: u64,
    witnesses: Vec<String>,
    witnessed_only_by_operator: bool,
    #[serde(skip)]
    until: String,
}

impl Certificate {
    pub(crate) fn new(person: &Certified, done: &'static str) -> Self {
        let leaf = Leaf::parse(person.leaf()).ok();
        let spki = leaf.as_ref().map(|leaf| leaf.tbs().spki());
        Self {
            profile: person.profile().to_owned(),
            algorithm: spki.and_then(|spki| key_algorithm(spki).ok()).map_or("", |algorithm| algorithm.name()),
            done,
            identifier: person.identifier().to_string(),
            authority: person.authority().to_owned(),
            serial: person.serial_hex(),
            device_key: hex::encode(spki.map_or(&[][..], |spki| spki.subject_public_key.raw_bytes())),
            not_before: text::rfc3339(person.not_before()),
            not_after: text::rfc3339(person.not_after()),
            log: person.origin().to_owned(),
            index: person.index(),
            witnesses: person.witnesses().to_vec(),
            witnessed_only_by_operator: person.witnessed_only_by_operator(),
            until: format!("{} ({})", text::time(person.not_after()), text::relative(person.not_after(), clock::now())),
        }
    }
}

impl Report for Certificate {
    fn page(&self, page: &mut Page) {
        let mut done = self.done.to_owned();
        done[..1].make_ascii_uppercase();
        page.good(&format!("{done}: {}", self.identifier));
        page.field("certified by", &self.authority);
        if self.profile == Profile::mail().name() {
            page.field("for", format!("mail, with a {} key", self.algorithm));
        }
        page.field("valid until", &self.until);
        page.field("logged", format!("entry {} of {}", self.index, self.log));
        if self.done.starts_with("already") {
            page.line("There is nothing to do; --new makes another key and certificate.");
        }
    }
}
