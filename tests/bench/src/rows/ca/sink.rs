//! A mail server on loopback that takes every mail, and hands the code in it to whoever waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Who waits for a code, by the address that it goes to.
pub(super) struct Sink {
    pub(super) port: u16,
    waiting: Mutex<HashMap<String, oneshot::Sender<String>>>,
}

impl Sink {
    /// Listens from now on.
    pub(super) async fn open() -> Arc<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let sink = Arc::new(Self { port, waiting: Mutex::default() });
        let taking = Arc::clone(&sink);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&taking).talk(stream));
            }
        });
        sink
    }

    /// The code that comes next to this address.
    pub(super) fn code_for(&self, address: &str) -> oneshot::Receiver<String> {
        let (sender, code) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned(), sender);
        code
    }

    async fn talk(self: Arc<Self>, mut stream: TcpStream) {
        let (read, mut write) = stream.split();
        let mut lines = BufReader::new(read).lines();
        let (mut to, mut code, mut in_mail) = (String::new(), None, false);
        let _ = write.write_all(b"220 sink\r\n").await;
        while let Ok(Some(line)) = lines.next_line().await {
            if in_mail {
                if line == "." {
                    in_mail = false;
                    let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&to);
                    if let (Some(waiting), Some(code)) = (waiting, code.take()) {
                        let _ = waiting.send(code);
                    }
                    let _ = write.write_all(b"250 taken\r\n").await;
                } else if let Some(found) =
                    line.strip_prefix("    ").filter(|found| code.is_none() && found.len() == 29)
                {
                    code = Some(found.replace('-', ""));
                }
                continue;
            }
            let answer: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    b"250 ok\r\n"
                }
                "DATA" => {
                    in_mail = true;
                    b"354 go on\r\n"
                }
                "QUIT" => b"221 bye\r\n",
                _ => b"250 ok\r\n",
            };
            if write.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}
