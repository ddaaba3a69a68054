//! What has happened since the start, for whoever runs the directory: how often, and nothing of whom.
//!
//! Everything is counted where it leaves or enters: answers and events as they are sent to people, connections as they are
//! taken in and let go. What a caller is not told is not counted either.

use crate::server::Standing;
use crate::state::Counts;
use directory_protocol::CloseCode;
use directory_protocol::frame::{self, LENGTH_BYTES};
use directory_protocol::message::{ErrorCode, Outcome, Response, Role};
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// REFUSED, OUTCOME and GO: the frames that are counted by what is in them.
const COUNTED: [u32; 3] = [65, 98, 99];

/// What became of a connection that somebody began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Handshake {
    /// The person was let in.
    Accepted,
    /// The address had to prove first that it receives.
    Retry,
    /// There are as many as there may be, altogether or from that address.
    Full,
    /// This node hears too few others.
    NoMajority,
    /// The directory is stopping.
    Stopping,
    /// It was not completed, for whatever reason of the other side's: no acceptable certificate, or silence.
    Failed,
}

impl Handshake {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Accepted, "accepted"),
        (Self::Retry, "retry"),
        (Self::Full, "full"),
        (Self::NoMajority, "no_majority"),
        (Self::Stopping, "stopping"),
        (Self::Failed, "failed"),
    ];
}

/// What callers were told of their calls: that they ring, and how that ended. Those that are in none of the ends were withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Begun,
    Accepted,
    Declined,
    Busy,
    NoAnswer,
    Offline,
}

impl Fate {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Begun, "begun"),
        (Self::Accepted, "accepted"),
        (Self::Declined, "declined"),
        (Self::Busy, "busy"),
        (Self::NoAnswer, "no_answer"),
        (Self::Offline, "offline"),
    ];
}

/// The counts of one directory.
#[derive(Default)]
pub(crate) struct Figures(Mutex<Sums>);

#[derive(Default)]
struct Sums {
    requests: u64,
    refusals: BTreeMap<usize, u64>,
    calls: BTreeMap<Fate, u64>,
    handshakes: BTreeMap<Handshake, u64>,
    /// By the number of the rule that was not kept: `policies/rules.md`.
    certificates: BTreeMap<&'static str, u64>,
    closed: BTreeMap<u32, u64>,
}

impl Figures {
    pub(crate) fn requests(&self, count: usize) {
        self.lock().requests += count as u64;
    }

    pub(crate) fn handshake(&self, result: Handshake) {
        *self.lock().handshakes.entry(result).or_default() += 1;
    }

    pub(crate) fn refused_certificate(&self, rule: &'static str) {
        *self.lock().certificates.entry(rule).or_default() += 1;
    }

    pub(crate) fn closed(&self, code: CloseCode) {
        *self.lock().closed.entry(code.number()).or_default() += 1;
    }

    /// A frame leaves.
    pub(crate) fn sent(&self, frame: &[u8]) {
        // Most frames are others, of which no more is read than the number.
        if !frame::number(frame).is_some_and(|number| COUNTED.contains(&number)) {
            return;
        }
        let Ok(Some(response)) = frame::decode_response(&frame[LENGTH_BYTES..]) else { return };
        let fate = match response {
            Response::Refused { error, .. } => {
                *self.lock().refusals.entry(number(error)).or_default() += 1;
                return;
            }
            Response::Outcome { outcome: Outcome::Ringing, .. } => Fate::Begun,
            Response::Outcome { outcome: Outcome::Declined, .. } => Fate::Declined,
            Response::Outcome { outcome: Outcome::Busy, .. } => Fate::Busy,
            Response::Outcome { outcome: Outcome::NoAnswer, .. } => Fate::NoAnswer,
            Response::Outcome { outcome: Outcome::Offline, .. } => Fate::Offline,
            // Once for each call: to its caller.
            Response::Go { role: Role::Dialler, .. } => Fate::Accepted,
            _ => return,
        };
        *self.lock().calls.entry(fate).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything in the text format of Prometheus, with how it is now.
    pub(crate) fn text(
        &self,
        counts: Counts,
        handshakes: usize,
        nodes: Option<(usize, usize)>,
        is: Standing,
    ) -> String {
        let Counts { connections, people, watches, calls } = counts;
        let mut text = Text(String::new());
        text.gauge("serving", "1 while people may connect.", usize::from(is == Standing::Serves));
        text.gauge("people", "People who are present on at least one device here.", people);
        text.gauge("connections", "Devices that are connected.", connections);
        text.gauge("watches", "Entries of all watch lists together.", watches);
        text.gauge("calls_waiting", "Calls that wait for an answer.", calls);
        text.gauge("handshakes_unfinished", "Handshakes that are begun and not complete.", handshakes);
        if let Some((there, all)) = nodes {
            text.gauge("nodes", "Nodes of the cluster, by the settings.", all);
            text.gauge("nodes_there", "Nodes that hear each other, this one among them.", there);
        }
        let sums = self.lock();
        text.begin("requests_total", "counter", "Requests that have come.");
        text.line("requests_total", None, sums.requests);
        let numbers = ErrorCode::ALL.map(number);
        let refusals = numbers.iter().map(|number| (number, sums.refusals.get(number)));
        text.counter(
            "requests_refused_total",
            "Requests that were refused, by the number of the refusal.",
            "number",
            refusals,
        );
        let calls = Fate::ALL.iter().map(|(fate, name)| (name, sums.calls.get(fate)));
        text.counter("calls_total", "Calls, by what their callers were told.", "what", calls);
        let handshakes = Handshake::ALL.iter().map(|(result, name)| (name, sums.handshakes.get(result)));
        text.counter("handshakes_total", "Connections that were begun, by what became of them.", "result", handshakes);
        let rules = sums.certificates.iter().map(|(rule, count)| (rule, Some(count)));
        let help = "Certificates that were not accepted, or not any more, by the rule that they did not keep.";
        text.counter("certificates_refused_total", help, "rule", rules);
        let codes = sums.closed.iter().map(|(code, count)| (code, Some(count)));
        text.counter("closed_total", "Connections that the directory ended, by the code it gave.", "code", codes);
        text.0
    }
}

/// The number of a refusal on the wire.
fn number(error: ErrorCode) -> usize {
    ErrorCode::ALL.iter().position(|other| *other == error).map_or(0, |place| place + 1)
}

/// In the making.
struct Text(String);

impl Text {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP inperson_directory_{name} {help}\n# TYPE inperson_directory_{name} {kind}");
    }

    fn line(&mut self, name: &str, label: Option<(&str, &dyn Display)>, value: impl Display) {
        let _ = match label {
            None => writeln!(self.0, "inperson_directory_{name} {value}"),
            Some((label, of)) => writeln!(self.0, "inperson_directory_{name}{{{label}=\"{of}\"}} {value}"),
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.begin(name, "gauge", help);
        self.line(name, None, value);
    }

    fn counter<'a, L: Display + 'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (&'a L, Option<&'a u64>)>,
    ) {
        self.begin(name, "counter", help);
        for (of, count) in counts {
            self.line(name, Some((label, of)), count.copied().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory_protocol::ProbeKey;

    #[test]
    fn what_leaves_is_counted_by_what_it_says_and_nobody_is_named() {
        let figures = Figures::default();
        let (alice, call_id) = ("alice@example.org".parse().unwrap(), [7; 16]);
        let go = |role| Response::Go {
            call_id,
            role,
            peer: "bob@example.org".parse().unwrap(),
            peer_key: [1; 32],
            candidates: vec!["192.0.2.7:7".parse().unwrap()],
            probe_key: ProbeKey([2; 32]),
            delay_ms: 0,
        };
        let refused = |error| Response::Refused { id: 65, error, wait_ms: 98 };
        let said = [
            Response::Done { id: 65 },
            Response::presence(alice, directory_protocol::Presence::Offline),
            refused(ErrorCode::TooOften),
            refused(ErrorCode::TooOften),
            refused(ErrorCode::UnknownForNow),
            Response::Outcome { call_id, outcome: Outcome::Ringing },
            Response::Outcome { call_id, outcome: Outcome::Cancelled },
            go(Role::Dialler),
            go(Role::Listener),
        ];
        said.iter().for_each(|response| figures.sent(&frame::encode(response)));
        figures.handshake(Handshake::Retry);
        figures.refused_certificate("REV-01");
        figures.closed(CloseCode::Flood);
        let counts = Counts { connections: 3, people: 2, watches: 5, calls: 1 };
        let text = figures.text(counts, 4, Some((2, 3)), Standing::Serves);
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("inperson_directory_{name} ")));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<u64>().unwrap()
        };
        assert_eq!((value("serving"), value("people"), value("connections"), value("watches")), (1, 2, 3, 5));
        assert_eq!((value("calls_waiting"), value("handshakes_unfinished")), (1, 4));
        assert_eq!((value("nodes_there"), value("nodes")), (2, 3));
        assert_eq!(value("requests_refused_total{number=\"3\"}"), 2);
        assert_eq!(value("requests_refused_total{number=\"11\"}"), 1);
        assert_eq!(value("requests_refused_total{number=\"1\"}"), 0);
        assert_eq!((value("calls_total{what=\"begun\"}"), value("calls_total{what=\"accepted\"}")), (1, 1));
        assert_eq!(Fate::ALL.iter().map(|(_, name)| value(&format!("calls_total{{what=\"{name}\"}}"))).sum::<u64>(), 2);
        assert_eq!(value("handshakes_total{result=\"retry\"}"), 1);
        assert_eq!(value("certificates_refused_total{rule=\"REV-01\"}"), 1);
        assert_eq!(value("closed_total{code=\"5\"}"), 1);
        for of_somebody in ["alice", "bob", "example", "192.0.2"] {
            assert!(!text.contains(of_somebody), "{text}");
        }
    }

    #[test]
    fn every_refusal_has_its_number() {
        for error in ErrorCode::ALL {
            let mut bytes = Vec::new();
            minicbor::encode(error, &mut bytes).unwrap();
            assert_eq!(usize::from(bytes[0]), number(error));
        }
    }
}
