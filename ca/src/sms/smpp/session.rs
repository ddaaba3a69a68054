//! One session with an SMSC: bound, messages in a window, receipts, signs of life.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use lru::LruCache;
use rusmpp::pdus::DeliverSmResp;
use rusmpp::tokio_codec::CommandCodec;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::codec::Framed;

use super::{Job, Settings, SmppError, pdu};
use crate::sms::SmsError;
use crate::sms::receipts::Reports;

/// To connect, and to be bound.
const OPEN: Duration = Duration::from_secs(10);
/// For the answer to a message.
const ANSWER: Duration = Duration::from_secs(20);
/// Between signs of life; a session that gives none for two of them is broken.
const ENQUIRE: Duration = Duration::from_secs(30);
/// Messages without an answer at a time.
const WINDOW: usize = 10;
/// No message of the protocol is longer (bytes).
const MAX_PDU: usize = 8 * 1024;

/// Whatever an SMSC sends is read as a session reads it, up to where it would be hung up on.
#[cfg(any(test, fuzzing))]
pub(crate) fn look(bytes: &[u8]) {
    use tokio_util::codec::Decoder as _;
    let (mut codec, mut stream) = (CommandCodec::new().with_max_length(MAX_PDU), bytes.into());
    while let Ok(Some(command)) = codec.decode(&mut stream) {
        if let Some(Pdu::DeliverSm(message)) = command.pdu()
            && let Some((id, _)) = pdu::receipt(message)
        {
            assert!(pdu::spellings(&id).contains(&id), "a message is known by its own name");
        }
        if let Some(Pdu::SubmitSmResp(answer)) = command.pdu() {
            let _ = answer.message_id().as_str();
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a session ended.
pub(super) enum End {
    /// Nobody sends any more.
    NobodyLeft,
    /// It did not last.
    Broken(SmppError),
}

/// A bound session.
pub(super) struct Session {
    framed: Framed<Box<dyn Stream>, CommandCodec>,
    host: String,
    sequence: u32,
    unanswered: HashMap<u32, (Job, Instant)>,
    heard: Instant,
}

impl Session {
    /// Connects and binds.
    pub(super) async fn open(settings: &Settings) -> Result<Self, SmppError> {
        let host = settings.host.clone();
        let late = || SmppError::Broken { host: host.clone(), reason: "no answer in time".into() };
        timeout(OPEN, Self::bind(settings)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn bind(settings: &Settings) -> Result<Self, SmppError> {
        let host = settings.host.clone();
        let broken = |reason: String| SmppError::Broken { host: host.clone(), reason };
        let tcp = TcpStream::connect((host.as_str(), settings.port)).await.map_err(|e| broken(e.to_string()))?;
        let stream: Box<dyn Stream> = match &settings.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from(host.clone()).map_err(|e| broken(e.to_string()))?;
                Box::new(tls.connect(name, tcp).await.map_err(|e| broken(e.to_string()))?)
            }
        };
        let framed = Framed::new(stream, CommandCodec::new().with_max_length(MAX_PDU));
        let mut session =
            Self { framed, host: host.clone(), sequence: 0, unanswered: HashMap::new(), heard: Instant::now() };
        let bind = pdu::bind(settings).ok_or_else(|| broken("the settings do not fit".into()))?;
        session.ask(bind).await?;
        loop {
            let answer = session.next().await?;
            if answer.id() != CommandId::BindTransceiverResp {
                continue;
            }
            return match answer.status() {
                CommandStatus::EsmeRok => Ok(session),
                status => Err(SmppError::Status { host, what: "the session", status: status.into() }),
            };
        }
    }

    /// Serves until it breaks or nobody sends any more.
    pub(super) async fn run(
        mut self,
        settings: &Settings,
        jobs: &mut mpsc::Receiver<Job>,
        awaited: &mut LruCache<String, String>,
        reports: &Reports,
    ) -> End {
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let end = loop {
            let served = tokio::select! {
                job = jobs.recv(), if self.unanswered.len() < WINDOW => match job {
                    Some(job) => self.submit(settings, job).await,
                    None => break End::NobodyLeft,
                },
                command = self.framed.next() => match self.received(command) {
                    Ok(command) => self.handle(command, awaited, reports).await,
                    Err(error) => Err(error),
                },
                _ = clock.tick() => self.look_at_the_clock().await,
            };
            if let Err(error) = served {
                break End::Broken(error);
            }
        };
        let reason = match &end {
            End::Broken(error) => error.clone(),
            End::NobodyLeft => self.broken("the session was ended"),
        };
        for (job, _) in std::mem::take(&mut self.unanswered).into_values() {
            let _ = job.done.send(Err(reason.clone().into()));
        }
        if matches!(end, End::NobodyLeft) {
            let _ = timeout(OPEN, self.ask(Pdu::Unbind)).await;
        }
        end
    }

    async fn submit(&mut self, settings: &Settings, job: Job) -> Result<(), SmppError> {
        let Some(submit) = pdu::submit(settings, &job.text) else {
            let _ = job.done.send(Err(SmsError::Refused));
            return Ok(());
        };
        // Remembered before it is sent: if sending breaks, whoever waits is told.
        let sequence = self.next_sequence();
        self.unanswered.insert(sequence, (job, Instant::now()));
        self.write(Command::new(CommandStatus::EsmeRok, sequence, submit)).await
    }

    async fn handle(
        &mut self,
        command: Command,
        awaited: &mut LruCache<String, String>,
        reports: &Reports,
    ) -> Result<(), SmppError> {
        let sequence = command.sequence_number();
        match (command.id(), command.pdu()) {
            (CommandId::SubmitSmResp, pdu) => {
                let Some((job, _)) = self.unanswered.remove(&sequence) else { return Ok(()) };
                if let (CommandStatus::EsmeRok, Some(Pdu::SubmitSmResp(answer))) = (command.status(), pdu) {
                    awaited.put(answer.message_id().as_str().to_owned(), job.reference);
                }
                let _ = job.done.send(self.taken(command.status()));
                Ok(())
            }
            (CommandId::GenericNack, _) => {
                if let Some((job, _)) = self.unanswered.remove(&sequence) {
                    // One without a reason is a refusal all the same.
                    let _ = job.done.send(self.taken(command.status()).and(Err(SmsError::Refused)));
                }
                Ok(())
            }
            (CommandId::DeliverSm, pdu) => {
                if let Some(Pdu::DeliverSm(message)) = pdu
                    && let Some((id, fate)) = pdu::receipt(message)
                    && let Some(reference) = pdu::spellings(&id).iter().find_map(|id| awaited.pop(id))
                {
                    reports.tell(reference, fate);
                }
                self.answer(sequence, DeliverSmResp::default()).await
            }
            (CommandId::EnquireLink, _) => self.answer(sequence, Pdu::EnquireLinkResp).await,
            (CommandId::Unbind, _) => {
                self.answer(sequence, Pdu::UnbindResp).await?;
                Err(self.broken("the SMSC ends the session"))
            }
            _ => Ok(()),
        }
    }

    /// What the answer to a message means.
    fn taken(&self, status: CommandStatus) -> Result<(), SmsError> {
        match status {
            CommandStatus::EsmeRok => Ok(()),
            status if is_about_us(status) => {
                let error = SmppError::Status { host: self.host.clone(), what: "the message", status: status.into() };
                Err(error.into())
            }
            status => {
                let status = u32::from(status);
                tracing::warn!(host = self.host, "the SMSC refuses a message with command status 0x{status:08x}");
                Err(SmsError::Refused)
            }
        }
    }

    /// Each second: a sign of life when it is time, and no waiting for ever.
    async fn look_at_the_clock(&mut self) -> Result<(), SmppError> {
        if self.unanswered.values().any(|(_, asked)| asked.elapsed() > ANSWER) || self.heard.elapsed() > 2 * ENQUIRE {
            return Err(self.broken("no answer in time"));
        }
        let quiet = self.heard.elapsed().as_secs();
        if quiet >= ENQUIRE.as_secs() && quiet.is_multiple_of(10) { self.ask(Pdu::EnquireLink).await } else { Ok(()) }
    }

    async fn next(&mut self) -> Result<Command, SmppError> {
        let command = self.framed.next().await;
        self.received(command)
    }

    fn received<E: std::fmt::Debug>(&mut self, command: Option<Result<Command, E>>) -> Result<Command, SmppError> {
        self.heard = Instant::now();
        match command {
            Some(Ok(command)) => Ok(command),
            Some(Err(_)) => Err(self.broken("expected SMPP, found something else")),
            None => Err(self.broken("the connection was closed")),
        }
    }

    /// With the next number.
    async fn ask(&mut self, pdu: impl Into<Pdu>) -> Result<(), SmppError> {
        let sequence = self.next_sequence();
        self.write(Command::new(CommandStatus::EsmeRok, sequence, pdu)).await
    }

    /// SMPP 3.4 section 3.2: 1 to 0x7fffffff.
    const fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence % 0x7fff_ffff + 1;
        self.sequence
    }

    async fn answer(&mut self, sequence: u32, pdu: impl Into<Pdu>) -> Result<(), SmppError> {
        self.write(Command::new(CommandStatus::EsmeRok, sequence, pdu)).await
    }

    async fn write(&mut self, command: Command) -> Result<(), SmppError> {
        match timeout(ANSWER, self.framed.send(command)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.broken("the connection broke")),
            Err(_) => Err(self.broken("it takes nothing more")),
        }
    }

    fn broken(&self, reason: &str) -> SmppError {
        SmppError::Broken { host: self.host.clone(), reason: reason.to_owned() }
    }
}

/// Whether a refusal (SMPP 3.4 section 5.1.3) speaks of us, of our session or of the moment, which whoever asked may
/// know. Any other, and what providers invent (0x400 to 0x4ff), may speak of the number and is for the operator alone.
const fn is_about_us(status: CommandStatus) -> bool {
    matches!(
        status,
        CommandStatus::EsmeRinvmsglen
            | CommandStatus::EsmeRinvcmdlen
            | CommandStatus::EsmeRinvcmdid
            | CommandStatus::EsmeRinvbndsts
            | CommandStatus::EsmeRalybnd
            | CommandStatus::EsmeRsyserr
            | CommandStatus::EsmeRinvsrcadr
            | CommandStatus::EsmeRbindfail
            | CommandStatus::EsmeRinvpaswd
            | CommandStatus::EsmeRinvsysid
            | CommandStatus::EsmeRmsgqful
            | CommandStatus::EsmeRinvsertyp
            | CommandStatus::EsmeRinvsrcton
            | CommandStatus::EsmeRinvsrcnpi
            | CommandStatus::EsmeRinvsystyp
            | CommandStatus::EsmeRthrottled
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_speak_of_the_number_is_told_to_nobody() {
        for status in [0x0b, 0x45, 0x50, 0x51, 0xfe, 0xff, 0x100, 0x400, 0x4ff, 0xdead] {
            assert!(!is_about_us(status.into()), "{status:#x}");
        }
        for status in [0x04, 0x08, 0x0d, 0x0e, 0x0f, 0x14, 0x58] {
            assert!(is_about_us(status.into()), "{status:#x}");
        }
    }
}
