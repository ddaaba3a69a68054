use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::tests::letter;
use super::*;
use crate::code::Code;

#[test]
fn encryption_and_port_follow_the_url() {
    for (url, encryption, host, port) in [
        ("smtps://mail.example.org", Encryption::Tls, "mail.example.org", 465),
        ("smtp://mail.example.org", Encryption::StartTls, "mail.example.org", 587),
        ("smtp://alice:secret@mail.example.org:2587", Encryption::StartTls, "mail.example.org", 2587),
        ("smtp://127.0.0.1:2525?tls=required", Encryption::StartTls, "127.0.0.1", 2525),
        ("smtp://mail.example.org?tls=none", Encryption::None, "mail.example.org", 25),
        ("smtp://127.0.0.1", Encryption::None, "127.0.0.1", 25),
        ("smtp://localhost:2525", Encryption::None, "localhost", 2525),
        ("smtp://[::1]:2525", Encryption::None, "::1", 2525),
        ("smtp://[::1]", Encryption::None, "::1", 25),
    ] {
        let smtp = Smtp::open(url, None).unwrap();
        assert_eq!((smtp.encryption, smtp.host.as_str(), smtp.port), (encryption, host, port), "{url}");
    }
    for url in [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://x?tls=opportunistic",
        "smtp://x?tls=none&x=y",
        "smtp://alice@mail.example.org",
        "smtp://mail.example.org:0",
    ] {
        assert!(Smtp::open(url, None).is_err(), "{url}");
    }
}

#[test]
fn a_name_and_a_password_may_be_encoded() {
    let smtp = Smtp::open("smtps://ca%40example.org:correct%20h%3Arse@mail.example.org", None).unwrap();
    let expected = Credentials::new("ca@example.org".into(), "correct h:rse".into());
    assert_eq!(smtp.credentials, Some(expected));
    assert_eq!(Smtp::open("smtps://mail.example.org", None).unwrap().credentials, None);
}

/// A mail server that says nothing to this command, nor to anything after it; none means that it does not even greet. Tells
/// when it has begun to be silent.
async fn tarpit(silent_at: Option<&'static str>) -> (String, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://ca:wrong@{}", listener.local_addr().unwrap());
    let begun = Arc::new(Notify::new());
    let silent = Arc::clone(&begun);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let silent = Arc::clone(&silent);
            tokio::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                if let Some(silent_at) = silent_at {
                    writer.write_all(b"220 test\r\n").await.unwrap();
                    while let Ok(Some(line)) = lines.next_line().await {
                        match line.split([' ', ':']).next().unwrap_or_default() {
                            command if command == silent_at => break,
                            "EHLO" => writer.write_all(b"250-test\r\n250 AUTH PLAIN\r\n").await.unwrap(),
                            "DATA" => writer.write_all(b"354 go on\r\n").await.unwrap(),
                            _ => writer.write_all(b"250 fine\r\n").await.unwrap(),
                        }
                    }
                }
                silent.notify_one();
                // The connection stays open.
                while let Ok(Some(_)) = lines.next_line().await {}
            });
        }
    });
    (url, begun)
}

#[tokio::test]
async fn a_mail_server_that_is_silent_is_given_up_whatever_it_is_silent_to() {
    for (silent_at, named) in [
        (None, "the connection"),
        (Some("EHLO"), "the connection"),
        (Some("AUTH"), "the name and the password"),
        (Some("MAIL"), "the mail"),
        (Some("RCPT"), "the mail"),
        (Some("DATA"), "the mail"),
    ] {
        let (url, silent) = tarpit(silent_at).await;
        let smtp = Smtp::open(&url, None).unwrap();
        let sending = tokio::spawn(async move { smtp.send(letter("alice@example.org", &Code::new([1; 15]))).await });
        silent.notified().await;
        // From here on nothing but time can end it.
        tokio::time::pause();
        tokio::time::advance(MAIL + Duration::from_secs(1)).await;
        let error = sending.await.unwrap().unwrap_err();
        tokio::time::resume();
        assert!(matches!(&error, MailError::Unreachable(why) if why.contains(named)), "{silent_at:?}: {error}");
        assert!(!error.to_string().contains("wrong@"), "{error}");
    }
}

/// Of a server in plain text, and of one that is not there.
#[tokio::test]
async fn what_is_wrong_with_a_mail_server_is_told_with_its_place_and_what_to_try() {
    let (plain, _) = tarpit(Some("never")).await;
    let plain = plain.replace("smtp://ca:wrong@", "");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    for (url, place, told) in [
        (format!("smtps://{plain}"), &plain, "expected TLS from the first byte, found none"),
        (format!("smtp://{plain}?tls=required"), &plain, "it offers no STARTTLS"),
        (format!("smtp://{closed}"), &closed, "nobody listens there"),
    ] {
        let error = Smtp::open(&url, None).unwrap().check(&sender()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{place}: {told}")), "{url}: {error}");
    }
}

#[test]
fn certificates_for_the_mail_server_are_read_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    let open = || Smtp::open("smtps://mail.example.org", Some(&roots));
    assert!(matches!(open().map(|_| ()), Err(MailError::Config { .. })), "no file");
    std::fs::write(&roots, "nothing").unwrap();
    assert!(matches!(open().map(|_| ()), Err(MailError::Config { found, .. }) if found.contains("found none")));
}

fn sender() -> Address {
    "ca@example.org".parse().unwrap()
}

#[tokio::test]
async fn a_check_tells_without_a_mail_whether_the_server_would_take_one() {
    let (url, silent) = tarpit(Some("AUTH")).await;
    let smtp = Smtp::open(&url, None).unwrap();
    let checking = tokio::spawn(async move { smtp.check(&sender()).await });
    silent.notified().await;
    tokio::time::pause();
    tokio::time::advance(STEP + Duration::from_secs(1)).await;
    let error = checking.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("look at them"), "{error}");
    tokio::time::resume();
    let (url, _) = tarpit(Some("never")).await;
    Smtp::open(&url, None).unwrap().check(&sender()).await.unwrap();
}

/// Else the kernel holds the line that ends a mail back until the server has acknowledged the rest.
#[tokio::test]
async fn nothing_is_held_back_on_the_way_to_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for scheme in ["smtp", "smtps"] {
        let smtp = Smtp::open(&format!("{scheme}://{}", listener.local_addr().unwrap()), None).unwrap();
        assert!(smtp.reach().await.unwrap().nodelay().unwrap(), "{scheme}");
    }
}
