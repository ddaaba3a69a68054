//! A gateway that speaks SMPP 3.4 (<https://smpp.org/SMPP_v3_4_Issue1_2.pdf>): one session as transceiver, kept open for
//! receipts, opened anew when it breaks.
//!
//! A message whose answer a broken session took away counts as not handed over: its reader asks for another. Whatever else
//! comes, such as an answer to our messages by a person, is acknowledged and dropped unread.

mod pdu;
mod session;
#[cfg(any(test, fuzzing))]
pub(crate) use session::look;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use lru::LruCache;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use super::receipts::Reports;
use super::secrets::Secrets;
use super::{SmsError, Text};
use session::{End, Session};

/// Pause after a session that could not be opened, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Message ids whose receipts are awaited; of more, the oldest are forgotten.
const AWAITED: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");
/// Messages that wait for their turn.
const QUEUE: usize = 64;

/// An SMSC, as the operator configured it.
#[derive(Clone, Debug)]
pub struct SmppGateway {
    /// `smpps://host:port` speaks TLS, `smpp://host:port` plain text.
    pub url: String,
    /// Who the messages are from: a number or at most 11 characters.
    pub sender: String,
    /// `system_id` and `password`, perhaps `system_type`.
    pub secrets: Secrets,
    /// The authorities by which its certificate is verified; the web's if none.
    pub roots: Option<PathBuf>,
}

/// Why a session did not open or did not last, or a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SmppError {
    /// A setting that cannot be used.
    #[error("{member}: expected {expected}")]
    Setting {
        /// Which.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// No connection, or it broke.
    #[error("{host}: {reason}")]
    Broken {
        /// Who.
        host: String,
        /// What happened.
        reason: String,
    },
    /// There is no session, so that nothing was handed over.
    #[error("{host} has no session with us: {reason}")]
    NoSession {
        /// Who.
        host: String,
        /// Why the last one did not open, or ended.
        reason: String,
    },
    /// Its answer is a refusal (SMPP 3.4 section 5.1.3).
    #[error("{host} refuses {what} with command status 0x{status:08x}")]
    Status {
        /// Who.
        host: String,
        /// What.
        what: &'static str,
        /// Its command_status.
        status: u32,
    },
}

/// A message for the session.
struct Job {
    text: Text,
    reference: String,
    done: oneshot::Sender<Result<(), SmsError>>,
}

/// The settings, as far as they can be looked at beforehand.
struct Settings {
    host: String,
    port: u16,
    tls: Option<tokio_rustls::TlsConnector>,
    system_id: String,
    password: Zeroizing<String>,
    system_type: String,
    sender: pdu::Sender,
}

/// An open one: the session lives in a task of its own, which ends with this value.
pub(crate) struct Smpp {
    jobs: mpsc::Sender<Job>,
    host: String,
}

impl Smpp {
    pub(super) fn open(config: &SmppGateway, reports: Reports) -> Result<Self, SmsError> {
        let settings = Settings::of(config)?;
        let host = settings.host.clone();
        let (jobs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(keep(settings, queue, reports));
        Ok(Self { jobs, host })
    }

    /// Hands the message over; when it answers, the SMSC has it.
    pub(super) async fn send(&self, text: Text, reference: String) -> Result<(), SmsError> {
        let ended = || SmppError::Broken { host: self.host.clone(), reason: "the session has ended".into() };
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job { text, reference, done }).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended().into()))
    }
}

impl Settings {
    fn of(config: &SmppGateway) -> Result<Self, SmsError> {
        let wrong = |member, expected| SmppError::Setting { member, expected };
        let url = wrong("url", "smpps://host:port, or smpp://host:port for plain text");
        let (scheme, rest) = config.url.split_once("://").ok_or_else(|| url.clone())?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| url.clone())?;
        let port = port.parse().map_err(|_| url.clone())?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match scheme {
            "smpps" => Some(crate::web::connector(config.roots.as_deref())?),
            "smpp" => None,
            _ => return Err(url.into()),
        };
        let secret = |name| config.secrets.get(name);
        let system_id = secret("system_id").filter(|id| id.len() <= 15);
        let system_id = system_id.ok_or_else(|| wrong("secret system_id", "at most 15 characters"))?;
        let password = secret("password").filter(|password| password.len() <= 8);
        let password = password.ok_or_else(|| wrong("secret password", "at most 8 characters"))?;
        let system_type = secret("system_type").unwrap_or_default();
        if system_type.len() > 12 {
            return Err(wrong("secret system_type", "at most 12 characters").into());
        }
        let sender = pdu::Sender::of(&config.sender);
        let sender = sender.ok_or_else(|| wrong("sender", "a number, or at most 11 characters"))?;
        Ok(Self {
            host,
            port,
            tls,
            system_id: system_id.to_owned(),
            password: Zeroizing::new(password.to_owned()),
            system_type: system_type.to_owned(),
            sender,
        })
    }
}

/// Keeps a session open, until nobody sends any more.
async fn keep(settings: Settings, mut jobs: mpsc::Receiver<Job>, reports: Reports) {
    let mut awaited = LruCache::new(AWAITED);
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match Session::open(&settings).await {
            Ok(session) => {
                tracing::info!(host = settings.host, "SMPP session open");
                pause = FIRST_PAUSE;
                match session.run(&settings, &mut jobs, &mut awaited, &reports).await {
                    End::NobodyLeft => return,
                    End::Broken(reason) => reason,
                }
            }
            Err(error) => error,
        };
        tracing::warn!(host = settings.host, %reason, "no SMPP session");
        let again = Instant::now() + pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Nobody waits for a session that may come: the challenge says that the message did not leave.
        let none = SmppError::NoSession { host: settings.host.clone(), reason: reason.to_string() };
        loop {
            tokio::select! {
                () = sleep_until(again) => break,
                job = jobs.recv() => match job {
                    Some(job) => _ = job.done.send(Err(none.clone().into())),
                    None => return,
                },
            }
        }
    }
}
