//! An authority in memory, its clock, its mails, and its log with faults.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use identity::transparency::VrfSecretKey;
use identity::trust::{LogWindow, Trust, TrustPolicy};
use identity::{Identifier, UnixTime};
use serde_json::json;
use tlog_proof::ObjectKind;
use transparency_log::testing::MemoryLog;
use transparency_log::{Logged, SubmitError};

use crate::config::{CaConfig, Clock};
use crate::store::{MemoryStore, Store};
use crate::{AuthorityKeys, Ca, LabelKey, Log, Mailer, Shard, Shards, init};

pub(crate) const BASE: &str = "https://localhost:8443/acme";
pub(crate) const ORIGIN: &str = "localhost/log";
/// 2026-09-21, a Monday.
const BEGIN: u64 = 1_790_000_000;

/// What becomes of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Logged,
    /// The log is down.
    Refused,
    /// Logged, but nobody hears of it.
    AnswerLost,
}

/// A log with faults.
pub(crate) struct FaultyLog {
    pub(crate) memory: MemoryLog,
    fate: Mutex<Fate>,
    objects_fate: Mutex<Fate>,
    submitted: Mutex<Vec<Vec<u8>>>,
}

impl Log for FaultyLog {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        let fate = *self.fate.lock().unwrap();
        self.submitted.lock().unwrap().push(entry.clone());
        async move {
            let lost = SubmitError::Delayed { reason: "injected".into() };
            if fate == Fate::Refused {
                return Err(lost);
            }
            let logged = Log::submit(&self.memory.sequencer, entry).await?;
            if fate == Fate::AnswerLost { Err(lost) } else { Ok(logged) }
        }
        .boxed()
    }

    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        let fate = *self.objects_fate.lock().unwrap();
        async move {
            let lost = SubmitError::Delayed { reason: "injected".into() };
            if fate == Fate::Refused {
                return Err(lost);
            }
            let logged = Log::put_object(&self.memory.sequencer, kind, bytes).await?;
            if fate == Fate::AnswerLost { Err(lost) } else { Ok(logged) }
        }
        .boxed()
    }

    fn figures(&self) -> Option<transparency_log::BatchFigures> {
        Log::figures(&self.memory.sequencer)
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    seconds: Arc<AtomicU64>,
    readings: Arc<AtomicU64>,
    pub(crate) clock: Clock,
    pub(crate) log: Arc<FaultyLog>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) ca: Ca,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose authority is configured otherwise.
    pub(crate) async fn with(change: impl FnOnce(&mut CaConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seconds = Arc::new(AtomicU64::new(BEGIN));
        let readings = Arc::new(AtomicU64::new(0));
        let clock: Clock = Arc::new({
            let (seconds, readings) = (Arc::clone(&seconds), Arc::clone(&readings));
            move || {
                let left = readings.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                let passed = u64::from(left == Ok(1));
                let second = seconds.fetch_add(passed, Ordering::SeqCst) + passed;
                UnixTime::since_unix_epoch(Duration::from_secs(second))
            }
        });
        let log_seconds = Arc::clone(&seconds);
        let memory = MemoryLog::open(ORIGIN, Arc::new(move || log_seconds.load(Ordering::SeqCst))).await;
        let log = Arc::new(FaultyLog {
            memory,
            fate: Mutex::new(Fate::Logged),
            objects_fate: Mutex::new(Fate::Logged),
            submitted: Mutex::default(),
        });
        init(&folder.path().join("keys"), "Example", clock()).unwrap();
        let store = Arc::new(MemoryStore::default());
        let mut config = CaConfig::new(folder.path().join("ca"), BASE.into());
        config.mail = Mailer::Outbox(folder.path().join("outbox"));
        // Most tests are about something else; those about requests ask for it.
        config.require_possession = false;
        change(&mut config);
        let ca = open(config, &folder.path().join("keys"), &store, &log, &clock).await;
        Self { folder, seconds, readings, clock, log, store, ca }
    }

    /// The authority dies, and is opened again on what its store holds.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The authority is stopped, and opened again after something was done to what it left.
    pub(crate) async fn restart_after(self, between: impl AsyncFnOnce(&MemoryStore)) -> Self {
        let config = CaConfig {
            mail: Mailer::Outbox(self.folder.path().join("outbox")),
            require_possession: false,
            ..CaConfig::new(self.folder.path().join("ca"), BASE.into())
        };
        self.ca.stop().await;
        between(&self.store).await;
        let ca = open(config, &self.folder.path().join("keys"), &self.store, &self.log, &self.clock).await;
        Self { ca, ..self }
    }

    /// The same, configured otherwise.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut CaConfig)) -> Self {
        let mut config = CaConfig {
            mail: Mailer::Outbox(self.folder.path().join("outbox")),
            require_possession: false,
            ..CaConfig::new(self.folder.path().join("ca"), BASE.into())
        };
        change(&mut config);
        drop(self.ca);
        let ca = open(config, &self.folder.path().join("keys"), &self.store, &self.log, &self.clock).await;
        Self { ca, ..self }
    }

    /// Another front end of the same authority, on a store that they share, with a folder of its own and the same outbox.
    pub(crate) async fn front_end(&self, store: Arc<dyn Store>, name: &str, change: impl FnOnce(&mut CaConfig)) -> Ca {
        let mut config = CaConfig {
            mail: Mailer::Outbox(self.folder.path().join("outbox")),
            require_possession: false,
            ..CaConfig::new(self.folder.path().join(name), BASE.into())
        };
        change(&mut config);
        open_on(store, config, &self.folder.path().join("keys"), &self.log, &self.clock).await
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    /// A second passes when the clock has been read so often.
    pub(crate) fn advance_after(&self, readings: u64) {
        self.readings.store(readings, Ordering::SeqCst);
    }

    /// What becomes of certificates' entries from now on.
    pub(crate) fn log_shall(&self, fate: Fate) {
        *self.log.fate.lock().unwrap() = fate;
    }

    /// What becomes of revocation lists and other objects from now on.
    pub(crate) fn log_shall_with_objects(&self, fate: Fate) {
        *self.log.objects_fate.lock().unwrap() = fate;
    }

    /// All entries that were submitted, repeated ones included.
    pub(crate) fn submitted(&self) -> Vec<Vec<u8>> {
        self.log.submitted.lock().unwrap().clone()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The mails so far, oldest first.
    pub(crate) fn mails(&self) -> Vec<String> {
        let new = std::fs::read_dir(self.folder.path().join("outbox/new")).unwrap();
        let mut mails: Vec<_> = new.map(|mail| mail.unwrap().path()).collect();
        mails.sort();
        mails.into_iter().map(|mail| std::fs::read_to_string(mail).unwrap()).collect()
    }

    /// The same, where there may be none yet.
    pub(crate) fn mails_if_any(&self) -> Vec<String> {
        if self.folder.path().join("outbox/new").exists() { self.mails() } else { vec![] }
    }

    /// The code in the newest mail to this address.
    pub(crate) fn code(&self, address: &str) -> String {
        let to = format!("\nTo: {address}\n");
        let is_code = |mail: &String| mail.contains(&to) && mail.contains("\nSubject: In Person: your code");
        let mail = self.mails().into_iter().rfind(is_code).expect("a mail to this address");
        mail.lines().find_map(|l| l.strip_prefix("    ")).expect("a line with a code").into()
    }

    /// The code in the newest text message to this number.
    pub(crate) fn text_code(&self, number: &str) -> String {
        let to = format!("To: {number}\nSubject: text message\n");
        let text = self.mails().into_iter().rfind(|text| text.starts_with(&to)).expect("a text message to this number");
        text.split_once(" is your In Person code").unwrap().0.rsplit('\n').next().unwrap().into()
    }

    /// A trust policy for this authority, as its operator would publish it.
    pub(crate) fn trust(&self) -> Trust {
        let keys = AuthorityKeys::open(&self.folder.path().join("keys")).unwrap();
        let b64 = |bytes: &[u8]| STANDARD.encode(bytes);
        // As JSON, where members that are not needed can be left out.
        let policy = json!({
            "version": 1,
            "number": 1,
            "name": "Example",
            "authorities": [{
                "name": "Example",
                "acme": format!("{BASE}/directory"),
                "root": b64(keys.root_der()),
                "issuers": keys.issuers().iter().map(|der| b64(der)).collect::<Vec<_>>(),
                "kinds": ["email", "phone"],
                "domains": ["*"],
                "phone_prefixes": ["*"],
                "vrf_key": b64(&label_key(&self.folder.path().join("keys")).public().to_bytes()),
                "log": ORIGIN,
            }],
            "directories": [],
            "tlog_policy": self.log.memory.policy.to_string(),
            "operator_witnesses": [],
        });
        let policy: TrustPolicy = serde_json::from_value(policy).unwrap();
        Trust::new(vec![policy]).unwrap()
    }
}

async fn open(
    config: CaConfig,
    keys: &std::path::Path,
    store: &Arc<MemoryStore>,
    log: &Arc<FaultyLog>,
    clock: &Clock,
) -> Ca {
    open_on(Arc::<MemoryStore>::clone(store), config, keys, log, clock).await
}

async fn open_on(
    store: Arc<dyn Store>,
    config: CaConfig,
    keys: &std::path::Path,
    log: &Arc<FaultyLog>,
    clock: &Clock,
) -> Ca {
    let (policy, log) = (log.memory.policy.clone(), Arc::<FaultyLog>::clone(log));
    // A key that was destroyed leaves a log that is closed.
    let shard = match LabelKey::open(&keys.join(crate::keys::LABEL_KEY)).unwrap() {
        Some(key) => Shard::first(ORIGIN, policy, log, key),
        None => Shard::new(ORIGIN, policy, log, closed(), any_label_key().public().clone(), None),
    };
    let shards = Shards::new(shard);
    Ca::open_on(store, config, AuthorityKeys::open(keys).unwrap(), shards, Arc::clone(clock)).await.unwrap()
}

fn closed() -> LogWindow {
    LogWindow { opens: None, closes: Some(BEGIN) }
}

fn any_label_key() -> VrfSecretKey {
    VrfSecretKey::from_bytes(&[1; 32])
}

/// The label key of the first log.
pub(crate) fn label_key(keys: &std::path::Path) -> LabelKey {
    LabelKey::open(&keys.join(crate::keys::LABEL_KEY)).unwrap().unwrap()
}

/// A request for this name by a device's key.
pub(crate) fn csr(name: &str, device: &rcgen::KeyPair) -> Vec<u8> {
    csr_for(name, device, None)
}

/// The same, naming an order by its URL.
pub(crate) fn csr_for(name: &str, device: &rcgen::KeyPair, order: Option<&str>) -> Vec<u8> {
    let name = Identifier::parse(name).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![match name.numbering() {
        None => rcgen::SanType::Rfc822Name(name.as_str().try_into().unwrap()),
        Some(_) => rcgen::SanType::URI(format!("tel:{name}").try_into().unwrap()),
    }];
    let attribute = order.map(|order| {
        use der::Encode as _;
        let value = der::asn1::Utf8StringRef::new(order).unwrap().to_der().unwrap();
        let values = der::asn1::AnyRef::new(der::Tag::Set, &value).unwrap().to_der().unwrap();
        rcgen::Attribute { oid: &[1, 2, 840, 113_549, 1, 9, 7], values }
    });
    let request = params.serialize_request_with_attributes(device, attribute.into_iter().collect());
    request.unwrap().der().to_vec()
}
