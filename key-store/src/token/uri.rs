//! Which key in which token: a URI after RFC 7512.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::passphrase::PassphraseSource;

/// The longest URI that is read (bytes).
const MAX_BYTES: usize = 2048;

/// `pkcs11:token=CA;object=people?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/inperson/pin`
///
/// Attributes that would narrow the choice and are not known are refused, rather than a key taken that was not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUri {
    token: Option<String>,
    serial: Option<String>,
    object: Option<String>,
    id: Option<Vec<u8>>,
    module: PathBuf,
    pin: Option<PassphraseSource>,
}

/// Why a URI names no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected pkcs11:token=NAME;object=LABEL?module-path=/PATH.so&pin-source=file:/PATH (RFC 7512), found {0}")]
pub struct TokenUriError(String);

impl TokenUri {
    /// The label of the token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The serial number of the token.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// CKA_LABEL of the key.
    #[must_use]
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// CKA_ID of the key.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The library that speaks to the token.
    #[must_use]
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The same place, for the key with this label.
    #[must_use]
    pub fn with_object(&self, label: &str) -> Self {
        Self { object: Some(label.to_owned()), id: None, ..self.clone() }
    }

    /// As it is read.
    #[must_use]
    pub fn to_uri(&self) -> String {
        let path = [
            ("token", self.token.as_deref().map(str::as_bytes)),
            ("serial", self.serial.as_deref().map(str::as_bytes)),
            ("object", self.object.as_deref().map(str::as_bytes)),
            ("id", self.id.as_deref()),
        ];
        let path: Vec<_> =
            path.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?)))).collect();
        let pin = self.pin.as_ref().map(|pin| format!("&pin-source={}", encoded(pin.to_string().as_bytes())));
        let module = encoded(self.module.as_os_str().as_encoded_bytes());
        format!("pkcs11:{}?module-path={module}{}", path.join(";"), pin.unwrap_or_default())
    }

    /// Where the PIN comes from; none for a token that asks for it itself, or for none.
    #[must_use]
    pub fn pin(&self) -> Option<&PassphraseSource> {
        self.pin.as_ref()
    }
}

impl FromStr for TokenUri {
    type Err = TokenUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |found: &str| TokenUriError(found.to_owned());
        if text.len() > MAX_BYTES {
            return Err(wrong("more than 2048 bytes"));
        }
        let rest = text.trim().strip_prefix("pkcs11:").ok_or_else(|| wrong("another scheme"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let [mut token, mut serial, mut object, mut id, mut module, mut pin] = [const { None }; 6];
        for (name, value) in attributes(path, ';')? {
            let place = match &*name {
                "token" => &mut token,
                "serial" => &mut serial,
                "object" => &mut object,
                "id" => &mut id,
                "type" if value == b"private" => continue,
                other => return Err(wrong(&format!("the attribute {other:?}"))),
            };
            once(place, value, &name)?;
        }
        for (name, value) in attributes(query, '&')? {
            let place = match &*name {
                "module-path" => &mut module,
                "pin-source" => &mut pin,
                // RFC 7512 section 7: it would stand where others read it.
                "pin-value" => return Err(wrong("a PIN in the URI")),
                other => return Err(wrong(&format!("the attribute {other:?}"))),
            };
            once(place, value, &name)?;
        }
        if object.is_none() && id.is_none() {
            return Err(wrong("neither object nor id"));
        }
        let utf8 = |value: Option<Vec<u8>>| {
            value.map(String::from_utf8).transpose().map_err(|_| wrong("bytes that are no UTF-8"))
        };
        let module = utf8(module)?.filter(|path| path.starts_with('/'));
        Ok(Self {
            token: utf8(token)?,
            serial: utf8(serial)?,
            object: utf8(object)?,
            id,
            module: module.ok_or_else(|| wrong("no absolute module-path"))?.into(),
            pin: utf8(pin)?.map(|source| source.parse()).transpose().map_err(|_| wrong("another pin-source"))?,
        })
    }
}

fn once(place: &mut Option<Vec<u8>>, value: Vec<u8>, name: &str) -> Result<(), TokenUriError> {
    if place.replace(value).is_some() { Err(TokenUriError(format!("{name} twice"))) } else { Ok(()) }
}

fn attributes(text: &str, separator: char) -> Result<Vec<(String, Vec<u8>)>, TokenUriError> {
    let parts = text.split(separator).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').ok_or_else(|| TokenUriError("an attribute without =".into()))?;
            Ok((name.to_owned(), decoded(value)?))
        })
        .collect()
}

/// RFC 3986 section 2.1, for all but what no part of such a URI gives a meaning to.
fn encoded(value: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    value.iter().map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// RFC 3986 section 2.1.
fn decoded(text: &str) -> Result<Vec<u8>, TokenUriError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [high, low, after @ ..] = rest else { return Err(TokenUriError("% without two digits".into())) };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(TokenUriError("% without two digits".into()));
        };
        out.push(high << 4 | low);
        rest = after;
    }
    Ok(out)
}

/// As a person would look for the key; the PIN's source says nothing of it.
impl fmt::Display for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key {:?}", self.object.as_deref().unwrap_or("without a label"))?;
        if let Some(id) = &self.id {
            write!(f, " with the id {}", id.iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
        }
        write!(f, " in the token {:?}", self.token.as_deref().or(self.serial.as_deref()).unwrap_or("that is there"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_key() {
        let uri: TokenUri =
            "pkcs11:token=My%20CA;object=people;id=%01%AB;type=private?module-path=/lib/x.so&pin-source=file:/etc/pin"
                .parse()
                .unwrap();
        assert_eq!((uri.token(), uri.object(), uri.id()), (Some("My CA"), Some("people"), Some(&[1, 0xab][..])));
        assert_eq!((uri.module(), uri.serial()), (Path::new("/lib/x.so"), None));
        assert_eq!(uri.pin(), Some(&PassphraseSource::File("/etc/pin".into())));
        assert_eq!(uri.to_uri().parse(), Ok(uri.clone()));
        let other = uri.with_object("a;b ü%");
        assert_eq!((other.object(), other.id(), other.token()), (Some("a;b ü%"), None, Some("My CA")));
        assert_eq!(other.to_uri().parse(), Ok(other));
        assert_eq!(uri.to_string(), "the key \"people\" with the id 01ab in the token \"My CA\"");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, found) in [
            ("file:/x", "another scheme"),
            ("pkcs11:token=a?module-path=/x.so", "neither object nor id"),
            ("pkcs11:object=a", "no absolute module-path"),
            ("pkcs11:object=a?module-path=x.so", "no absolute module-path"),
            ("pkcs11:object=a;object=b?module-path=/x.so", "object twice"),
            ("pkcs11:object=a;model=b?module-path=/x.so", "\"model\""),
            ("pkcs11:object=a;type=public?module-path=/x.so", "\"type\""),
            ("pkcs11:object=a?module-path=/x.so&pin-value=1234", "a PIN in the URI"),
            ("pkcs11:object=%f?module-path=/x.so", "two digits"),
            ("pkcs11:object=%+1?module-path=/x.so", "two digits"),
            ("pkcs11:object=%ff?module-path=/x.so", "no UTF-8"),
            ("pkcs11:object=a?module-path=/x.so&pin-source=|cat", "another pin-source"),
            ("pkcs11:object", "without ="),
        ] {
            let error = text.parse::<TokenUri>().unwrap_err().to_string();
            assert!(error.contains(found) && !error.contains("1234"), "{text}: {error}");
        }
        assert!(format!("pkcs11:object={}?module-path=/x.so", "a".repeat(MAX_BYTES)).parse::<TokenUri>().is_err());
    }
}
