//! Identifiers in messages between nodes.

/// An identifier: text, canonical. Nodes trust each other; a damaged one is refused all the same.
pub(super) mod who {
    use identity::Identifier;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(in crate::cluster) fn encode<C, W: Write>(
        who: &Identifier,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(who.as_str())?.ok()
    }

    pub(in crate::cluster) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Identifier, DecodeError> {
        Identifier::from_canonical(d.str()?).map_err(|_| DecodeError::message("identifier not canonical"))
    }
}

/// An identifier or nothing.
pub(super) mod maybe_who {
    use identity::Identifier;
    use minicbor::data::Type;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(in crate::cluster) fn encode<C, W: Write>(
        who: &Option<Identifier>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match who {
            Some(who) => super::who::encode(who, e, ctx),
            None => e.null()?.ok(),
        }
    }

    pub(in crate::cluster) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<Identifier>, DecodeError> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(None);
        }
        super::who::decode(d, ctx).map(Some)
    }

    pub(in crate::cluster) fn nil<T>() -> Option<Option<T>> {
        Some(None)
    }

    pub(in crate::cluster) fn is_nil(who: &Option<Identifier>) -> bool {
        who.is_none()
    }
}
