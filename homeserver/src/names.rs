//! The names under which the directory is known beside the server's own: mail domains whose SRV record leads here
//! (docs/spec/directory.md, "Other people's directories"). To whom asks for one of them, its certificate is shown.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use ca::Ca;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

/// The pause before a name that got no certificate is tried again.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Chooses by the name in the ClientHello (RFC 6066 section 3); the server's own certificate for every other.
#[derive(Debug)]
pub(crate) struct ByName {
    own: Arc<dyn ResolvesServerCert>,
    others: RwLock<BTreeMap<String, Arc<dyn ResolvesServerCert>>>,
}

impl ByName {
    pub(crate) fn new(own: Arc<dyn ResolvesServerCert>) -> Self {
        Self { own, others: RwLock::default() }
    }

    /// Gets a certificate for each of the names, keeps them renewed, and ends when it is told to stop.
    pub(crate) async fn certify(self: Arc<Self>, ca: Arc<Ca>, names: Vec<String>, stop: CancellationToken) {
        for name in names {
            loop {
                let resolver = tokio::select! {
                    () = stop.cancelled() => return,
                    resolver = ca.service_resolver(&name) => resolver,
                };
                match resolver {
                    Ok(resolver) => {
                        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
                        others.insert(name.clone(), resolver);
                        break;
                    }
                    Err(error) => tracing::warn!(%error, "the directory has no certificate for a name yet"),
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
        // The authority may end once nobody holds it.
        drop(ca);
        stop.cancelled().await;
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        let resolver = asked.and_then(|name| others.get(&name).cloned()).unwrap_or_else(|| Arc::clone(&self.own));
        drop(others);
        resolver.resolve(hello)
    }
}
