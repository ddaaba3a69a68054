//! Renewal information (RFC 9773).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::certificate::Certificate;
use serde::Deserialize;

use super::client::{AcmeError, parse};
use super::messages::Directory;
use crate::https;

/// When the authority wants a certificate renewed, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before this.
    pub start: u64,
    /// Not after this.
    pub end: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Suggested,
}

#[derive(Deserialize)]
struct Suggested {
    start: String,
    end: String,
}

/// The identifier of a certificate (section 4.1), as a new order names what it replaces. `None` if it does not say which
/// key signed it.
pub fn certificate_id(certificate: &Certificate) -> Option<String> {
    let key_id = certificate.tbs().authority_key_id()?;
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(key_id), URL_SAFE_NO_PAD.encode(serial(certificate.tbs().serial()))))
}

/// The octets of the serial number as DER has them: with a zero before a first one whose top bit is set.
fn serial(number: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
    if octets.first().is_none_or(|first| first & 0x80 != 0) {
        octets.insert(0, 0);
    }
    octets
}

/// Asks the authority with this directory object for the window of a certificate; `None` if it has no such service.
pub async fn renewal_window(
    http: &reqwest::Client,
    directory_url: &str,
    id: &str,
) -> Result<Option<Window>, AcmeError> {
    let body = https::body(directory_url, https::get(http, directory_url).await?).await?;
    let directory: Directory = parse(directory_url, "a directory object", &body)?;
    let Some(base) = directory.renewal_info else { return Ok(None) };
    let url = format!("{base}/{id}");
    let body = https::body(&url, https::get(http, &url).await?).await?;
    let asked = parse::<RenewalInfo>(&url, "renewal information", &body)?.suggested_window;
    let window = Window { start: seconds(&url, &asked.start)?, end: seconds(&url, &asked.end)? };
    // Section 4.2: a window that ends before it begins is none.
    Ok(Some(window).filter(|window| window.start <= window.end))
}

/// An RFC 3339 time in seconds since 1970.
fn seconds(url: &str, text: &str) -> Result<u64, AcmeError> {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_second()).ok()).ok_or_else(|| AcmeError::Protocol {
        url: url.to_owned(),
        expected: "an RFC 3339 time",
        found: text.chars().take(80).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_spelt_as_in_der() {
        // RFC 9773 section 4.1: 00 87 65 43 21 with its leading zero.
        for number in [&[0x87, 0x65, 0x43, 0x21][..], &[0, 0x87, 0x65, 0x43, 0x21]] {
            assert_eq!(URL_SAFE_NO_PAD.encode(serial(number)), "AIdlQyE");
        }
        assert_eq!(serial(&[0x40, 1]), [0x40, 1]);
    }
}
