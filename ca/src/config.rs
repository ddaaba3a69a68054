//! What an operator decides: addresses, who may enrol, where mails go, how much anybody may ask for.

mod direct;
mod enrolment;
mod limits;
mod mail;
mod money;
mod phone;
mod rate;

use std::path::PathBuf;
use std::sync::Arc;

use identity::UnixTime;

pub use direct::{DirectDelivery, DirectTable};
pub use enrolment::{Enrolment, EnrolmentError};
pub use limits::{Limit, Limits, Overrides};
pub use mail::{
    DkimKey, DkimTable, DnsTable, LmtpAddress, MailTableError, Replies, RepliesTable, Resolvers, check_selector,
};
pub use money::{Money, MoneyError};
pub use phone::{Budget, PhoneError, PhoneTable, Phones, check_prefix};
pub use rate::{Rate, RateError};

pub use crate::acme::Chaos;
use crate::component::Connected;
pub use crate::external::{ExternalAccounts, ExternalKeyError};
use crate::mail::MailError;
pub use crate::mail::{DirectMail, Mailer};
pub use crate::oidc::{OpenIdError, OpenIdIssuer};
pub use crate::sms::{
    Expected, HttpGateway, ReceiptShape, Secrets, SecretsError, SmppError, SmppGateway, SmsError, Template,
    TemplateError, Texter,
};
use crate::weak::BlockedKeys;
pub use crate::web::WebError;

/// The time, passed in. Tests advance it; programs give the system's clock ([`system_clock`]).
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// The operating system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(UnixTime::now)
}

/// Whether mails can be sent from `sender`, before anything is opened: `ca@example.org`, also with a name before it.
///
/// # Errors
/// It is no mail address.
pub fn check_sender(sender: &str) -> Result<(), MailError> {
    crate::acme::mailbox(sender).map(|_| ())
}

/// Everything a [`Ca`](crate::Ca) is told when it opens.
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// The folder of `ca.sqlite` and the service certificates. Private to the authority (made with mode 0700).
    pub folder: PathBuf,
    /// Where the router is reached from outside, without a trailing slash: `https://localhost:8443/acme`. Every URL in
    /// an answer begins with it, and a signed request must name its URL exactly so (RFC 8555 section 6.4).
    pub base_url: String,
    /// Where [`Ca::plain_router`](crate::Ca::plain_router) is reached by plain HTTP, without a trailing slash:
    /// `http://localhost:8446`. Certificates for mail name it; without it none is made.
    pub plain_url: Option<String>,
    /// Mail domains (A-labels, lower case) whose addresses may enrol; `*` permits every domain.
    pub permitted_domains: Vec<String>,
    /// Where mails go.
    pub mail: Mailer,
    /// The `From` address of mails.
    pub mail_from: String,
    /// Phone numbers; without it, none enrols.
    pub phones: Option<Phones>,
    /// Issuers of OpenID that vouch for the addresses of their domains.
    pub openid: Vec<OpenIdIssuer>,
    /// The key that signs mails; without one they go out unsigned.
    pub dkim: Option<DkimKey>,
    /// Replies by mail as a proof of control; they need [`Self::dns`].
    pub replies: Option<Replies>,
    /// Whom the domain name system is asked through. Without resolvers no CAA record is looked for.
    pub dns: Option<Resolvers>,
    /// How much anybody may ask for.
    pub limits: Limits,
    /// URL of the terms of service. Who makes an account must agree to them; accounts from before go on.
    pub terms: Option<String>,
    /// URL of a page about the authority, for people.
    pub website: Option<String>,
    /// The accounts elsewhere that accounts here are bound to.
    pub external: ExternalAccounts,
    /// Into how many parts the revocation list of people's certificates is cut: 1 to 1024.
    pub crl_shards: u16,
    /// Whether the request for a certificate must name its order: fresh proof that the key is there.
    pub require_possession: bool,
    /// Keys that get no certificate and no account.
    pub blocked_keys: BlockedKeys,
    /// Where the log is elsewhere: what the authority is there, whose certificate it keeps valid.
    pub component: Option<Arc<Connected>>,
    /// A test mode for clients: none where people enrol.
    pub chaos: Option<Chaos>,
}

impl CaConfig {
    /// A configuration with the embedded defaults: every domain permitted, mails into the folder's `outbox`, default
    /// limits.
    #[must_use]
    pub fn new(folder: PathBuf, base_url: String) -> Self {
        let outbox = folder.join("outbox");
        Self {
            folder,
            base_url,
            plain_url: None,
            permitted_domains: vec!["*".into()],
            mail: Mailer::Outbox(outbox),
            mail_from: "in-person@localhost".into(),
            phones: None,
            openid: Vec::new(),
            dkim: None,
            replies: None,
            dns: None,
            limits: Limits::default(),
            terms: None,
            website: None,
            external: ExternalAccounts::default(),
            crl_shards: 1,
            require_possession: true,
            blocked_keys: BlockedKeys::default(),
            component: None,
            chaos: None,
        }
    }

    /// Whether addresses under `domain` (canonical form) may enrol here.
    #[must_use]
    pub fn permits(&self, domain: &str) -> bool {
        self.permitted_domains.iter().any(|d| d == "*" || d == domain)
    }
}
