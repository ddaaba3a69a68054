//! What all commands share when they run: ports, signals, and the line that says where everything is.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::Failure;
use crate::serving::Serving;
use crate::settings::{Port, Read};

/// A port that is bound, and how it is to be served.
pub struct Bound {
    /// The listener.
    pub listener: TcpListener,
    /// TLS and proxy.
    pub serving: Serving,
    /// Where it is reached on this machine, such as `http://127.0.0.1:8081`.
    pub url: String,
}

/// Binds a port. `clients` decides who may connect with a client certificate; without it none is asked for.
///
/// # Errors
/// The address cannot be bound, or certificate and key cannot be used.
pub async fn bind<T: serde::de::DeserializeOwned>(
    read: &Read<T>,
    port: &Port,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Bound, Failure> {
    let tls = match (&port.certificate, &port.key) {
        (Some(certificate), Some(key)) => Some(tls(&read.resolve(certificate), &read.resolve(key), clients)?),
        (None, None) => None,
        _ => return Err(Failure::usage("a port needs both certificate and key, or none", "give the other one, too")),
    };
    bind_with(port, tls).await
}

/// Binds a port that demands a client certificate, which `clients` decides about. Without a certificate of its own in
/// the settings it makes one for this start: its clients look at what they get, not at who says so.
///
/// # Errors
/// As [`bind`], and where a proxy is said to stand before the port: client certificates end there.
pub async fn bind_for_clients<T: serde::de::DeserializeOwned>(
    read: &Read<T>,
    port: &Port,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<Bound, Failure> {
    if port.behind_proxy {
        let what = "expected no proxy before a port for client certificates, found behind_proxy = true";
        return Err(Failure::usage(what, "let the port be reached directly, or through a proxy that passes TLS on"));
    }
    if port.certificate.is_some() || port.key.is_some() {
        return bind(read, port, Some(clients)).await;
    }
    let (chain, key) = self_signed()?;
    let config = config(chain, key, Some(clients)).map_err(|error| unusable(Path::new("a new certificate"), &error))?;
    bind_with(port, Some(config)).await
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let made = rcgen::generate_simple_self_signed(vec!["transparency-log.invalid".to_owned()]);
    let made =
        made.map_err(|error| Failure::new(format!("no key could be made: {error}"), "report this as a fault"))?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}

async fn bind_with(port: &Port, tls: Option<Arc<ServerConfig>>) -> Result<Bound, Failure> {
    let cannot = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => "stop the program that uses it, or give another port under listen",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need the capability CAP_NET_BIND_SERVICE",
            _ => "give an address of this machine under listen",
        };
        Failure::new(format!("cannot listen on {}: {error}", port.listen), remedy)
    };
    let listener = TcpListener::bind(port.listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let serving = Serving { tls, behind_proxy: port.behind_proxy };
    Ok(Bound { listener, serving, url: format!("{scheme}://{address}") })
}

fn tls(
    certificate: &Path,
    key: &Path,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(certificate, &error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    config(chain, key_der, clients).map_err(|error| unusable(certificate, &error))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    // A client's certificate is encrypted in TLS 1.3 alone.
    let builder = match clients {
        Some(verifier) => {
            builder.with_protocol_versions(&[&rustls::version::TLS13])?.with_client_cert_verifier(verifier)
        }
        None => builder.with_safe_default_protocol_versions()?.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(path: &Path, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        format!("{} cannot be used: {reason}", path.display()),
        "give a certificate chain and its PKCS#8 key, in PEM",
    )
}

/// A token that is cancelled by Ctrl-C or by the service manager.
///
/// # Errors
/// The operating system lets nobody wait for signals.
pub fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let cannot =
        |error: std::io::Error| Failure::new(format!("cannot wait for signals: {error}"), "report this as a fault");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
        told.cancel();
    });
    Ok(stop)
}

/// Says where everything is: one line of JSON for programs, words for people.
pub fn announce(ready: &(impl Serialize + std::fmt::Display), json: bool) {
    let told = if json {
        let line = serde_json::to_string(ready).expect("strings and numbers can be written as JSON");
        command_line::announce(format_args!("{line}\n"))
    } else {
        command_line::announce(format_args!("{ready}"))
    };
    // Nobody may be listening (a closed terminal), or the disk be full: the program runs all the same.
    if let Err(error) = told {
        tracing::warn!(%error, "standard output cannot be written");
    }
}

/// Prints one line of JSON, if programs read along. It is a part of the result.
pub fn announce_line(line: &impl Serialize, json: bool) {
    if json {
        let line = serde_json::to_string(line).expect("strings and numbers can be written as JSON");
        command_line::print(format_args!("{line}\n"));
    }
}
