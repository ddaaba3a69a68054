use axum::routing::get;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A listener, and the certificate that it shows.
async fn listener() -> (TlsListener, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let certificate = made.cert.der().clone();
    let config = server_config(Arc::new(Fixed(Arc::new(CertifiedKey::new(vec![certificate.clone()], key))))).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (TlsListener::new(tcp, Arc::new(config)).unwrap(), certificate)
}

/// A running server that tells a client its address.
async fn server() -> (SocketAddr, CertificateDer<'static>, CancellationToken, JoinHandle<()>) {
    let (listener, certificate) = listener().await;
    let address = listener.address();
    let router =
        Router::new().route("/", get(|ConnectInfo(peer): ConnectInfo<PeerAddr>| async move { peer.0.to_string() }));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, stop.clone()));
    (address, certificate, stop, serving)
}

async fn connect(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()
}

async fn ask(address: SocketAddr, certificate: &CertificateDer<'static>) -> String {
    let mut tls = connect(address, certificate).await;
    tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_handler_learns_who_asks() {
    let (address, certificate, stop, serving) = server().await;
    let answer = ask(address, &certificate).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("127.0.0.1:"), "{answer}");
    stop.cancel();
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn silent_and_noisy_clients_keep_nobody_waiting() {
    let (address, certificate, ..) = server().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut noisy = TcpStream::connect(address).await.unwrap();
    let _ = noisy.write_all(&vec![0xa5; 1 << 20]).await;
    let answer = tokio::time::timeout(Duration::from_secs(60), ask(address, &certificate)).await;
    assert!(answer.expect("an answer").starts_with("HTTP/1.1 200"));
}

/// What a handler holds, a database's lock among it, is free for the next start.
#[tokio::test]
async fn no_handler_lives_on_when_the_server_has_stopped() {
    let held = Arc::new(());
    let (listener, certificate) = listener().await;
    let address = listener.address();
    let holds = Arc::clone(&held);
    let (runs, mut running) = mpsc::channel(1);
    let never = get(async move || {
        let _holds = holds;
        runs.send(()).await.unwrap();
        std::future::pending::<String>().await
    });
    let stop = CancellationToken::new();
    let told = stop.clone();
    let client = async move {
        let mut tls = connect(address, &certificate).await;
        tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        running.recv().await.unwrap();
        // From here on time passes only while everybody waits, and then at once.
        tokio::time::pause();
        told.cancel();
        let _cut = tls.read_to_end(&mut Vec::new()).await;
    };
    let client = tokio::spawn(client);
    serve(listener, Router::new().route("/", never), stop).await;
    assert_eq!(Arc::strong_count(&held), 1);
    client.await.unwrap();
}

/// Who shakes hands and then says nothing does not keep its place.
#[tokio::test]
async fn a_client_that_asks_nothing_is_hung_up_on() {
    let (address, certificate, ..) = server().await;
    let mut silent = connect(address, &certificate).await;
    // From here on time passes only while everybody waits, and then at once.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let _reset = silent.read_to_end(&mut Vec::new()).await;
    let waited = begun.elapsed();
    assert!(waited <= HEADER + Duration::from_secs(1), "hung up on after {waited:?}");
}

/// A request with so much of a body, and what is answered, first with the lines of `header`.
async fn post(address: SocketAddr, certificate: &CertificateDer<'static>, header: &str, bytes: usize) -> String {
    let tls = connect(address, certificate).await;
    let (mut reading, mut writing) = tokio::io::split(tls);
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: {bytes}\r\n\r\n");
    writing.write_all(head.as_bytes()).await.unwrap();
    if !header.contains("Expect") {
        writing.write_all(&vec![b'x'; bytes]).await.unwrap();
    }
    let mut answer = vec![0; 1024];
    let read = reading.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn who_sends_what_nobody_wants_hears_so_all_the_same() {
    let (address, certificate, stop, serving) = server().await;
    // The page wants no POST, and reads none of it.
    for bytes in [0, 1, 1 << 20, leftover::MOST] {
        let answer = post(address, &certificate, "", bytes).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{bytes} bytes: {answer}");
    }
    // Who waits to be told to go on is not told to, for nothing.
    let answer = post(address, &certificate, "Expect: 100-continue\r\n", 1 << 20).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    stop.cancel();
    serving.await.unwrap();
}
