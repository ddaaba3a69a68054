//! Revocation lists of other home servers' people: fetched from their own servers, side by side for each of their policies and
//! within a budget of its own. A server that is slow, or whose people show certificates with ever other lists, holds up its own
//! alone.
//!
//! Policies are named by their places among all that the settings name.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use transparency_log::client::self_proving_http;

use crate::neighbours::fetch;

/// Largest revocation list that is read (bytes).
const MAX_LIST_BYTES: usize = 8 << 20;
/// How many lists of one policy's people are asked for in a minute, and how many of them at once.
const PER_MINUTE: usize = 32;
const MINUTE: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 2;
/// How long all that was asked for one policy may take; the rest waits for the next time.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lists of one policy's people that wait.
const MAX_WAITING: usize = 256;
/// Lists of one policy's people that are kept, and their bytes.
const MAX_KEPT: usize = 256;
const MAX_KEPT_BYTES: usize = 64 << 20;

/// What is wanted of each, and how much of it may be asked for.
#[derive(Default)]
pub(super) struct Wanted(BTreeMap<usize, Queue>);

/// What is wanted for the people of one policy, in the order in which it was.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<String>,
    /// Since when how many were asked for.
    asked: Option<(Instant, usize)>,
}

impl Wanted {
    /// These lists are wanted as well.
    pub(super) fn add(&mut self, lists: impl IntoIterator<Item = (usize, String)>) {
        for (number, url) in lists {
            let waiting = &mut self.0.entry(number).or_default().waiting;
            if waiting.len() < MAX_WAITING && !waiting.contains(&url) {
                waiting.push_back(url);
            }
        }
    }

    /// Those that may be fetched now; they wait no more.
    pub(super) fn take(&mut self, now: Instant) -> BTreeMap<usize, Vec<String>> {
        let turn = self.0.iter_mut().map(|(number, queue)| (*number, queue.take(now)));
        turn.filter(|(_, urls)| !urls.is_empty()).collect()
    }
}

impl Queue {
    fn take(&mut self, now: Instant) -> Vec<String> {
        let asked = self.asked.filter(|(since, _)| now.duration_since(*since) < MINUTE);
        let (since, before) = asked.unwrap_or((now, 0));
        let count = self.waiting.len().min(PER_MINUTE - before);
        self.asked = Some((since, before + count));
        self.waiting.drain(..count).collect()
    }
}

/// The newest lists of one policy's people, by their addresses, the one that was fetched last at the end. Where they are too
/// many, the one that nobody who is here has needed for longest goes.
#[derive(Default)]
pub(super) struct KeptLists(VecDeque<(String, Vec<u8>)>);

impl KeptLists {
    pub(super) fn keep(&mut self, url: &str, list: Vec<u8>) {
        self.0.retain(|(known, _)| known != url);
        self.0.push_back((url.to_owned(), list));
        let bytes = |lists: &VecDeque<(String, Vec<u8>)>| lists.iter().map(|(_, list)| list.len()).sum::<usize>();
        while self.0.len() > MAX_KEPT || bytes(&self.0) > MAX_KEPT_BYTES {
            self.0.pop_front();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|(_, list)| list.as_slice())
    }
}

/// Fetches these; `take` gets each as it comes. What was not answered in time is given back.
pub(super) async fn fetch(
    turn: BTreeMap<usize, Vec<String>>,
    take: impl Fn(usize, &str, Vec<u8>),
) -> Vec<(usize, String)> {
    let (http, take) = (self_proving_http(), &take);
    let of_one = turn.into_iter().map(|(number, urls)| {
        let http = &http;
        async move {
            let mut left = urls.clone();
            let mut lists = stream::iter(urls)
                .map(|url| async move { (fetch::get_at_most(http, &url, MAX_LIST_BYTES).await, url) })
                .buffer_unordered(AT_ONCE);
            let all = async {
                while let Some((list, url)) = lists.next().await {
                    left.retain(|waits| *waits != url);
                    match list {
                        Ok(Some(list)) => take(number, &url, list),
                        Ok(None) => {}
                        Err(reason) => tracing::warn!("a revocation list of another home server: {reason}"),
                    }
                }
            };
            // Told by what is left.
            let _ = tokio::time::timeout(PATIENCE, all).await;
            left.into_iter().map(move |url| (number, url))
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

    fn urls(number: usize, count: usize) -> Vec<(usize, String)> {
        (0..count).map(|list| (number, format!("https://{number}.example/crl/{list:03}"))).collect()
    }

    fn sizes(turn: &BTreeMap<usize, Vec<String>>) -> Vec<usize> {
        turn.values().map(Vec::len).collect()
    }

    #[test]
    fn so_many_lists_a_minute_are_asked_for_whatever_people_show() {
        let (mut wanted, begin) = (Wanted::default(), Instant::now());
        wanted.add(urls(2, 100));
        wanted.add(urls(3, 3));
        assert_eq!(sizes(&wanted.take(begin)), [PER_MINUTE, 3]);
        assert_eq!(sizes(&wanted.take(begin + MINUTE / 2)), [0_usize; 0]);
        wanted.add(urls(3, 1));
        assert_eq!(sizes(&wanted.take(begin + MINUTE / 2)), [1], "the other one pays for nothing");
        assert_eq!(sizes(&wanted.take(begin + MINUTE)), [PER_MINUTE]);
    }

    #[test]
    fn whoever_fills_her_own_queue_takes_no_place_of_others() {
        let mut wanted = Wanted::default();
        wanted.add(urls(2, 2 * MAX_WAITING));
        wanted.add(urls(3, 1));
        assert_eq!(wanted.0[&2].waiting.len(), MAX_WAITING);
        assert_eq!(sizes(&wanted.take(Instant::now())), [PER_MINUTE, 1]);
    }

    #[test]
    fn what_is_wanted_again_stands_behind_what_waits() {
        let (mut wanted, begin) = (Wanted::default(), Instant::now());
        wanted.add(urls(2, PER_MINUTE));
        wanted.add([(2, "https://2.example/crl/people".to_owned())]);
        // The first are wanted again at once, and would come before the last in the order of names.
        let first = wanted.take(begin);
        wanted.add(urls(2, PER_MINUTE));
        let next = wanted.take(begin + MINUTE);
        assert!(!first[&2].contains(&"https://2.example/crl/people".to_owned()));
        assert_eq!(next[&2][0], "https://2.example/crl/people");
    }

    #[test]
    fn of_too_many_kept_lists_the_one_that_was_fetched_longest_ago_goes() {
        let mut kept = KeptLists::default();
        (0..MAX_KEPT).for_each(|number| kept.keep(&number.to_string(), vec![0]));
        kept.keep("0", vec![1]);
        kept.keep("new", vec![2]);
        assert_eq!(kept.0.len(), MAX_KEPT);
        let urls: Vec<&str> = kept.0.iter().map(|(url, _)| url.as_str()).collect();
        assert_eq!((urls[0], &urls[MAX_KEPT - 2..]), ("2", &["0", "new"][..]));
        (0..9).for_each(|number| kept.keep(&format!("large {number}"), vec![0; MAX_LIST_BYTES]));
        assert_eq!(kept.iter().map(<[u8]>::len).sum::<usize>(), MAX_KEPT_BYTES);
    }
}
