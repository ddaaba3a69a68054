//! Which labels could matter, and which of them the authority proved.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::Certificate;
use identity::transparency::{LabelInput, PERIOD, SLOTS, VrfProof, VrfPublicKey, period_of, periods_back_of};
use identity::trust::{Authority, LogWindow};
use identity::{Identifier, IdentifierKind, UnixTime};

use super::Blindness;
use crate::acme::messages::WatchAnswer;

/// A label, by period and slot.
pub(super) type Labels = BTreeMap<(u32, u8), [u8; 32]>;

/// The periods, both included, in which a certificate that could still be used may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    first: u32,
    last: u32,
}

impl Span {
    /// From the period in which a certificate that is still valid can have begun, or from the authority's own beginning, to
    /// the next period.
    ///
    /// The beginning is that of the root certificate in the pinned policy, which the authority cannot change
    /// afterwards: it could otherwise make the span as short as it likes by claiming that its log is young.
    pub(super) fn that_matters(authority: &Authority, identifier: &Identifier, now: UnixTime) -> Result<Self, String> {
        let root =
            Certificate::parse(&authority.root.0).map_err(|error| format!("its root does not parse: {error}"))?;
        Ok(Self::between(root.tbs().not_before(), identifier.kind(), now))
    }

    fn between(beginning: UnixTime, kind: IdentifierKind, now: UnixTime) -> Self {
        let current = period_of(now);
        let last = current.saturating_add(1);
        let back = periods_back_of(kind);
        Self { first: current.saturating_sub(back).max(period_of(beginning)).min(last), last }
    }

    /// The part of it in which a certificate can stand in a log with this window; none if there is none, or the log has not
    /// begun.
    pub(super) fn within(self, window: &LogWindow, now: UnixTime) -> Option<Self> {
        let (first, last) = window.periods();
        let (first, last) = (self.first.max(first), self.last.min(last));
        (window.has_begun(now) && first <= last).then_some(Self { first, last })
    }

    fn labels(self) -> impl Iterator<Item = (u32, u8)> {
        (self.first..=self.last).flat_map(|period| (0..SLOTS).map(move |slot| (period, slot)))
    }

    pub(super) fn covers(self, period: u32) -> bool {
        (self.first..=self.last).contains(&period)
    }

    /// When the first period begins and the last one ends.
    pub(super) fn times(self) -> (UnixTime, UnixTime) {
        let at = |period: u64| UnixTime::since_unix_epoch(Duration::from_secs(period * PERIOD.as_secs()));
        (at(self.first.into()), at(u64::from(self.last) + 1))
    }
}

/// Verifies every proof given and insists that all that matter were.
pub(super) fn verify(
    key: &VrfPublicKey,
    identifier: &Identifier,
    answer: &WatchAnswer,
    span: Span,
) -> Result<Labels, Blindness> {
    let wanted = |period: u32, slot: u8| slot < SLOTS && span.covers(period);
    let mut labels = Labels::new();
    for given in &answer.labels {
        let (period, slot) = (given.period, given.slot);
        // More than what matters is not an error, but it is not worth a verification of 0.2 ms each either.
        if !wanted(period, slot) || labels.contains_key(&(period, slot)) {
            continue;
        }
        let bad = |reason: String| Blindness::BadProof { period, slot, reason };
        let proof = URL_SAFE_NO_PAD.decode(&given.proof).map_err(|error| bad(error.to_string()))?;
        let proof: [u8; 80] =
            proof.try_into().map_err(|proof: Vec<u8>| bad(format!("expected 80 bytes, found {}", proof.len())))?;
        let input = LabelInput { origin: &answer.origin, identifier, period, slot };
        let label = key.verify(&input, &VrfProof::from_bytes(proof)).map_err(|error| bad(error.to_string()))?;
        labels.insert((period, slot), label);
    }
    let missing: Vec<_> = span.labels().filter(|label| !labels.contains_key(label)).collect();
    match missing.first() {
        None => Ok(labels),
        Some(&(period, slot)) => {
            Err(Blindness::Missing { missing: missing.len(), expected: span.labels().count(), period, slot })
        }
    }
}

#[cfg(test)]
mod tests {
    use identity::transparency::VrfSecretKey;

    use super::*;
    use crate::acme::messages::LabelProof;

    const WEEK: u64 = 7 * 24 * 60 * 60;

    fn at(period: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(period * WEEK + 1000))
    }

    fn alice() -> Identifier {
        Identifier::parse("alice@example.org").unwrap()
    }

    fn answer(key: &VrfSecretKey, span: Span) -> WatchAnswer {
        let identifier = alice();
        let proof = |(period, slot)| {
            let input = LabelInput { origin: "log", identifier: &identifier, period, slot };
            LabelProof { period, slot, proof: URL_SAFE_NO_PAD.encode(key.prove(&input).as_bytes()) }
        };
        WatchAnswer {
            origin: "log".to_owned(),
            labels: span.labels().map(proof).collect(),
            entries: Vec::new(),
            erased: Vec::new(),
        }
    }

    #[test]
    fn the_span_reaches_as_far_back_as_certificates_live_but_not_before_the_authority() {
        let mail = IdentifierKind::Email;
        assert_eq!(Span::between(at(0), mail, at(2900)), Span { first: 2887, last: 2901 });
        // Whoever has the number next is not to learn who had it.
        assert_eq!(Span::between(at(0), IdentifierKind::Phone, at(2900)), Span { first: 2895, last: 2901 });
        assert_eq!(Span::between(at(2899), mail, at(2900)), Span { first: 2899, last: 2901 });
        assert_eq!(Span::between(at(9999), mail, at(2900)), Span { first: 2901, last: 2901 }, "a root from the future");
    }

    #[test]
    fn a_log_is_looked_at_as_long_as_a_certificate_in_it_can_matter() {
        let span = |now: u64| Span::between(at(0), IdentifierKind::Phone, at(now));
        let closed = LogWindow { opens: None, closes: Some(2900 * WEEK + 1000) };
        let next = LogWindow { opens: Some(2900 * WEEK + 1000), closes: None };
        let within = |window: &LogWindow, now: u64| span(now).within(window, at(now));
        assert_eq!(within(&closed, 2890), Some(span(2890)), "long before its end");
        assert_eq!(within(&closed, 2903), Some(Span { first: 2898, last: 2900 }));
        assert_eq!((within(&closed, 2905), within(&closed, 2906)), (Some(Span { first: 2900, last: 2900 }), None));
        assert_eq!((within(&next, 2899), within(&next, 2900)), (None, Some(Span { first: 2899, last: 2901 })));
    }

    #[test]
    fn all_proofs_give_all_labels() {
        let key = VrfSecretKey::from_bytes(&[1; 32]);
        let span = Span { first: 10, last: 11 };
        let labels = verify(key.public(), &alice(), &answer(&key, span), span).unwrap();
        assert_eq!(labels.len(), 2 * usize::from(SLOTS));
    }

    #[test]
    fn one_missing_proof_makes_the_watch_blind() {
        let key = VrfSecretKey::from_bytes(&[1; 32]);
        let span = Span { first: 10, last: 10 };
        let mut answer = answer(&key, span);
        answer.labels.remove(7);
        let blind = verify(key.public(), &alice(), &answer, span).unwrap_err();
        assert_eq!(blind, Blindness::Missing { missing: 1, expected: 32, period: 10, slot: 7 });
    }

    #[test]
    fn a_proof_for_another_slot_makes_the_watch_blind() {
        let key = VrfSecretKey::from_bytes(&[1; 32]);
        let span = Span { first: 10, last: 10 };
        let mut answer = answer(&key, span);
        answer.labels[3].proof = answer.labels[4].proof.clone();
        let blind = verify(key.public(), &alice(), &answer, span).unwrap_err();
        assert!(matches!(blind, Blindness::BadProof { period: 10, slot: 3, .. }), "{blind}");
    }

    #[test]
    fn proofs_under_another_key_make_the_watch_blind() {
        let span = Span { first: 10, last: 10 };
        let answer = answer(&VrfSecretKey::from_bytes(&[2; 32]), span);
        let pinned = VrfSecretKey::from_bytes(&[1; 32]);
        assert!(matches!(verify(pinned.public(), &alice(), &answer, span), Err(Blindness::BadProof { .. })));
    }
}
