//! The authority as a whole.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use futures_util::future::try_join_all;
use identity::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use thiserror::Error;
use tlog_proof::ObjectKind;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::acme::{self, Nonces, Refusals, Service, Texting, Turns};
use crate::audit::Pseudonyms;
use crate::config::{CaConfig, Clock, Replies};
use crate::crl::{CrlError, Crls, ListName};
use crate::dns::Dns;
use crate::issue::Issuer;
use crate::keys::{AuthorityKeys, IssuerName, KeysError};
use crate::limit::Limiters;
use crate::mail::{MailError, Post, Signers};
use crate::objects::{ObjectError, log_once};
use crate::oidc::{Issuers, OpenIdError};
use crate::recovery::carried::Carried;
use crate::recovery::taken::TakenLabels;
use crate::reply::listener::{self, Listener};
use crate::service::{Resolver, ServiceError, issue};
use crate::shards::{self, Shards};
use crate::sms::SmsError;
use crate::store::{Authority, SqliteStore, Store, StoreError};
use crate::trail::{Trail, TrailError};
use crate::{announce, files, objects, operator, random, resume, trail};

/// Why an authority did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An issuing certificate is not valid now.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Where mails go, or who they are from.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Who vouches for addresses.
    #[error("an issuer of OpenID: {0}")]
    OpenId(#[from] OpenIdError),
    /// Where text messages go.
    #[error("text messages: {0}")]
    Sms(#[from] SmsError),
    /// The resolvers.
    #[error("the resolvers: {0}")]
    Dns(String),
    /// Where replies by mail come in.
    #[error("nobody can listen for mail at {address}: {source}")]
    Lmtp {
        /// The address.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The authority's own certificates could not be logged.
    #[error("an issuing certificate could not be logged: {0}")]
    Object(#[from] ObjectError),
    /// The audit trail.
    #[error("the audit trail: {0}")]
    Trail(#[from] TrailError),
    /// The certificate that the log elsewhere is to be shown.
    #[error("{0}")]
    Component(#[from] ServiceError),
    /// The first revocation lists.
    #[error("a revocation list: {0}")]
    Crl(#[from] CrlError),
}

/// An open authority. Its background work ends with [`Ca::stop`], or when it is dropped.
pub struct Ca {
    pub(crate) service: Arc<Service>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Ca {
    /// Opens the authority on an SQLite database in its folder. Half-done orders are taken up in the background.
    ///
    /// What a shard's log is may be an `Arc` of a [`Sequencer`](transparency_log::Sequencer); further shards may be added
    /// later ([`Shards::add`]).
    pub async fn open(config: CaConfig, keys: AuthorityKeys, shards: Shards, clock: Clock) -> Result<Self, OpenError> {
        let folder = config.folder.clone();
        files::private_folder(&folder).map_err(|source| OpenError::Folder { path: folder.clone(), source })?;
        let database = folder.join("ca.sqlite");
        let store = tokio::task::spawn_blocking(move || SqliteStore::open(&database)).await;
        let store = store.map_err(|e| StoreError::Unavailable(e.to_string()))??;
        Self::open_on(Arc::new(store), config, keys, shards, clock).await
    }

    /// Opens the authority on any store.
    pub async fn open_on(
        store: Arc<dyn Store>,
        config: CaConfig,
        keys: AuthorityKeys,
        shards: Shards,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        keys.check_dates(clock())?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mail_from = acme::mailbox(&config.mail_from)?;
        let issuers = Issuers::open(&config.openid)?;
        let texting = config.phones.as_ref().map(Texting::open).transpose()?;
        let reply_from = config.replies.as_ref().map(|replies| acme::mailbox(&replies.address)).transpose()?;
        let senders = std::iter::once(&mail_from).chain(&reply_from).map(|sender| sender.email.domain());
        let signers = Signers::open(config.dkim.as_ref(), senders).map_err(MailError::from)?;
        let post = Post::open(&config.mail, signers)?;
        let dns = config.dns.as_ref().map(Dns::open).transpose().map_err(|error| OpenError::Dns(error.to_string()))?;
        let listening = match &config.replies {
            Some(replies) => Some((listen(replies).await?, replies.clone())),
            None => None,
        };
        let pseudonyms = Pseudonyms::new(keys.audit());
        let shared = store.shared();
        let nonces = match &shared {
            None => Nonces::new(random::bytes()),
            Some(shared) => Nonces::shared(keys.audit(), Arc::clone(shared), Arc::clone(&clock)),
        };
        files::private_folder(&config.folder)
            .map_err(|source| OpenError::Folder { path: config.folder.clone(), source })?;
        let trail = Trail::open(&config.folder.join(trail::FILE), Arc::clone(&clock))?;
        let beside = |source| OpenError::Folder { path: config.folder.clone(), source };
        let carried = Carried::read(&config.folder, clock()).map_err(beside)?;
        let taken = TakenLabels::read(&config.folder, clock()).map_err(beside)?;
        let issuer = Arc::new(Issuer::new(
            Arc::clone(&store),
            shards,
            trail,
            keys,
            Arc::clone(&clock),
            (config.base_url.clone(), config.plain_url.clone()),
            config.crl_shards,
            taken,
            tasks.clone(),
            stop.clone(),
        ));
        if let Some(component) = &config.component {
            // Before everything else: whatever else is logged goes through a connection that shows it.
            component.begin(&issuer).await?;
            tasks.spawn(Arc::clone(component).renew_in_time(Arc::clone(&issuer), stop.clone()));
        }
        let crls = Arc::new(Crls::open(Arc::clone(&issuer), config.folder.join("crl"), carried)?);
        log_first(&issuer, &crls, &config.folder.join(objects::FOLDER)).await?;
        tasks.spawn(resume::sweep(Arc::clone(&issuer), stop.clone()));
        tasks.spawn(resume::renew_crls(Arc::clone(&crls), stop.clone()));
        if issuer.shared.is_some() {
            tasks.spawn(resume::follow_lists(Arc::clone(&crls), stop.clone()));
        }
        tasks.spawn(shards::retire_due(Arc::clone(&issuer), stop.clone()));
        tasks.spawn(resume::clean(Arc::clone(&issuer), stop.clone()));
        let service = Arc::new(Service {
            mails_under_way: Arc::default(),
            mails_in_flight: Arc::new(Semaphore::new(config.limits.mails_in_flight)),
            nonces,
            turns: Turns::default(),
            refusals: Refusals::default(),
            limits: Limiters::new(&config.limits, shared),
            config,
            clock,
            store,
            issuer,
            crls,
            post,
            mail_from,
            issuers,
            texting,
            reply_from,
            dns: dns.map(Arc::new),
            pseudonyms,
        });
        tasks.spawn(resume::log_heads(Arc::clone(&service.issuer), stop.clone()));
        tasks.spawn(operator::fulfil(Arc::clone(&service), stop.clone()));
        tasks.spawn(acme::listen(Arc::clone(&service), stop.clone()));
        tasks.spawn(announce::announce(Arc::clone(&service), stop.clone()));
        tasks.spawn(check_mail_server(Arc::clone(&service), stop.clone()));
        if let Some((listener, replies)) = listening {
            tasks.spawn(listener::serve(listener, Arc::clone(&service), replies, stop.clone()));
        }
        Ok(Self { service, tasks, stop })
    }

    /// The ACME server, with paths relative to the base URL: nest it at that URL's path. Handlers learn who asks from
    /// `ConnectInfo<`[`PeerAddr`](crate::https::PeerAddr)`>`, where there is one.
    pub fn router(&self) -> Router {
        acme::router(Arc::clone(&self.service))
    }

    /// What other people's programs fetch by plain HTTP, with paths relative to [`CaConfig::plain_url`]: revocation lists and
    /// issuing certificates, all of them signed.
    pub fn plain_router(&self) -> Router {
        acme::plain_router(Arc::clone(&self.service))
    }

    /// Issues and logs a certificate for a service of this authority: the chain, leaf first, and its new P-256 key.
    pub async fn issue_service(
        &self,
        name: &str,
    ) -> Result<(Vec<CertificateDer>, PrivateKeyDer<'static>), ServiceError> {
        issue(&self.service.issuer, name).await
    }

    /// Answers TLS handshakes for `name` with a certificate of the services CA: one kept from before, or a new one,
    /// renewed at half life in the background. Waits until there is one, unless the one from before still serves.
    pub async fn service_resolver(&self, name: &str) -> Result<Arc<dyn ResolvesServerCert>, ServiceError> {
        let issuer = &self.service.issuer;
        let folder = self.service.config.folder.join("services");
        let (resolver, renewal) = Resolver::open(issuer, &folder, name).await?;
        let resolver = Arc::new(resolver);
        let keeping = Arc::clone(&resolver).keep(renewal, Arc::clone(issuer), folder, name.into(), self.stop.clone());
        self.tasks.spawn(keeping);
        Ok(resolver)
    }

    /// The logs, to which further ones can be added.
    #[must_use]
    pub fn shards(&self) -> &Shards {
        &self.service.issuer.logs
    }

    /// DER of the newest revocation lists for people's certificates: one, or one for each part beside the one without.
    #[must_use]
    pub fn people_crls_der(&self) -> Vec<Bytes> {
        self.service.crls.all(Authority::People)
    }

    /// DER of the newest revocation list for services' certificates.
    #[must_use]
    pub fn services_crl_der(&self) -> Vec<u8> {
        let name = ListName::whole(IssuerName::first(Authority::Services));
        self.service.crls.der(name).map(|der| der.to_vec()).unwrap_or_default()
    }

    /// What became of text messages, as the figures have it.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> String {
        self.service.texting.as_ref().map(|texting| texting.receipts.metrics()).unwrap_or_default()
    }

    /// Ends the background work. Certificates on their way are waited for as long as the log takes them; those it does
    /// not take are resumed at the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Ca {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(replies: &Replies) -> Result<Listener, OpenError> {
    let address = || format!("{:?}", replies.lmtp);
    Listener::bind(&replies.lmtp).await.map_err(|source| OpenError::Lmtp { address: address(), source })
}

/// Says at the start, not with somebody's first code, that the mail server would take none: a password with a slip in it is
/// found by who has just typed it. The start does not wait for it.
async fn check_mail_server(service: Arc<Service>, stop: CancellationToken) {
    let checked = tokio::select! {
        () = stop.cancelled() => return,
        checked = service.post.check(&service.mail_from.email) => checked,
    };
    if let Err(error) = checked {
        tracing::warn!(%error, "mails would not leave: the configured mail server was tried");
    }
}

/// Logs what must stand in the log before anybody is served: the issuing certificates once, a revocation list of each.
/// All at once, so that they share a batch of the log.
async fn log_first(issuer: &Issuer, crls: &Crls, objects: &Path) -> Result<(), OpenError> {
    let shard = issuer.shard();
    let log = shard.log();
    let issuing = issuer.keys().issuers();
    let issuing = issuing.iter().map(|der| log_once(log, objects, ObjectKind::IssuingCertificate, der));
    let lists = [Authority::People, Authority::Services].map(|authority| crls.renew_if_old(authority));
    let issuing = async { try_join_all(issuing).await.map_err(OpenError::from) };
    let lists = async { try_join_all(lists).await.map_err(OpenError::from) };
    tokio::try_join!(issuing, lists)?;
    Ok(())
}
