//! Which labels stand in a log twice.
//!
//! An audit keeps eight bytes of every label only. Those that agree with an earlier one in these are
//! suspects, and the log is read once more for them: an honest log has none, or one in a billion entries.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::Entry;

use super::AuditError;
use super::report::{Duplicate, Label, Tally};
use crate::client::{Source, VerifiedTree};

/// Settles every suspect of the tally.
pub(super) async fn find<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    tally: &mut Tally,
) -> Result<(), AuditError> {
    let suspects = std::mem::take(&mut tally.suspects);
    let Some(last) = suspects.iter().map(|(_, index)| *index).max() else { return Ok(()) };
    let firsts = firsts(tree, tally.start()..last, &suspects).await?;
    for (label, second) in suspects {
        if let Some(first) = firsts.get(&label).copied().filter(|first| *first < second) {
            tally.duplicates.push(Duplicate { label, first, second });
        }
    }
    Ok(())
}

/// Where each of these labels stands first.
async fn firsts<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    range: std::ops::Range<u64>,
    suspects: &[(Label, u64)],
) -> Result<HashMap<Label, u64>, AuditError> {
    let mut firsts: HashMap<Label, Option<u64>> = suspects.iter().map(|(label, _)| (*label, None)).collect();
    let scan = tree.scan(range.clone()).map_err(crate::client::ClientError::from)?;
    pin_mut!(scan);
    while let Some(scanned) = scan.next().await {
        let bundle = scanned?.bundle;
        for (index, bytes) in (bundle.first..).zip(&bundle.entries).filter(|(index, _)| range.contains(index)) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            if let Some(first) = entry.label().and_then(|label| firsts.get_mut(label)) {
                first.get_or_insert(index);
            }
        }
    }
    Ok(firsts.into_iter().filter_map(|(label, first)| Some((label, first?))).collect())
}
