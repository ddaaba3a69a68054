//! Certificates for mail: each device tells its person's to those whom she knows or talks to, once a link is open. What comes is
//! verified before anybody hears of it; nobody else carries it, and nobody looks it up.

use identity::Identifier;
use identity::trust::Fingerprint;

use super::call_ends::not_online;
use super::errands::Errand;
use super::{Core, SessionId};
use crate::api::{Event, MailCertificate, NoMail, Purpose};
use crate::time::Now;
use crate::wire::{MailChain, TalkFrame, capability};

/// Most certificates for mail that are looked at in one session: each costs some checks of signatures.
const MAX_HEARD: u8 = 8;

/// What is told of one's own.
#[derive(Debug, Default)]
pub(super) struct OwnMail {
    chain: MailChain,
    /// Grows with every change.
    revision: u64,
}

/// How a link stands to certificates for mail.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// What the other side was told: which revision, or nothing to somebody whom one does not know. None while it was told nothing at all.
    told: Option<Option<u64>>,
    heard: u8,
    /// What it told last; none while it told nothing.
    said: Option<Said>,
    /// What it told last while one did not know it: looked at if one does, as it does not come again.
    unheard: Option<MailChain>,
    /// Whether the client waits for an answer.
    asked: bool,
}

/// What the other side told.
#[derive(Debug, Clone)]
enum Said {
    There(Box<MailCertificate>),
    Nothing,
    /// One that does not count, and why.
    Refused(String),
}

impl Mail {
    /// Whether the client waits for an answer that will not come any more.
    pub(super) fn is_asked(&self) -> bool {
        self.asked
    }
}

impl Core {
    /// Tells this certificate for mail from now on, leaf first, each in DER; none if it is empty or beyond the limits.
    pub fn show_mail_certificate(&mut self, chain: Vec<Vec<u8>>) {
        let chain = MailChain(chain.into_iter().map(Into::into).collect());
        let chain = if chain.is_bounded() { chain } else { MailChain::default() };
        if chain != self.mail.chain {
            self.mail = OwnMail { chain, revision: self.mail.revision + 1 };
            self.tend_mail();
        }
    }

    /// The other side has said Hello: it is told, if it takes such; and if it does not, it will tell none either.
    pub(super) fn mail_opened(&mut self, session: SessionId) {
        let Some(link) = self.links.get_mut(&session) else { return };
        if link.session.shares(capability::MAIL) {
            return self.tell_mail(session);
        }
        link.mail.said = Some(Said::Nothing);
        self.answer_about_mail(session);
    }

    /// Those who were told hear what has changed, and whom one knows by now hears what she has not.
    pub(super) fn tend_mail(&mut self) {
        let told = self.links.iter().filter(|(_, link)| link.mail.told.is_some());
        let told: Vec<SessionId> = told.map(|(session, _)| *session).collect();
        told.into_iter().for_each(|session| self.tell_mail(session));
    }

    /// Fellow members of a room whom one does not know, and who is blocked, are told that there is none, as one who has none tells it.
    fn tell_mail(&mut self, session: SessionId) {
        let knows = self.why_refused(session).is_none();
        let revision = (knows && !self.mail.chain.0.is_empty()).then_some(self.mail.revision);
        let Some(link) = self.links.get_mut(&session) else { return };
        if link.session.is_paused() || link.mail.told == Some(revision) {
            return;
        }
        // Nothing takes back what was told, and a word now would say when she was blocked, or is no contact any more.
        if !knows && matches!(link.mail.told, Some(Some(_))) {
            return;
        }
        link.mail.told = Some(revision);
        let chain = revision.map(|_| self.mail.chain.clone()).unwrap_or_default();
        self.send_talk(session, &TalkFrame::MailCertificate { chain });
    }

    pub(super) fn mail_arrived(&mut self, session: SessionId, chain: &MailChain, now: Now) {
        let known = self.why_refused(session).is_none();
        let Some(link) = self.links.get(&session) else { return };
        // A program takes in anybody, and would be a place where anybody leaves something.
        let known = known && (!self.me.bot || self.is_contact(&link.person.identifier));
        let Some(link) = self.links.get_mut(&session) else { return };
        if !known {
            link.mail.unheard = (!self.me.bot).then(|| chain.clone());
            return;
        }
        link.mail.unheard = None;
        let again = matches!(&link.mail.said, Some(Said::There(told)) if is_chain(told, chain));
        if link.mail.heard >= MAX_HEARD || again {
            return;
        }
        link.mail.heard += 1;
        let person = link.person.clone();
        let said = match (!chain.0.is_empty()).then(|| self.credentials.mail(chain, &person, now)) {
            None => Said::Nothing,
            Some(Ok(facts)) => Said::There(Box::new(MailCertificate {
                who: person.identifier.clone(),
                device: Fingerprint(person.device.spki_digest()),
                serial: facts.serial,
                not_before: facts.not_before,
                not_after: facts.not_after,
                chain: chain.0.iter().map(|certificate| certificate.to_vec().into()).collect(),
            })),
            Some(Err(reason)) => {
                tracing::debug!(who = %person.identifier, reason, "a certificate for mail does not count");
                Said::Refused(reason)
            }
        };
        let news = matches!(said, Said::There(_));
        if let Some(link) = self.links.get_mut(&session) {
            link.mail.said = Some(said);
            link.mail.asked |= news;
        }
        self.answer_about_mail(session);
    }

    /// Whom one knows by now is heard, too.
    pub(super) fn hear_mail(&mut self, now: Now) {
        let unheard = self.links.iter().filter(|(_, link)| link.mail.unheard.is_some());
        let unheard: Vec<SessionId> = unheard.map(|(session, _)| *session).collect();
        for session in unheard {
            if self.why_refused(session).is_none()
                && let Some(chain) = self.links.get_mut(&session).and_then(|link| link.mail.unheard.take())
            {
                self.mail_arrived(session, &chain, now);
            }
        }
    }

    /// The client wants somebody's certificate for mail: it is told by the device with which there is a session, or one is begun.
    pub(super) fn ask_for_mail(&mut self, who: Identifier, now: Now) {
        if let Some(session) = self.session_for_text(&who, None) {
            return self.wait_for_mail(session, now);
        }
        if let Some(reason) = self.why_unreachable() {
            return self.no_mail(&who, NoMail::Unreachable, reason);
        }
        if self.known_offline(&who) {
            return self.no_mail(&who, NoMail::Unreachable, &not_online(&who));
        }
        self.call_for(who, Purpose::Text, Errand::Mail, now);
    }

    pub(super) fn wait_for_mail(&mut self, session: SessionId, now: Now) {
        let Some(who) = self.links.get(&session).map(|link| link.person.identifier.clone()) else { return };
        // What such a device tells is not heard, so nothing would ever be answered.
        if let Some(reason) = self.why_refused(session) {
            return self.no_mail(&who, NoMail::NotTold, reason);
        }
        self.hear_mail(now);
        self.judge_again(session, now);
        if let Some(link) = self.links.get_mut(&session) {
            link.mail.asked = true;
            self.answer_about_mail(session);
        }
    }

    /// What was told counted when it came, which may be days ago.
    fn judge_again(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        if let Some(Said::There(told)) = &link.mail.said {
            let chain = MailChain(told.chain.iter().map(|certificate| certificate.0.clone().into()).collect());
            if let Err(reason) = self.credentials.mail(&chain, &link.person, now) {
                link.mail.said = Some(Said::Refused(reason));
            }
        }
    }

    /// Says what is known by now, if that was asked.
    fn answer_about_mail(&mut self, session: SessionId) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let Some(said) = link.mail.said.clone().filter(|_| link.mail.asked) else { return };
        link.mail.asked = false;
        let who = link.person.identifier.clone();
        match said {
            Said::There(certificate) => self.emit(Event::MailCertificate(*certificate)),
            Said::Nothing => self.no_mail(&who, NoMail::NotTold, "their device has none, or tells none"),
            Said::Refused(reason) => {
                self.no_mail(&who, NoMail::Refused, &format!("the one that their device told is refused. {reason}"));
            }
        }
    }

    pub(super) fn no_mail(&mut self, who: &Identifier, because: NoMail, reason: &str) {
        let message = format!("no certificate for mail of {who}: {reason}");
        let remedy = because.remedy().to_owned();
        self.emit(Event::NoMailCertificate { who: who.clone(), because, message, remedy });
    }
}

/// Whether these certificates are those that were told.
fn is_chain(told: &MailCertificate, chain: &MailChain) -> bool {
    told.chain.len() == chain.0.len() && told.chain.iter().zip(&chain.0).all(|(told, one)| told.0[..] == one[..])
}
