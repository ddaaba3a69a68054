//! Mails to an SMTP server. Encryption is decided by the URL, never by what the server offers.
//!
//! Every mail has a conversation of its own, and each part of it ends after a time: what lettre calls a timeout bounds
//! connecting alone, and a server that is silent, as one that dislikes a password may be, would hold the mail for ever.

mod failure;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::http::Uri;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::handover::{Step, codes, hand_over, try_sender};
use super::socket::Stream;
use super::{Letter, MailError, socket};
use crate::web;

/// How long one address of the server may take to be reached: it may have another, of a family that works.
const ADDRESS: Duration = Duration::from_secs(5);
/// How long each part of a conversation may take; the first is to reach the server by one of its addresses.
const STEP: Duration = Duration::from_secs(20);
/// How long it may think about a mail, from its sender to its last byte.
const MAIL: Duration = Duration::from_secs(60);
/// For its last answer, when all is done.
const FAREWELL: Duration = Duration::from_secs(5);

/// One SMTP server, and how it is spoken to.
pub(crate) struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    hello: ClientId,
    credentials: Option<Credentials>,
    /// Where TLS begins with the first byte it is ours: lettre would open the socket, and hold the end of a mail back there.
    wrapped: Option<TlsConnector>,
    /// Whom its certificate has to be by; none stands for the web's authorities.
    roots: Option<Vec<Certificate>>,
}

/// When encryption begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// With the first byte (RFC 8314).
    Tls,
    /// With STARTTLS, or nothing is sent (RFC 3207).
    StartTls,
    /// Never.
    None,
}

impl Encryption {
    fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::StartTls => 587,
            Self::None => 25,
        }
    }
}

impl Smtp {
    pub(super) fn open(url: &str, roots: Option<&Path>) -> Result<Self, MailError> {
        let parsed: Uri = url.parse().map_err(|_| bad("something that is no URL"))?;
        let authority =
            parsed.authority().filter(|a| !a.host().is_empty()).ok_or_else(|| bad("a URL without a host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let encryption = encryption(&parsed, &host)?;
        let (named, at) =
            authority.as_str().rsplit_once('@').map_or((None, authority.as_str()), |(u, at)| (Some(u), at));
        let has_port = at.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = authority.port_u16().unwrap_or_else(|| encryption.port());
        if port == 0 || (has_port && authority.port_u16().is_none()) {
            return Err(bad("a URL with an impossible port"));
        }
        // A path is the name by which EHLO introduces us.
        let hello = Some(parsed.path().trim_matches('/')).filter(|name| !name.is_empty());
        let hello = hello.map_or_else(ClientId::default, |name| ClientId::Domain(name.into()));
        let credentials = named.map(credentials).transpose()?;
        let certificates = roots.map(read_roots).transpose()?;
        let wrapped = (encryption == Encryption::Tls).then(|| web::connector(roots)).transpose();
        let wrapped = wrapped.map_err(|error| bad_roots(error.to_string()))?;
        Ok(Self { host, port, encryption, hello, credentials, wrapped, roots: certificates })
    }

    pub(super) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let mut connection = self.connect().await?;
        let sent = self.within(MAIL, "the mail", hand_over(&mut connection, &letter)).await?;
        let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
        sent.map_err(|refusal| refusal.by(self.place(), look_at))
    }

    /// Whether the server would take mails of ours: it greets, encrypts, knows our name and password, and takes our sender.
    pub(super) async fn check(&self, sender: &Address) -> Result<(), MailError> {
        let mut connection = self.connect().await?;
        let tried = self.within(STEP, "the sender", try_sender(&mut connection, sender)).await?;
        let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
        tried.map_err(|refusal| refusal.by(self.place(), look_at))
    }

    /// A connection on which a mail can be handed over. What is refused up to here is refused to us, whatever mail it is.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let what = match self.encryption {
            Encryption::Tls => "the connection",
            Encryption::StartTls | Encryption::None => {
                "the connection with a greeting (where TLS is spoken from the first byte there is none: smtps://)"
            }
        };
        let mut connection = self.within(STEP, what, self.begin()).await??;
        if self.encryption == Encryption::StartTls {
            if !connection.can_starttls() {
                return Err(self.unreachable(
                    "it offers no STARTTLS; smtps:// speaks TLS from the first byte (port 465), smtp://…?tls=none none at all",
                ));
            }
            let beginning = connection.starttls(self.tls()?, &self.hello);
            self.within(STEP, "STARTTLS", beginning).await?.map_err(|error| self.failed(&error))?;
        }
        if let Some(credentials) = &self.credentials {
            if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(self.unreachable("it takes no name and password here; some do after STARTTLS alone"));
            }
            // Some do not say no to a wrong password; they say nothing.
            let what = "the name and the password (look at them: some servers say nothing to wrong ones)";
            match self.within(STEP, what, connection.auth(DEFAULT_MECHANISMS, credentials)).await? {
                Ok(_) => {}
                Err(error) if error.is_permanent() => return Err(self.refuses("its name and password", &error)),
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(connection)
    }

    /// Up to the answer to EHLO.
    async fn begin(&self) -> Result<AsyncSmtpConnection, MailError> {
        let tcp = self.reach().await?;
        let begun = match &self.wrapped {
            Some(tls) => {
                let stream = Stream::encrypted(String::new(), self.encrypt(tls, tcp).await?);
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
            }
            None => AsyncSmtpConnection::connect_with_transport(Box::new(tcp), &self.hello).await,
        };
        begun.map_err(|error| self.failed(&error))
    }

    async fn encrypt(&self, tls: &TlsConnector, tcp: TcpStream) -> Result<TlsStream<TcpStream>, MailError> {
        let name = ServerName::try_from(self.host.clone()).map_err(|error| self.unreachable(&error.to_string()))?;
        let encrypted = tls.connect(name, tcp).await;
        encrypted.map_err(|error| self.unreachable(&failure::words(&error, true, self.roots.is_some())))
    }

    /// The first of its addresses that answers.
    async fn reach(&self) -> Result<TcpStream, MailError> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        for address in self.addresses().await? {
            match tokio::time::timeout(ADDRESS, socket::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = error,
                Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(self.unreachable(&failure::unreached(&last).map_or_else(|| last.to_string(), str::to_owned)))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, MailError> {
        match lookup_host((self.host.as_str(), self.port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(self.unreachable(&format!("no address can be found for that name ({error})"))),
        }
    }

    fn tls(&self) -> Result<TlsParameters, MailError> {
        let builder = TlsParameters::builder(self.host.clone());
        let builder = match &self.roots {
            None => builder.certificate_store(CertificateStore::WebpkiRoots),
            Some(roots) => roots
                .iter()
                .cloned()
                .fold(builder.certificate_store(CertificateStore::None), TlsParametersBuilder::add_root_certificate),
        };
        builder.build().map_err(|error| self.failed(&error))
    }

    /// Where it is, for whoever runs this authority.
    fn place(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    fn unreachable(&self, reason: &str) -> MailError {
        MailError::Unreachable(format!("{}: {reason}", self.place()))
    }

    fn failed(&self, error: &Error) -> MailError {
        if error.is_permanent() {
            return self.refuses("whether it may send from this machine", error);
        }
        self.unreachable(&failure::words(error, self.encryption == Encryption::Tls, self.roots.is_some()))
    }

    fn refuses(&self, look_at: &str, error: &Error) -> MailError {
        self.unreachable(&format!("it refuses this authority ({}); look at {look_at}", codes(error)))
    }

    async fn within<T>(&self, time: Duration, what: &str, work: impl Future<Output = T>) -> Result<T, MailError> {
        let done = tokio::time::timeout(time, work).await;
        done.map_err(|_| self.unreachable(&format!("it did not answer {what} within {} s", time.as_secs())))
    }
}

/// Whether `url` names a mail server and how to speak to it, as [`MailError::Config`] says it must. Nobody is asked.
///
/// # Errors
/// It does not; what is shown of it holds no secret.
pub fn check_smtp_url(url: &str) -> Result<(), MailError> {
    Smtp::open(url, None).map(|_| ())
}

fn bad(found: &str) -> MailError {
    MailError::Config {
        what: "the SMTP server",
        expected: "smtps://[name:password@]host[:port] or smtp://[name:password@]host[:port][?tls=none]",
        found: found.into(),
    }
}

/// What the operator can mend, where her own mail server refuses a step.
fn look_at(step: Step) -> &'static str {
    match step {
        Step::Sender => "; look at mail_from, and at whom it lets send as that",
        Step::Recipient => "; look at whether it wants a name and a password before it relays",
        Step::Mail => "",
    }
}

fn bad_roots(found: String) -> MailError {
    MailError::Config { what: "the certificates for the SMTP server", expected: "the PEM file of its authority", found }
}

fn read_roots(path: &Path) -> Result<Vec<Certificate>, MailError> {
    let roots = web::root_certificates(path).map_err(|error| bad_roots(error.to_string()))?;
    roots.iter().map(|der| Certificate::from_der(der.to_vec()).map_err(|error| bad_roots(error.to_string()))).collect()
}

/// What a URL says of encryption: a bare `smtp://` insists on STARTTLS, except towards this same machine.
fn encryption(url: &Uri, host: &str) -> Result<Encryption, MailError> {
    match (url.scheme_str(), url.query()) {
        (Some("smtps"), None) => Ok(Encryption::Tls),
        (Some("smtp"), Some("tls=none")) => Ok(Encryption::None),
        (Some("smtp"), None) if is_loopback(host) => Ok(Encryption::None),
        (Some("smtp"), None | Some("tls=required")) => Ok(Encryption::StartTls),
        (Some("smtp" | "smtps"), Some(_)) => Err(bad("a URL with an unknown option")),
        (scheme, _) => Err(bad(&format!("the scheme {}", scheme.unwrap_or("(none)")))),
    }
}

/// Name and password, which may be percent-encoded.
fn credentials(named: &str) -> Result<Credentials, MailError> {
    let (name, password) = named.split_once(':').ok_or_else(|| bad("a name without a password"))?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
    let bytes = |_| bad("a name or a password that is no UTF-8");
    Ok(Credentials::new(decoded(name).map_err(bytes)?, decoded(password).map_err(bytes)?))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
