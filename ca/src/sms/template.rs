//! The request that a gateway wants, as a template: what differs from one provider to the next, as data.
//!
//! Names and values are given one by one, never as a text to be pasted together: whatever a placeholder is replaced by is
//! encoded for the place where it stands, so that no number and no secret can change the request's shape.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use zeroize::Zeroizing;

use super::secrets::Secrets;

/// One provider's request. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Where it goes. May begin with `{url}`.
    pub url: String,
    /// `GET` instead of `POST`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub get: bool,
    /// Name and password of HTTP's basic authentication (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<[String; 2]>,
    /// What an answer with a status of success must say besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Expected>,
    /// How the provider reports what became of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptShape>,
    /// Further headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Parameters of the URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// A body of `application/x-www-form-urlencoded`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, String>,
    /// A body of JSON. Placeholders in its texts are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

/// A value in an answer: at a JSON pointer (RFC 6901), or how the text begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Where in a JSON answer; without it, the answer is plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What stands there, or how the text begins.
    pub is: String,
}

/// How a provider calls back: which parameter or JSON pointer says what became of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptShape {
    /// Name of a parameter (in the URL or in a form), or a JSON pointer that begins with `/`.
    pub at: String,
    /// Values that mean it arrived.
    pub delivered: Vec<String>,
    /// Values that mean it never will.
    pub failed: Vec<String>,
}

/// What a template is filled with.
pub(crate) struct Values<'a> {
    /// `+4915112345678`.
    pub(crate) to: &'a str,
    /// The sender's name or number.
    pub(crate) from: &'a str,
    /// The message.
    pub(crate) text: &'a str,
    /// Where the provider reports.
    pub(crate) receipt: &'a str,
    /// The base URL that the operator set.
    pub(crate) url: &'a str,
    pub(crate) secrets: &'a Secrets,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A placeholder that is none.
    #[error(
        "expected one of {{to}}, {{digits}}, {{from}}, {{text}}, {{receipt}}, {{url}} and {{secret.NAME}}, found {{{0}}}"
    )]
    Placeholder(String),
    /// A brace that is not closed, or closes nothing.
    #[error("expected every brace to belong to a placeholder (a literal one is doubled), found a single {0}")]
    Brace(char),
    /// A secret that the file of secrets does not have.
    #[error("expected the secret {0} in the file of secrets, found none")]
    Secret(String),
    /// A body of two kinds, or one where there can be none.
    #[error("expected {expected}, found {found}")]
    Body {
        /// What is possible.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
}

/// A request, ready to be sent. It holds secrets and the code.
pub(crate) struct Filled {
    pub(crate) get: bool,
    pub(crate) url: Zeroizing<String>,
    pub(crate) headers: Vec<(String, Zeroizing<String>)>,
    pub(crate) basic: Option<(Zeroizing<String>, Zeroizing<String>)>,
    pub(crate) body: Option<(&'static str, Zeroizing<String>)>,
}

impl Template {
    /// The request for these values.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Filled, TemplateError> {
        let mut url = expand(&self.url, values, percent)?;
        if !self.query.is_empty() {
            let separator = if url.contains('?') { '&' } else { '?' };
            url.push(separator);
            url.push_str(&pairs(&self.query, values)?);
        }
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), expand(value, values, plain)?)));
        let basic = match &self.basic {
            Some([name, password]) => Some((expand(name, values, plain)?, expand(password, values, plain)?)),
            None => None,
        };
        Ok(Filled { get: self.get, url, headers: headers.collect::<Result<_, _>>()?, basic, body: self.body(values)? })
    }

    fn body(&self, values: &Values<'_>) -> Result<Option<(&'static str, Zeroizing<String>)>, TemplateError> {
        match (&self.json, self.form.is_empty(), self.get) {
            (None, true, _) => Ok(None),
            (_, _, true) => Err(TemplateError::Body { expected: "no body in a GET", found: "form or json" }),
            (Some(_), false, _) => Err(TemplateError::Body { expected: "form or json", found: "both" }),
            (None, false, _) => Ok(Some(("application/x-www-form-urlencoded", pairs(&self.form, values)?))),
            (Some(json), true, _) => {
                let mut json = json.clone();
                replace(&mut json, values)?;
                Ok(Some(("application/json", Zeroizing::new(json.to_string()))))
            }
        }
    }
}

impl Expected {
    /// Whether an answer says what is expected.
    pub(crate) fn holds(&self, answer: &[u8]) -> bool {
        match &self.at {
            Some(pointer) => {
                let json: Value = serde_json::from_slice(answer).unwrap_or_default();
                json.pointer(pointer).and_then(text_of).is_some_and(|found| found == self.is)
            }
            None => answer.starts_with(self.is.as_bytes()),
        }
    }
}

/// A text or a number as text: providers write either.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn replace(json: &mut Value, values: &Values<'_>) -> Result<(), TemplateError> {
    match json {
        Value::String(text) => *text = expand(text, values, plain)?.to_string(),
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace(item, values))?,
        Value::Object(members) => members.values_mut().try_for_each(|member| replace(member, values))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn pairs(pairs: &BTreeMap<String, String>, values: &Values<'_>) -> Result<Zeroizing<String>, TemplateError> {
    let mut out = Zeroizing::new(String::new());
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        percent(name, &mut out);
        out.push('=');
        percent(&expand(value, values, plain)?, &mut out);
    }
    Ok(out)
}

/// Replaces the placeholders of one text; `encode` makes a value fit the place where it stands. `{url}` is a URL already.
fn expand(
    template: &str,
    values: &Values<'_>,
    encode: fn(&str, &mut String),
) -> Result<Zeroizing<String>, TemplateError> {
    let mut out = Zeroizing::new(String::with_capacity(template.len() + 64));
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let brace = if from.starts_with('{') { '{' } else { '}' };
        if from[1..].starts_with(brace) {
            out.push(brace);
            rest = &from[2..];
            continue;
        }
        let end = from.find('}').filter(|_| brace == '{').ok_or(TemplateError::Brace(brace))?;
        match &from[1..end] {
            "to" => encode(values.to, &mut out),
            "digits" => encode(values.to.trim_start_matches('+'), &mut out),
            "from" => encode(values.from, &mut out),
            "text" => encode(values.text, &mut out),
            "receipt" => encode(values.receipt, &mut out),
            "url" => out.push_str(values.url),
            name => match name.strip_prefix("secret.") {
                Some(secret) => {
                    let found = values.secrets.get(secret);
                    encode(found.ok_or_else(|| TemplateError::Secret(secret.to_owned()))?, &mut out);
                }
                None => return Err(TemplateError::Placeholder(name.chars().take(40).collect())),
            },
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn plain(value: &str, out: &mut String) {
    out.push_str(value);
}

/// RFC 3986 section 2.3: everything but unreserved characters as %XX.
fn percent(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(toml: &str) -> Result<Filled, TemplateError> {
        let secrets = Secrets::parse("key = s3cr&t\nhost = api.example.org\n").unwrap();
        let values = Values {
            to: "+4915112345678",
            from: "In Person",
            text: "a \"b\" & {to}",
            receipt: "https://ca.example/r?x",
            url: "http://127.0.0.1:1",
            secrets: &secrets,
        };
        toml::from_str::<Template>(toml).unwrap().fill(&values)
    }

    #[test]
    fn what_is_filled_in_cannot_change_the_shape() {
        let form = filled("url = \"https://{secret.host}/{secret.key}/x\"\n[form]\nTo = \"{to}\"\nBody = \"{text}\"");
        let form = form.unwrap();
        assert_eq!(*form.url, "https://api.example.org/s3cr%26t/x");
        let (kind, body) = form.body.unwrap();
        assert_eq!(kind, "application/x-www-form-urlencoded");
        assert_eq!(*body, "Body=a%20%22b%22%20%26%20%7Bto%7D&To=%2B4915112345678");
        let json = filled("url = \"https://h\"\njson = { to = [\"{digits}\"], text = \"{text}\", n = 3 }").unwrap();
        assert_eq!(*json.body.unwrap().1, r#"{"n":3,"text":"a \"b\" & {to}","to":["4915112345678"]}"#);
        let query = filled("url = \"{url}/send\"\nget = true\n[query]\ndlr = \"{receipt}?s=%d\"").unwrap();
        assert_eq!(*query.url, "http://127.0.0.1:1/send?dlr=https%3A%2F%2Fca.example%2Fr%3Fx%3Fs%3D%25d");
        let literal = filled("url = \"https://h\"\n[headers]\nA = \"{{x}} {secret.key}\"").unwrap();
        assert_eq!(*literal.headers[0].1, "{x} s3cr&t");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let refused = |toml| filled(toml).err().unwrap();
        assert_eq!(refused("url = \"https://h/{tö}\""), TemplateError::Placeholder("tö".into()));
        assert_eq!(refused("url = \"https://h/{to\""), TemplateError::Brace('{'));
        assert_eq!(refused("url = \"https://h/to}\""), TemplateError::Brace('}'));
        assert_eq!(refused("url = \"https://h/{secret.none}\""), TemplateError::Secret("none".into()));
        assert!(matches!(refused("url = \"https://h\"\nget = true\nform = { a = \"b\" }"), TemplateError::Body { .. }));
        assert!(toml::from_str::<Template>("url = \"https://h\"\nbdoy = \"x\"").is_err());
    }

    #[test]
    fn an_answer_is_looked_into() {
        let at = |at: &str, is: &str| Expected { at: Some(at.into()), is: is.into() };
        let answer = br#"{"messages":[{"status":"0"}],"n":2}"#;
        assert!(at("/messages/0/status", "0").holds(answer));
        assert!(at("/n", "2").holds(answer));
        assert!(!at("/messages/1/status", "0").holds(answer));
        assert!(!at("/n", "2").holds(b"nonsense"));
        assert!(Expected { at: None, is: "0:".into() }.holds(b"0: Accepted for delivery"));
        assert!(!Expected { at: None, is: "0:".into() }.holds(b"3: Queued"));
    }
}
