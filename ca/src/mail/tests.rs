use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use identity::{Identifier, UnixTime};
use lettre::message::Mailbox;

use super::*;
use crate::code::Code;
use crate::config::{DirectTable, Resolvers};

pub(super) fn letter(to: &str, code: &Code) -> Letter {
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
    let post = Post::open(&Mailer::Outbox(folder.path().into()), Signers::default()).unwrap();
    let code = Code::new([0x5a; 15]);
    send(&post, letter("alice@example.org", &code)).await.unwrap();
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
fn a_password_is_not_shown() {
    let mailer = Mailer::smtp("smtp://alice:secret@mail.example.org");
    assert!(!format!("{mailer:?}").contains("secret"));
}

/// How a mail server answers.
#[derive(Clone, Copy)]
struct Server {
    greeting: &'static str,
    auth: &'static str,
    mail: &'static str,
    rcpt: &'static str,
    data: &'static str,
    end: &'static str,
}

/// A server that takes everything.
const KIND: Server = Server {
    greeting: "220 test",
    auth: "235 welcome",
    mail: "250 fine",
    rcpt: "250 fine",
    data: "354 go on",
    end: "250 taken",
};

/// A mail server that answers as told. Gives back what it was told in DATA.
async fn server(says: Server) -> (String, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            writer.write_all(format!("{}\r\n", says.greeting).as_bytes()).await.unwrap();
            let (mut in_data, mut data) = (false, String::new());
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                    "." if in_data => {
                        in_data = false;
                        says.end
                    }
                    _ if in_data => {
                        data.push_str(&line);
                        data.push('\n');
                        continue;
                    }
                    "EHLO" => "250-test\r\n250 AUTH PLAIN",
                    "AUTH" => says.auth,
                    "MAIL" => says.mail,
                    "RCPT" => says.rcpt,
                    "DATA" => {
                        in_data = says.data.starts_with('3');
                        says.data
                    }
                    "QUIT" => break,
                    _ => "250 fine",
                };
                if writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                    break;
                }
            }
            if !data.is_empty() {
                return data;
            }
        }
    });
    (url, serving)
}

#[tokio::test]
async fn a_mail_goes_to_an_smtp_server() {
    let (url, serving) = server(KIND).await;
    let post = Post::open(&Mailer::smtp(url), Signers::default()).unwrap();
    let code = Code::new([0x5a; 15]);
    send(&post, letter("alice@example.org", &code)).await.unwrap();
    drop(post);
    let mail = serving.await.unwrap();
    assert!(mail.lines().any(|l| l == format!("    {}", *code.grouped())), "{mail}");
}

#[tokio::test]
async fn an_unknown_mailbox_and_an_unreachable_server_are_told_apart_without_the_address() {
    for (rcpt, refused) in [("550 no alice@example.org here", true), ("450 later, alice@example.org", false)] {
        let (url, _serving) = server(Server { rcpt, ..KIND }).await;
        let post = Post::open(&Mailer::smtp(url), Signers::default()).unwrap();
        let error = send(&post, letter("alice@example.org", &Code::new([1; 15]))).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Refused), refused, "{error}");
        assert!(!error.to_string().contains("alice"));
    }
    let post = Post::open(&Mailer::smtp("smtp://127.0.0.1:1"), Signers::default()).unwrap();
    let error = send(&post, letter("alice@example.org", &Code::new([1; 15]))).await.unwrap_err();
    assert!(matches!(error, MailError::Unreachable(_)));
}

#[tokio::test]
async fn a_server_that_refuses_the_authority_itself_refuses_no_address() {
    for says in [Server { greeting: "554 not today", ..KIND }, Server { auth: "535 wrong password", ..KIND }] {
        let (url, _serving) = server(says).await;
        let url = url.replace("smtp://", "smtp://authority:password@");
        let post = Post::open(&Mailer::smtp(url), Signers::default()).unwrap();
        let error = send(&post, letter("alice@example.org", &Code::new([1; 15]))).await.unwrap_err();
        assert!(matches!(error, MailError::Unreachable(_)), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_sender_or_the_mail_refuses_no_address() {
    for (says, told) in [
        (
            Server { mail: "553 5.7.1 Sender address rejected: not owned by user", ..KIND },
            "it refuses this authority's sender address (553 5.7.1)",
        ),
        (
            Server { rcpt: "554 5.7.1 <alice@example.org>: Relay access denied", ..KIND },
            "it refuses this authority's mail for that address (554 5.7.1); look at whether it wants a name and a password",
        ),
        (Server { rcpt: "550 relay not permitted", ..KIND }, "mail for that address (550); look"),
        (Server { data: "554 no valid recipients", ..KIND }, "it refuses this authority's mail (554)"),
        (Server { end: "550 5.7.1 alice gets no spam", ..KIND }, "it refuses this authority's mail (550 5.7.1)"),
    ] {
        let (url, _serving) = server(says).await;
        let post = Post::open(&Mailer::smtp(url), Signers::default()).unwrap();
        let error = send(&post, letter("alice@example.org", &Code::new([1; 15]))).await.unwrap_err();
        let error = error.to_string();
        assert!(error.contains(told) && !error.contains("alice"), "{error}");
    }
}

#[tokio::test]
async fn a_check_tells_of_a_sender_that_is_refused_before_anybody_waits() {
    let sender = "ca@elsewhere.example".parse().unwrap();
    for (mail, taken) in [("250 fine", true), ("553 5.7.1 not owned by user", false)] {
        let (url, _serving) = server(Server { mail, ..KIND }).await;
        let post = Post::open(&Mailer::smtp(url), Signers::default()).unwrap();
        let checked = post.check(&sender).await;
        assert_eq!(checked.is_ok(), taken, "{checked:?}");
        assert!(checked.err().is_none_or(|error| error.to_string().contains("sender address (553 5.7.1)")));
    }
}

/// As it is done for who waits for a code.
async fn send(post: &Post, letter: Letter) -> Result<(), MailError> {
    let busy = || MailError::Busy("its domain".into());
    let leave = post.turn(&letter, None).await.map_err(|_| busy())?.come().await;
    post.send(letter, &leave.ok_or_else(busy)?).await
}

/// What a future says when it is asked once.
async fn at_once<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(said) => Poll::Ready(Some(said)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A domain of which its name server says nothing, for as long as the test runs.
#[tokio::test]
async fn codes_that_fill_a_domain_keep_no_announcement_from_it() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let direct = DirectMail {
        delivery: DirectTable::default().delivery("ca.example", folder.path()),
        resolvers: Resolvers { servers: vec![silent.local_addr().unwrap()], agree: None },
        folder: folder.path().into(),
    };
    let post = Post::open(&Mailer::Direct(Box::new(direct)), Signers::default()).unwrap();
    let to = |domain: &str| letter(&format!("alice@{domain}"), &Code::new([1; 15]));
    let mut under_way: Vec<_> = (0..8).map(|_| Box::pin(send(&post, to("slow.example")))).collect();
    for code in &mut under_way {
        assert!(at_once(code).await.is_none());
    }
    let mut waiting: Vec<_> = (0..64).map(|_| Box::pin(send(&post, to("Slow.example")))).collect();
    for code in &mut waiting {
        assert!(at_once(code).await.is_none());
    }
    let one_more = at_once(&mut Box::pin(send(&post, to("slow.example")))).await;
    assert!(matches!(one_more, Some(Err(MailError::Busy(_)))), "{one_more:?}");
    assert!(at_once(&mut Box::pin(send(&post, to("other.example")))).await.is_none());
    let mut announcements: Vec<_> = (0..8).map(|_| Box::pin(post.announce(to("slow.example")))).collect();
    for announcement in &mut announcements {
        assert!(at_once(announcement).await.is_none(), "it is on its way");
    }
    let ninth = at_once(&mut Box::pin(post.announce(to("slow.example")))).await;
    assert!(matches!(ninth, Some(Err(MailError::Busy(_)))), "{ninth:?}");
    drop(waiting.pop());
    assert!(at_once(&mut Box::pin(send(&post, to("slow.example")))).await.is_none(), "the line has room again");
}

#[tokio::test]
async fn a_mail_that_cannot_be_delivered_leaves_no_draft() {
    let folder = tempfile::tempdir().unwrap();
    let post = Post::open(&Mailer::Outbox(folder.path().into()), Signers::default()).unwrap();
    std::fs::remove_dir(folder.path().join("new")).unwrap();
    let error = send(&post, letter("alice@example.org", &Code::new([1; 15]))).await.unwrap_err();
    assert!(matches!(error, MailError::Outbox { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}
