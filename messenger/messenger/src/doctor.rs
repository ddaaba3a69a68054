//! `messenger doctor`: what stands between this device and others, for people and as JSON. It calls nobody, and nobody sees it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use command_line::say;
use messenger_engine::{
    Elsewhere, Examination, ExamineError, Nat, NowhereFound, Pinhole, PinholeProtocol, Sight, Trouble, examine,
};
use serde::Serialize;

use crate::clock;
use crate::failure::{Code, Failure};
use crate::start::Prepared;
use crate::text::harmless_line;

/// The server tells whole seconds, on its way they may become more.
const CLOCKS_AGREE_S: i64 = 3;

/// All that was found.
#[derive(Serialize)]
struct Report {
    identifier: String,
    authority: String,
    certificate_until: String,
    /// How far this device's clock is ahead of the home server's, in seconds; nothing if that did not answer.
    clock_ahead_s: Option<i64>,
    #[serde(flatten)]
    network: Examination,
}

/// Looks, and prints what it found.
pub(crate) async fn run(prepared: &Prepared, json: bool) -> Result<(), Failure> {
    let report = found(prepared).await?;
    match json {
        true => say!("{}", serde_json::to_string(&report).map_err(|error| Failure::new(error, ""))?),
        false => say!("{}", report.for_people().trim_end()),
    }
    Ok(())
}

/// Looks, and says in lines for people what it found.
pub(crate) async fn look(prepared: &Prepared) -> Result<String, Failure> {
    Ok(found(prepared).await?.for_people())
}

async fn found(prepared: &Prepared) -> Result<Report, Failure> {
    let (network, clock_ahead_s) =
        tokio::join!(examine(prepared.config()), clock::ahead(prepared.trust.clone(), prepared.server()));
    Ok(Report {
        identifier: prepared.me.identifier.to_string(),
        authority: prepared.me.authority.clone(),
        certificate_until: prepared.me.until.clone(),
        clock_ahead_s,
        network: network.map_err(unreached)?,
    })
}

fn unreached(error: ExamineError) -> Failure {
    let code = if matches!(error, ExamineError::Directory(_)) { Code::Unreachable } else { Code::Failed };
    let remedy =
        "look whether this network lets UDP through, whether the home server runs, and at this machine's clock";
    Failure::new(error, remedy).with(code)
}

impl Report {
    fn for_people(&self) -> String {
        let Examination { port, candidates, vpn, directory, ipv6, ipv4, pinholes, elsewhere, nowhere } = &self.network;
        let mut text = String::new();
        let mut line = |name: &str, words: &str| {
            // A String takes everything.
            let _ = writeln!(text, "{name:<10} {}", harmless_line(words));
        };
        line("you", &format!("{}, certified by {} until {}", self.identifier, self.authority, self.certificate_until));
        let (name, address) = (&directory.name, directory.address);
        let away = format!("{name} at {address}, {:.1} ms away", directory.round_trip_ms);
        line("directory", &format!("{away}, packets of {} bytes come through", directory.mtu_bytes));
        line("clock", &beside_the_server(self.clock_ahead_s));
        line("IPv6", &sight(ipv6.as_ref()));
        line("IPv4", &sight(ipv4.as_ref()));
        if pinholes.is_empty() {
            line("pinhole", "none asked for: no router is before this device's own way out, or it is not to be asked");
        }
        pinholes.iter().for_each(|pinhole| line("pinhole", &pinhole_for(pinhole)));
        line("offered", &offered(candidates, vpn.as_deref()));
        elsewhere.iter().for_each(|other| line("elsewhere", &other_directory(other)));
        nowhere.iter().for_each(|NowhereFound { who, trouble }| line("nowhere", &format!("{who}: {}", words(trouble))));
        line("so", &outlook(ipv6.as_ref(), ipv4.as_ref(), pinholes, *port));
        text
    }
}

/// A directory in which contacts are found.
fn other_directory(other: &Elsewhere) -> String {
    let Elsewhere { name, addresses, contacts, round_trip_ms, trouble } = other;
    let whose = match &contacts[..] {
        [one] => one.to_string(),
        several => format!("{} contacts", several.len()),
    };
    let how = match (round_trip_ms, trouble) {
        (Some(took), _) => format!("{took:.1} ms away"),
        (None, Some(trouble)) => format!("not reached: {}", words(trouble)),
        (None, None) => "not tried".to_owned(),
    };
    format!("{name} at {}, where {whose} can be found, {how}", addresses.join(" or "))
}

fn words(Trouble { message, remedy }: &Trouble) -> String {
    format!("{message}. What helps: {remedy}")
}

fn beside_the_server(ahead_s: Option<i64>) -> String {
    match ahead_s {
        None => "not compared: the home server did not answer by HTTPS".to_owned(),
        Some(ahead) if ahead.abs() <= CLOCKS_AGREE_S => "agrees with the home server's".to_owned(),
        Some(ahead) if ahead > 0 => format!("{ahead} s ahead of the home server's: set it"),
        Some(ahead) => format!("{} s behind the home server's: set it", -ahead),
    }
}

fn sight(sight: Option<&Sight>) -> String {
    let Some(Sight { seen_at, nat, lets_in_unasked }) = sight else { return "none".to_owned() };
    let seen_at = seen_at.map(|seen| format!("seen at {seen}, ")).unwrap_or_default();
    let nat = match nat {
        Nat::None => "no router changes it",
        Nat::EndpointIndependent => "a router's address, the same toward everybody",
        Nat::EndpointDependent => "a router's address, another one toward everybody (symmetric NAT)",
        Nat::Unknown => "a router's address; the directory has one port, which is too few to tell more",
        Nat::Blocked => "no answer: UDP does not come through",
    };
    let firewall = match lets_in_unasked {
        Some(true) => "; lets in what was not asked for",
        Some(false) => "; a firewall or router lets in answers alone",
        None => "",
    };
    format!("{seen_at}{nat}{firewall}")
}

fn pinhole_for(pinhole: &Pinhole) -> String {
    let Pinhole { inside, outside, by, refused } = pinhole;
    let family = if inside.is_ipv6() { "IPv6" } else { "IPv4" };
    let by = match by {
        Some(PinholeProtocol::Pcp) => "PCP",
        Some(PinholeProtocol::Upnp) => "UPnP",
        None => "",
    };
    match outside {
        Some(outside) => format!("{family}: the router lets others in at {outside} ({by})"),
        None => format!("{family}: none ({})", refused.as_deref().unwrap_or("not asked for")),
    }
}

/// Whether the world begins behind the router that opened it: a second router before it knows nothing of the pinhole.
fn is_seen_there(pinhole: &Pinhole, ipv6: Option<&Sight>, ipv4: Option<&Sight>) -> bool {
    let Some(outside) = pinhole.outside else { return false };
    let sight = if outside.is_ipv6() { ipv6 } else { ipv4 };
    sight.and_then(|sight| sight.seen_at).is_some_and(|seen| seen.ip() == outside.ip())
}

fn offered(candidates: &[SocketAddr], vpn: Option<&str>) -> String {
    let list = candidates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match vpn {
        Some(vpn) => {
            format!("{list}; no others, because packets leave through the VPN {vpn} (`--offer all` offers them)")
        }
        None => list,
    }
}

/// What that means for calls.
fn outlook(ipv6: Option<&Sight>, ipv4: Option<&Sight>, pinholes: &[Pinhole], port: u16) -> String {
    let sights = || [ipv6, ipv4].into_iter().flatten();
    let lets_in = |sight: &Sight| sight.nat == Nat::None && sight.lets_in_unasked == Some(true);
    if sights().any(lets_in) {
        return "whoever has the same address family reaches you".to_owned();
    }
    if pinholes.iter().any(|pinhole| is_seen_there(pinhole, ipv6, ipv4)) {
        return "whoever has the same address family reaches you, if your router does what it says".to_owned();
    }
    if sights().any(|sight| matches!(sight.nat, Nat::None | Nat::EndpointIndependent)) {
        return "you meet others through their routers and firewalls, unless theirs change addresses (symmetric NAT)"
            .to_owned();
    }
    if sights().any(|sight| sight.nat == Nat::EndpointDependent) {
        return format!(
            "you meet those whose routers let in unknown ports, and nobody behind a router like yours. What helps: IPv6, another \
             network, or a port that your router forwards (now {port}; `--bind [::]:PORT` keeps one)"
        );
    }
    "that could not be found out".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use messenger_engine::Way;

    fn report(ipv6: Option<Sight>, ipv4: Option<Sight>) -> Report {
        Report {
            identifier: "alice@example.org".into(),
            authority: "Example".into(),
            certificate_until: "10 Dec 2026".into(),
            clock_ahead_s: Some(90),
            network: Examination {
                port: 4_000,
                candidates: vec!["10.0.0.7:4000".parse().unwrap(), "203.0.113.1:61000".parse().unwrap()],
                vpn: None,
                directory: Way {
                    name: "home.example.org".into(),
                    address: "192.0.2.1:8444".parse().unwrap(),
                    round_trip_ms: 12.34,
                    mtu_bytes: 1_452,
                },
                ipv6,
                ipv4,
                pinholes: Vec::new(),
                elsewhere: Vec::new(),
                nowhere: Vec::new(),
            },
        }
    }

    fn seen(at: &str, nat: Nat, lets_in_unasked: bool) -> Option<Sight> {
        Some(Sight { seen_at: Some(at.parse().unwrap()), nat, lets_in_unasked: Some(lets_in_unasked) })
    }

    #[test]
    fn for_people() {
        let behind = report(None, seen("203.0.113.1:61000", Nat::EndpointDependent, false));
        let expected = "\
you        alice@example.org, certified by Example until 10 Dec 2026
directory  home.example.org at 192.0.2.1:8444, 12.3 ms away, packets of 1452 bytes come through
clock      90 s ahead of the home server's: set it
IPv6       none
IPv4       seen at 203.0.113.1:61000, a router's address, another one toward everybody (symmetric NAT); a firewall or router lets in answers alone
pinhole    none asked for: no router is before this device's own way out, or it is not to be asked
offered    10.0.0.7:4000, 203.0.113.1:61000
so         you meet those whose routers let in unknown ports, and nobody behind a router like yours. What helps: IPv6, another \
network, or a port that your router forwards (now 4000; `--bind [::]:PORT` keeps one)
";
        assert_eq!(behind.for_people(), expected);
        let open = report(seen("[2001:db8::7]:4000", Nat::None, true), None).for_people();
        assert!(
            open.contains(
                "IPv6       seen at [2001:db8::7]:4000, no router changes it; lets in what was not asked for"
            )
        );
        let mut through_vpn = report(None, seen("203.0.113.1:61000", Nat::EndpointIndependent, false));
        through_vpn.network.vpn = Some("tun0".to_owned());
        assert!(through_vpn.for_people().contains("61000; no others, because packets leave through the VPN tun0"));
        assert!(open.contains("so         whoever has the same address family reaches you"));
    }

    #[test]
    fn pinholes_are_told_and_count_where_the_router_is_the_last() {
        let mut report = report(None, seen("203.0.113.1:61000", Nat::EndpointDependent, false));
        let mut pinhole = Pinhole {
            inside: "10.0.0.7:4000".parse().unwrap(),
            outside: Some("203.0.113.1:4000".parse().unwrap()),
            by: Some(PinholeProtocol::Pcp),
            refused: None,
        };
        report.network.pinholes = vec![pinhole.clone()];
        let text = report.for_people();
        assert!(text.contains("pinhole    IPv4: the router lets others in at 203.0.113.1:4000 (PCP)\n"), "{text}");
        assert!(text.contains("so         whoever has the same address family reaches you, if your router"), "{text}");
        pinhole.outside = Some("100.64.0.1:4000".parse().unwrap());
        report.network.pinholes = vec![pinhole.clone()];
        assert!(
            report.for_people().contains("so         you meet those whose routers"),
            "a carrier's router is before it"
        );
        (pinhole.outside, pinhole.by, pinhole.refused) = (None, None, Some("no router answers UPnP".to_owned()));
        report.network.pinholes = vec![pinhole];
        assert!(report.for_people().contains("pinhole    IPv4: none (no router answers UPnP)\n"));
    }

    #[test]
    fn the_directories_of_contacts_are_told_with_what_helps() {
        let mut report = report(seen("[2001:db8::7]:4000", Nat::None, true), None);
        let wrong = || Trouble { message: "nobody answers".to_owned(), remedy: "ask for a new card".to_owned() };
        let reached = Elsewhere {
            name: "beta.example".to_owned(),
            addresses: vec!["192.0.2.5:4433".to_owned()],
            contacts: ["bob@beta.example", "carol@beta.example"].map(|who| who.parse().unwrap()).to_vec(),
            round_trip_ms: Some(12.34),
            trouble: None,
        };
        let not_reached = Elsewhere {
            name: "gamma.example".to_owned(),
            contacts: vec!["dora@gamma.example".parse().unwrap()],
            round_trip_ms: None,
            trouble: Some(wrong()),
            ..reached.clone()
        };
        report.network.elsewhere = vec![reached, not_reached];
        report.network.nowhere = vec![NowhereFound { who: "zoe@delta.example".parse().unwrap(), trouble: wrong() }];
        let text = report.for_people();
        let expected = "\
elsewhere  beta.example at 192.0.2.5:4433, where 2 contacts can be found, 12.3 ms away
elsewhere  gamma.example at 192.0.2.5:4433, where dora@gamma.example can be found, not reached: nobody answers. What helps: ask for a new card
nowhere    zoe@delta.example: nobody answers. What helps: ask for a new card
so ";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn for_programs() {
        let json =
            serde_json::to_value(report(None, seen("203.0.113.1:61000", Nat::EndpointIndependent, true))).unwrap();
        assert_eq!(json["ipv4"]["nat"], "endpoint_independent");
        assert_eq!(json["ipv4"]["lets_in_unasked"], true);
        assert_eq!(json["ipv6"], serde_json::Value::Null);
        assert_eq!(json["directory"]["mtu_bytes"], 1_452);
        assert_eq!((&json["clock_ahead_s"], &json["identifier"]), (&90.into(), &"alice@example.org".into()));
    }
}
