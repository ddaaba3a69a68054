//! A notification on the desktop, by the programs that are there: `notify-send` where desktops bring it, else systemd's
//! `busctl`, which says the same to the same service (Desktop Notifications Specification 1.2). A library for it would
//! bring a D-Bus implementation of some forty crates, to send one message.

use super::News;
use super::program::Program;
use crate::output::harmless;

const APPLICATION: &str = "In Person";
const ICON: &str = "dialog-warning";

pub(super) async fn notify(news: &News<'_>) -> Result<(), String> {
    let (title, body) = (harmless(&news.title), markup_free(&harmless(&news.text)));
    let by_notify_send = [
        format!("--app-name={APPLICATION}"),
        format!("--icon={ICON}"),
        "--urgency=critical".to_owned(),
        "--".to_owned(),
        title.clone(),
        body.clone(),
    ];
    let Err(first) = Program::new("notify-send", by_notify_send).run(b"").await else { return Ok(()) };
    Program::new("busctl", by_busctl(title, body)).run(b"").await.map_err(|second| format!("{first}; {second}"))
}

/// The method Notify (section 9): name, id to replace, icon, summary, body, actions, hints, expiry.
fn by_busctl(title: String, body: String) -> Vec<String> {
    let service = "org.freedesktop.Notifications";
    let mut arguments: Vec<_> =
        ["--user", "call", service, "/org/freedesktop/Notifications", service, "Notify", "susssasa{sv}i"]
            .map(String::from)
            .into();
    arguments.extend([APPLICATION, "0", ICON].map(String::from));
    arguments.extend([title, body]);
    // No actions; one hint, urgency 2 (critical); never expires.
    arguments.extend(["0", "1", "urgency", "y", "2", "0"].map(String::from));
    arguments
}

/// A notification's body may hold markup (section 5), and what stands in it comes from other people.
fn markup_free(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_no_markup() {
        assert_eq!(markup_free("<b>a & b</b>"), "&lt;b&gt;a &amp; b&lt;/b&gt;");
    }

    #[test]
    fn busctl_gets_an_argument_for_each_type() {
        let arguments = by_busctl("title".to_owned(), "body".to_owned());
        // s u s s s, as (length 0), a{sv} (length 1, key, type, value), i
        assert_eq!(arguments.len() - 7, 5 + 1 + 4 + 1);
    }
}
