//! What an operator decides: addresses, who may enrol, where mails go, how much anybody may ask for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use identity::UnixTime;
use tlog_proof::policy::LogPolicy;

use crate::mail::MailError;
pub use crate::mail::Mailer;

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
    /// The log's origin line. It is part of every label and of every certificate's proof.
    pub origin: String,
    /// The log's key, its witnesses and their quorum. The log is not taken at its word: nothing is signed before the
    /// proof it returned verifies under this policy.
    pub log_policy: LogPolicy,
    /// Mail domains (A-labels, lower case) whose addresses may enrol; `*` permits every domain.
    pub permitted_domains: Vec<String>,
    /// Where mails go.
    pub mail: Mailer,
    /// The `From` address of mails.
    pub mail_from: String,
    /// How much anybody may ask for.
    pub limits: Limits,
}

impl CaConfig {
    /// A configuration with the embedded defaults: every domain permitted, mails into the folder's `outbox`, default
    /// limits.
    #[must_use]
    pub fn new(folder: PathBuf, base_url: String, origin: String, log_policy: LogPolicy) -> Self {
        let outbox = folder.join("outbox");
        Self {
            folder,
            base_url,
            origin,
            log_policy,
            permitted_domains: vec!["*".into()],
            mail: Mailer::Outbox(outbox),
            mail_from: "in-person@localhost".into(),
            limits: Limits::default(),
        }
    }

    /// Whether addresses under `domain` (canonical form) may enrol here.
    #[must_use]
    pub fn permits(&self, domain: &str) -> bool {
        self.permitted_domains.iter().any(|d| d == "*" || d == domain)
    }
}

/// So many, then one more each time `period / burst` has passed (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once. Zero refuses everything.
    pub burst: u32,
    /// The time in which a spent burst comes back whole.
    pub period: Duration,
}

impl Rate {
    /// `burst` per hour.
    #[must_use]
    pub const fn per_hour(burst: u32) -> Self {
        Self { burst, period: Duration::from_secs(3600) }
    }
}

/// How much anybody may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Mails one account may have sent to one address. Beyond it the answer says `rateLimited` and when to come back.
    pub mails_per_account: Rate,
    /// Mails to one address on behalf of everybody together. Beyond it nothing is sent and the answer is the usual one:
    /// a refusal would tell a stranger that somebody else is enrolling this address at the moment.
    pub mails_per_address: Rate,
    /// New orders of one account.
    pub orders_per_account: Rate,
    /// New accounts from one IP address (for IPv6: from one /64). This machine's own addresses are not limited: a proxy
    /// on it would otherwise spend everybody's share.
    pub accounts_per_ip: Rate,
    /// Looks at the owner's labels per account: each costs a VRF proof for every slot of seven periods.
    pub watches_per_account: Rate,
    /// Wrong codes before a new code is needed.
    pub code_tries: u8,
    /// How long a code lives.
    pub code_lifetime: Duration,
    /// How long an order or a pending authorization waits for its next step.
    pub order_lifetime: Duration,
    /// How long a proof of control lasts for device certificates.
    pub authorization_lifetime: Duration,
    /// Mails being handed over at the same time; further ones wait for their turn.
    pub mails_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            mails_per_account: Rate::per_hour(5),
            mails_per_address: Rate::per_hour(10),
            orders_per_account: Rate::per_hour(60),
            accounts_per_ip: Rate::per_hour(600),
            watches_per_account: Rate::per_hour(60),
            code_tries: 5,
            code_lifetime: day,
            order_lifetime: 7 * day,
            authorization_lifetime: 180 * day,
            mails_in_flight: 64,
        }
    }
}
