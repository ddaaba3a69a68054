//! The page of somebody's identity: what the certificate of the device at the other end proves, the code to compare, and
//! which devices were met.

use identity::Identifier;
use identity::trust::Fingerprint;
use jiff::Timestamp;
use messenger_engine::Peer;
use ratatui::text::{Line, Span};

use super::theme::Theme;
use crate::app::App;
use crate::text::harmless_line;

/// The page as rows.
pub(super) fn rows(app: &App, who: &Identifier, peer: Option<&Peer>, theme: Theme) -> Vec<Line<'static>> {
    let mut rows = vec![Line::styled(app.called_with_address(who), theme.strong()), Line::default()];
    let person = app.people.get(who);
    match peer {
        Some(peer) => certificate(&mut rows, peer, theme),
        None => rows.push(Line::from("Write to them first: what their device shows then stands here.")),
    }
    if let Some(until) = person.and_then(|person| person.mail_until) {
        rows.extend([Line::default(), Line::styled("Certificate for mail", theme.mine())]);
        rows.push(Line::from(format!("  until {}, for certtool encrypt --to {who}", day(until))));
    }
    let devices = person.map(|person| &person.about.devices).filter(|devices| !devices.is_empty());
    if let Some(devices) = devices {
        rows.extend([Line::default(), Line::styled("Devices that you have met", theme.mine())]);
        for known in devices.all() {
            let compared = if known.compared { "  compared" } else { "" };
            let by = known.endorsed_by.map_or(String::new(), |by| format!("  endorsed by {}", short(by)));
            rows.push(Line::from(format!("  {}{compared}{by}", short(known.key))));
        }
    }
    rows
}

fn certificate(rows: &mut Vec<Line<'static>>, peer: &Peer, theme: Theme) {
    let mut field = |name: &'static str, value: String| {
        rows.push(Line::from(vec![Span::styled(format!("{name:<14}"), theme.quiet()), Span::raw(value)]));
    };
    field("certified by", harmless_line(&peer.authority));
    field("valid", format!("{} to {}", day(peer.not_before), day(peer.not_after)));
    field("logged", format!("entry {} of {}", peer.index, harmless_line(&peer.log)));
    let witnesses: Vec<_> = peer.witnesses.iter().map(|name| harmless_line(name)).collect();
    field("witnessed by", witnesses.join(", "));
    if peer.witnessed_only_by_operator {
        field("", "only by who certified it: nobody else watches that log".to_owned());
    }
    field("serial number", peer.serial.clone());
    field("device key", short(peer.device));
    rows.extend([Line::default(), Line::styled("Code of your two devices", theme.mine())]);
    rows.push(Line::styled(format!("  {}", harmless_line(&peer.code)), theme.strong()));
    for words in [
        "Read it to each other face to face or by telephone, not here. It is the same",
        "on both screens, or somebody is in between. When it is: /verified",
    ] {
        rows.push(Line::styled(words, theme.quiet()));
    }
}

/// As much of a key as people compare by eye.
fn short(key: Fingerprint) -> String {
    let hex = key.to_string();
    hex.as_bytes()[..16].chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect::<Vec<_>>().join(" ")
}

fn day(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(|| "?".to_owned(), |at| at.strftime("%-d %b %Y").to_string())
}
