//! Plans that come to nothing: of themselves, or because whoever asked for them was shut out meanwhile.

use serde_json::json;

use super::Issuer;
use crate::store::{
    Authorization, AuthorizationStatus, CertificateRecord, CertificateState, Change, Order, OrderState, Record,
    StoreError,
};

/// A plan that is given up, and what becomes of its order. Its entry may stand in the log; it stays in the store, so that it
/// can be opened.
pub(super) fn given_up(record: CertificateRecord) -> (CertificateRecord, OrderState) {
    let state = CertificateState::Abandoned { index: record.index() };
    let reason = "the certificate could not be logged or signed; make a new order";
    (CertificateRecord { state, ..record }, OrderState::Invalid(reason.into()))
}

/// What ends a proof of control.
pub(crate) fn ended(proof: Authorization) -> Change {
    Change::Update(Record::Authorization(proof.ended(AuthorizationStatus::Deactivated)))
}

impl Issuer {
    /// What the last state of a certificate changes, together with its order's.
    pub(super) async fn last_state(
        &self,
        record: CertificateRecord,
        state: OrderState,
    ) -> Result<Vec<Change>, StoreError> {
        let order = match &record.order {
            Some(id) => self.store.order(id).await?,
            None => None,
        };
        let order = order.map(|order| Change::Update(Record::Order(Order { state, ..order })));
        Ok([Change::Update(Record::Certificate(record))].into_iter().chain(order).collect())
    }

    /// What giving up a certificate changes that is on its way: whoever drives it finds another revision, and ends.
    pub(crate) async fn give_up(&self, record: CertificateRecord) -> Result<Vec<Change>, StoreError> {
        let (record, state) = given_up(record);
        self.last_state(record, state).await
    }

    /// Notes in the audit trail that it was given up.
    pub(crate) fn note_given_up(&self, record: &CertificateRecord) {
        self.note("abandoned", record);
    }

    /// Notes in the audit trail how it ended.
    pub(super) fn note(&self, how: &'static str, record: &CertificateRecord) {
        let of = json!({"serial": record.serial.to_string(), "profile": record.profile, "index": record.index()});
        self.trail.note(how, of);
    }
}
