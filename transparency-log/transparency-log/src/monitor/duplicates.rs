//! Which labels stand in a log twice.
//!
//! An audit keeps eight bytes of every label only. Where two agree in these the log is read once more: an honest log has
//! no such labels, or one pair in a billion entries.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::Entry;

use super::AuditError;
use super::labels::beginning;
use super::report::{Duplicate, Label, MAX_DUPLICATES, Tally};
use crate::client::{ClientError, Source, VerifiedTree};

/// Reads the log again for the labels that did not fit into memory, and settles every suspicion.
pub(super) async fn find<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    tally: &mut Tally,
    size: u64,
) -> Result<(), AuditError> {
    let mut suspects = tally.labels.repeated();
    for _ in 1..tally.labels.parts() {
        each_label(tree, tally.start()..size, |_, label| tally.labels.add(label)).await?;
        suspects.extend(tally.labels.repeated());
    }
    suspects.truncate(MAX_DUPLICATES);
    if suspects.is_empty() {
        return Ok(());
    }
    suspects.sort_unstable();
    let mut firsts: HashMap<Label, u64> = HashMap::new();
    let mut again: BTreeMap<u64, Duplicate> = BTreeMap::new();
    each_label(tree, tally.start()..size, |index, label| {
        if suspects.binary_search(&beginning(label)).is_err() || again.len() >= MAX_DUPLICATES {
            return;
        }
        let first = *firsts.entry(*label).or_insert(index);
        if first < index {
            again.insert(index, Duplicate { label: *label, first, second: index });
        }
    })
    .await?;
    tally.duplicates.extend(again.into_values());
    Ok(())
}

async fn each_label<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    range: std::ops::Range<u64>,
    mut each: impl FnMut(u64, &Label),
) -> Result<(), AuditError> {
    let scan = tree.scan(range.clone()).map_err(ClientError::from)?;
    pin_mut!(scan);
    while let Some(scanned) = scan.next().await {
        let bundle = scanned?.bundle;
        for (index, bytes) in (bundle.first..).zip(&bundle.entries).filter(|(index, _)| range.contains(index)) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            if let Some(label) = entry.label() {
                each(index, label);
            }
        }
    }
    Ok(())
}
