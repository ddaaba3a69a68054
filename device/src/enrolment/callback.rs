//! The browser's way back: one request to a port of this computer, read and answered with as little as it takes.

use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// No request is read further (bytes).
const MAX_REQUEST: usize = 16 * 1024;
/// How long a connection may take: browsers open some that they do not use.
const CONNECTION: Duration = Duration::from_secs(5);

/// What the issuer answered through the browser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A code.
    Code(Zeroizing<String>),
    /// A refusal (RFC 6749 section 4.1.2.1).
    Denied(String),
}

/// Waits for the answer that carries `state`. Whatever else comes is told so and does not count: other programs on this
/// computer can reach the port too.
pub(super) async fn await_answer(
    listener: &TcpListener,
    state: &str,
    issuer: &str,
) -> std::io::Result<Result<Zeroizing<String>, String>> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Ok(Some(head)) = timeout(CONNECTION, request(&mut stream)).await else { continue };
        let answer = read(&head, state, issuer);
        let (status, text) = match &answer {
            Some(Answer::Code(_)) => ("200 OK", "You are logged in. Close this window and go back to your terminal."),
            Some(Answer::Denied(_)) => {
                ("200 OK", "You were not let in. Close this window and go back to your terminal.")
            }
            None => ("404 Not Found", "There is nothing here."),
        };
        let _ = timeout(CONNECTION, respond(&mut stream, status, text)).await;
        match answer {
            Some(Answer::Code(code)) => return Ok(Ok(code)),
            Some(Answer::Denied(reason)) => return Ok(Err(reason)),
            None => {}
        }
    }
}

/// The head of a request; none if there is no whole one.
async fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while head.len() < MAX_REQUEST {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        head.extend_from_slice(&chunk[..count]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Some(head);
        }
    }
    None
}

async fn respond(stream: &mut TcpStream, status: &str, text: &str) -> std::io::Result<()> {
    let page = format!("<!DOCTYPE html><html lang=\"en\"><title>In Person</title><p>{text}</p></html>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Content-Security-Policy: default-src 'none'\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}

/// What a request says. None if it is another one, or not for this log-in, or from another issuer (RFC 9207).
pub(super) fn read(head: &[u8], state: &str, issuer: &str) -> Option<Answer> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let url = reqwest::Url::parse("http://127.0.0.1").ok()?.join(target).ok()?;
    if url.path() != "/callback" || url.host_str() != Some("127.0.0.1") {
        return None;
    }
    let value = |name: &str| {
        let mut found = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        // Twice the same parameter is an answer to nobody (RFC 6749 section 3.1).
        found.next().filter(|_| found.next().is_none())
    };
    let ours = value("state").is_some_and(|found| bool::from(found.as_bytes().ct_eq(state.as_bytes())));
    if !ours || value("iss").is_some_and(|found| found != issuer) {
        return None;
    }
    if let Some(error) = value("error") {
        let said = value("error_description").map_or_else(|| error.clone(), |text| format!("{text} ({error})"));
        return Some(Answer::Denied(said.chars().filter(|c| !c.is_control()).take(200).collect()));
    }
    value("code").filter(|code| !code.is_empty()).map(|code| Answer::Code(Zeroizing::new(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(target: &str) -> Option<Answer> {
        read(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes(), "s t", "https://login.example.org")
    }

    #[test]
    fn only_the_answer_to_this_log_in_counts() {
        let code = |text: &str| Some(Answer::Code(Zeroizing::new(text.to_owned())));
        assert_eq!(answer("/callback?code=a%2Bb&state=s+t"), code("a+b"));
        assert_eq!(answer("/callback?code=a&state=s%20t&iss=https%3A%2F%2Flogin.example.org"), code("a"));
        let denied = answer("/callback?error=access_denied&error_description=no%0Away&state=s+t");
        assert_eq!(denied, Some(Answer::Denied("noway (access_denied)".into())));
        for nothing in [
            "/",
            "/favicon.ico",
            "/callback",
            "/callback?code=a",
            "/callback?code=a&state=other",
            "/callback?code=&state=s+t",
            "/callback?code=a&code=b&state=s+t",
            "/callback?code=a&state=s+t&state=s+t",
            "/callback?code=a&state=s+t&iss=https%3A%2F%2Fevil.example",
            "http://evil.example/callback?code=a&state=s+t",
            "//evil.example/callback?code=a&state=s+t",
        ] {
            assert_eq!(answer(nothing), None, "{nothing}");
        }
        assert_eq!(read(b"POST /callback?code=a&state=s HTTP/1.1", "s", ""), None);
        assert_eq!(read(b"\xff\xfe", "s", ""), None);
    }
}
