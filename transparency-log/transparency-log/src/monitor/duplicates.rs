//! Which labels stand in a log twice.
//!
//! An audit keeps eight bytes of every label only. Where two agree in these the log is read once more: an honest log has
//! no such labels, or one pair in a billion entries.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::Entry;

use super::AuditError;
use super::labels::{Uneven, beginning};
use super::report::{Duplicate, Label, MAX_DUPLICATES, Tally};
use crate::client::{ClientError, Source, VerifiedTree};

/// Most different labels that are looked at for agreeing with another in their beginning: twice as many as are reported. A
/// log with more of them has chosen them, for of honest ones only a pair in a billion agrees by chance.
pub(super) const MAX_FIRSTS: usize = 2 * MAX_DUPLICATES;

/// Reads the log again for the labels that did not fit into memory, and settles every suspicion.
pub(super) async fn find<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    tally: &mut Tally,
    size: u64,
) -> Result<(), AuditError> {
    let start = tally.start();
    let mut suspects = tally.labels.repeated();
    suspects.truncate(MAX_DUPLICATES);
    for _ in 1..tally.labels.parts() {
        let labels = &mut tally.labels;
        each_label(tree, start..size, |index, label| {
            labels.add(label).map_err(|Uneven { most }| AuditError::Uneven { index, most })
        })
        .await?;
        suspects.extend(tally.labels.repeated());
        suspects.truncate(MAX_DUPLICATES);
    }
    if suspects.is_empty() {
        return Ok(());
    }
    suspects.sort_unstable();
    let mut firsts: HashMap<Label, u64> = HashMap::new();
    let mut again: BTreeMap<u64, Duplicate> = BTreeMap::new();
    each_label(tree, start..size, |index, label| {
        if suspects.binary_search(&beginning(label)).is_err() || again.len() >= MAX_DUPLICATES {
            return Ok(());
        }
        let first = *firsts.entry(*label).or_insert(index);
        if first < index {
            again.insert(index, Duplicate { label: *label, first, second: index });
        }
        if firsts.len() > MAX_FIRSTS {
            return Err(AuditError::Uneven { index, most: MAX_FIRSTS as u64 });
        }
        Ok(())
    })
    .await?;
    tally.duplicates.extend(again.into_values());
    Ok(())
}

async fn each_label<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    range: std::ops::Range<u64>,
    mut each: impl FnMut(u64, &Label) -> Result<(), AuditError>,
) -> Result<(), AuditError> {
    let scan = tree.scan(range.clone()).map_err(ClientError::from)?;
    pin_mut!(scan);
    while let Some(scanned) = scan.next().await {
        let bundle = scanned?.bundle;
        for (index, bytes) in (bundle.first..).zip(&bundle.entries).filter(|(index, _)| range.contains(index)) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            if let Some(label) = entry.label() {
                each(index, label)?;
            }
        }
    }
    Ok(())
}
