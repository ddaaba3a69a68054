//! What became of text messages: counted by country code for the operator, told to nobody else.
//!
//! Who asked for a code must not learn whether the number exists or its phone is on: that would be a look-up service for
//! numbers. For the operator it matters: a country where many messages are sent and few arrive, or few codes come back, is
//! where somebody earns by them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use identity::Identifier;
use lru::LruCache;
use serde_json::Value;
use tokio::sync::mpsc;

use super::template::{ReceiptShape, text_of};

/// Reports that wait for being looked at; of more, some are lost.
const REPORTS: usize = 1000;
/// Messages whose fate is awaited; of more, the oldest are forgotten.
const AWAITED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Handed over to the gateway.
    Sent,
    /// Not taken by the gateway.
    Refused,
    /// It arrived.
    Delivered,
    /// It never will.
    Failed,
    /// Its code came back.
    Proven,
}

impl Fate {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Proven => "proven",
        }
    }
}

/// Where an SMSC's receipts go.
#[derive(Clone)]
pub(crate) struct Reports(mpsc::Sender<(String, Fate)>);

impl Reports {
    pub(crate) fn new() -> (Self, mpsc::Receiver<(String, Fate)>) {
        let (send, receive) = mpsc::channel(REPORTS);
        (Self(send), receive)
    }

    pub(super) fn tell(&self, reference: String, fate: Fate) {
        let _ = self.0.try_send((reference, fate));
    }
}

#[derive(Default)]
struct Books {
    counts: BTreeMap<(u16, Fate), u64>,
    awaited: Option<LruCache<String, Awaited>>,
}

/// A message whose fate is awaited.
struct Awaited {
    country: u16,
    /// The number's keyed hash, for the audit trail.
    who: String,
}

/// The books about text messages, in memory.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<Books>);

impl Receipts {
    /// Counts what became of a message to this number.
    pub(crate) fn count(&self, to: &Identifier, fate: Fate) {
        let country = country(to);
        *self.lock().counts.entry((country, fate)).or_default() += 1;
    }

    /// Awaits a receipt that names this reference: a random text that nobody but the gateway learns.
    pub(crate) fn expect(&self, reference: String, to: &Identifier, who: String) {
        let awaited = Awaited { country: country(to), who };
        self.lock().awaited.get_or_insert_with(|| LruCache::new(AWAITED)).put(reference, awaited);
    }

    /// Takes a receipt: the keyed hash of the number it is about. None if nobody awaits it, or it came before.
    pub(crate) fn take(&self, reference: &str, fate: Fate) -> Option<String> {
        let mut books = self.lock();
        let awaited = books.awaited.as_mut()?.pop(reference)?;
        *books.counts.entry((awaited.country, fate)).or_default() += 1;
        Some(awaited.who)
    }

    /// In the text format of Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let mut out = String::from(
            "# HELP inperson_ca_texts_total What became of text messages since the start, by country code.\n\
             # TYPE inperson_ca_texts_total counter\n",
        );
        for ((country, fate), count) in &self.lock().counts {
            let _ = writeln!(out, "inperson_ca_texts_total{{country=\"{country}\",what=\"{}\"}} {count}", fate.name());
        }
        out
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn country(to: &Identifier) -> u16 {
    to.numbering().map_or(0, |numbering| numbering.country_code)
}

impl ReceiptShape {
    /// What a call of the provider says: parameters of the URL, and the body. None if it is about a state in between, or
    /// nothing we know.
    pub(crate) fn read(&self, query: &str, body: &[u8]) -> Option<Fate> {
        let found = if self.at.starts_with('/') {
            let json: Value = serde_json::from_slice(body).ok()?;
            json.pointer(&self.at).and_then(text_of)?
        } else {
            let form = std::str::from_utf8(body).unwrap_or_default();
            parameter(query, &self.at).or_else(|| parameter(form, &self.at)).or_else(|| {
                let json: Value = serde_json::from_slice(body).ok()?;
                json.get(&self.at).and_then(text_of)
            })?
        };
        if self.delivered.contains(&found) {
            Some(Fate::Delivered)
        } else if self.failed.contains(&found) {
            Some(Fate::Failed)
        } else {
            None
        }
    }
}

/// The value of a parameter. Statuses are words and numbers: what has to be decoded is none that we know.
fn parameter(pairs: &str, name: &str) -> Option<String> {
    pairs
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name))
        .map(|(_, v)| v.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_in_every_form() {
        let shape = |at: &str| ReceiptShape { at: at.into(), delivered: vec!["1".into()], failed: vec!["2".into()] };
        assert_eq!(shape("status").read("a=b&status=1", b""), Some(Fate::Delivered));
        assert_eq!(shape("status").read("", b"x=y&status=2"), Some(Fate::Failed));
        assert_eq!(shape("status").read("", br#"{"status":"2"}"#), Some(Fate::Failed));
        assert_eq!(shape("/r/0/s").read("", br#"{"r":[{"s":1}]}"#), Some(Fate::Delivered));
        for (query, body) in [("status=4", &b""[..]), ("", b"\xff"), ("status", b"{"), ("statu=1", b"[]")] {
            assert_eq!(shape("status").read(query, body), None);
        }
    }

    #[test]
    fn a_receipt_counts_once_and_only_if_awaited() {
        let receipts = Receipts::default();
        let to = Identifier::parse("+4915112345678").unwrap();
        assert!(receipts.take("r", Fate::Delivered).is_none());
        receipts.count(&to, Fate::Sent);
        receipts.expect("r".into(), &to, "who".into());
        assert_eq!(receipts.take("r", Fate::Delivered).as_deref(), Some("who"));
        assert!(receipts.take("r", Fate::Delivered).is_none());
        let metrics = receipts.metrics();
        assert!(metrics.contains("{country=\"49\",what=\"delivered\"} 1\n"), "{metrics}");
        assert!(metrics.contains("{country=\"49\",what=\"sent\"} 1\n"), "{metrics}");
    }
}
