//! Names and values that a gateway knows us by, from a file of their own: a line each, `name = value`.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// No file of secrets is longer (bytes).
const MAX_BYTES: usize = 16 * 1024;

/// The secrets of one gateway. `Debug` shows their names alone.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Zeroizing<String>>);

/// Why a file of secrets cannot be read. Nothing of a value is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}")]
pub struct SecretsError {
    line: usize,
    expected: &'static str,
}

impl Secrets {
    /// Reads the text of a file. Empty lines and those that begin with `#` do not count.
    ///
    /// # Errors
    /// A line that is no `name = value`, or a text that is too long.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        if text.len() > MAX_BYTES {
            return Err(SecretsError { line: 1, expected: "at most 16 KiB" });
        }
        let mut secrets = BTreeMap::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let wrong = |expected| SecretsError { line, expected };
            let (name, value) = content.split_once('=').ok_or_else(|| wrong("name = value"))?;
            let (name, value) = (name.trim(), value.trim());
            let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(wrong("a name of letters, digits, _ and -"));
            }
            // Header values and SMPP fields are made of them.
            if value.is_empty() || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                return Err(wrong("a value of printable ASCII"));
            }
            if secrets.insert(name.to_owned(), Zeroizing::new(value.to_owned())).is_some() {
                return Err(wrong("each name once"));
            }
        }
        Ok(Self(secrets))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_not_shown() {
        let secrets = Secrets::parse("# of the gateway\n\naccount = AC12\ntoken=s3cret = x\n").unwrap();
        assert_eq!((secrets.get("account"), secrets.get("token")), (Some("AC12"), Some("s3cret = x")));
        assert_eq!(format!("{secrets:?}"), r#"["account", "token"]"#);
        for wrong in ["token", "= x", "a b = c", "a =", "a = b\na = c", "a = \u{fc}", &"#".repeat(MAX_BYTES + 1)] {
            let error = Secrets::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains('\u{fc}') && error.starts_with("line "), "{error}");
        }
    }
}
