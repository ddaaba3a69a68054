//! Why a directory ended a connection: QUIC application error codes (RFC 9000 section 19.19).

use std::fmt;

/// The reason given when a connection is closed. Unknown numbers are kept, so that a newer directory is still understood to
/// have closed on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 0: the side that closes is done.
    Done,
    /// 1: a frame was longer than allowed, or was not CBOR of the specified shape.
    Malformed,
    /// 2: the peer did not read what was sent to it.
    TooSlow,
    /// 3: the person's certificate has reached its end.
    Expired,
    /// 4: this person has too many connections already.
    TooManyDevices,
    /// 5: more frames per second than anybody needs.
    Flood,
    /// 6: the directory is stopping.
    Stopping,
    /// 7: the person's certificate is no longer accepted, for instance because it was revoked.
    NoLongerAccepted,
    /// Any other number.
    Other(u32),
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Done => 0,
            Self::Malformed => 1,
            Self::TooSlow => 2,
            Self::Expired => 3,
            Self::TooManyDevices => 4,
            Self::Flood => 5,
            Self::Stopping => 6,
            Self::NoLongerAccepted => 7,
            Self::Other(number) => number,
        }
    }

    /// The code with this number.
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Done,
            1 => Self::Malformed,
            2 => Self::TooSlow,
            3 => Self::Expired,
            4 => Self::TooManyDevices,
            5 => Self::Flood,
            6 => Self::Stopping,
            7 => Self::NoLongerAccepted,
            other => Self::Other(u32::try_from(other).unwrap_or(u32::MAX)),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "the directory closed the connection",
            Self::Malformed => "the directory could not read a frame of ours",
            Self::TooSlow => "this device did not read what the directory sent",
            Self::Expired => "the certificate shown to the directory has expired: renew it",
            Self::TooManyDevices => "this person is connected with too many devices already",
            Self::Flood => "this device sent more requests per second than the directory allows",
            Self::Stopping => "the directory is stopping",
            Self::NoLongerAccepted => "the directory no longer accepts this certificate",
            Self::Other(number) => {
                return write!(f, "the directory closed the connection with the unknown code {number}");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_returns_to_itself() {
        for number in 0..20 {
            assert_eq!(u64::from(CloseCode::from_number(number).number()), number);
        }
    }
}
