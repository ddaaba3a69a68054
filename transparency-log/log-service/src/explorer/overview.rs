//! The first page: what the log is, how it grows, and who vouches for it.

use std::sync::PoisonError;

use axum::extract::State;
use axum::response::Response;
use transparency_log::page::{Page, ago, moment};

use super::{Explorer, Seen};

/// Checkpoints that are listed.
const LISTED: usize = 10;

pub(super) async fn page(State(explorer): State<Explorer>) -> Response {
    let verdict = match explorer.newest().await {
        Ok(verdict) => verdict,
        Err(error) => return explorer.broken(&error),
    };
    let now = (explorer.0.clock)();
    let checkpoint = &verdict.checkpoint;
    let mut page = explorer.page(&format!("Log {}", checkpoint.origin));
    page.paragraph(
        "A public log that can only grow. Every certificate of its authority stands here before it is signed: not the \
         address, only a label and a commitment, so that nobody can read who has one, while every owner finds every \
         certificate made in her name. Witnesses cosign each checkpoint, so that everybody sees the same log.",
    );
    let key = explorer.0.policy.logs.iter().find(|log| log.vkey.name() == checkpoint.origin);
    page.facts(&[
        ("Entries", &checkpoint.size.to_string()),
        ("Root", &checkpoint.root.to_string()),
        ("Key", &key.map(|log| log.vkey.to_string()).unwrap_or_default()),
    ]);
    let seen: Vec<Seen> = explorer.0.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    growth(&mut page, &seen, now);
    page.heading("Latest checkpoints");
    let row = |seen: &Seen| {
        let by: Vec<_> = seen.cosigned.iter().map(|by| format!("{}, {}", by.name, ago(by.time, now))).collect();
        let by = if by.is_empty() { "nobody yet".to_owned() } else { by.join("; ") };
        vec![seen.size.to_string(), moment(seen.at, now), by, seen.root.clone()]
    };
    page.table(&["Entries", "Seen", "Cosigned by", "Root"], seen.iter().take(LISTED).map(row).collect());
    witnesses(&mut page, &explorer, now);
    page.respond()
}

/// How much was added in the time that is remembered.
fn growth(page: &mut Page, seen: &[Seen], now: u64) {
    let (Some(newest), Some(oldest)) = (seen.first(), seen.last()) else { return };
    let (added, since) = (newest.size.saturating_sub(oldest.size), now.saturating_sub(oldest.at));
    page.heading("Growth");
    let span = ago(oldest.at, now);
    let span = span.trim_end_matches(" ago");
    let first = if since < 2 {
        "These pages have just begun to watch".to_owned()
    } else {
        format!("{} added in the last {span}", count(added, "entry was", "entries were"))
    };
    page.paragraph(&format!("{first}; the log has {}.", count(newest.size, "entry", "entries")));
}

fn count(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn witnesses(page: &mut Page, explorer: &Explorer, now: u64) {
    if explorer.0.witnesses.is_empty() {
        return;
    }
    page.heading("Witnesses");
    let row = |witness: &std::sync::Arc<transparency_log::witness::Observed>| {
        let health = witness.health();
        let cosigned = health.cosigned_at.map_or_else(|| "never since the start".to_owned(), |at| moment(at, now));
        let took = health.took.map_or_else(String::new, |took| format!("{} ms", took.as_millis()));
        // What an unreachable witness's address is, and why, is the operator's to know.
        let state = if health.trouble.is_some() { "does not cosign just now" } else { "well" };
        vec![
            health.name,
            state.to_owned(),
            cosigned,
            took,
            format!("{} of {}", health.cosigned, health.cosigned + health.failed),
        ]
    };
    let rows = explorer.0.witnesses.iter().map(row).collect();
    page.table(&["Witness", "State", "Last cosigned", "Answer took", "Cosigned"], rows);
}
