//! How much anybody may ask for.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Rate;

/// How much anybody may ask for. What is counted is named first, then by what.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Mails one account may have sent to one address. Beyond it the answer says `rateLimited` and when to come back.
    pub mails_per_account: Rate,
    /// Mails to one address on behalf of everybody together, half of them at most of one network. Beyond it nothing is sent
    /// and the answer is the usual one: a refusal would tell a stranger that somebody else is enrolling this address at the
    /// moment.
    pub mails_per_address: Rate,
    /// Mails to addresses of one domain. A refusal says how busy the domain is, so it is high: against floods.
    pub mails_per_domain: Rate,
    /// Mails asked for from one network: see [`Self::accounts_per_ip`].
    pub mails_per_ip: Rate,
    /// Text messages of one account, to whatever numbers.
    pub texts_per_account: Rate,
    /// Text messages to one number on behalf of everybody together; beyond it nothing is sent and the answer is the usual
    /// one, as for [`Self::mails_per_address`].
    pub texts_per_number: Rate,
    /// Text messages to the ten thousand numbers that differ in their last four digits: who earns by messages rents such
    /// blocks.
    pub texts_per_prefix: Rate,
    /// Text messages to the numbers of one country code.
    pub texts_per_country: Rate,
    /// Text messages asked for from one network.
    pub texts_per_ip: Rate,
    /// New orders and authorizations of one account.
    pub orders_per_account: Rate,
    /// New orders and authorizations from one network.
    pub orders_per_ip: Rate,
    /// New accounts from one IP address (for IPv6: from one /64). This machine's own addresses are not limited: a proxy
    /// on it would otherwise spend everybody's share.
    pub accounts_per_ip: Rate,
    /// Looks at the owner's labels per account: each costs a VRF proof for every slot of fifteen periods. Erasures and ends of
    /// others' proofs of control are counted with them.
    pub watches_per_account: Rate,
    /// Signatures dated for one address: each is an entry in the log.
    pub dates_per_address: Rate,
    /// Other rates for certain accounts, addresses, domains and networks.
    pub overrides: Overrides,
    /// Wrong codes before a new code is needed.
    pub code_tries: u8,
    /// How long a mailed code lives.
    pub code_lifetime: Duration,
    /// How long a code in a text message lives.
    pub text_code_lifetime: Duration,
    /// How long an order or a pending authorization waits for its next step.
    pub order_lifetime: Duration,
    /// How long a proof of control of a mail address lasts for device certificates.
    pub authorization_lifetime: Duration,
    /// How long it permits certificates for mail (CA/Browser Forum S/MIME BR 4.2.1).
    pub mail_authorization_lifetime: Duration,
    /// How long one of a phone number does. Numbers are given to others: together with the life of a certificate it stays
    /// below the 45 days for which a number rests at least (47 CFR 52.15(f)(1)(ii); elsewhere longer).
    pub phone_authorization_lifetime: Duration,
    /// Mails being handed over at the same time; further ones wait for their turn.
    pub mails_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            mails_per_account: Rate::per_hour(5),
            mails_per_address: Rate::per_hour(10),
            mails_per_domain: Rate::per_hour(2000),
            mails_per_ip: Rate::per_hour(600),
            texts_per_account: Rate::per_hour(5),
            texts_per_number: Rate { burst: 10, period: day },
            texts_per_prefix: Rate::per_hour(60),
            texts_per_country: Rate::per_hour(600),
            texts_per_ip: Rate::per_hour(30),
            orders_per_account: Rate::per_hour(60),
            orders_per_ip: Rate::per_hour(2000),
            accounts_per_ip: Rate::per_hour(600),
            watches_per_account: Rate::per_hour(60),
            dates_per_address: Rate::per_hour(600),
            overrides: Overrides::default(),
            code_tries: 5,
            code_lifetime: day,
            text_code_lifetime: Duration::from_secs(600),
            order_lifetime: 7 * day,
            authorization_lifetime: 180 * day,
            mail_authorization_lifetime: 30 * day,
            phone_authorization_lifetime: 30 * day,
            mails_in_flight: 64,
        }
    }
}

/// A limit that operators may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Limits::mails_per_account`]
    MailsPerAccount,
    /// [`Limits::mails_per_address`]
    MailsPerAddress,
    /// [`Limits::mails_per_domain`]
    MailsPerDomain,
    /// [`Limits::mails_per_ip`]
    MailsPerIp,
    /// [`Limits::texts_per_account`]
    TextsPerAccount,
    /// [`Limits::texts_per_number`]
    TextsPerNumber,
    /// [`Limits::texts_per_prefix`]
    TextsPerPrefix,
    /// [`Limits::texts_per_country`]
    TextsPerCountry,
    /// [`Limits::texts_per_ip`]
    TextsPerIp,
    /// [`Limits::orders_per_account`]
    OrdersPerAccount,
    /// [`Limits::orders_per_ip`]
    OrdersPerIp,
    /// [`Limits::accounts_per_ip`]
    AccountsPerIp,
    /// [`Limits::watches_per_account`]
    WatchesPerAccount,
    /// [`Limits::dates_per_address`]
    DatesPerAddress,
}

impl Limit {
    /// All of them.
    pub(crate) const ALL: [Self; 14] = [
        Self::MailsPerAccount,
        Self::MailsPerAddress,
        Self::MailsPerDomain,
        Self::MailsPerIp,
        Self::TextsPerAccount,
        Self::TextsPerNumber,
        Self::TextsPerPrefix,
        Self::TextsPerCountry,
        Self::TextsPerIp,
        Self::OrdersPerAccount,
        Self::OrdersPerIp,
        Self::AccountsPerIp,
        Self::WatchesPerAccount,
        Self::DatesPerAddress,
    ];

    /// As operators write it, and as a refusal names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MailsPerAccount => "mails_per_account",
            Self::MailsPerAddress => "mails_per_address",
            Self::MailsPerDomain => "mails_per_domain",
            Self::MailsPerIp => "mails_per_ip",
            Self::TextsPerAccount => "texts_per_account",
            Self::TextsPerNumber => "texts_per_number",
            Self::TextsPerPrefix => "texts_per_prefix",
            Self::TextsPerCountry => "texts_per_country",
            Self::TextsPerIp => "texts_per_ip",
            Self::OrdersPerAccount => "orders_per_account",
            Self::OrdersPerIp => "orders_per_ip",
            Self::AccountsPerIp => "accounts_per_ip",
            Self::WatchesPerAccount => "watches_per_account",
            Self::DatesPerAddress => "dates_per_address",
        }
    }

    /// For people: what there were too many of.
    #[must_use]
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::MailsPerAccount => "codes sent to this address for this account; use the newest, or wait",
            Self::MailsPerAddress => "codes sent to this address",
            Self::MailsPerDomain => "codes sent to addresses of this domain",
            Self::MailsPerIp => "codes asked for from this network",
            Self::TextsPerAccount => "text messages for this account; use the newest code, or wait",
            Self::TextsPerNumber => "text messages to this number",
            Self::TextsPerPrefix => "text messages to numbers like this one",
            Self::TextsPerCountry => "text messages to numbers of this country",
            Self::TextsPerIp => "text messages asked for from this network",
            Self::OrdersPerAccount => "orders of this account",
            Self::OrdersPerIp => "orders from this network",
            Self::AccountsPerIp => "new accounts from this network",
            Self::WatchesPerAccount => "looks at the labels by this account",
            Self::DatesPerAddress => "signatures dated for this address",
        }
    }
}

impl Limits {
    /// The rate of a limit for everybody without one of his own.
    pub(crate) const fn rate(&self, limit: Limit) -> Rate {
        match limit {
            Limit::MailsPerAccount => self.mails_per_account,
            Limit::MailsPerAddress => self.mails_per_address,
            Limit::MailsPerDomain => self.mails_per_domain,
            Limit::MailsPerIp => self.mails_per_ip,
            Limit::TextsPerAccount => self.texts_per_account,
            Limit::TextsPerNumber => self.texts_per_number,
            Limit::TextsPerPrefix => self.texts_per_prefix,
            Limit::TextsPerCountry => self.texts_per_country,
            Limit::TextsPerIp => self.texts_per_ip,
            Limit::OrdersPerAccount => self.orders_per_account,
            Limit::OrdersPerIp => self.orders_per_ip,
            Limit::AccountsPerIp => self.accounts_per_ip,
            Limit::WatchesPerAccount => self.watches_per_account,
            Limit::DatesPerAddress => self.dates_per_address,
        }
    }

    /// Changes the rate of a limit for everybody.
    pub(crate) const fn set(&mut self, limit: Limit, rate: Rate) {
        match limit {
            Limit::MailsPerAccount => self.mails_per_account = rate,
            Limit::MailsPerAddress => self.mails_per_address = rate,
            Limit::MailsPerDomain => self.mails_per_domain = rate,
            Limit::MailsPerIp => self.mails_per_ip = rate,
            Limit::TextsPerAccount => self.texts_per_account = rate,
            Limit::TextsPerNumber => self.texts_per_number = rate,
            Limit::TextsPerPrefix => self.texts_per_prefix = rate,
            Limit::TextsPerCountry => self.texts_per_country = rate,
            Limit::TextsPerIp => self.texts_per_ip = rate,
            Limit::OrdersPerAccount => self.orders_per_account = rate,
            Limit::OrdersPerIp => self.orders_per_ip = rate,
            Limit::AccountsPerIp => self.accounts_per_ip = rate,
            Limit::WatchesPerAccount => self.watches_per_account = rate,
            Limit::DatesPerAddress => self.dates_per_address = rate,
        }
    }
}

/// Other rates for certain accounts (by id), addresses, domains and networks.
#[derive(Clone, Debug, Default)]
pub struct Overrides(HashMap<(Limit, String), Rate>);

impl Overrides {
    /// For whom this limit has another rate from now on: an account's id, an address, a domain, an IP address or the
    /// first half of an IPv6 one, as the limit counts.
    pub fn set(&mut self, limit: Limit, whose: &str, rate: Rate) {
        self.0.insert((limit, whose.to_owned()), rate);
    }

    pub(crate) fn get(&self, limit: Limit, whose: &str) -> Option<Rate> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(limit, whose.to_owned())).copied()
    }
}
