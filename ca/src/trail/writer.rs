//! The one thread that writes the trail: what waits is written together, and one `fsync` pays for all of it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{AuditRecord, BEGUN, Head, MAX_RECORD_BYTES, Pending, TrailError};
use crate::config::Clock;
use crate::spent::Work;

/// At most so many records share an `fsync`.
const MAX_GROUP: usize = 256;
/// What nobody waits for may come so much later to the disk, with what comes after it.
const LATER: Duration = Duration::from_millis(20);

pub(super) struct Writer {
    file: File,
    path: PathBuf,
    /// Bytes of whole records.
    length: u64,
    head: Head,
    /// What no other trail begins with, should this one be empty.
    unique: [u8; 16],
}

impl Writer {
    /// The writer, and how many bytes of a torn last line were cut off.
    pub(super) fn open(path: &Path, unique: [u8; 16]) -> Result<(Self, u64), TrailError> {
        let io = |error: std::io::Error| TrailError::io(path, &error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(io)?;
        let all = file.metadata().map_err(io)?.len();
        let tail = tail(&mut file, all).map_err(io)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = (tail.len() - whole) as u64;
        if torn > 0 {
            file.set_len(all - torn).and_then(|()| file.sync_all()).map_err(io)?;
        }
        let mut writer = Self { file, path: path.into(), length: all - torn, head: Head::default(), unique };
        let lines = &tail[..whole.saturating_sub(1)];
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if !last.is_empty() {
            let record: AuditRecord = serde_json::from_slice(last).map_err(|error| TrailError::Broken {
                line: 0,
                expected: "a whole record at the end".into(),
                found: error.to_string(),
            })?;
            let trail = Sha256::digest(first(&mut writer.file).map_err(io)?).into();
            writer.head = Head { count: record.n, hash: Sha256::digest(last).into(), trail };
        }
        Ok((writer, torn))
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Writes until nobody records any more.
    pub(super) fn run(
        mut self,
        receive: &mpsc::Receiver<Pending>,
        shared: &Mutex<Head>,
        failing: &AtomicBool,
        clock: &Clock,
    ) {
        while let Ok(first) = receive.recv() {
            let group = gather(first, receive);
            let result = self.write(&group, clock().as_secs());
            failing.store(result.is_err(), Ordering::Relaxed);
            if let Err(error) = &result {
                tracing::error!(%error, "decisions could not be recorded");
            }
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = self.head;
            for written in group.into_iter().filter_map(|pending| pending.written) {
                let _ = written.send(result.clone());
            }
        }
    }

    /// All or none: what a failed write left is cut off.
    fn write(&mut self, group: &[Pending], at: u64) -> Result<(), TrailError> {
        let mut head = self.head;
        let mut bytes = Vec::new();
        let begun = (head.count == 0).then(|| (BEGUN, json!({"random": hex::encode(self.unique)})));
        for (what, of) in begun.into_iter().chain(group.iter().map(|pending| (pending.what, pending.of.clone()))) {
            let record = AuditRecord { n: head.count + 1, at, what: what.into(), of, prev: hex::encode(head.hash) };
            let line = serde_json::to_vec(&record).expect("strings and numbers can be written as JSON");
            debug_assert!(line.len() <= MAX_RECORD_BYTES, "records are short");
            head = head.then(&line);
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        let written = Work::Trail.time(|| self.file.write_all(&bytes).and_then(|()| self.file.sync_data()));
        if let Err(error) = written {
            let _ = self.file.set_len(self.length);
            return Err(TrailError::io(&self.path, &error));
        }
        self.length += bytes.len() as u64;
        self.head = head;
        Ok(())
    }
}

/// What is written together. Nothing is held back for which somebody waits.
fn gather(first: Pending, receive: &mpsc::Receiver<Pending>) -> Vec<Pending> {
    let until = Instant::now() + LATER;
    let mut awaited = first.written.is_some();
    let mut group = vec![first];
    while group.len() < MAX_GROUP {
        let pause = if awaited { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) };
        match receive.recv_timeout(pause) {
            Ok(next) => {
                awaited |= next.written.is_some();
                group.push(next);
            }
            Err(_nothing) => break,
        }
    }
    group
}

/// The first line, without its end.
fn first(file: &mut File) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    BufReader::new(file.take(MAX_RECORD_BYTES as u64 + 1)).read_until(b'\n', &mut line)?;
    line.pop_if(|byte| *byte == b'\n');
    Ok(line)
}

/// The end of the file, long enough for a torn line and a whole one.
fn tail(file: &mut File, all: u64) -> std::io::Result<Vec<u8>> {
    let from = all.saturating_sub(2 * MAX_RECORD_BYTES as u64 + 2);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(all - from).read_to_end(&mut bytes)?;
    Ok(bytes)
}
