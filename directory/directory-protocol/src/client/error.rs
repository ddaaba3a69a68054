//! What can go wrong between a client and its directory, said so that a person understands it.

use crate::close::CloseCode;
use crate::message::ErrorCode;
use std::net::SocketAddr;
use std::time::Duration;

/// Why no connection to the directory came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The connection could not even be tried.
    #[error("cannot connect to the directory: {0}")]
    NotTried(#[from] quinn::ConnectError),
    /// Nothing answered.
    #[error("the directory at {address} does not answer: check the address, the network, and that UDP is not blocked")]
    Unreachable {
        /// The address tried.
        address: SocketAddr,
    },
    /// What answered did not prove to be this directory.
    #[error("what answers at {address} is not an acceptable directory {name}: {reason}")]
    NotTheDirectory {
        /// The address tried.
        address: SocketAddr,
        /// The name its certificate had to carry.
        name: String,
        /// What verification said.
        reason: String,
    },
    /// The directory has as many connections, or handshakes under way, as it can hold, or as many from this address.
    #[error("the directory {name} takes no more connections at the moment: try again later")]
    Full {
        /// The directory's name.
        name: String,
    },
    /// The connection was closed before it could be used; a refused certificate of ours shows here.
    #[error(transparent)]
    Closed(#[from] CloseReason),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// This side closed it.
    #[error("went offline")]
    ByUs,
    /// The directory closed it.
    #[error("{0}")]
    ByDirectory(CloseCode),
    /// The directory did not accept this person's certificate.
    #[error("the directory does not accept this certificate ({0})")]
    CertificateRefused(String),
    /// Nothing was heard for too long.
    #[error("the directory was not heard for {} s", .0.as_secs())]
    Silent(Duration),
    /// The directory said something that is not in the specification.
    #[error("the directory does not speak the protocol: {0}")]
    Nonsense(String),
    /// Events arrived faster than the program took them.
    #[error("this program did not take the directory's events in time")]
    EventsNotTaken,
    /// The connection failed below the protocol.
    #[error("the connection to the directory broke: {0}")]
    Broken(String),
}

/// Why a request was not answered with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The directory refused it.
    #[error("{}", refusal(*.error, *.wait))]
    Refused {
        /// Why.
        error: ErrorCode,
        /// With [`ErrorCode::TooOften`], how long to wait; otherwise zero.
        wait: Duration,
    },
    /// The connection is gone.
    #[error("not connected to the directory: {0}")]
    Closed(CloseReason),
    /// No answer came in time, although the connection lives.
    #[error("the directory did not answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
}

fn refusal(error: ErrorCode, wait: Duration) -> String {
    if wait.is_zero() { error.to_string() } else { format!("{error}: wait {} s", wait.as_secs_f32().ceil()) }
}

/// TLS alerts arrive as QUIC error codes 0x0100 to 0x01ff (RFC 9001 section 4.8).
const CRYPTO_ERRORS: std::ops::Range<u64> = 0x100..0x200;

fn is_crypto(closed: &quinn::ConnectionClose) -> bool {
    CRYPTO_ERRORS.contains(&u64::from(closed.error_code))
}

impl CloseReason {
    /// The reason behind the end of an established connection.
    pub(super) fn of(error: &quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(closed) => Self::ByDirectory(CloseCode::from_number(closed.error_code.into_inner())),
            E::LocallyClosed => Self::ByUs,
            E::TimedOut => Self::Silent(crate::limits::IDLE_TIMEOUT),
            // Our certificate is checked after our side of the handshake is complete: the alert ends a connection that had begun.
            E::ConnectionClosed(closed) if is_crypto(closed) => Self::CertificateRefused(closed.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl ConnectError {
    /// The reason why a handshake failed.
    pub(super) fn of(error: quinn::ConnectionError, address: SocketAddr, name: &str) -> Self {
        match error {
            quinn::ConnectionError::TimedOut => Self::Unreachable { address },
            quinn::ConnectionError::TransportError(error) => {
                Self::NotTheDirectory { address, name: name.to_owned(), reason: error.reason }
            }
            quinn::ConnectionError::ConnectionClosed(closed)
                if closed.error_code == quinn::TransportErrorCode::CONNECTION_REFUSED =>
            {
                Self::Full { name: name.to_owned() }
            }
            // Our certificate is not judged yet: what was refused is the protocol, or the cryptography.
            quinn::ConnectionError::ConnectionClosed(closed) if is_crypto(&closed) => {
                Self::NotTheDirectory { address, name: name.to_owned(), reason: closed.to_string() }
            }
            other => Self::Closed(CloseReason::of(&other)),
        }
    }
}
