use std::time::Duration;

use identity::{Identifier, UnixTime};
use lettre::message::Mailbox;

use super::*;
use crate::code::Code;

fn letter(to: &str, code: &Code) -> Letter {
    let from: Mailbox = "In Person <ca@localhost>".parse().unwrap();
    let to = Identifier::parse(to).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
    CodeLetter {
        from: &from,
        to: &to,
        code,
        authority: "localhost",
        account: "thumbprint",
        peer: Some([192, 0, 2, 7].into()),
        now,
        lifetime: Duration::from_secs(86_400),
        tries: 5,
        message_id: "id".into(),
    }
    .compose()
    .unwrap()
}

#[tokio::test]
async fn a_mail_lands_in_new_whole_with_the_code_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(&Mailer::Outbox(folder.path().into())).unwrap();
    let code = Code::new([0x5a; 15]);
    post.send(letter("alice@example.org", &code)).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path().join("new")).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    for line in [
        "To: alice@example.org",
        "Subject: In Person: your code for alice@example.org",
        "Auto-Submitted: auto-generated",
        "Message-ID: <id@localhost>",
        "Date: Mon, 21 Sep 2026 14:13:20 +0000",
        &format!("    {}", *code.grouped()),
        "Asked from the network address 192.0.2.7",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }
}

#[test]
fn an_international_address_can_be_written_to() {
    let bytes = letter("jürgen@example.org", &Code::new([1; 15])).bytes();
    assert!(bytes.windows(15).any(|w| w == b"Auto-Submitted:"));
}

#[test]
fn encryption_follows_the_url() {
    for (url, expected) in [
        ("smtps://mail.example.org", "smtps://mail.example.org"),
        ("smtp://mail.example.org", "smtp://mail.example.org?tls=required"),
        ("smtp://alice:secret@mail.example.org:587", "smtp://alice:secret@mail.example.org:587?tls=required"),
        ("smtp://mail.example.org:25?tls=none", "smtp://mail.example.org:25"),
        ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
        ("smtp://localhost:2525", "smtp://localhost:2525"),
        ("smtp://[::1]:2525", "smtp://[::1]:2525"),
    ] {
        assert_eq!(smtp::with_encryption(url).unwrap(), expected);
    }
    for url in
        ["", "mail.example.org", "http://mail.example.org", "smtp://x?tls=opportunistic", "smtp://x?tls=none&x=y"]
    {
        assert!(smtp::with_encryption(url).is_err(), "{url}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let mailer = Mailer::Smtp("smtp://alice:secret@mail.example.org".into());
    assert!(!format!("{mailer:?}").contains("secret"));
}
