//! One conversation with one mail server. Up to the handshake of TLS it is ours, as lettre takes no verifier of certificates
//! of another's; from then on it is lettre's.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::handover::hand_over;
use super::super::socket::Stream;
use super::super::{Letter, MailError, socket};
use super::watched::Watched;

/// To open a connection to one address.
const CONNECT: Duration = Duration::from_secs(10);
/// For each answer of the server.
const STEP: Duration = Duration::from_secs(30);
/// From its greeting to the end of the handshake, so that one address leaves time for the next.
const PREPARE: Duration = Duration::from_secs(60);
/// For its last answer, when all is done.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long it may think about the whole mail.
const DATA: Duration = Duration::from_secs(120);
/// So many addresses of a server are tried.
const MAX_ADDRESSES: usize = 4;
/// The longest answer that is read (RFC 5321 section 4.5.3.1.5 has lines of 512 bytes).
const MAX_ANSWER: u64 = 16 * 1024;

/// How a connection has to be.
pub(super) enum Wants {
    /// Encrypted, towards whom this verifier takes.
    Tls(Arc<dyn ServerCertVerifier>),
    /// The same if the server offers it at all.
    TlsIfOffered(Arc<dyn ServerCertVerifier>),
}

impl Wants {
    /// The same, and what a policy under test says of the server.
    pub(super) fn watched(self, policy: Arc<dyn ServerCertVerifier>) -> (Self, Arc<Watched>) {
        let watch = |decides| Arc::new(Watched::new(decides, policy));
        match self {
            Self::Tls(decides) => {
                let watched = watch(decides);
                (Self::Tls(watched.clone()), watched)
            }
            Self::TlsIfOffered(decides) => {
                let watched = watch(decides);
                (Self::TlsIfOffered(watched.clone()), watched)
            }
        }
    }
}

/// Whom a mail is handed over to.
pub(super) struct Server<'a> {
    /// Its name, as its domain has it.
    pub(super) host: &'a str,
    /// The name that it is asked to show a certificate for (SNI).
    pub(super) name: &'a str,
    pub(super) addresses: &'a [IpAddr],
    pub(super) port: u16,
}

/// Hands a mail over to a server.
pub(super) async fn deliver(
    server: &Server<'_>,
    wants: &Wants,
    hello: &ClientId,
    provider: &Arc<CryptoProvider>,
    letter: &Letter,
) -> Result<(), MailError> {
    let host = server.host;
    let stream = open(server, wants, hello, provider).await?;
    let connected = within(STEP, AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello));
    let mut connection = connected.await?.map_err(|error| unreachable(host, &error))?;
    let sent = within(DATA, hand_over(&mut connection, letter)).await?;
    // Whether it hears a farewell is of no account.
    let _ = within(FAREWELL, connection.quit()).await;
    sent.map_err(|refusal| refusal.by(host, |_| ""))
}

/// Connects to the first address with which that works, and encrypts.
async fn open(
    server: &Server<'_>,
    wants: &Wants,
    hello: &ClientId,
    provider: &Arc<CryptoProvider>,
) -> Result<Stream, MailError> {
    let mut last = unreachable(server.host, &"it has no address");
    for ip in server.addresses.iter().take(MAX_ADDRESSES) {
        match within(CONNECT, socket::connect(SocketAddr::new(*ip, server.port))).await {
            // Whoever answers and goes no further may be one of several that is out of order.
            Ok(Ok(tcp)) => match within(PREPARE, prepare(tcp, server, wants, hello, provider)).await.flatten() {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            Ok(Err(error)) => last = unreachable(server.host, &error),
            Err(slow) => last = slow,
        }
    }
    Err(last)
}

/// Greeting, EHLO, STARTTLS (RFC 3207), handshake.
async fn prepare(
    tcp: TcpStream,
    server: &Server<'_>,
    wants: &Wants,
    hello: &ClientId,
    provider: &Arc<CryptoProvider>,
) -> Result<Stream, MailError> {
    let host = server.host;
    let mut talk = BufReader::new(tcp);
    let greeting = expect(&mut talk, host, "220").await?;
    talk.write_all(format!("EHLO {hello}\r\n").as_bytes()).await.map_err(|error| unreachable(host, &error))?;
    let offers = expect(&mut talk, host, "250").await?;
    let (verifier, needed) = match wants {
        Wants::Tls(verifier) => (verifier, true),
        Wants::TlsIfOffered(verifier) => (verifier, false),
    };
    let offered =
        offers.lines().any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offered && needed {
        return Err(unreachable(
            host,
            &"it offers no encryption (STARTTLS), which its domain or this authority demands",
        ));
    }
    if !offered {
        // lettre greets it anew, which RFC 5321 section 4.1.4 lets anybody do at any time.
        return Ok(Stream::plain(greeting, talk.into_inner()));
    }
    talk.write_all(b"STARTTLS\r\n").await.map_err(|error| unreachable(host, &error))?;
    expect(&mut talk, host, "220").await?;
    if !talk.buffer().is_empty() {
        // Whoever is in between would have its words taken for those of the encrypted server (CVE-2011-0411).
        return Err(unreachable(host, &"it said more before the encryption than after STARTTLS is allowed"));
    }
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(server.name.to_owned()).map_err(|error| unreachable(host, &error))?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, talk.into_inner()).await;
    let tls = tls.map_err(|error| unreachable(host, &error))?;
    Ok(Stream::encrypted("220 encrypted\r\n".to_owned(), tls))
}

/// A whole answer, if it has this code.
async fn expect(talk: &mut BufReader<TcpStream>, host: &str, code: &str) -> Result<String, MailError> {
    let mut answer = String::new();
    let mut bounded = talk.take(MAX_ANSWER);
    loop {
        let begin = answer.len();
        bounded.read_line(&mut answer).await.map_err(|error| unreachable(host, &error))?;
        let line = &answer[begin..];
        if !line.ends_with('\n') || !line.starts_with(code) {
            let shown: String = line.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(unreachable(host, &format!("expected the answer {code}, found {shown:?}")));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(answer);
        }
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Result<T, MailError> {
    let done = tokio::time::timeout(time, work).await;
    done.map_err(|_| MailError::Unreachable(format!("no answer within {} s", time.as_secs())))
}

fn unreachable(host: &str, reason: &dyn fmt::Display) -> MailError {
    MailError::Unreachable(format!("{host}: {reason}"))
}
