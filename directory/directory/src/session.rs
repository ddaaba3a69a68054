//! TLS of a connection as QUIC asks for it: rustls while the handshake lasts, and afterwards only what is still needed.
//!
//! A person is connected for days, in which TLS has nothing to do: a client may send no TLS message after its handshake (RFC
//! 9001 section 6 forbids KeyUpdate, tickets come from servers, and certificates are demanded in the handshake). rustls'
//! connection, with the buffers in which it read her certificates, would stay as long as she does; here it ends with the
//! handshake. The cryptography, all of it, is rustls'.

use quinn::ConnectionId;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use quinn::crypto::{self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{Side, TransportError, TransportErrorCode};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use rustls::quic::{DirectionalKeys, KeyChange, Secrets, ServerConnection, Version};
use std::any::Any;
use std::sync::Arc;

/// The version of QUIC that is spoken (RFC 9000).
pub(crate) const QUIC: u32 = 1;

/// Makes the sessions of a server.
pub(crate) struct SessionConfig {
    tls: Arc<rustls::ServerConfig>,
    /// Keys that depend on no session.
    initial: QuicServerConfig,
}

impl SessionConfig {
    pub(crate) fn new(tls: rustls::ServerConfig) -> Result<Self, NoInitialCipherSuite> {
        let tls = Arc::new(tls);
        let initial = QuicServerConfig::try_from(Arc::clone(&tls))?;
        Ok(Self { tls, initial })
    }

    fn begin(self: Arc<Self>, params: &TransportParameters) -> Session {
        let mut parameters = Vec::new();
        params.write(&mut parameters);
        let tls = ServerConnection::new(Arc::clone(&self.tls), Version::V1, parameters);
        let tls = tls.expect("TLS 1.3 has the initial suite, and there is no early data");
        Session { stage: Stage::Handshake { tls: Box::new(tls), config: self }, next: None }
    }
}

impl crypto::ServerConfig for SessionConfig {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        if version == QUIC { self.initial.initial_keys(version, dst_cid) } else { Err(UnsupportedVersion) }
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(self: Arc<Self>, _version: u32, params: &TransportParameters) -> Box<dyn crypto::Session> {
        Box::new(self.begin(params))
    }
}

/// The server's end of one connection.
struct Session {
    stage: Stage,
    /// Where the keys of the next update come from.
    next: Option<Secrets>,
}

enum Stage {
    Handshake {
        tls: Box<ServerConnection>,
        config: Arc<SessionConfig>,
    },
    /// The certificates the client has shown.
    Complete(Box<[CertificateDer<'static>]>),
}

impl Session {
    fn tls(&self) -> Option<&ServerConnection> {
        if let Stage::Handshake { tls, .. } = &self.stage { Some(tls) } else { None }
    }
}

impl crypto::Session for Session {
    fn initial_keys(&self, dst_cid: &ConnectionId, _side: Side) -> Keys {
        let Stage::Handshake { config, .. } = &self.stage else {
            unreachable!("they are asked for before the first packet, and by clients that are sent a Retry")
        };
        let keys = crypto::ServerConfig::initial_keys(&**config, QUIC, dst_cid);
        keys.unwrap_or_else(|UnsupportedVersion| unreachable!("a session begins with this version"))
    }

    /// Nobody asks: there is one protocol and one name.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        let chain = match &self.stage {
            Stage::Handshake { tls, .. } => tls.peer_certificates()?,
            Stage::Complete(chain) => chain,
        };
        Some(Box::new(owned(chain).into_vec()))
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(|tls| tls.is_handshaking())
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        let Stage::Handshake { tls, .. } = &mut self.stage else {
            return Err(refusal(
                AlertDescription::UnexpectedMessage,
                "no TLS message follows the handshake".to_owned(),
            ));
        };
        match tls.read_hs(buf) {
            Ok(()) => Ok(false),
            Err(error) => match tls.alert() {
                Some(alert) => Err(refusal(alert, error.to_string())),
                None => {
                    Err(TransportError { reason: error.to_string(), ..TransportErrorCode::PROTOCOL_VIOLATION.into() })
                }
            },
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(mut parameters) = self.tls().and_then(|tls| tls.quic_transport_parameters()) else { return Ok(None) };
        Ok(Some(TransportParameters::read(Side::Server, &mut parameters)?))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let Stage::Handshake { tls, .. } = &mut self.stage else { return None };
        let change = tls.write_hs(buf);
        if change.is_none() && !tls.is_handshaking() {
            self.stage = Stage::Complete(owned(tls.peer_certificates().unwrap_or_default()));
        }
        let keys = match change? {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                self.next = Some(next);
                keys
            }
        };
        let (local, remote) = (both(keys.local), both(keys.remote));
        Some(Keys {
            header: KeyPair { local: local.0, remote: remote.0 },
            packet: KeyPair { local: local.1, remote: remote.1 },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Servers send such packets, and receive none.
    fn is_valid_retry(&self, _orig_dst_cid: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    /// A directory has no use for any.
    fn export_keying_material(&self, _: &mut [u8], _: &[u8], _: &[u8]) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn both(keys: DirectionalKeys) -> (Box<dyn HeaderKey>, Box<dyn PacketKey>) {
    (Box::new(keys.header), Box::new(keys.packet))
}

fn owned(chain: &[CertificateDer<'_>]) -> Box<[CertificateDer<'static>]> {
    chain.iter().map(|certificate| certificate.clone().into_owned()).collect()
}

fn refusal(alert: AlertDescription, reason: String) -> TransportError {
    TransportError { reason, ..TransportErrorCode::crypto(alert.into()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use directory_protocol::ALPN;
    use identity::tls::{PersonVerifier, ServiceVerifier, provider};
    use identity::{Identifier, UnixTime, testing};
    use quinn::crypto::rustls::QuicClientConfig;
    use quinn::crypto::{ClientConfig as _, ServerConfig as _, Session as _};

    const NAME: &str = "directory.example.org";

    /// Both ends before their first word, and what the client will show.
    fn ends() -> (Box<dyn crypto::Session>, Session, Vec<CertificateDer<'static>>) {
        let now = UnixTime::now();
        let authority = testing::Authority::new(1, now);
        let (chain, key) = authority.issue_person(&Identifier::parse("alice@example.org").unwrap(), now);
        let mut client = rustls::ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServiceVerifier::new(authority.trust())))
            .with_client_auth_cert(chain.clone(), testing::private_key(&key))
            .unwrap();
        client.alpn_protocols = vec![ALPN.to_vec()];
        let (service, key) = authority.issue_service(NAME, now);
        let mut server = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(PersonVerifier::new(authority.trust())))
            .with_single_cert(service, key)
            .unwrap();
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        let parameters = |side| TransportParameters::read(side, &mut &[][..]).unwrap();
        let client = Arc::new(QuicClientConfig::try_from(client).unwrap());
        let client = client.start_session(QUIC, NAME, &parameters(Side::Server)).unwrap();
        let server = Arc::new(SessionConfig::new(server).unwrap()).begin(&parameters(Side::Client));
        (client, server, chain)
    }

    /// Says all that `from` has to say; its last keys.
    fn say(from: &mut dyn crypto::Session, to: &mut dyn crypto::Session) -> Option<Keys> {
        let mut last = None;
        loop {
            let mut words = Vec::new();
            let keys = from.write_handshake(&mut words);
            if !words.is_empty() {
                to.read_handshake(&words).unwrap();
            }
            match keys {
                Some(keys) => last = Some(keys),
                None if words.is_empty() => return last,
                None => {}
            }
        }
    }

    /// One end's packet is read by the other.
    fn understood(from: &dyn PacketKey, to: &dyn PacketKey) -> bool {
        let (header, text) = (b"header", b"hello");
        let mut packet = [&header[..], text, &vec![0; from.tag_len()]].concat();
        from.encrypt(7, &mut packet, header.len());
        let mut payload = BytesMut::from(&packet[header.len()..]);
        to.decrypt(7, header, &mut payload).is_ok() && payload[..] == text[..]
    }

    #[test]
    fn tls_ends_with_the_handshake_and_keys_go_on() {
        let (mut client, mut server, chain) = ends();
        let Stage::Handshake { config, .. } = &server.stage else { panic!("it has not begun") };
        let settings = Arc::downgrade(config);
        say(&mut *client, &mut server);
        let server_keys = say(&mut server, &mut *client).unwrap();
        assert!(server.is_handshaking() && server.transport_parameters().unwrap().is_some());
        let client_keys = say(&mut *client, &mut server).unwrap();
        assert!(say(&mut server, &mut *client).is_none());
        assert!(!server.is_handshaking() && server.tls().is_none());
        assert!(
            settings.upgrade().is_none(),
            "nor does it hold on to settings that others may have taken the place of"
        );
        let shown = server.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
        assert_eq!(*shown, chain);

        assert!(understood(&*server_keys.packet.local, &*client_keys.packet.remote));
        assert!(understood(&*client_keys.packet.local, &*server_keys.packet.remote));
        for _ in 0..2 {
            let (ours, hers) = (server.next_1rtt_keys().unwrap(), client.next_1rtt_keys().unwrap());
            assert!(understood(&*ours.local, &*hers.remote) && understood(&*hers.local, &*ours.remote));
            assert!(!understood(&*ours.local, &*client_keys.packet.remote), "they are other ones");
        }
    }

    #[test]
    fn a_word_after_the_handshake_is_refused() {
        let (mut client, mut server, _) = ends();
        for _ in 0..2 {
            say(&mut *client, &mut server);
            say(&mut server, &mut *client);
        }
        // KeyUpdate (RFC 8446 section 4.6.3).
        let refused = server.read_handshake(&[24, 0, 0, 1, 0]).unwrap_err();
        assert_eq!(refused.code, TransportErrorCode::crypto(10));
    }

    #[test]
    fn what_is_no_client_is_refused_with_an_alert() {
        let (_, mut server, _) = ends();
        let refused = server.read_handshake(&[20, 0, 0, 1, 0]).unwrap_err();
        assert_eq!(refused.code, TransportErrorCode::crypto(10));
        assert!(server.peer_identity().is_none());
    }

    #[test]
    fn other_versions_are_not_spoken() {
        let (_, server, _) = ends();
        let Stage::Handshake { config, .. } = &server.stage else { panic!("it has not begun") };
        let id = ConnectionId::new(&[1; 8]);
        assert!(config.initial_keys(QUIC, &id).is_ok());
        assert!(config.initial_keys(0xff00_001d, &id).is_err());
    }
}
