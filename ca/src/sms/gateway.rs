//! A gateway that is asked over HTTP.

use std::path::Path;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};

use super::secrets::Secrets;
use super::template::{ReceiptShape, Template, Values};
use super::{SmsError, Text};
use crate::web;

/// The providers that are known, and what they want.
const PRESETS: [(&str, &str); 8] = [
    ("bird", include_str!("presets/bird.toml")),
    ("infobip", include_str!("presets/infobip.toml")),
    ("kannel", include_str!("presets/kannel.toml")),
    ("plivo", include_str!("presets/plivo.toml")),
    ("seven", include_str!("presets/seven.toml")),
    ("sinch", include_str!("presets/sinch.toml")),
    ("twilio", include_str!("presets/twilio.toml")),
    ("vonage", include_str!("presets/vonage.toml")),
];

/// The names of the providers that are known.
pub(crate) fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// What a provider that is known wants.
pub(crate) fn preset(name: &str) -> Option<Template> {
    let (_, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
    toml::from_str(text).ok()
}

/// A gateway, as the operator configured it.
#[derive(Clone, Debug)]
pub struct HttpGateway {
    /// What it wants to be asked.
    pub template: Template,
    /// What `{url}` stands for.
    pub url: String,
    /// Who the messages are from.
    pub sender: String,
    /// What it knows us by.
    pub secrets: Secrets,
    /// The authorities by which its certificate is verified; the web's if none.
    pub roots: Option<std::path::PathBuf>,
}

/// An open one.
pub(crate) struct Gateway {
    client: Client,
    config: HttpGateway,
}

impl Gateway {
    /// Refuses what could never be sent.
    pub(super) fn open(config: &HttpGateway) -> Result<Self, SmsError> {
        let client = web::client(config.roots.as_deref().map(Path::new))?;
        let gateway = Self { client, config: config.clone() };
        drop(gateway.request("+0", "", "https://localhost")?);
        Ok(gateway)
    }

    pub(super) fn receipt(&self) -> Option<&ReceiptShape> {
        self.config.template.receipt.as_ref()
    }

    /// Hands the message over; when it answers, the gateway has taken it.
    pub(super) async fn send(&self, text: &Text, receipt: &str) -> Result<(), SmsError> {
        let (request, host) = self.request(text.to.as_str(), &text.body, receipt)?;
        let answer = web::send(request, &host).await?;
        let accepted = self.config.template.accepted.as_ref();
        match answer.status {
            status if status.is_success() && accepted.is_none_or(|expected| expected.holds(&answer.body)) => Ok(()),
            // Said about us or about the moment: whoever asks may know.
            StatusCode::UNAUTHORIZED
            | StatusCode::PAYMENT_REQUIRED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::TOO_MANY_REQUESTS => Err(SmsError::Unaccepted { host, status: answer.status.as_u16() }),
            status if status.is_redirection() || status.is_server_error() => {
                Err(SmsError::Unaccepted { host, status: status.as_u16() })
            }
            // Whatever else it says may be about the number, and is for the operator alone.
            status => {
                tracing::warn!(host, status = status.as_u16(), "the gateway refuses a message");
                Err(SmsError::Refused)
            }
        }
    }

    fn request(&self, to: &str, text: &str, receipt: &str) -> Result<(reqwest::RequestBuilder, String), SmsError> {
        let config = &self.config;
        let values = Values { to, from: &config.sender, text, receipt, url: &config.url, secrets: &config.secrets };
        let filled = config.template.fill(&values)?;
        let url = web::url(&filled.url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = if filled.get { self.client.get(url) } else { self.client.post(url) };
        for (name, value) in &filled.headers {
            let mut value =
                reqwest::header::HeaderValue::from_str(value).map_err(|_| SmsError::Header(name.clone()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        if let Some((name, password)) = &filled.basic {
            request = request.basic_auth(name.as_str(), Some(password.as_str()));
        }
        if let Some((kind, body)) = filled.body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        Ok((request.timeout(Duration::from_secs(20)), host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_can_be_filled() {
        let secrets = "account = a\ntoken = t\nkey = k\nsecret = s\nregion = eu\nplan = p\nhost = api.example.org\n\
                       username = u\npassword = p\n";
        for name in presets() {
            let template = preset(name).unwrap_or_else(|| panic!("{name} is no template"));
            let config = HttpGateway {
                template,
                url: "http://127.0.0.1:13013".into(),
                sender: "In Person".into(),
                secrets: Secrets::parse(secrets).unwrap(),
                roots: None,
            };
            Gateway::open(&config).map(|_| ()).unwrap_or_else(|e| panic!("{name}: {e}"));
            let Err(error) = Gateway::open(&HttpGateway { secrets: Secrets::default(), ..config }) else {
                panic!("{name} needs secrets")
            };
            assert!(matches!(error, SmsError::Template(_)), "{name}: {error}");
        }
        assert!(preset("nobody").is_none());
    }
}
