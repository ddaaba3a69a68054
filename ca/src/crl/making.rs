//! Making lists: when one is due, its number, its signature, and its place in the log before anybody sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use identity::UnixTime;
use identity::plan::{CrlPlan, RevocationReason, RevokedEntry};
use serde_json::json;
use tlog_proof::ObjectKind;

use super::known::Listed;
use super::newest::Newest;
use super::revoked::listed;
use super::{CrlError, Crls, FRESH, List, ListName};
use crate::issuance::sign_crl;
use crate::store::{Authority, CertificateRecord};

/// The clock of the front end that made a list may be so far ahead of this one's (seconds).
const AHEAD: u64 = 300;
/// nextUpdate lies so far ahead: verifiers refuse to go on without a newer one after a week.
const VALID: Duration = Duration::from_secs(7 * 86_400);

impl Crls {
    /// Makes new lists where the newest is an hour old, where there is none, or where it lacks what was revoked.
    pub(crate) async fn renew_if_old(&self, authority: Authority) -> Result<(), CrlError> {
        let _turn = self.turn(authority).await?;
        let ahead = if self.issuer.shared.is_some() { AHEAD } else { 0 };
        let now = (self.issuer.clock)().as_secs();
        self.look(authority, now).await?;
        let mut revoked = self.revoked(authority, now).await?;
        let due = self.of(authority).into_iter().filter_map(|(name, list)| {
            let revoked = revoked.remove(&name).unwrap_or_default();
            let fresh = |newest: &Newest| {
                newest.place == self.place(name, &list)
                    && newest.this_update <= now + ahead
                    && now.saturating_sub(newest.this_update) < FRESH.as_secs()
                    && revoked.iter().all(|one| newest.shows(one))
            };
            (!list.newest().is_some_and(|newest| fresh(&newest))).then_some(name)
        });
        let due: Vec<_> = due.collect();
        self.renew(authority, &due, || false).await
    }

    /// Makes a new list unless the newest shows that this revoked certificate is revoked, or it has expired. If that fails,
    /// it is tried again soon in the background.
    pub(crate) async fn show(&self, certificate: &CertificateRecord) -> Result<(), CrlError> {
        let name = self.list_of(certificate);
        let Some(revoked) = listed(certificate, name) else { return Ok(()) };
        let shown = || {
            let newest = self.list(name).and_then(|list| list.newest());
            newest.is_some_and(|newest| newest.shows(&revoked))
        };
        if shown() || certificate.not_after < (self.issuer.clock)().as_secs() {
            return Ok(());
        }
        self.known.add([revoked]);
        let renewing = async {
            let _turn = self.turn(name.issuer.authority).await?;
            // Another front end, or who revoked at the same moment, may have made it meanwhile.
            self.renew(name.issuer.authority, &[name], shown).await
        };
        renewing.await.inspect_err(|_: &CrlError| self.behind.notify_one())
    }

    /// The same of several: whatever stands on one list is shown by it at once.
    pub(crate) async fn show_all(&self, certificates: &[CertificateRecord]) -> Result<(), CrlError> {
        self.known.add(certificates.iter().filter_map(|one| listed(one, self.list_of(one))));
        for one in certificates {
            self.show(one).await?;
        }
        Ok(())
    }

    /// Makes new lists, all at once, so that they share a batch of the log; unless it turns out to be needless once nobody
    /// else is at them. `due` is in the order of names.
    pub(super) async fn renew(
        &self,
        authority: Authority,
        due: &[ListName],
        needless: impl Fn() -> bool,
    ) -> Result<(), CrlError> {
        // What is revoked is asked for while nobody else renews these lists: an older answer would bring it back.
        let lists: Vec<_> = due.iter().filter_map(|name| Some((*name, self.list(*name)?))).collect();
        let mut held = Vec::with_capacity(lists.len());
        for (name, list) in &lists {
            held.push((*name, list, list.renewing.lock().await));
        }
        if needless() {
            return Ok(());
        }
        let now = (self.issuer.clock)();
        let mut numbers = Vec::with_capacity(held.len());
        for (name, list, _) in &held {
            // Never less than the time in seconds: a list whose file was lost goes on above all that verifiers know (REV-05).
            let number = list.newest().map_or(0, |newest| newest.number + 1).max(now.as_secs());
            numbers.push(self.number(*name, number).await?);
        }
        // After the numbers are drawn: the higher of two lists knows no less.
        let mut revoked = self.revoked(authority, now.as_secs()).await?;
        let made = held.iter().zip(numbers).map(|((name, list, _), number)| {
            let revoked = revoked.remove(name).unwrap_or_default();
            self.make(*name, list, number, now, revoked)
        });
        // Each to its end: a list that stands in the log must be shown, whatever becomes of the others.
        join_all(made).await.into_iter().collect()
    }

    /// Makes a new list: signs, logs, keeps, and only then shows it.
    pub(super) async fn make(
        &self,
        name: ListName,
        list: &List,
        number: u64,
        now: UnixTime,
        revoked: Vec<Listed>,
    ) -> Result<(), CrlError> {
        let der = self.sign(name, list, number, now, &revoked)?;
        self.issuer.shard().log().put_object(ObjectKind::Crl, der.clone()).await?;
        let listed: HashMap<_, _> = revoked.iter().map(|c| (c.serial, c.revocation.is_for_compromise())).collect();
        let place = self.place(name, list);
        let made = Newest { der: der.into(), number, this_update: now.as_secs(), place, listed: Arc::new(listed) };
        self.show_made(name, list, made).await?;
        let (count, issuer) = (revoked.len(), name.issuer.to_string());
        tracing::info!(issuer, part = ?name.part, number, count, "revocation list renewed");
        let of = json!({"issuer": issuer, "shard": name.shard(), "number": number, "revoked": count});
        self.issuer.trail.note("list-signed", of);
        Ok(())
    }

    /// The address that a list speaks for alone; `None` if it is the only one of its issuer, which speaks for all.
    fn place(&self, name: ListName, list: &List) -> Option<String> {
        (self.parts(name.issuer) > 0).then(|| list.url.clone())
    }

    fn sign(
        &self,
        name: ListName,
        list: &List,
        number: u64,
        now: UnixTime,
        revoked: &[Listed],
    ) -> Result<Vec<u8>, CrlError> {
        let signer = list.issuing.signer();
        let revoked: Vec<_> = revoked.iter().map(entry).collect();
        let next_update = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + VALID.as_secs()));
        let place = self.place(name, list);
        let plan = CrlPlan {
            issuer: signer.certificate(),
            this_update: now,
            next_update,
            number,
            revoked: &revoked,
            place: place.as_deref(),
        };
        Ok(sign_crl(&plan, signer)?)
    }
}

fn entry(listed: &Listed) -> RevokedEntry {
    let reason = match listed.revocation.reason {
        1 => Some(RevocationReason::KeyCompromise),
        3 => Some(RevocationReason::AffiliationChanged),
        4 => Some(RevocationReason::Superseded),
        5 => Some(RevocationReason::CessationOfOperation),
        9 => Some(RevocationReason::PrivilegeWithdrawn),
        _ => None,
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(listed.revocation.at));
    RevokedEntry { serial: listed.serial.0.to_vec(), time, reason }
}
