//! How identifiers, addresses and presence stand in CBOR, with the checks that belong to reading them.
//!
//! Each module has the `encode` and `decode` that minicbor's `with` attribute asks for. Whatever is decoded here is canonical:
//! an identifier in another spelling, or an IPv4 address dressed as IPv6, is refused.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decoder, Encoder};

/// An identifier: text, canonical.
pub(super) mod identifier {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::limits::MAX_IDENTIFIER_BYTES;
    use identity::Identifier;

    pub(in crate::message) fn encode<C, W: Write>(
        who: &Identifier,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(who.as_str())?.ok()
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Identifier, DecodeError> {
        let position = d.position();
        let text = d.str()?;
        if text.len() > MAX_IDENTIFIER_BYTES {
            return Err(DecodeError::message("identifier too long").at(position));
        }
        // The reason would repeat what was sent; it is left out so that no identifier reaches a log.
        Identifier::from_canonical(text).map_err(|_| DecodeError::message("identifier not canonical").at(position))
    }
}

/// A list of identifiers: an array of text.
pub(super) mod identifiers {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use identity::Identifier;

    pub(in crate::message) fn encode<C, W: Write>(
        people: &[Identifier],
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(people.len() as u64)?;
        people.iter().try_for_each(|who| super::identifier::encode(who, e, ctx))
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Vec<Identifier>, DecodeError> {
        let count = super::definite_array(d)?;
        // Nothing is reserved for a claimed count: the frame's own length bounds what can follow.
        (0..count).map(|_| super::identifier::decode(d, ctx)).collect()
    }
}

/// A probe key: 32 bytes.
pub(super) mod probe_key {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::message::ProbeKey;

    pub(in crate::message) fn encode<C, W: Write>(
        key: &ProbeKey,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&key.0)?.ok()
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<ProbeKey, DecodeError> {
        let position = d.position();
        let bytes = d.bytes()?.try_into();
        bytes.map(ProbeKey).map_err(|_| DecodeError::message("expected 32 bytes").at(position))
    }
}

/// A transport address: [bytes of length 4 or 16, port].
pub(super) mod address {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

    pub(in crate::message) fn encode<C, W: Write>(
        address: &SocketAddr,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?;
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => e.bytes(&ip.octets())?,
            IpAddr::V6(ip) => e.bytes(&ip.octets())?,
        };
        e.u16(address.port())?.ok()
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<SocketAddr, DecodeError> {
        let position = d.position();
        if super::definite_array(d)? != 2 {
            return Err(DecodeError::message("an address is [ip, port]").at(position));
        }
        let ip = d.bytes()?;
        let ip = if let Ok(octets) = <[u8; 4]>::try_from(ip) {
            IpAddr::V4(Ipv4Addr::from(octets))
        } else if let Ok(octets) = <[u8; 16]>::try_from(ip) {
            IpAddr::V6(Ipv6Addr::from(octets))
        } else {
            return Err(DecodeError::message("an IP address has 4 or 16 bytes").at(position));
        };
        if ip.to_canonical() != ip {
            return Err(DecodeError::message("an IPv4 address must be sent as IPv4").at(position));
        }
        Ok(SocketAddr::new(ip, d.u16()?))
    }
}

/// Candidates: an array of addresses, no longer than [`MAX_CANDIDATES`](crate::limits::MAX_CANDIDATES) + 1.
///
/// One more than allowed is read, so that a ninth candidate gets its numbered error instead of a closed connection.
pub(super) mod addresses {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::limits::MAX_CANDIDATES;
    use std::net::SocketAddr;

    pub(in crate::message) fn encode<C, W: Write>(
        list: &[SocketAddr],
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(list.len() as u64)?;
        list.iter().try_for_each(|address| super::address::encode(address, e, ctx))
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Vec<SocketAddr>, DecodeError> {
        let count = super::definite_array(d)?;
        let mut list = Vec::new();
        for _ in 0..count {
            let address = super::address::decode(d, ctx)?;
            if list.len() <= MAX_CANDIDATES {
                list.push(address);
            }
        }
        Ok(list)
    }
}

/// The status of somebody else: null if she is not there, the number otherwise. (Derived code would read an unknown number
/// as null.)
pub(super) mod status {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::message::Status;

    pub(in crate::message) fn encode<C, W: Write>(
        status: &Option<Status>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.encode_with(status, ctx)?.ok()
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<Status>, DecodeError> {
        d.decode_with(ctx)
    }

    /// It is never left out: null is what is said.
    pub(in crate::message) fn never(_: &Option<Status>) -> bool {
        false
    }
}

/// What is told beside the status: an array of three. Elements after those are ignored, as in a frame.
pub(super) mod details {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::message::{Capabilities, Details};

    pub(in crate::message) fn encode<C, W: Write>(
        details: &Details,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(3)?.u32(details.capabilities.0)?.u32(details.idle_s)?.str(&details.note)?.ok()
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Details, DecodeError> {
        let position = d.position();
        let count = super::definite_array(d)?;
        let later = count.checked_sub(3).ok_or_else(|| DecodeError::message("details are three").at(position))?;
        let details = Details { capabilities: Capabilities(d.u32()?), idle_s: d.u32()?, note: d.str()?.to_owned() };
        (0..later).try_for_each(|_| d.skip())?;
        Ok(details)
    }
}

/// What may be left out. (Derived code would take null for that.)
mod left_out {
    /// What a frame without it means.
    #[allow(clippy::option_option, reason = "minicbor asks for the value of a field that is left out, if it may be")]
    pub(in crate::message) fn nil<T>() -> Option<Option<T>> {
        Some(None)
    }

    pub(in crate::message) fn is_nil<T>(value: &Option<T>) -> bool {
        value.is_none()
    }
}

/// Details that may be left out.
pub(super) mod details_or_none {
    pub(in crate::message) use super::left_out::{is_nil, nil};
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::message::Details;

    pub(in crate::message) fn encode<C, W: Write>(
        details: &Option<Details>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        details.as_ref().map_or(Ok(()), |details| super::details::encode(details, e, ctx))
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<Details>, DecodeError> {
        super::details::decode(d, ctx).map(Some)
    }
}

/// The hash of a device's key, which may be left out.
pub(super) mod key_or_none {
    pub(in crate::message) use super::left_out::{is_nil, nil};
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};

    pub(in crate::message) fn encode<C, W: Write>(
        key: &Option<[u8; 32]>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        key.as_ref().map_or(Ok(()), |key| e.bytes(key)?.ok())
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<[u8; 32]>, DecodeError> {
        let position = d.position();
        let bytes = d.bytes()?.try_into();
        bytes.map(Some).map_err(|_| DecodeError::message("expected 32 bytes").at(position))
    }
}

/// How one wants to appear: the number of a status, or the one after the last of them.
pub(super) mod appearance {
    use super::{DecodeError, Decoder, EncodeError, Encoder, Write};
    use crate::message::Appearance;

    const INVISIBLE: u8 = 4;

    pub(in crate::message) fn encode<C, W: Write>(
        appearance: &Appearance,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match appearance {
            Appearance::As(status) => e.encode_with(status, ctx)?.ok(),
            Appearance::Invisible => e.u8(INVISIBLE)?.ok(),
        }
    }

    pub(in crate::message) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Appearance, DecodeError> {
        if matches!(d.probe().u8(), Ok(INVISIBLE)) {
            d.u8()?;
            return Ok(Appearance::Invisible);
        }
        Ok(Appearance::As(d.decode_with(ctx)?))
    }
}

/// The length of an array; indefinite lengths (RFC 8949 section 3.2.1) are not part of this protocol.
fn definite_array(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    let position = d.position();
    d.array()?.ok_or_else(|| DecodeError::message("arrays have a definite length").at(position))
}
