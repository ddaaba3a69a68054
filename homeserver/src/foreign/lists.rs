//! Revocation lists of other home servers' people: fetched from their own servers, from all of them at once, and from each
//! within a budget. A server that is slow, or whose people show certificates with ever other lists, holds up its own alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use transparency_log::client::self_proving_http;

use crate::neighbours::fetch;

/// Largest revocation list that is read (bytes).
const MAX_LIST_BYTES: usize = 8 << 20;
/// How many lists a server is asked for in a minute, and how many of them at once.
const PER_MINUTE: usize = 32;
const MINUTE: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 2;
/// How long one server may take with all that it was asked for; the rest waits for the next time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lists that wait, of all servers together.
const MAX_WAITING: usize = 256;

/// What is wanted, and how much each server may be asked for.
#[derive(Default)]
pub(super) struct Wanted {
    waiting: BTreeSet<String>,
    /// Since when each server was asked for how many.
    asked: BTreeMap<String, (Instant, usize)>,
}

impl Wanted {
    /// These lists are wanted as well.
    pub(super) fn add(&mut self, urls: impl IntoIterator<Item = String>) {
        for url in urls {
            if self.waiting.len() < MAX_WAITING {
                self.waiting.insert(url);
            }
        }
    }

    /// Those that may be fetched now, by the server; they wait no more.
    pub(super) fn take(&mut self, now: Instant) -> BTreeMap<String, Vec<String>> {
        self.asked.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
        let mut turn: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let asked = &mut self.asked;
        self.waiting.retain(|url| {
            let Some(server) = server(url) else { return false };
            let (_, count) = asked.entry(server.to_owned()).or_insert((now, 0));
            if *count >= PER_MINUTE {
                return true;
            }
            *count += 1;
            turn.entry(server.to_owned()).or_default().push(url.clone());
            false
        });
        turn
    }
}

/// Fetches these; `take` gets each as it comes. What a server did not answer in time is given back.
pub(super) async fn fetch(turn: BTreeMap<String, Vec<String>>, take: impl Fn(&str, Vec<u8>)) -> Vec<String> {
    let (http, take) = (self_proving_http(), &take);
    let of_one = turn.into_values().map(|urls| {
        let http = &http;
        async move {
            let mut left: BTreeSet<String> = urls.iter().cloned().collect();
            let mut lists = stream::iter(urls)
                .map(|url| async move { (fetch::get_at_most(http, &url, MAX_LIST_BYTES).await, url) })
                .buffer_unordered(AT_ONCE);
            let all = async {
                while let Some((list, url)) = lists.next().await {
                    left.remove(&url);
                    match list {
                        Ok(Some(list)) => take(&url, list),
                        Ok(None) => {}
                        Err(reason) => tracing::warn!("a revocation list of another home server: {reason}"),
                    }
                }
            };
            // Told by what is left.
            let _ = tokio::time::timeout(PATIENCE, all).await;
            left
        }
    });
    join_all(of_one).await.into_iter().flatten().collect()
}

/// Host and port of an https address (RFC 3986 section 3.2).
pub(super) fn server(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split(['/', '?', '#']).next().filter(|server| !server.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(server: &str, count: usize) -> Vec<String> {
        (0..count).map(|number| format!("https://{server}/crl/{number:03}")).collect()
    }

    #[test]
    fn a_server_is_asked_for_so_many_lists_a_minute_whatever_its_people_show() {
        let (mut wanted, begin) = (Wanted::default(), Instant::now());
        wanted.add(urls("beta.example", 100));
        wanted.add(urls("gamma.example", 3));
        let sizes = |turn: BTreeMap<String, Vec<String>>| -> Vec<usize> { turn.values().map(Vec::len).collect() };
        assert_eq!(sizes(wanted.take(begin)), [PER_MINUTE, 3]);
        assert_eq!(sizes(wanted.take(begin + MINUTE / 2)), [0_usize; 0]);
        wanted.add(urls("gamma.example", 1));
        assert_eq!(sizes(wanted.take(begin + MINUTE / 2)), [1], "the other one pays for nothing");
        assert_eq!(sizes(wanted.take(begin + MINUTE)), [PER_MINUTE]);
        wanted.add(urls("delta.example", 2 * MAX_WAITING));
        assert!(wanted.waiting.len() <= MAX_WAITING);
    }
}
