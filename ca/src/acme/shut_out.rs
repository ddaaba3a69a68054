//! Shutting somebody out: what a key that is compromised loses, and an account whose proof of control is ended, each in one
//! step.

use identity::Identifier;
use identity::transparency::period_of;
use serde_json::json;

use super::problem::Problem;
use crate::issue::{Issuer, ended};
use crate::store::{
    CertificateRecord, Change, KEY_COMPROMISE, RACES, Record, Revocation, Select, Serial, StoreError, Subject,
};

/// So many of a key's certificates are changed at once.
const BATCH: u32 = 256;

/// What is lost in one step, to be stored together.
#[derive(Default)]
pub(super) struct Losses {
    pub(super) changes: Vec<Change>,
    /// Certificates that are revoked by it.
    revoked: Vec<CertificateRecord>,
    /// Certificates that were on their way.
    given_up: Vec<CertificateRecord>,
    /// How many proofs of control are ended.
    pub(super) proofs: u64,
}

impl Losses {
    /// Of the key of this certificate, whoever holds it: it gets no certificate any more, none that it has speaks for it,
    /// and the accounts that ordered them, whose keys lay beside it, must prove control anew. Nothing if all that is so.
    async fn of_key(issuer: &Issuer, found: &CertificateRecord) -> Result<Self, Problem> {
        let key = found.key().ok_or_else(|| Problem::internal(&"a key that does not encode"))?;
        let at = issuer.now().as_secs();
        let mut speaking = issuer.store.certificates(Select::SpeakingBy { key, at, limit: BATCH }).await?;
        // One that has ended is shown by no list; that its key is compromised is known all the same.
        let is_there = speaking.iter().any(|one| one.serial == found.serial);
        if !is_there && !found.revoked.is_some_and(Revocation::is_for_compromise) {
            speaking.push(found.clone());
        }
        let mut losses = Self::default();
        if speaking.is_empty() && issuer.store.is_compromised(key).await? {
            return Ok(losses);
        }
        losses.changes.push(Change::Insert(Record::CompromisedKey(key)));
        let mut owners: Vec<(String, Identifier)> = Vec::new();
        for one in speaking {
            if let (Some(account), Subject::Person { identifier, .. }) = (&one.account, &one.subject) {
                owners.push((account.clone(), identifier.clone()));
            }
            match one.is_unfinished() {
                true => losses.give_up(issuer, one).await?,
                false => losses.revoke(one, at),
            }
        }
        owners.sort();
        owners.dedup();
        for (account, identifier) in owners {
            losses.end_proofs(issuer, &identifier, |of| of == account).await?;
        }
        Ok(losses)
    }

    /// Ends every proof of control of the identifier by these accounts, also what may still become one, and gives up what is
    /// on its way by them.
    pub(super) async fn end_proofs(
        &mut self,
        issuer: &Issuer,
        identifier: &Identifier,
        by: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let now = issuer.now();
        let standing = Select::Standing { identifier: identifier.clone(), at: now.as_secs() };
        let mut proofs = issuer.store.authorizations(standing).await?;
        proofs.retain(|proof| by(&proof.account));
        self.proofs += proofs.len() as u64;
        self.changes.extend(proofs.into_iter().map(ended));
        // Whatever is not logged within a day is given up in any case.
        let to = period_of(now);
        let made = Select::CertificatesOf { identifier: identifier.clone(), from: to.saturating_sub(1), to };
        let mut on_their_way = issuer.store.certificates(made).await?;
        on_their_way.retain(|one| one.is_unfinished() && one.account.as_deref().is_some_and(&by));
        for one in on_their_way {
            self.give_up(issuer, one).await?;
        }
        Ok(())
    }

    async fn give_up(&mut self, issuer: &Issuer, one: CertificateRecord) -> Result<(), StoreError> {
        if self.given_up.iter().all(|known| known.serial != one.serial) {
            self.changes.extend(issuer.give_up(one.clone()).await?);
            self.given_up.push(one);
        }
        Ok(())
    }

    /// One that is revoked for less stays so from then on.
    fn revoke(&mut self, one: CertificateRecord, at: u64) {
        let at = one.revoked.map_or(at, |revoked| revoked.at);
        let one = CertificateRecord { revoked: Some(Revocation { at, reason: KEY_COMPROMISE }), ..one };
        self.changes.push(Change::Update(Record::Certificate(one.clone())));
        self.revoked.push(one);
    }

    /// Notes in the audit trail what was lost.
    pub(super) fn note(&self, issuer: &Issuer, by: &str) {
        for one in &self.revoked {
            let serial = one.serial.to_string();
            tracing::info!(serial, reason = KEY_COMPROMISE, "revoked");
            issuer.trail.note("revoked", json!({"serial": serial, "reason": KEY_COMPROMISE, "by": by}));
        }
        self.given_up.iter().for_each(|one| issuer.note_given_up(one));
    }
}

/// Shuts out whoever has the key of this certificate, and gives the certificates that are revoked by it, to be shown. In
/// steps, until nothing is left that speaks by the key: what was planned meanwhile is found by the next one, or finds the key
/// compromised before it is signed.
pub(super) async fn key_of(issuer: &Issuer, serial: Serial, by: &str) -> Result<Vec<CertificateRecord>, Problem> {
    let (mut revoked, mut races) = (Vec::new(), 0);
    loop {
        let found = issuer.store.certificate(serial).await?.ok_or_else(Problem::not_found)?;
        let mut losses = Losses::of_key(issuer, &found).await?;
        if losses.changes.is_empty() {
            return Ok(revoked);
        }
        match issuer.store.commit(std::mem::take(&mut losses.changes)).await {
            // An owner reacts to the mail about a new device while it is being noted that the mail has left.
            Err(StoreError::Conflict(_)) if races < RACES => races += 1,
            Err(error) => return Err(error.into()),
            Ok(_) => {
                losses.note(issuer, by);
                revoked.append(&mut losses.revoked);
            }
        }
    }
}
