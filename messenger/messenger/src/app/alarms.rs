//! What concerns the person herself: her own certificate, and what stands in the logs in her name.

use messenger_engine::{CertificateState, Event, WatchVerdict};

use super::{App, Effect};
use crate::clock;

/// What stands in the status line until it is over, or the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A log, or a policy, was seen to contradict itself.
    Contradiction(String),
    /// There is a certificate in her name that she does not know, of this authority.
    Unknown(String),
}

impl Alarm {
    /// In words, the longest first.
    pub(crate) fn words(&self) -> [String; 2] {
        match self {
            Self::Contradiction(about) => [format!("{about} contradicts itself"), "contradiction".to_owned()],
            Self::Unknown(authority) => {
                [format!("{authority} certified somebody in your name"), "unknown certificate".to_owned()]
            }
        }
    }
}

impl App {
    pub(super) fn hear_certificate(&mut self, event: Event) -> Vec<Effect> {
        let Event::Certificate { state, not_after, message, remedy } = event else { return Vec::new() };
        if state == CertificateState::Renewed {
            self.me.until = clock::day(not_after);
            if self.notice.is_none() {
                self.said(format!("Your certificate was renewed, until {}.", self.me.until));
            }
            return Vec::new();
        }
        let what = if state == CertificateState::NotRenewed { "was not renewed" } else { "is not accepted" };
        let (message, remedy) = (message.unwrap_or_default(), remedy.unwrap_or_default());
        self.wrong(format!("Your certificate {what}: {message}. What helps: {remedy}"));
        let mut effects = self.announce(format!("Your certificate {what}"), String::new());
        effects.extend(self.bell());
        effects
    }

    pub(super) fn hear_watch(&mut self, event: Event) -> Vec<Effect> {
        let Event::Watch { verdict, authority, message, remedy, .. } = event else { return Vec::new() };
        let mine = Alarm::Unknown(authority.clone());
        match verdict {
            WatchVerdict::Clean => {
                if self.alarm.as_ref() == Some(&mine) {
                    self.alarm = None;
                }
                self.said(format!("{authority}: {message}."));
                return Vec::new();
            }
            WatchVerdict::Alarm => {
                // What is proven of a log weighs more.
                if !matches!(self.alarm, Some(Alarm::Contradiction(_))) {
                    self.alarm = Some(mine);
                }
            }
            WatchVerdict::Blind | WatchVerdict::Failed => {}
        }
        self.wrong(format!("{message}. What to do: {remedy}"));
        if verdict != WatchVerdict::Alarm {
            return self.bell();
        }
        let mut effects =
            self.announce("ALARM: a certificate in your name that you do not know".to_owned(), String::new());
        // Whatever she said of bells.
        effects.push(Effect::Bell);
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Notice;
    use crate::app::tests::{app, now};

    fn watch(verdict: WatchVerdict) -> Event {
        Event::Watch {
            verdict,
            authority: "Example Home".to_owned(),
            found: Vec::new(),
            evidence: Vec::new(),
            message: "the log holds something in the name of alice@example.org".to_owned(),
            remedy: "tell everybody".to_owned(),
        }
    }

    #[test]
    fn what_is_found_stands_there_until_it_is_known() {
        let mut app = app(&["bob"]);
        assert!(app.hear(watch(WatchVerdict::Alarm), now()).contains(&Effect::Bell));
        assert_eq!(app.alarm, Some(Alarm::Unknown("Example Home".to_owned())));
        assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("tell everybody")));
        app.hear(watch(WatchVerdict::Failed), now());
        assert!(app.alarm.is_some(), "that it cannot be looked takes nothing back");
        app.hear(watch(WatchVerdict::Clean), now());
        assert_eq!(app.alarm, None);
    }

    #[test]
    fn a_proven_contradiction_stays() {
        let mut app = app(&["bob"]);
        app.alarm = Some(Alarm::Contradiction("log.example.org/2026".to_owned()));
        for verdict in [WatchVerdict::Alarm, WatchVerdict::Clean] {
            app.hear(watch(verdict), now());
            assert!(matches!(app.alarm, Some(Alarm::Contradiction(_))));
        }
    }

    #[test]
    fn a_certificate_in_trouble_is_told_and_a_renewed_one_is_shown() {
        let mut app = app(&["bob"]);
        let certificate = |state, words: Option<&str>| Event::Certificate {
            state,
            not_after: 1_796_644_800,
            message: words.map(str::to_owned),
            remedy: words.map(|_| "certtool renew".to_owned()),
        };
        app.hear(certificate(CertificateState::NotRenewed, Some("the authority wants a new proof")), now());
        assert!(
            matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("was not renewed: the authority wants"))
        );
        app.hear(certificate(CertificateState::Renewed, None), now());
        assert_eq!(app.me.until, clock::day(1_796_644_800));
    }
}
