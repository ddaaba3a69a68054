//! Lines on standard input: bounded, and the one that is too long ends nothing.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc;

/// The longest line that is read, in bytes: a longest text with every byte escaped (`\u0000`), and room for the rest.
pub(crate) const MAX_LINE_BYTES: usize = 6 * messenger_engine::MAX_TEXT_BYTES + 4096;

/// A line as read: its bytes, or how long it was if it was too long.
pub(crate) type Line = Result<Vec<u8>, usize>;

/// The lines of standard input from now on. It is read once in a program: what was read ahead belongs to who asked first.
pub(crate) fn typed() -> mpsc::Receiver<Line> {
    let (lines, typed) = mpsc::channel(16);
    tokio::spawn(read_lines(tokio::io::stdin(), lines));
    typed
}

/// Reads lines until the end of the input; ends the channel there.
pub(crate) async fn read_lines(input: impl AsyncRead + Unpin, lines: mpsc::Sender<Line>) {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    let mut skipped = 0;
    loop {
        let Ok(part) = input.fill_buf().await else { return };
        if part.is_empty() {
            break;
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(part.len(), |end| end + 1);
        let new = &part[..end.unwrap_or(part.len())];
        if skipped > 0 || line.len() + new.len() > MAX_LINE_BYTES {
            skipped += line.len() + new.len();
            line.clear();
        } else {
            line.extend_from_slice(new);
        }
        input.consume(taken);
        if end.is_some() {
            let read = if skipped > 0 { Err(std::mem::take(&mut skipped)) } else { Ok(std::mem::take(&mut line)) };
            if lines.send(read).await.is_err() {
                return;
            }
        }
    }
    if !line.is_empty() {
        let _ = lines.send(Ok(line)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_lines_of_any_length_and_goes_on() {
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        let input = format!("one\r\n{long}\n\nlast");
        let (lines, mut read) = mpsc::channel(16);
        read_lines(input.as_bytes(), lines).await;
        assert_eq!(read.recv().await, Some(Ok(b"one\r".to_vec())));
        assert_eq!(read.recv().await, Some(Err(long.len())));
        assert_eq!(read.recv().await, Some(Ok(Vec::new())));
        assert_eq!(read.recv().await, Some(Ok(b"last".to_vec())));
        assert_eq!(read.recv().await, None);
    }
}
