//! The JSON objects of RFC 8555 as far as a person's device reads and writes them. Unknown members are ignored, as
//! section 6 and 7 of the RFC want it: servers may add some.

use serde::{Deserialize, Serialize};

/// The directory object (section 7.1.1).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// Where nonces come from.
    pub new_nonce: String,
    /// Where accounts are made.
    pub new_account: String,
    /// Where orders are made.
    pub new_order: String,
    /// Where control is proven without an order; absent at an authority without pre-authorization.
    #[serde(default)]
    pub new_authz: Option<String>,
    /// Where certificates are revoked.
    #[serde(default)]
    pub revoke_cert: Option<String>,
    /// Below which it says when to renew (RFC 9773); absent at an authority that does not.
    #[serde(default)]
    pub renewal_info: Option<String>,
    /// Where an owner asks for the proofs of her labels; absent at an authority without a watch.
    #[serde(default)]
    pub inperson_watch: Option<String>,
    /// Where an owner has openings erased.
    #[serde(default)]
    pub inperson_erase: Option<String>,
    /// Where an owner ends the proofs of control that other accounts have.
    #[serde(default)]
    pub inperson_end_proofs: Option<String>,
    /// Where signatures are dated.
    #[serde(default)]
    pub inperson_date: Option<String>,
    /// What the authority says about itself.
    #[serde(default)]
    pub meta: Meta,
}

/// The directory's `meta` member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// As in [`Directory::inperson_watch`]: extensions of ours may stand here instead.
    #[serde(default)]
    pub inperson_watch: Option<String>,
    /// What whoever makes an account must agree to.
    #[serde(default)]
    pub terms_of_service: Option<String>,
    /// Whether an account must be bound to one elsewhere.
    #[serde(default)]
    pub external_account_required: bool,
}

/// An identifier as ACME writes it: `{"type": "email", "value": "alice@example.org"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeIdentifier {
    /// `email` or `tel`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub value: String,
}

impl From<&identity::Identifier> for AcmeIdentifier {
    fn from(identifier: &identity::Identifier) -> Self {
        let kind = match identifier.kind() {
            identity::IdentifierKind::Email => "email",
            identity::IdentifierKind::Phone => "tel",
        };
        Self { kind: kind.to_owned(), value: identifier.as_str().to_owned() }
    }
}

/// The state of an order (section 7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Control is yet to be proven.
    Pending,
    /// Waits for the certificate request.
    Ready,
    /// The certificate is being made.
    Processing,
    /// The certificate can be fetched.
    Valid,
    /// Nothing will come of it.
    Invalid,
}

/// An order (section 7.1.3).
#[derive(Debug, Clone, Deserialize)]
pub struct Order {
    /// Its state.
    pub status: OrderStatus,
    /// Whom it is for.
    pub identifiers: Vec<AcmeIdentifier>,
    /// One authorisation URL for each identifier.
    #[serde(default)]
    pub authorizations: Vec<String>,
    /// Where the certificate request goes.
    pub finalize: String,
    /// Where the certificate is, once valid.
    #[serde(default)]
    pub certificate: Option<String>,
    /// Why it became invalid.
    #[serde(default)]
    pub error: Option<Problem>,
}

/// The state of an authorisation or of a challenge (section 7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofStatus {
    /// Nothing happened yet.
    Pending,
    /// Under way: for a typed code, it was sent.
    Processing,
    /// Proven.
    Valid,
    /// Failed for good.
    Invalid,
    /// Given up by the client.
    Deactivated,
    /// Too old.
    Expired,
    /// Taken back by the authority.
    Revoked,
}

/// An authorisation (section 7.1.4).
#[derive(Debug, Clone, Deserialize)]
pub struct Authorization {
    /// Its state.
    pub status: ProofStatus,
    /// Whom it is about, in canonical form.
    pub identifier: AcmeIdentifier,
    /// The ways to prove control.
    #[serde(default)]
    pub challenges: Vec<Challenge>,
}

/// A challenge (section 7.1.5).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// Which kind: `email-code-00` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is answered.
    pub url: String,
    /// Its state.
    pub status: ProofStatus,
    /// The last thing that went wrong.
    #[serde(default)]
    pub error: Option<Problem>,
    /// Of `email-reply-00`: the half of the token that comes by HTTPS (RFC 8823). Of `oidc-00`: the whole.
    #[serde(default)]
    pub token: Option<String>,
    /// Of `email-reply-00`: whom the mail is from.
    #[serde(default)]
    pub from: Option<String>,
    /// Of `oidc-00`: who vouches for the address.
    #[serde(default)]
    pub issuers: Vec<Issuer>,
    /// How many more tries there are.
    #[serde(default)]
    pub tries_left: Option<u32>,
}

/// Who vouches for an address (`oidc-00`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issuer {
    /// Its identifier, a URL.
    pub issuer: String,
    /// What it knows this program by.
    pub client_id: String,
}

/// A problem document (RFC 7807, RFC 8555 section 6.7).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Problem {
    /// A URN naming the kind of problem.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What happened, for people.
    #[serde(default)]
    pub detail: String,
    /// How many more times a code may be typed.
    #[serde(default, rename = "triesLeft", alias = "tries_left", alias = "tries-left")]
    pub tries_left: Option<u32>,
}

impl Problem {
    /// Whether the URN ends in `:error:<name>`, whoever's namespace it is in.
    pub fn is(&self, name: &str) -> bool {
        self.kind.strip_suffix(name).is_some_and(|rest| rest.ends_with(":error:"))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.kind.rsplit(':').next().unwrap_or_default();
        match (self.detail.is_empty(), name.is_empty()) {
            (false, true) => f.write_str(&self.detail),
            (false, false) => write!(f, "{} ({name})", self.detail),
            (true, false) => f.write_str(name),
            (true, true) => f.write_str("no reason given"),
        }
    }
}

/// What the authority tells an owner about the labels of her identifier, in each log that can hold a certificate of hers.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchAnswers {
    /// One answer for each log.
    pub logs: Vec<WatchAnswer>,
}

/// What the authority tells an owner about the labels of her identifier in one log.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchAnswer {
    /// The log's origin.
    pub origin: String,
    /// One VRF proof for each slot of each period.
    pub labels: Vec<LabelProof>,
    /// Everything the authority logged under them.
    pub entries: Vec<OpenedEntry>,
    /// What it logged and cannot open any more.
    #[serde(default)]
    pub erased: Vec<ErasedEntry>,
}

/// An entry whose opening the authority says it has erased.
#[derive(Debug, Clone, Deserialize)]
pub struct ErasedEntry {
    /// Period of its label.
    pub period: u32,
    /// Slot of its label.
    pub slot: u8,
}

/// The answer to a request to erase.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct EraseAnswer {
    /// How many openings were erased.
    pub erased: u64,
}

/// The answer to a request to end the proofs of other accounts.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct EndProofsAnswer {
    /// How many there were.
    pub ended: u64,
}

/// The VRF proof of one label.
#[derive(Debug, Clone, Deserialize)]
pub struct LabelProof {
    /// Weeks since 1970-01-01.
    pub period: u32,
    /// Below [`identity::transparency::SLOTS`].
    pub slot: u8,
    /// 80 bytes, base64url.
    pub proof: String,
}

/// One log entry opened to its owner.
#[derive(Debug, Clone, Deserialize)]
pub struct OpenedEntry {
    /// Where it stands in the log; `None` if it never got there.
    pub index: Option<u64>,
    /// Period of its label.
    pub period: u32,
    /// Slot of its label.
    pub slot: u8,
    /// 32 bytes, base64url.
    pub opening: String,
    /// The certificate's to-be-signed part without the transparency extension, DER, base64url.
    pub tbs: String,
    /// Whether the authority says that it never became a certificate, and never will; older ones do not say.
    #[serde(default)]
    pub given_up: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_as_in_the_rfc_is_read() {
        // RFC 8555 section 7.1.3, shortened.
        let order: Order = serde_json::from_str(
            r#"{"status":"valid","expires":"2016-01-20T14:09:07.99Z",
                "identifiers":[{"type":"email","value":"alice@example.org"}],
                "notBefore":"2016-01-01T00:00:00Z",
                "authorizations":["https://example.com/acme/authz/PAniVnsZcis"],
                "finalize":"https://example.com/acme/order/TOlocE8rfgo/finalize",
                "certificate":"https://example.com/acme/cert/mAt3xBGaobw"}"#,
        )
        .unwrap();
        assert_eq!(order.status, OrderStatus::Valid);
        assert_eq!(order.certificate.as_deref(), Some("https://example.com/acme/cert/mAt3xBGaobw"));
    }

    #[test]
    fn a_problem_is_known_by_its_last_part_in_any_namespace() {
        let problem = |kind: &str| Problem { kind: kind.to_owned(), ..Problem::default() };
        assert!(problem("urn:ietf:params:acme:error:badNonce").is("badNonce"));
        assert!(problem("urn:inperson:acme:error:codeWrong").is("codeWrong"));
        assert!(!problem("urn:inperson:acme:error:notcodeWrong").is("codeWrong"));
        assert!(!problem("").is("codeWrong"));
    }

    #[test]
    fn a_problem_says_what_it_knows() {
        let problem: Problem =
            serde_json::from_str(r#"{"type":"urn:inperson:acme:error:codeWrong","detail":"wrong code","triesLeft":4}"#)
                .unwrap();
        assert_eq!(problem.to_string(), "wrong code (codeWrong)");
        assert_eq!(problem.tries_left, Some(4));
        assert_eq!(Problem::default().to_string(), "no reason given");
    }
}
