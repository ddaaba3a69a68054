//! All parts together: opened in the order in which they need each other, stopped in the opposite one.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use ca::config::{CaConfig, Chaos, Clock, Mailer};
use ca::https::{PeerAddr, TlsListener};
use ca::{AuthorityKeys, Ca, Shards};
use directory::{Directory, DirectoryConfig};
use identity::trust::TrustPolicy;
use tlog_proof::ObjectKind;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use transparency_log::limit::{ClientAddress, RateLimit};
use transparency_log::witness;

use crate::clock;
use crate::database;
use crate::error::StartError;
use crate::figures;
use crate::folder::Folder;
use crate::following::Following;
use crate::foreign::Foreigners;
use crate::founding::{self, Founded};
use crate::log;
use crate::log_store::LogStore;
use crate::logs::{Current, Logs};
use crate::names::ByName;
use crate::neighbours::Neighbours;
use crate::options::{DIRECT, Options};
use crate::pages;
use crate::policies::{self, Published};
use crate::ports::Ports;
use crate::ready::Ready;
use crate::restore;
use crate::settings::{self, Settings};

/// What lies where in the folder.
pub(crate) const KEYS: &str = "keys";
pub(crate) const OUTBOX: &str = "outbox";
/// Names and keys of the accounts elsewhere that accounts here are bound to.
const EXTERNAL_ACCOUNTS: &str = "external-accounts";
/// What a gateway for text messages knows this server by.
const PHONE_SECRETS: &str = "phone-secrets";
/// Keys that get no certificate and no account.
const BLOCKED_KEYS: &str = "blocked-keys";
/// Says which policy stands in the log, so that no later start logs it again.
const PUBLISHED: &str = "log-holds-policy";

/// How often a neighbour may ask the witness, each second and at once.
const WITNESS_RATE: (NonZeroU32, NonZeroU32) =
    (NonZeroU32::new(5).expect("not zero"), NonZeroU32::new(50).expect("not zero"));

/// How long connections may take to end when the server stops.
const STOP: Duration = Duration::from_secs(7);

/// A running home server.
pub struct Homeserver {
    ready: Ready,
    stop: CancellationToken,
    /// The listeners; one that ends before `stop` has failed.
    tasks: JoinSet<&'static str>,
    pub(crate) ca: Arc<Ca>,
    pub(crate) logs: Arc<Logs>,
    /// Let go of last: nobody else may touch the folder before everything has ended.
    _folder: Arc<Folder>,
}

/// The parts that serve, before they do.
struct Parts {
    settings: Settings,
    config: CaConfig,
    policy: TrustPolicy,
    authority: AuthorityKeys,
    logs: Arc<Logs>,
    shards: Shards,
    published: Published,
    foreigners: Foreigners,
    clock: Clock,
    stop: CancellationToken,
}

impl Homeserver {
    /// Opens the folder, makes what is missing in it, and starts everything. When this returns, every port answers.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing keeps running, and nothing that was there before is lost.
    pub async fn start(options: &Options) -> Result<Self, StartError> {
        Self::start_at(options, ca::system_clock()).await
    }

    /// As [`Self::start`], by another clock than the system's: for tests that advance it. Connections are still judged by
    /// the system's.
    ///
    /// # Errors
    /// As there.
    pub async fn start_at(options: &Options, clock: Clock) -> Result<Self, StartError> {
        options.check()?;
        let folder = Arc::new(Folder::open(&options.folder)?);
        restore::check(&folder)?;
        let now = clock();
        let settled = founding::settle(&folder, options, now)?;
        let settings = settled.settings.clone();
        // All that can be known to be wrong before anything is made.
        database::check(&folder, &settings)?;
        let wrong = |reason| StartError::Settings { path: folder.join(settings::FILE), reason };
        let chaos = options.acme_chaos.then_some(Chaos { refused_nonces: 50, reused_authorizations: 50 });
        let config = ca_config(&folder, &settings, chaos)?;
        ca::check_config(&config).map_err(|error| wrong(error.to_string()))?;
        let neighbours = Neighbours::read(folder.path())?;
        let foreigners = Foreigners::read(folder.path(), &settings.foreign);
        let foreigners = foreigners.map_err(|reason| wrong(format!("[[foreign]]: {reason}")))?;
        let store = LogStore::open(&folder, &settings).await?;
        let Founded { authority, signers, policy } = settled.found(&folder, now)?;
        let published = Published::open(folder.path(), &policy)?;
        let stop = CancellationToken::new();
        let (lock, shared, witness) = (Arc::clone(&folder), settings.clone(), signers.witness);
        let (versions, time, told) = (published.clone(), Arc::clone(&clock), stop.clone());
        let newest = published.newest().log_policy_of(&settings.origin(), now);
        let newest = newest.map_err(|error| StartError::part("trust policy", &error))?;
        let elsewhere = log::connect(&folder, &settings, &newest, now)?.map(Arc::new);
        let logs = Arc::new(Logs::new(lock, shared, witness, neighbours, versions, time, told, elsewhere, store)?);
        if settings.log_store.is_some() && !options.clock_is_right {
            clock::check_ahead(&folder, &settings, logs.checkpoints_elsewhere().await?, now)?;
        }
        let shards = logs.open_all().await?;
        let parts = Parts { settings, config, policy, authority, logs, shards, published, foreigners, clock, stop };
        parts.serve(folder, settled.ports).await
    }

    /// What to tell people and programs.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Waits until a part ends by itself, which none should: then says which.
    pub async fn failed(&mut self) -> StartError {
        let part = match self.tasks.join_next().await {
            Some(Ok(part)) => part,
            _ => "server",
        };
        StartError::Part { part, reason: "expected it to run until it is told to stop, but it ended".into() }
    }

    /// Ends everything in order: no new connections, then the log, then the folder's lock.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP, all_ended).await.is_err() {
            tracing::warn!("some connections did not end in time and were cut");
        }
        // Whoever still held it has ended with its connection.
        if let Some(ca) = Arc::into_inner(self.ca)
            && tokio::time::timeout(STOP, ca.stop()).await.is_err()
        {
            tracing::warn!("some orders did not end in time; they are resumed at the next start");
        }
        self.logs.finish().await;
    }
}

impl Parts {
    /// Opens what people talk to, and serves it.
    async fn serve(self, folder: Arc<Folder>, ports: Ports) -> Result<Homeserver, StartError> {
        let Self { settings, mut config, policy, authority, logs, shards, published, foreigners, clock, stop } = self;
        let trusted = published.newest();
        let trust = foreigners.trust(trusted.clone()).map_err(|error| StartError::part("trust policy", &error))?;
        let trust = Arc::new(trust);
        config.component = logs.elsewhere();
        let current: Arc<dyn ca::Log> = Arc::new(Current { shards: shards.clone(), clock: Arc::clone(&clock) });
        let opening = database::open(&folder, (&settings, &policy), config, authority, shards, clock);
        // Together, so that they share a batch of the log; but to one elsewhere the authority must first show itself.
        let (ca, genesis_logged) = match logs.elsewhere() {
            None => tokio::join!(opening, publish(&folder, current.as_ref(), &policy)),
            Some(_) => match opening.await {
                Ok(ca) => (Ok(ca), publish(&folder, current.as_ref(), &policy).await),
                failed => (failed, Ok(())),
            },
        };
        let ca = Arc::new(ca?);
        genesis_logged?;
        let resolver =
            ca.service_resolver(&settings.domain).await.map_err(|error| StartError::part("authority", &error))?;

        let names = Arc::new(ByName::new(Arc::clone(&resolver)));
        let address = ports.directory.local_addr().map_err(|error| StartError::part("directory", &error))?;
        let directory = DirectoryConfig {
            observation: settings.observation(),
            ..DirectoryConfig::new(address, names.clone(), Arc::clone(&trust))
        };
        let directory =
            Directory::on(ports.directory, directory).map_err(|error| StartError::part("directory", &error))?;
        let directory = Arc::new(directory);
        let tls = ca::https::server_config(resolver).map_err(|error| StartError::part("HTTPS port", &error))?;
        let listener = TcpListener::from_std(ports.https).and_then(|tcp| TlsListener::new(tcp, Arc::new(tls)));
        let listener = listener.map_err(|error| StartError::part("HTTPS port", &error))?;

        let plain = ports.http.map(TcpListener::from_std).transpose();
        let plain = plain.map_err(|error| StartError::part("HTTP port", &error))?;

        let ready = Ready::new(&folder, &settings, &policy, directory.observation_port());
        let witness = match &settings.database {
            // Front ends behind one address would be several witnesses under one name.
            Some(_) => axum::Router::new(),
            None => witness::router(logs.witness().clone(), RateLimit::new(WITNESS_RATE.0, WITNESS_RATE.1)),
        };
        let router = pages::router(policy.canonical(), published.clone(), &ready)
            .nest("/acme", ca.router())
            .merge(logs.router())
            .merge(figures::router(Arc::clone(&directory)))
            .nest("/witness", witness)
            .layer(axum::middleware::map_request(with_address));
        let mut tasks = JoinSet::new();
        tasks.spawn(named("HTTPS port", ca::https::serve(listener, router, stop.clone())));
        if let Some(plain) = plain {
            let serving = ca::https::serve_plain(plain, ca.plain_router(), stop.clone());
            tasks.spawn(named("HTTP port", serving));
        }
        let following = Following {
            directory: Arc::clone(&directory),
            ca: Arc::clone(&ca),
            published: published.clone(),
            trust,
            number: trusted.number,
            revision: foreigners.revision(),
            foreigners: foreigners.clone(),
        };
        tasks.spawn(named("directory's trust", following.run(stop.clone())));
        let (domains, told) = (settings.directory_names.clone(), stop.clone());
        tasks.spawn(named("directory's names", names.certify(Arc::clone(&ca), domains, told)));
        tasks.spawn(named("foreign policies", foreigners.follow(stop.clone())));
        let (place, told) = (folder.path().to_path_buf(), stop.clone());
        tasks.spawn(named("trust policy", policies::publish(place, published, current, told)));
        tasks.spawn(named("logs", Arc::clone(&logs).follow(Arc::clone(&ca))));
        tasks.spawn(named("neighbours", Arc::clone(&logs).follow_neighbours()));
        let told = stop.clone();
        tasks.spawn(named("directory", async move { directory.serve(told).await }));
        Ok(Homeserver { ready, stop, tasks, ca, logs, _folder: folder })
    }
}

/// Runs `part`, and says which it was when it has ended.
async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

/// Tells the parts whom a request comes from, in their own words.
async fn with_address(mut request: Request) -> Request {
    if let Some(ConnectInfo(PeerAddr(address))) = request.extensions().get().copied() {
        request.extensions_mut().insert(ClientAddress(address.ip()));
    }
    request
}

/// Puts the trust policy into the log, once.
async fn publish(folder: &Folder, log: &dyn ca::Log, policy: &TrustPolicy) -> Result<(), StartError> {
    let fingerprint = policy.fingerprint().to_string();
    if folder.read(PUBLISHED)?.is_some_and(|bytes| bytes == fingerprint.as_bytes()) {
        return Ok(());
    }
    let logged = log.put_object(ObjectKind::TrustPolicy, policy.canonical()).await;
    logged.map_err(|error| StartError::part("log", &error))?;
    folder.write(PUBLISHED, fingerprint.as_bytes())
}

/// The authority's configuration, from the settings and the files beside them.
pub(crate) fn ca_config(folder: &Folder, settings: &Settings, chaos: Option<Chaos>) -> Result<CaConfig, StartError> {
    let base_url = format!("{}/acme", settings.base_url());
    let mut config = CaConfig::new(folder.path().to_path_buf(), base_url);
    config.plain_url = settings.plain_url();
    config.permitted_domains.clone_from(&settings.permit_domains);
    config.mail_from.clone_from(&settings.mail_from);
    config.mail = match settings.smtp.clone() {
        Some(url) if url != DIRECT => {
            Mailer::Smtp { url, roots: settings.smtp_roots.as_ref().map(|path| folder.path().join(path)) }
        }
        _ => Mailer::Outbox(folder.join(OUTBOX)),
    };
    config.chaos = chaos;
    let wrong = |reason: String| StartError::Settings { path: folder.join(settings::FILE), reason };
    if let Some(bytes) = folder.read(BLOCKED_KEYS)? {
        let list = ca::BlockedKeys::parse(&String::from_utf8_lossy(&bytes));
        config.blocked_keys = list.map_err(|error| wrong(format!("{BLOCKED_KEYS}: {error}")))?;
    }
    config.openid = settings.openid.iter().cloned().map(|issuer| issuer.beside(folder.path())).collect();
    if !settings.permit_phones.is_empty() {
        let secrets = folder.read_secret(PHONE_SECRETS)?;
        let secrets = secrets.as_ref().map(|bytes| std::str::from_utf8(bytes)).transpose();
        let secrets = secrets.map_err(|_| wrong(format!("expected UTF-8 text in {PHONE_SECRETS}")))?;
        let (permitted, outbox) = (settings.permit_phones.clone(), folder.join(OUTBOX));
        let phones = settings.phone.open(permitted, secrets, folder.path(), outbox);
        config.phones = Some(phones.map_err(|error| wrong(format!("[phone]: {error}")))?);
    } else if !settings.phone.is_default() {
        return Err(wrong("[phone]: expected permit_phones too, for without it no number may enrol".into()));
    }
    let external = folder.read(EXTERNAL_ACCOUNTS)?.map(String::from_utf8).transpose();
    let external = external.map_err(|_| wrong(format!("expected UTF-8 text in {EXTERNAL_ACCOUNTS}")))?;
    settings
        .enrolment
        .apply(&mut config, external.as_deref())
        .map_err(|error| wrong(format!("[enrolment]: {error}")))?;
    if settings.smtp.as_deref() == Some(DIRECT) {
        let direct = settings.enrolment.direct(&config, &settings.domain);
        config.mail = direct.map_err(|error| wrong(format!("[enrolment]: {error}")))?;
    }
    Ok(config)
}
