//! What an operator decides about phone numbers: which may enrol, through which gateway codes go out, what that may cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use identity::{Identifier, Line};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::money::Money;
use crate::sms::{HttpGateway, Secrets, SecretsError, SmppGateway, Template, Texter, preset, presets};

/// Lines that a text message may be sent to without the operator saying more.
const USUAL: [Line; 2] = [Line::Mobile, Line::FixedOrMobile];
/// Lines that he may add. Those by which somebody earns, and those of no country, are not among them.
const POSSIBLE: [Line; 2] = [Line::Fixed, Line::Voip];

/// Phone numbers at an authority.
#[derive(Clone, Debug)]
pub struct Phones {
    /// What the numbers that may enrol begin with, like `+49`; `*` permits all.
    pub permitted: Vec<String>,
    /// Lines permitted beside mobile ones.
    pub also: Vec<Line>,
    /// Where codes go.
    pub texter: Texter,
    /// What may be spent.
    pub budget: Budget,
}

/// What text messages cost, and what they may cost in a day (UTC). None of it is sent that would cost more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In a day.
    pub per_day: Money,
    /// One message.
    pub price: Money,
    /// One message to a number that begins so; the longest that fits counts.
    pub prices: BTreeMap<String, Money>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { per_day: Money(20_000_000), price: Money(100_000), prices: BTreeMap::new() }
    }
}

impl Budget {
    pub(crate) fn price_of(&self, number: &Identifier) -> Money {
        let fits = self.prices.iter().filter(|(prefix, _)| number.as_str().starts_with(prefix.as_str()));
        fits.max_by_key(|(prefix, _)| prefix.len()).map_or(self.price, |(_, price)| *price)
    }
}

/// Why a number may not enrol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum NumberRefused {
    #[error("this authority does not certify numbers that begin so; it does those of {0}")]
    Prefix(String),
    #[error("expected a number for {expected}, found one that its numbering plan gives to another use ({found})")]
    Line { expected: String, found: &'static str },
}

impl Phones {
    /// Whether this number may enrol. It follows from the number alone: nothing is looked up.
    pub(crate) fn check(&self, number: &Identifier) -> Result<(), NumberRefused> {
        let begins = |prefix: &String| prefix == "*" || number.as_str().starts_with(prefix.as_str());
        if !self.permitted.iter().any(begins) {
            return Err(NumberRefused::Prefix(self.permitted.join(", ")));
        }
        let line = number.numbering().map_or(Line::Other, |numbering| numbering.line);
        if USUAL.contains(&line) || self.also.contains(&line) {
            return Ok(());
        }
        let names: Vec<_> = USUAL.iter().chain(&self.also).map(|line| line.name()).collect();
        Err(NumberRefused::Line { expected: names.join(" or "), found: line.name() })
    }
}

/// The table `[phone]`. Unknown keys are refused. Secrets stand in a file of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhoneTable {
    /// `outbox` (the default), the name of a provider, `http` for a request of one's own, or `smpp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Who messages are from: a number or a name of at most 11 characters, as the provider permits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Where the gateway is, if it is one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Certificates (PEM) by which it is verified, in place of the web's authorities; beside the settings, or an absolute
    /// path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<PathBuf>,
    /// What may be spent in a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Money>,
    /// What a message costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Lines permitted beside mobile ones: `fixed`, `voip`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// What it costs to numbers that begin so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<String, Money>,
    /// The request, for the gateway `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Template>,
}

/// Why the table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PhoneError {
    /// No gateway of this name.
    #[error("gateway: expected one of {expected}, found {found:?}")]
    Gateway {
        /// All of them.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// Something is missing, or there for nothing.
    #[error("{member}: expected {expected}, found {found}")]
    Member {
        /// Which.
        member: &'static str,
        /// What should be there.
        expected: &'static str,
        /// What is.
        found: String,
    },
    /// The file of secrets.
    #[error("the secrets of the gateway: {0}")]
    Secrets(#[from] SecretsError),
}

impl PhoneTable {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What it means for numbers that begin with `permitted`. `secrets` is the text of the file of secrets, if there is
    /// one; relative paths begin at `folder`; without a gateway, messages land in `outbox`.
    ///
    /// # Errors
    /// See [`PhoneError`].
    pub fn open(
        &self,
        permitted: Vec<String>,
        secrets: Option<&str>,
        folder: &Path,
        outbox: PathBuf,
    ) -> Result<Phones, PhoneError> {
        for prefix in permitted.iter().chain(self.prices.keys()) {
            check_prefix(prefix)?;
        }
        let usual = Budget::default();
        Ok(Phones {
            permitted,
            also: self.also.iter().map(|name| line(name)).collect::<Result<_, _>>()?,
            texter: self.texter(secrets, folder, outbox)?,
            budget: Budget {
                per_day: self.per_day.unwrap_or(usual.per_day),
                price: self.price.unwrap_or(usual.price),
                prices: self.prices.clone(),
            },
        })
    }

    fn texter(&self, secrets: Option<&str>, folder: &Path, outbox: PathBuf) -> Result<Texter, PhoneError> {
        let name = self.gateway.as_deref().unwrap_or("outbox");
        if name == "outbox" {
            return Ok(Texter::Outbox(outbox));
        }
        let secrets = Secrets::parse(secrets.unwrap_or_default())?;
        let missing = |member, expected| PhoneError::Member { member, expected, found: "nothing".into() };
        let sender = self.sender.clone().ok_or_else(|| missing("sender", "a number or a name"))?;
        if sender.is_empty() || sender.len() > 20 || !sender.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
            let expected = "at most 20 characters of printable ASCII";
            return Err(PhoneError::Member { member: "sender", expected, found: sender.chars().take(40).collect() });
        }
        let roots = self.roots.as_ref().map(|path| folder.join(path));
        if name == "smpp" && self.request.is_none() {
            let url = self.url.clone().ok_or_else(|| missing("url", "where the SMSC is"))?;
            return Ok(Texter::Smpp(Box::new(SmppGateway { url, sender, secrets, roots })));
        }
        let template = match (name, &self.request) {
            ("http", Some(template)) => template.clone(),
            ("http", None) => return Err(missing("request", "the request that the gateway wants")),
            (_, Some(_)) => {
                let found = format!("one, and the gateway {name}");
                return Err(PhoneError::Member { member: "request", expected: "none but for the gateway http", found });
            }
            (name, None) => preset(name).ok_or_else(|| PhoneError::Gateway {
                expected: ["outbox", "http", "smpp"].into_iter().chain(presets()).collect::<Vec<_>>().join(", "),
                found: name.chars().take(40).collect(),
            })?,
        };
        let url = self.url.clone().unwrap_or_default();
        if template.url.contains("{url}") && url.is_empty() {
            return Err(missing("url", "where the gateway is"));
        }
        Ok(Texter::Http(Box::new(HttpGateway { template, url, sender, secrets, roots })))
    }
}

/// Whether numbers may be permitted by this text: `*`, or `+` and digits.
///
/// # Errors
/// They cannot.
pub fn check_prefix(prefix: &str) -> Result<(), PhoneError> {
    let digits = prefix.strip_prefix('+').unwrap_or_default();
    let good = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if prefix == "*" || good {
        return Ok(());
    }
    let found = prefix.chars().take(40).collect();
    Err(PhoneError::Member { member: "a prefix of numbers", expected: "* or a + and digits, like +49", found })
}

fn line(name: &str) -> Result<Line, PhoneError> {
    POSSIBLE.into_iter().find(|line| line.name() == name).ok_or_else(|| PhoneError::Member {
        member: "also",
        expected: "fixed or voip",
        found: name.chars().take(40).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(toml: &str, permitted: &[&str]) -> Result<Phones, PhoneError> {
        let table: PhoneTable = toml::from_str(toml).unwrap();
        let permitted = permitted.iter().map(|&p| p.to_owned()).collect();
        table.open(permitted, Some("account = AC1\ntoken = t\n"), Path::new("/folder"), "/folder/outbox".into())
    }

    fn number(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn numbers_by_which_somebody_earns_are_refused() {
        let phones = open("also = [\"voip\"]", &["+49", "+44", "+881"]).unwrap();
        assert_eq!(phones.check(&number("+4915112345678")), Ok(()));
        for (refused, found) in [
            ("+499001234567", "premium"),
            ("+447012345678", "premium"),
            ("+493012345678", "fixed"),
            ("+881612345678", "global"),
        ] {
            let error = phones.check(&number(refused)).unwrap_err();
            assert!(matches!(&error, NumberRefused::Line { found: line, .. } if *line == found), "{refused}: {error}");
        }
        let elsewhere = phones.check(&number("+14155552671")).unwrap_err();
        assert_eq!(elsewhere, NumberRefused::Prefix("+49, +44, +881".into()));
        assert!(open("also = [\"premium\"]", &[]).is_err());
    }

    #[test]
    fn the_longest_prefix_sets_the_price() {
        let phones = open("price = \"0.2\"\nprices = { \"+49\" = \"0.075\", \"+4915\" = \"0.06\" }", &["*"]).unwrap();
        let price = |of: &str| phones.budget.price_of(&number(of)).to_string();
        assert_eq!(price("+4915112345678"), "0.06");
        assert_eq!(price("+4917612345678"), "0.075");
        assert_eq!(price("+14155552671"), "0.2");
        assert_eq!(phones.budget.per_day, Budget::default().per_day);
    }

    #[test]
    fn a_table_is_whole_or_refused() {
        let twilio = open("gateway = \"twilio\"\nsender = \"In Person\"", &["*"]).unwrap();
        assert!(matches!(twilio.texter, Texter::Http(_)));
        assert!(!format!("{twilio:?}").contains("AC1"), "a secret is shown");
        for (wrong, says) in [
            ("gateway = \"nobody\"\nsender = \"x\"", "expected one of outbox, http, smpp, bird"),
            ("gateway = \"twilio\"", "sender: expected"),
            ("gateway = \"kannel\"\nsender = \"x\"", "url: expected"),
            ("gateway = \"http\"\nsender = \"x\"", "request: expected"),
            ("gateway = \"twilio\"\nsender = \"x\"\n[request]\nurl = \"https://h\"", "none but for the gateway http"),
            ("gateway = \"twilio\"\nsender = \"\\n\"", "printable"),
            ("prices = { \"0049\" = \"1\" }", "like +49"),
        ] {
            let error = open(wrong, &["*"]).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert!(open("", &["49"]).is_err() && open("", &["+"]).is_err() && open("", &["+4a"]).is_err());
        assert!(toml::from_str::<PhoneTable>("gatewya = \"x\"").is_err());
    }
}
