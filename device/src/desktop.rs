//! A notification on the desktop, by the programs that are there: `notify-send` where desktops bring it, else systemd's
//! `busctl`, which says the same to the same service (Desktop Notifications Specification 1.2). A library for it would
//! bring a D-Bus implementation of some forty crates, to send one message.

mod program;

pub use program::Program;

const APPLICATION: &str = "In Person";

/// How much it wants to be seen (section 10 of that specification).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It goes by itself.
    Normal,
    /// It stays until somebody has seen it.
    Critical,
}

/// What is shown. Whoever makes one has made harmless what comes from other people; markup is undone here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// One line.
    pub title: String,
    /// Lines below it; may be empty.
    pub body: String,
    /// How much it wants to be seen.
    pub urgency: Urgency,
}

/// Shows it. With `silent` the programs that do it say nothing on standard error.
///
/// # Errors
/// Neither program did it: why, in words.
pub async fn notify(notification: &Notification, silent: bool) -> Result<(), String> {
    let Notification { title, body, urgency } = notification;
    let body = markup_free(body);
    let (icon, word) = match urgency {
        Urgency::Normal => ("dialog-information", "normal"),
        Urgency::Critical => ("dialog-warning", "critical"),
    };
    let by_notify_send = [
        format!("--app-name={APPLICATION}"),
        format!("--icon={icon}"),
        format!("--urgency={word}"),
        "--".to_owned(),
        title.clone(),
        body.clone(),
    ];
    let program = |program: Program| if silent { program.silent() } else { program };
    let Err(first) = program(Program::new("notify-send", by_notify_send)).run(b"").await else { return Ok(()) };
    let second = program(Program::new("busctl", by_busctl(title, body, icon, *urgency))).run(b"").await;
    second.map_err(|second| format!("{first}; {second}"))
}

/// The method Notify (section 9): name, id to replace, icon, summary, body, actions, hints, expiry.
fn by_busctl(title: &str, body: String, icon: &str, urgency: Urgency) -> Vec<String> {
    let service = "org.freedesktop.Notifications";
    let mut arguments: Vec<_> =
        ["--user", "--", "call", service, "/org/freedesktop/Notifications", service, "Notify", "susssasa{sv}i"]
            .map(String::from)
            .into();
    arguments.extend([APPLICATION, "0", icon, title].map(String::from));
    arguments.push(body);
    // No actions; one hint, the urgency. What is critical never expires, the rest when the desktop thinks fit.
    let (level, expiry) = match urgency {
        Urgency::Normal => ("1", "-1"),
        Urgency::Critical => ("2", "0"),
    };
    arguments.extend(["0", "1", "urgency", "y", level].map(String::from));
    arguments.push(expiry.to_owned());
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
        let arguments = by_busctl("title", "body".to_owned(), "icon", Urgency::Critical);
        // s u s s s, as (length 0), a{sv} (length 1, key, type, value), i
        assert_eq!(arguments.len() - 8, 5 + 1 + 4 + 1);
    }
}
