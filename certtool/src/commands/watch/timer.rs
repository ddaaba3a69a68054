//! What the timer of the watch runs: `watch --once` with the options that were given.

use super::Watch;
use crate::failure::Failure;
use crate::timer::text;

/// The options of `watch` that count for each look.
pub(super) fn arguments(watch: &Watch) -> Result<Vec<String>, Failure> {
    let mut line = Vec::new();
    let mut option = |name: &str, value: &str| line.extend([name.to_owned(), value.to_owned()]);
    if let Some(authority) = &watch.authority {
        option("--authority", authority);
    }
    if let Some(mirror) = &watch.mirror {
        option("--mirror", mirror);
    }
    if let Some(hook) = &watch.ways.hook {
        option("--hook", hook);
    }
    for address in &watch.ways.mail {
        option("--mail", address.as_str());
    }
    if !watch.ways.mail.is_empty() {
        option("--sendmail", &text(&watch.ways.sendmail)?);
    }
    if watch.ways.notify || !watch.ways.any() {
        line.push("--notify".to_owned());
    }
    line.push("--once".to_owned());
    line.extend(watch.identifier.as_ref().map(ToString::to_string));
    Ok(line)
}
